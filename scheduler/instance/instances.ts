// All instances, and how they go from state to state: with each step every count, sum and list that goes by states. What is decided, and why,
// is its callers' matter.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "../alarm.ts";
import type { Counts } from "../counts.ts";
import type { Effects, StopReason } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { Fleet } from "../node/fleet.ts";
import type { Node } from "../node/node.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { HeldMemory } from "./held-memory.ts";
import type { IdleByWorth } from "./idle-by-worth.ts";
import { Instance, INSTANCE_PREFIX } from "./instance.ts";

interface Ports {
  readonly counts: Counts;
  readonly fleet: Fleet;
  readonly alarms: IndexedHeap<Alarm>;
  readonly idle: IdleByWorth;
  readonly held: HeldMemory;
  readonly effects: Pick<Effects<unknown>, "stopInstance">;
}

export class Instances {
  readonly #counts: Counts;
  readonly #fleet: Fleet;
  readonly #alarms: IndexedHeap<Alarm>;
  readonly #idle: IdleByWorth;
  readonly #held: HeldMemory;
  readonly #effects: Ports["effects"];
  /** By serial number: their ids are made when somebody asks. */
  readonly #bySerial = new Map<number, Instance>();
  /** Serial numbers of those that came with an id. */
  readonly #adopted = new Map<string, number>();
  #serial = 0;
  #liveMb = 0;

  constructor({ counts, fleet, alarms, idle, held, effects }: Ports) {
    this.#counts = counts;
    this.#fleet = fleet;
    this.#alarms = alarms;
    this.#idle = idle;
    this.#held = held;
    this.#effects = effects;
  }

  all(): Iterable<Instance> {
    return this.#bySerial.values();
  }

  /** INSTANCE_NOT_FOUND. */
  get(id: string): Instance {
    const serial = this.#adopted.get(id) ?? serialOf(id);
    const instance = this.#bySerial.get(serial);
    if (instance?.id !== id) throw new LocusError("INSTANCE_NOT_FOUND", `there is no instance "${id}"`);
    return instance;
  }

  /** One that ends is adopted still: until it is gone. */
  isAdopted(id: string): boolean {
    return this.#adopted.has(id);
  }

  /** Promised to all but those that drain. */
  get liveMb(): number {
    return this.#liveMb;
  }

  /** One more, `starting`. */
  start(pool: FunctionPool, node: Node, now: number): Instance {
    const instance = this.#add(null, pool, node, now);
    pool.starting++;
    pool.startingSinceSumMs += now;
    this.#counts.starting++;
    this.#counts.starts++;
    return instance;
  }

