// Starts of instances: each on the node that it fits best. Those for which no node has room wait for one in turn.

import type { Alarm } from "../alarm.ts";
import type { Counts } from "../counts.ts";
import type { Effects, PlacementRule, StartReason } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { Fleet } from "../node/fleet.ts";
import type { Node, Resources } from "../node/node.ts";
import type { Room } from "../node/room.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { Instance } from "./instance.ts";
import type { Instances } from "./instances.ts";
import { StarvedPools } from "./starved-pools.ts";

/** Functions wanting a node that are looked at in one go. Chosen. */
const STARVED_PROBES = 32;

/** Where an instance starts. */
export interface Place {
  readonly node: Node;
  readonly rule: PlacementRule;
}

interface Ports {
  readonly counts: Counts;
  readonly fleet: Fleet;
  readonly alarms: IndexedHeap<Alarm>;
  readonly instances: Instances;
  readonly room: Room;
  readonly effects: Pick<Effects<unknown>, "startInstance" | "instanceFailed">;
}

export class Starts {
  readonly #ports: Ports;
  readonly #starved = new StarvedPools();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** Whether some wait for a node: nobody else's are made before them. */
  get areWaiting(): boolean {
    return !this.#starved.isEmpty;
  }

  /** Functions whose starts wait for a node. */
  starved(): readonly FunctionPool[] {
    return [...this.#starved.all()];
  }

  /** So many of a function's wait for a node from now on. */
  setUnplaced(pool: FunctionPool, count: number): void {
    this.#ports.counts.unplaced += count - pool.unplaced;
    pool.unplaced = count;
    if (count > 0) this.#starved.add(pool);
    else this.#starved.remove(pool);
  }

  /** Nothing of it waits for a node any more. */
  forget(pool: FunctionPool): void {
    this.setUnplaced(pool, 0);
    this.#starved.forget(pool);
  }

  /** Starts of it that no call waits for have found no node: they are made when one comes, if they are still wanted then. */
  wantAhead(pool: FunctionPool, now: number): void {
    this.#starved.addAhead(pool);
    this.makeRoom(now);
  }

  /** Functions that `wantAhead` was told of, which are forgotten: a node has come. */
  takeAhead(): readonly FunctionPool[] {
    return this.#starved.takeAhead();
  }

  /** Gives nodes to those that want some, one each in turn; then sees to more room where that was not enough. */
  feed(now: number, probesMax = STARVED_PROBES): void {
    const starved = this.#starved;
    let probes = 0;
    while (probes < probesMax) {
      const pool = starved.first;
      if (pool === null) break;
      const place = this.#placeFor(pool);
      if (place !== null) {
        this.#startStarved(place, pool, now);
        probes = 0;
      } else {
        if (starved.passedOver(pool)) break;
        probes++;
        if (probes >= starved.size) break;
      }
    }
    this.makeRoom(now);
  }

  /** A node has come: whatever wants one is looked at, the largest first. */
  feedFrom(node: Node, now: number): void {
    this.#starved.largestFirst(node.description);
    this.feed(now, this.#starved.size);
  }

  /** For those that have no node; and as many nodes as are to be kept ahead. */
  makeRoom(now: number): void {
    const { room } = this.#ports;
    for (let node = room.makeFor(this.#starved, now); node !== null; node = room.makeFor(this.#starved, now)) {
      this.#startStarved({ node, rule: "passed by" }, this.#starved.first!, now);
    }
  }

  /** False: no node has room. */
  start(pool: FunctionPool, why: StartReason, now: number): boolean {
    const place = this.#placeFor(pool);
    if (place === null) return false;
    this.startAt(place, pool, why, now);
    return true;
  }

  /** Its node has room. */
  startAt(place: Place, pool: FunctionPool, why: StartReason, now: number): Instance {
    const instance = this.#startAt(place, pool, why, now);
    this.makeRoom(now);
    return instance;
  }

  #startStarved(place: Place, pool: FunctionPool, now: number): void {
    this.#startAt(place, pool, "miss", now);
    this.setUnplaced(pool, pool.unplaced - 1);
    this.#starved.placed(pool);
  }

  #startAt({ node, rule }: Place, pool: FunctionPool, why: StartReason, now: number): Instance {
    const { instances, room, effects } = this.#ports;
    const instance = instances.start(pool, node, now);
    effects.startInstance(instance, why, rule);
    room.keepWithinWarmMemory(now);
    return instance;
  }

  /** It never came to be: its function's next start waits, longer each time. */
  failed(instance: Instance, why: string, now: number): void {
    this.#pause(instance, why, instance.pool.coolDown.failed(instance.createdMs, now), now);
  }

  /** It died without being asked to, or is not fit for another call. From the second in a row on its function's next start waits. */
  died(instance: Instance, why: string, now: number): void {
    this.#pause(instance, why, instance.pool.coolDown.died(instance.createdMs, now), now);
  }

  #pause(instance: Instance, why: string, untilMs: number, now: number): void {
    const { alarms, effects } = this.#ports;
    const { pool } = instance;
    if (untilMs > now) {
      this.setUnplaced(pool, 0);
      if (!pool.removed) alarms.set(pool.cooledAlarm, untilMs);
    }
    effects.instanceFailed(instance, why, Math.max(0, untilMs - now));
  }

  /**
   * For one more, of nodes of which `accepts` says so: where CPU is to spare, or, of a function that is heavy on it, where the fewest of its kind are. null:
   * none of them has so much room.
   */
  spread(
    pool: FunctionPool,
    { memoryMb, cpus }: Resources,
    near: Node | null,
    accepts: (node: Node) => boolean,
  ): Place | null {
    const { fleet } = this.#ports;
    const { isCpuHeavy } = pool.need;
    const node = isCpuHeavy ? fleet.leastHeavy(memoryMb, cpus, near, accepts) : fleet.roomiest(memoryMb, cpus, accepts);
    return node === null ? null : { node, rule: isCpuHeavy ? "fewest heavy" : "most free CPU" };
  }

  /**
   * Near whoever waits, up to an instance for each core there, but for what is heavy; then, and that in any case, where CPU is to spare. Else, and where nobody
   * said where they are, the best fit.
   */
  #placeFor(pool: FunctionPool): Place | null {
    const { fleet } = this.#ports;
    const { memoryMb, cpus, isCpuHeavy } = pool.need;
    const near = pool.queue.first?.near ?? null;
    if (near !== null) {
      const hasCore = (node: Node): boolean => pool.instancesOn(node) < node.description.cpus;
      const fitsNear = !isCpuHeavy && !near.gone && !near.draining && near.fits(memoryMb, cpus);
      if (fitsNear && hasCore(near)) return { node: near, rule: "near" };
      const place = this.spread(pool, pool.need, near, hasCore);
      if (place !== null) return place;
    }
    const node = fleet.place(memoryMb, cpus, isCpuHeavy);
    return node === null ? null : { node, rule: isCpuHeavy ? "fewest heavy" : "best fit" };
  }
}
