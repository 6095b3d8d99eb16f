// What it means for a function's instances and calls that it is declared, bounded or taken away.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "../alarm.ts";
import { functionConfig, type FunctionConfig } from "../function-config.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { FunctionPools } from "./function-pools.ts";
import type { Instances } from "./instances.ts";
import type { Leases } from "./leases.ts";
import type { Serving } from "./serving.ts";
import type { Starts } from "./starts.ts";
import type { WaitingCalls } from "./waiting-calls.ts";
import type { WarmInstances } from "./warm-instances.ts";

interface Ports<Ticket> {
  readonly pools: FunctionPools;
  readonly alarms: IndexedHeap<Alarm>;
  readonly instances: Instances;
  readonly leases: Leases;
  readonly starts: Starts;
  readonly warm: WarmInstances;
  readonly waiting: WaitingCalls<Ticket>;
  readonly serving: Serving<Ticket>;
}

export class Declaring<Ticket> {
  readonly #ports: Ports<Ticket>;

  constructor(ports: Ports<Ticket>) {
    this.#ports = ports;
  }

  declare(given: Partial<FunctionConfig> & Pick<FunctionConfig, "key" | "memoryMb">, now: number): FunctionPool {
    const { pools, warm, waiting, serving } = this.#ports;
    const config = functionConfig(given);
    const known = pools.find(config.key);
    if (known === undefined) return this.#add(config, now);
    if (known.config.memoryMb === config.memoryMb) {
      this.#configure(known, config, now);
      return known;
    }
    this.#end(known, now);
    const pool = this.#add(config, now);
    // What was said of their function is nothing that those who wait for it are to blame for.
    waiting.move(known, pool, now);
    if (pool.waiting > 0) warm.wakeToPlan(pool, now);
    serving.startForWaiting(pool, now);
    return pool;
  }

  remove(pool: FunctionPool, now: number): void {
    this.#ports.waiting.refuseAllOf(pool, takenAway(pool));
    this.#end(pool, now);
  }

  #add(config: FunctionConfig, now: number): FunctionPool {
    const { pools, warm } = this.#ports;
    const pool = pools.add(config, now);
    warm.wakeToPlan(pool, now);
    warm.keepReserved(pool, now);
    return pool;
  }

  /** Nobody finds it any more, and its instances end. */
  #end(pool: FunctionPool, now: number): void {
    const { pools, alarms, instances, leases, starts } = this.#ports;
    pools.remove(pool);
    for (const alarm of [pool.planAlarm, pool.reconsiderAlarm, pool.cooledAlarm]) alarms.remove(alarm);
    starts.forget(pool);
    pool.awaited.clear();
    for (const instance of instances.all()) {
      if (instance.pool !== pool) continue;
      if (instance.state === "idle" || instance.state === "starting") instances.stop(instance, "function is gone", now);
    }
    leases.revokeAll(pool);
    starts.feed(now);
  }

  allow(pool: FunctionPool, instancesMax: number, now: number): void {
    if (pool.removed) return;
    pool.instancesMax = Math.max(1, pool.reservedInstances, Math.min(instancesMax, pool.config.instancesMax));
    this.keepWithin(pool, now);
  }

  /** It may have another number of instances than before, or has come to have more. */
  keepWithin(pool: FunctionPool, now: number): void {
    const { starts, serving } = this.#ports;
    const wanted = Math.max(0, pool.instancesMax - pool.live);
    if (pool.unplaced > wanted) starts.setUnplaced(pool, wanted);
    if (pool.surplus > 0) this.#endSurplus(pool, now);
    else serving.startForWaiting(pool, now);
  }

  /** Of those that are revoked already the end is on its way. */
  #endSurplus(pool: FunctionPool, now: number): void {
    const { instances, leases } = this.#ports;
    const idle = Array.from(pool.offered()).filter(({ state }) => state === "idle");
    const ends = idle.toSorted((one, other) => one.idleSinceMs - other.idleSinceMs);
    if (ends.length < pool.surplus && pool.starting > 0) {
      for (const instance of instances.all()) {
        if (instance.pool !== pool || instance.state !== "starting") continue;
        if (instance !== pool.replacement) ends.push(instance);
      }
    }
    for (const instance of ends.slice(0, pool.surplus)) instances.stop(instance, "not wanted", now);
    let left = pool.surplus;
    for (const lease of pool.leases) {
      if (left-- <= 0) return;
      leases.revoke(lease);
    }
  }

  /** What it has stays, as far as it may have so many. */
  #configure(pool: FunctionPool, config: FunctionConfig, now: number): void {
    const { warm } = this.#ports;
    const isLowered = config.reservedInstances < pool.reservedInstances;
    pool.configure(config);
    if (isLowered) warm.unreserve(pool, now);
    this.keepWithin(pool, now);
    warm.keepReserved(pool, now);
  }
}

export const takenAway = ({ config }: FunctionPool): LocusError =>
  new LocusError("FUNCTION_NOT_FOUND", `function "${config.key}" was taken away`);