  /** One that is there already, under its own name: `busy`, without a call yet. */
  adopt(id: string, pool: FunctionPool, node: Node, now: number): Instance {
    if (this.#adopted.has(id)) throw new LocusError("REQUEST_INVALID", `instance "${id}" is known already`);
    const instance = this.#add(id, pool, node, now);
    this.#adopted.set(id, instance.serial);
    // Ours of before a restart: what starts now is named differently.
    const before = serialOf(id);
    if (before >= this.#serial) this.#serial = before + 1;
    instance.state = "busy";
    return instance;
  }

  /** `busy`, without a call yet. */
  started(instance: Instance): void {
    this.#startEnded(instance);
    instance.state = "busy";
  }

  /** From now on it holds a call, or is on lease. */
  becomeBusy(instance: Instance, now: number): void {
    const { pool } = instance;
    instance.state = "busy";
    instance.busySinceMs = now;
    instance.isCountedBusy = true;
    pool.busy++;
    this.#counts.busy++;
    pool.busySinceSumMs += now;
  }

  /** Its last call ended, whatever its state. */
  noLongerBusy(instance: Instance): void {
    if (!instance.isCountedBusy) return;
    const { pool } = instance;
    instance.isCountedBusy = false;
    pool.busy--;
    this.#counts.busy--;
    pool.busySinceSumMs = pool.busy === 0 ? 0 : pool.busySinceSumMs - instance.busySinceMs;
  }

  becomeIdle(instance: Instance, sinceMs: number): void {
    instance.state = "idle";
    instance.idleSinceMs = sinceMs;
    instance.pool.idle++;
    this.#counts.idle++;
  }

  leaveIdle(instance: Instance): void {
    instance.pool.idle--;
    this.#counts.idle--;
    this.#idle.leave(instance);
  }

  /** What it is promised of its node, where from now on it counts as heavy on the CPU if its function is. */
  resize(instance: Instance, memoryMb: number, cpus: number): void {
    const { node, pool } = instance;
    const { isCpuHeavy } = pool.need;
    if (memoryMb === instance.memoryMb && cpus === instance.cpus && isCpuHeavy === instance.isCpuHeavy) return;
    this.#liveMb += memoryMb - instance.memoryMb;
    this.#idle.resize(instance, memoryMb, cpus);
    node.resize(instance, memoryMb, cpus, isCpuHeavy);
    this.#fleet.changed(node);
  }

  /** An idle or starting one is ended at once, a busy one when its calls have ended. Nothing where it drains already, or is gone. */
  stop(instance: Instance, reason: StopReason, now: number): void {
    if (instance.state === "draining" || instance.state === "gone") return;
    this.#drain(instance, reason, now);
    this.endDrained(instance);
  }

  /** Of one that drains a call may have been the last. */
  endDrained(instance: Instance): void {
    if (instance.running === 0) this.#effects.stopInstance(instance, instance.stopReason!);
  }

  /** Whatever its state: it does not exist any more. Who holds its calls may still release it. */
  remove(instance: Instance, now: number): void {
    const { pool, node } = instance;
    if (instance.state !== "draining") this.#drain(instance, "not wanted", now);
    this.noLongerBusy(instance);
    instance.state = "gone";
    this.#counts.draining--;
    this.#bySerial.delete(instance.serial);
    if (this.#adopted.size > 0) this.#adopted.delete(instance.id);
    pool.leaves(instance);
    node.drainingMb -= instance.memoryMb;
    node.drainingCpus -= instance.cpus;
    node.remove(instance);
    if (!node.gone) this.#fleet.changed(node);
  }

  #add(name: string | null, pool: FunctionPool, node: Node, now: number): Instance {
    const share = pool.share(node);
    share.instances++;
    const instance = new Instance(this.#serial++, name, pool, share, now);
    this.#bySerial.set(instance.serial, instance);
    pool.live++;
    node.add(instance);
    this.#fleet.changed(node);
    this.#alarms.remove(node.idleAlarm);
    this.#liveMb += instance.memoryMb;
    this.#held.begins(pool.config.memoryMb, now);
    return instance;
  }

  #startEnded(instance: Instance): void {
    const { pool } = instance;
    pool.starting--;
    pool.startingSinceSumMs -= instance.createdMs;
    this.#counts.starting--;
  }

  #drain(instance: Instance, reason: StopReason, now: number): void {
    const { pool, node, state } = instance;
    if (state === "idle") this.leaveIdle(instance);
    else if (state === "starting") this.#startEnded(instance);
    pool.withdraw(instance);
    this.#idle.forget(instance);
    if (instance.hasExpiry) this.#alarms.remove(instance.expiry);
    instance.state = "draining";
    instance.stopReason = reason;
    pool.live--;
    this.#liveMb -= instance.memoryMb;
    this.#held.ends(pool.config.memoryMb, instance.createdMs, now);
    this.#counts.draining++;
    node.drainingMb += instance.memoryMb;
    node.drainingCpus += instance.cpus;
  }
}

/** NaN: no id of ours. */
const serialOf = (id: string): number =>
  id.startsWith(INSTANCE_PREFIX) ? Number(id.slice(INSTANCE_PREFIX.length)) : NaN;
