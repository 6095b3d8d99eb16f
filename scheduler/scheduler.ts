// The scheduler: one state machine that owns instances and nodes. It has no timer, no promise and no clock: it is told what happened and
// when, and commands through `Effects`. Live code (live-scheduler.ts) and the simulator drive this same class.
//
// Invariants: a call waits only while no instance of its function is free; an instance that is busy holds at least one call or a lease; what
// is promised of a node never exceeds what it offers.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "./alarm.ts";
import type { Effects, StartReason, StopReason } from "./effects.ts";
import { functionConfig, type FunctionConfig } from "./function-config.ts";
import { HeapEntry, IndexedHeap } from "./indexed-heap.ts";
import { FunctionPool } from "./instance/function-pool.ts";
import { Instance, INSTANCE_PREFIX } from "./instance/instance.ts";
import { Lease } from "./instance/lease.ts";
import { Waiter } from "./instance/wait-queue.ts";
import { Fleet } from "./node/fleet.ts";
import type { Node, NodeDescription, NodeStats } from "./node/node.ts";
import type { CapacityView, FunctionPolicy, Policy } from "./policy/policy.ts";
import { SCHEDULER_DEFAULTS, type SchedulerSettings } from "./settings.ts";
import { StarvedPools } from "./instance/starved-pools.ts";

/** What a call came to, told when its instance is released. */
export interface Usage {
  readonly executionMs: number;
  /** Most that the instance used while the call ran. */
  readonly memoryMb?: number;
  /** CPU time ÷ execution time. */
  readonly cpus?: number;
  /** The instance is not to be used again. */
  readonly isBroken?: boolean;
  /** It was killed for want of memory. */
  readonly lackedMemory?: boolean;
}

/** Of an instance, since it was last told. */
export interface InstanceUse {
  /** undefined: not known. */
  readonly memoryMb?: number;
  /** CPU time ÷ time. */
  readonly cpus?: number;
}

/** What outlives a restart: JSON. */
export interface SavedScheduler {
  readonly policy: string;
  readonly common: unknown;
  readonly functions: Readonly<Record<string, SavedFunction>>;
}
interface SavedFunction {
  readonly policy: unknown;
  readonly need: readonly number[];
}

export interface Counts {
  starting: number;
  idle: number;
  busy: number;
  draining: number;
  waiting: number;
  unplaced: number;
  /** Since the beginning. */
  arrivals: number;
  starts: number;
  failedStarts: number;
  refusals: number;
}

/** Functions of which something is saved, as far as they are not known now. Chosen. */
const SAVED_MAX = 4_096;
/** Functions wanting a node that are looked at in one go. Chosen. */
const STARVED_PROBES = 32;
/** Idle instances that are looked at to make room for one start. Chosen. */
const ROOM_PROBES = 16;
/** Of a node's CPUs so much is not promised to what is there already: a small function that comes later finds room. Chosen. */
const CPUS_LEFT = 1 / 4;
/** What an instance does not use any more is taken back by so much at each look. Chosen. */
const CPU_RELEASE = 1 / 2;
/** A policy that wants to be asked at once is asked so much later: time goes on. */
const WAKE_MS_MIN = 1;

export class Scheduler<Ticket> implements CapacityView {
  readonly policy: Policy;
  readonly settings: SchedulerSettings;
  readonly fleet = new Fleet();
  readonly counts: Counts = {
    starting: 0,
    idle: 0,
    busy: 0,
    draining: 0,
    waiting: 0,
    unplaced: 0,
    arrivals: 0,
    starts: 0,
    failedStarts: 0,
    refusals: 0,
  };
  readonly #effects: Effects<Ticket>;
  readonly #alarms = new IndexedHeap<Alarm>();
  readonly #pools = new Map<string, FunctionPool>();
  /** By serial number: their ids are made when somebody asks. */
  readonly #instances = new Map<number, Instance>();
  /** Serial numbers of those that came with an id. */
  readonly #adopted = new Map<string, number>();
  /** Revoked, and not come back yet. */
  #leasesRevoked = 0;
  readonly #waiters = new Map<Ticket, Waiter<Ticket>>();
  readonly #starved = new StarvedPools();
  /** Idle instances on nodes with bounds, or where warm memory is bounded; the least worth on top. */
  readonly #idle = new IndexedHeap<Instance>();
  readonly #refill = new HeapEntry<Alarm>({ kind: "refill" });
  readonly #saved: SavedScheduler | null;
  #nowMs = -Infinity;
  #serial = 0;
  #liveMb = 0;
  /** Of configured memory: what ended, what lives, and the latter times its beginning. */
  #endedMbMs = 0;
  #configuredMb = 0;
  #configuredMbMs = 0;
  #nodesPending = 0;

  constructor(
    policy: Policy,
    effects: Effects<Ticket>,
    settings: Partial<SchedulerSettings> = {},
    saved: SavedScheduler | null = null,
  ) {
    this.policy = policy;
    policy.attach(this);
    this.#effects = effects;
    this.settings = { ...SCHEDULER_DEFAULTS, ...settings };
    // What another policy knew means nothing to this one; what functions need does.
    this.#saved = saved;
    if (saved?.policy === policy.name) policy.restore(saved.common);
  }

  // ── functions ──

  /** Again with another config: takes the place of the one before; where memory or concurrency differ, its instances are replaced. */
  declare(given: Partial<FunctionConfig> & Pick<FunctionConfig, "key" | "memoryMb">, nowMs: number): FunctionPool {
    const now = this.#advance(nowMs);
    const config = functionConfig(given);
    const known = this.#pools.get(config.key);
    if (known !== undefined) {
      const { memoryMb, concurrency } = known.config;
      if (memoryMb === config.memoryMb && concurrency === config.concurrency) {
        const isLowered = config.reservedInstances < known.reservedInstances;
        known.configure(config);
        if (isLowered) this.#unreserve(known, now);
        this.#keepReserved(known, now);
        return known;
      }
      this.remove(config.key, now);
    }
    const saved = this.#saved?.functions[config.key];
    const pool = new FunctionPool(config, this.#follow(config, now));
    if (isNeed(saved?.need)) pool.need.restore(saved.need);
    this.#pools.set(config.key, pool);
    this.#wakeToPlan(pool, now);
    this.#keepReserved(pool, now);
    return pool;
  }

  /** As it was saved; where that cannot be read, since anybody may have written it, it learns anew. */
  #follow({ key, memoryMb, concurrency }: FunctionConfig, now: number): FunctionPolicy {
    const state = this.#saved?.policy === this.policy.name ? this.#saved.functions[key]?.policy : undefined;
    try {
      return this.policy.follow({ memoryMb, concurrency }, now, state);
    } catch (error) {
      if (state === undefined) throw error;
      return this.policy.follow({ memoryMb, concurrency }, now);
    }
  }

  /** Calls that wait are refused; those that run end. */
  remove(key: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    const pool = this.pool(key);
    this.#pools.delete(key);
    pool.removed = true;
    this.#alarms.remove(pool.planAlarm);
    this.#alarms.remove(pool.reconsiderAlarm);
    this.#alarms.remove(pool.cooledAlarm);
    this.#setUnplaced(pool, 0);
    for (let waiter = pool.queue.first; waiter !== null; waiter = pool.queue.first) {
      this.#refuse(waiter as Waiter<Ticket>, new LocusError("FUNCTION_NOT_FOUND", `function "${key}" was taken away`));
    }
    for (const instance of this.#instances.values()) {
      if (instance.pool !== pool) continue;
      if (instance.state === "idle" || instance.state === "starting") this.#stop(instance, "function is gone");
    }
    for (const lease of pool.leases) this.#revoke(lease);
    this.#feed(now);
  }

  pool(key: string): FunctionPool {
    const pool = this.#pools.get(key);
    if (pool === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `the scheduler knows no function "${key}"`);
    return pool;
  }

  /**
   * How many instances it may have at once from now on, within what its config says; until it is declared again. Those above that end: idle ones, those
   * first that rest longest, then those that are starting; busy ones with their calls, for which leases are called back.
   */
  allow(pool: FunctionPool, instances: number, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (pool.removed) return;
    pool.instancesMax = Math.max(1, pool.reservedInstances, Math.min(instances, pool.config.instancesMax));
    const wanted = Math.max(0, pool.instancesMax - pool.live);
    if (pool.unplaced > wanted) this.#setUnplaced(pool, wanted);
    if (pool.surplus > 0) this.#endSurplus(pool);
    else this.#serveWaiting(pool, now);
  }

  functions(): Iterable<FunctionPool> {
    return this.#pools.values();
  }

  // ── calls ──

  /** Grants or refuses at once, or later, `deadlineMs` at the latest. `near`: where whoever asks is. */
  acquire(pool: FunctionPool, ticket: Ticket, deadlineMs: number, nowMs: number, near: Node | null = null): void {
    const now = this.#advance(nowMs);
    if (pool.removed) {
      const error = new LocusError("FUNCTION_NOT_FOUND", `function "${pool.config.key}" was taken away`);
      return this.#effects.refused(ticket, error);
    }
    this.counts.arrivals++;
    pool.policy.arrived(now);
    this.#wakeToPlan(pool, now);
    const free = (near === null ? null : pool.freeOn(near)) ?? pool.firstFree;
    if (free !== null) {
      pool.policy.waited(0, now);
      return this.#grant(free, ticket, now);
    }
    if (this.counts.waiting >= this.settings.waitingMax) {
      this.counts.refusals++;
      const text = `${this.settings.waitingMax} calls wait for an instance already`;
      return this.#effects.refused(ticket, new LocusError("OVERLOADED", text));
    }
    if (deadlineMs <= now) {
      this.counts.refusals++;
      return this.#effects.refused(ticket, deadlinePassed(pool, 0));
    }
    this.#join(pool, ticket, deadlineMs, now, near);
    this.#serveWaiting(pool, now);
  }

  /**
   * One more instance, where nobody loses anything by it: near whoever asks where there is none yet, else one that is free, or a start for which a node
   * has room now; on the node with the most CPU to spare, and where the function has fewer instances than there are cores. False: there is none,
   * and nothing has happened.
   */
  grow(pool: FunctionPool, ticket: Ticket, deadlineMs: number, nowMs: number, near: Node | null = null): boolean {
    const now = this.#advance(nowMs);
    // Not before those that wait for what is not even starting.
    if (pool.removed || pool.queue.size > pool.starting) return false;
    const { memoryMb, cpus } = pool.need;
    let node: Node | null = null;
    if (near !== null && !near.gone && !near.draining && pool.instancesOn(near) === 0 && near.fits(memoryMb, cpus)) {
      node = near;
    }
    const free = node === null ? pool.freeWhereCpuIs() : null;
    if (free === null) {
      if (pool.live + pool.unplaced >= pool.instancesMax) {
        pool.isHeldBack ||= pool.isBounded;
        return false;
      }
      if (!this.#starved.isEmpty || this.#isCooling(pool)) return false;
      node ??= this.fleet.roomiest(memoryMb, cpus, (one) => pool.instancesOn(one) < one.description.cpus);
      if (node === null || this.counts.waiting >= this.settings.waitingMax) return false;
    }
    this.counts.arrivals++;
    pool.policy.arrived(now);
    this.#wakeToPlan(pool, now);
    if (free !== null) {
      pool.policy.waited(0, now);
      this.#grant(free, ticket, now);
    } else if (node !== null) {
      this.#join(pool, ticket, deadlineMs, now, null);
      this.#startOn(node, pool, "load", now);
    }
    return true;
  }

  /** Whether it waited, and does no more. False: it was granted or refused already; a granted one is its caller's to release. */
  cancel(ticket: Ticket, nowMs: number): boolean {
    const now = this.#advance(nowMs);
    const waiter = this.#waiters.get(ticket);
    if (waiter === undefined) return false;
    this.#leave(waiter);
    this.#wantNoMore(waiter.pool);
    this.#feed(now);
    return true;
  }

  /** Nobody schedules here any more: all that wait are told so. */
  refuseAll(error: LocusError, nowMs: number): void {
    this.#advance(nowMs);
    for (const waiter of this.#waiters.values()) this.#refuse(waiter, error);
  }

  /** A call ended. REQUEST_INVALID where the instance holds none (returned twice), or a lease's holder runs it. */
  release(instance: Instance, usage: Usage, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.running === 0 || instance.lease !== null) {
      const why = instance.lease === null ? "holds no call: it was returned before" : "is on lease";
      throw new LocusError("INSTANCE_NOT_HELD", `instance "${instance.id}" ${why}`);
    }
    const { pool } = instance;
    this.#learn(pool, usage, now);
    instance.running--;
    if (instance.running === 0) this.#noLongerBusy(instance);
    if (instance.state === "gone") return;
    if (usage.memoryMb !== undefined || usage.cpus !== undefined) this.#shrink(instance);
    if (instance.state === "draining") {
      if (instance.running === 0) this.#effects.stopInstance(instance, instance.stopReason!);
    } else if (usage.isBroken === true || usage.lackedMemory === true) this.#retire(instance, "unhealthy", now);
    else this.#comeFree(instance, now);
  }

  instance(id: string): Instance {
    const serial = this.#adopted.get(id) ?? serialOf(id);
    const instance = this.#instances.get(serial);
    if (instance?.id !== id) throw new LocusError("INSTANCE_NOT_FOUND", `there is no instance "${id}"`);
    return instance;
  }

  instances(): Iterable<Instance> {
    return this.#instances.values();
  }

  // ── instances ──

  instanceStarted(instance: Instance, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state !== "starting") return;
    const { pool } = instance;
    this.#startEnded(instance);
    pool.failures = 0;
    pool.policy.started(now - instance.createdMs, now);
    instance.state = "busy";
    if (pool.replacement === instance) {
      this.#offer(instance, now, true);
      this.#replace(pool);
    } else this.#comeFree(instance, now, true);
  }

  /**
   * What an instance was seen to use lately: its function's need is learned by it, and what the instance is promised follows. Where its node
   * has no room for that and another has, one is started there in its place.
   */
  instanceUses(instance: Instance, { memoryMb = 0, cpus = 0 }: InstanceUse, nowMs: number): void {
    const now = this.#advance(nowMs);
    const { pool, node, state } = instance;
    pool.need.used(memoryMb, cpus);
    if (state !== "busy" && state !== "idle") return;
    const wantedMb = Math.max(pool.need.memoryMb, memoryMb);
    const wantedCpus = Math.max(pool.need.cpus, cpus);
    const cpusLeft = Math.max(0, node.freeCpus - node.description.cpus * CPUS_LEFT);
    const nextCpus =
      wantedCpus < instance.cpus
        ? instance.cpus - (instance.cpus - wantedCpus) * CPU_RELEASE
        : Math.min(wantedCpus, instance.cpus + cpusLeft);
    this.#resize(instance, Math.min(wantedMb, instance.memoryMb + node.freeMb), nextCpus);
    const isShort = wantedMb > instance.memoryMb || wantedCpus > instance.cpus + node.freeCpus;
    if (isShort) this.#moveElsewhere(instance, wantedMb, wantedCpus, now);
    if (!this.#starved.isEmpty) this.#feed(now);
  }

  /** It never came to be. The function's next start waits, longer each time. */
  instanceFailed(instance: Instance, why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state !== "starting") return;
    this.counts.failedStarts++;
    this.#coolDown(instance, why, now);
    this.#forget(instance);
    this.#nodeMayBeEmpty(instance.node, now);
    this.#feed(now);
  }

  /** It may not be used again, though it may hold calls. */
  instanceUnhealthy(instance: Instance, why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state === "gone" || instance.state === "draining") return;
    this.#coolDown(instance, why, now);
    this.#stop(instance, "unhealthy");
  }

  /** It does not exist any more: it was stopped, or died. */
  instanceGone(instance: Instance, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state === "gone") return;
    const wasAsked = instance.state === "draining";
    this.#forget(instance);
    this.#nodeMayBeEmpty(instance.node, now);
    if (!wasAsked && !instance.pool.removed) {
      this.#serveWaiting(instance.pool, now);
      this.#keepReserved(instance.pool, now);
    }
    this.#feed(now);
  }

  /** Ends an idle instance, or one that is busy after its calls. */
  stop(instance: Instance, nowMs: number): void {
    this.#advance(nowMs);
    if (instance.state !== "gone" && instance.state !== "draining") this.#stop(instance, "asked for");
  }

  /** One that was there before this scheduler, as its node says. It counts as idle, and stays for `keepMs` at least. */
  adopt(id: string, key: string, nodeId: string, nowMs: number, keepMs = 0): Instance {
    const now = this.#advance(nowMs);
    const [pool, node] = [this.pool(key), this.node(nodeId)];
    if (this.#adopted.has(id)) throw new LocusError("REQUEST_INVALID", `instance "${id}" is known already`);
    const instance = this.#newInstance(id, pool, node, now);
    this.#adopted.set(id, instance.serial);
    // Ours of before a restart: what starts now is named differently.
    const before = serialOf(id);
    if (before >= this.#serial) this.#serial = before + 1;
    instance.keepUntilMs = now + keepMs;
    instance.state = "busy";
    this.#offer(instance, now);
    return instance;
  }

  // ── nodes ──

  /** A node is there: one that was asked for, or one that came by itself. */
  nodeReserved(description: NodeDescription, nowMs: number): Node {
    const now = this.#advance(nowMs);
    if (this.fleet.nodes.has(description.id)) {
      throw new LocusError("REQUEST_INVALID", `node "${description.id}" is known already`);
    }
    this.#nodesPending = Math.max(0, this.#nodesPending - 1);
    const node = this.fleet.add(description);
    this.#effects.nodeNoted(node.id, "reserved", `${this.fleet.nodes.size} nodes are there`);
    this.#starved.largestFirst(node.description);
    this.#feed(now, this.#starved.size);
    this.#nodeMayBeEmpty(node, now);
    return node;
  }

  nodeRefused(why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    this.#nodesPending = Math.max(0, this.#nodesPending - 1);
    const retryInMs = this.settings.nodeRetryMs;
    this.#effects.nodeNoted("", "refused", `${why}; asked again in ${retryInMs} ms`);
    this.#alarms.set(this.#refill, now + retryInMs);
    this.#makeRoom();
  }

  /** Its instances are gone with it. */
  nodeLost(id: string, why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    this.#alarms.remove(node.idleAlarm);
    this.fleet.remove(node);
    this.#effects.nodeNoted(id, "lost", why);
    const pools = new Set<FunctionPool>();
    for (const instance of this.#instances.values()) {
      if (instance.node !== node) continue;
      pools.add(instance.pool);
      this.#forget(instance);
    }
    for (const pool of pools) {
      if (pool.removed) continue;
      this.#serveWaiting(pool, now);
      this.#keepReserved(pool, now);
    }
    this.#feed(now);
  }

  /** Takes no new instances, and is released when those it has are gone. */
  drainNode(id: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    if (node.draining) return;
    node.draining = true;
    this.fleet.changed(node);
    this.#effects.nodeNoted(id, "draining", "asked for");
    for (const instance of this.#instances.values()) {
      if (instance.node !== node) continue;
      if (instance.state === "idle" || instance.running > 0) this.#stop(instance, "node drains");
      if (instance.lease !== null) this.#revoke(instance.lease);
    }
    this.#nodeMayBeEmpty(node, now);
  }

  nodeStats(id: string, stats: NodeStats, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    node.told(stats);
    this.fleet.changed(node);
    this.#feed(now);
  }

  node(id: string): Node {
    const node = this.fleet.nodes.get(id);
    if (node === undefined) throw new LocusError("NODE_NOT_FOUND", `the scheduler knows no node "${id}"`);
    return node;
  }

  // ── leases ──

  /**
   * To `holder`, for `ttlMs`: an idle instance, or one that a call was granted, whose place the lease then takes. To the policy a lease is what a
   * call is: it arrived when it was asked for and has run when the instance comes back.
   */
  lend(instance: Instance, holder: string, ttlMs: number, nowMs: number): Lease {
    const now = this.#advance(nowMs);
    const { pool, state, running } = instance;
    const isFree = state === "idle" || (state === "busy" && running === 1);
    if (!isFree || instance.lease !== null) {
      throw new LocusError("INSTANCE_NOT_HELD", `instance "${instance.id}" is used by others: it cannot be lent`);
    }
    if (state === "idle") {
      this.#leaveIdle(instance);
      this.#becomeBusy(instance, now);
    }
    pool.withdraw(instance);
    pool.busy--;
    pool.busySinceSumMs -= instance.busySinceMs;
    pool.leased++;
    instance.running = pool.concurrency;
    const lease = new Lease(holder, instance, now + ttlMs);
    instance.lease = lease;
    pool.leases.add(lease);
    this.#alarms.set(lease.expiry, lease.expiresMs);
    return lease;
  }

  /** False: it was revoked, and ends when it ends. */
  renewLease(lease: Lease, ttlMs: number, nowMs: number): boolean {
    const now = this.#advance(nowMs);
    if (lease.revoked || lease.instance.lease !== lease) return false;
    lease.expiresMs = now + ttlMs;
    this.#alarms.set(lease.expiry, lease.expiresMs);
    return true;
  }

  /** Its holder uses it no more. Nothing where it is over already. */
  returnLease(lease: Lease, nowMs: number): void {
    const now = this.#advance(nowMs);
    const { instance } = lease;
    if (instance.lease !== lease) return;
    this.#endLease(lease, now);
    instance.running = 0;
    this.#noLongerBusy(instance);
    if (instance.state === "draining") this.#effects.stopInstance(instance, instance.stopReason!);
    else this.#comeFree(instance, now);
  }

  // ── time ──

  /** When `tick` should be called; Infinity: not before something else happens. */
  nextWakeMs(): number {
    return this.#alarms.peek()?.key ?? Infinity;
  }

  tick(nowMs: number): void {
    const now = this.#advance(nowMs);
    for (let top = this.#alarms.peek(); top !== undefined && top.key <= now; top = this.#alarms.peek()) {
      this.#alarms.remove(top);
      this.#ring(top.owner, now);
    }
  }

  heldGbSeconds(nowMs: number): number {
    return (this.#endedMbMs + this.#configuredMb * nowMs - this.#configuredMbMs) / (1024 * 1e3);
  }

  /** With what was saved before of functions that nobody has called since, so many of all. */
  save(): SavedScheduler {
    const functions: Record<string, SavedFunction> = {};
    for (const [key, { policy, need }] of this.#pools) functions[key] = { policy: policy.save(), need: need.save() };
    const before = this.#saved?.policy === this.policy.name ? Object.entries(this.#saved.functions) : [];
    const room = Math.max(0, SAVED_MAX - this.#pools.size);
    for (const [key, one] of before.filter(([key]) => !this.#pools.has(key)).slice(0, room)) functions[key] = one;
    return { policy: this.policy.name, common: this.policy.save(), functions };
  }

  #ring(alarm: Alarm, now: number): void {
    switch (alarm.kind) {
      case "idle-end":
        return this.#maybeEnd(alarm.instance, now);
      case "deadline": {
        const waiter = alarm.waiter as Waiter<Ticket>;
        this.#refuse(waiter, deadlinePassed(waiter.pool, now - waiter.sinceMs));
        this.#wantNoMore(waiter.pool);
        return this.#feed(now);
      }
      case "reconsider":
      case "cooled":
        this.#keepReserved(alarm.pool, now);
        return this.#serveWaiting(alarm.pool, now);
      case "plan":
        return this.#plan(alarm.pool, now);
      case "node-idle":
        return this.#maybeRelease(alarm.node, now);
      case "lease-end": {
        this.#effects.leaseEnded(alarm.lease, "expired");
        return this.returnLease(alarm.lease, now);
      }
      case "refill":
        return this.#feed(now);
      default:
        return alarm satisfies never;
    }
  }

  // ── how calls and instances meet ──

  #grant(instance: Instance, ticket: Ticket, now: number): void {
    const { pool } = instance;
    if (instance.state === "idle") {
      this.#leaveIdle(instance);
      this.#becomeBusy(instance, now);
    }
    instance.running++;
    if (instance.running === pool.concurrency) pool.withdraw(instance);
    this.#effects.granted(ticket, instance);
  }

  #becomeBusy(instance: Instance, now: number): void {
    const { pool } = instance;
    instance.state = "busy";
    instance.busySinceMs = now;
    instance.isCountedBusy = true;
    pool.busy++;
    this.counts.busy++;
    pool.busySinceSumMs += now;
  }

  /** Its last call ended, whatever its state. */
  #noLongerBusy(instance: Instance): void {
    if (!instance.isCountedBusy) return;
    const { pool } = instance;
    instance.isCountedBusy = false;
    pool.busy--;
    this.counts.busy--;
    pool.busySinceSumMs = pool.busy === 0 ? 0 : pool.busySinceSumMs - instance.busySinceMs;
  }

  /** It has room again, or for the first time: it ends where its function has more than it may have. */
  #comeFree(instance: Instance, now: number, isNew = false): void {
    if (instance.pool.surplus > 0) this.#stop(instance, "not wanted");
    else this.#offer(instance, now, isNew);
  }

  /** It can take a call that it could not take before: to those that wait, first come first served, or it rests. Its state is busy. */
  #offer(instance: Instance, now: number, isNew = false): void {
    const { pool } = instance;
    if (pool.removed || instance.node.draining) {
      return this.#stop(instance, pool.removed ? "function is gone" : "node drains");
    }
    pool.offer(instance);
    // Each of those that wait has a start of its own under way, and waits for that.
    if (!isNew && !this.policy.sharesStarts && pool.starting >= pool.queue.size) return this.#rest(instance, now);
    for (
      let waiter = pool.queue.first;
      waiter !== null && instance.running < pool.concurrency;
      waiter = pool.queue.first
    ) {
      this.#leave(waiter as Waiter<Ticket>);
      pool.policy.waited(now - waiter.sinceMs, now);
      if (instance.running === 0) this.#becomeBusy(instance, now);
      instance.running++;
      if (instance.running === pool.concurrency) pool.withdraw(instance);
      this.#effects.granted(waiter.ticket as Ticket, instance);
    }
    this.#wantNoMore(pool);
    if (instance.running === 0) this.#rest(instance, now);
  }

  /** It is idle from now on, or ends at once. It is in the list of the free. */
  #rest(instance: Instance, now: number): void {
    const { pool } = instance;
    instance.state = "idle";
    instance.idleSinceMs = now;
    pool.idle++;
    this.counts.idle++;
    const keepMs = pool.policy.keepAliveMs(pool.idle, now);
    this.#wakeToPlan(pool, now);
    const warmUntilMs = pool.idle <= pool.warm ? pool.warmUntilMs : 0;
    instance.expireAtMs = Math.max(now + keepMs, warmUntilMs, instance.keepUntilMs);
    const isReserved = pool.live <= pool.reservedInstances;
    if (isReserved) instance.expireAtMs = Infinity;
    if (instance.expireAtMs <= now) return this.#stop(instance, "idle for long");
    // An alarm that rings too early costs less than moving it at each call.
    const { expireAtMs } = instance;
    if (expireAtMs !== Infinity && (!instance.hasExpiry || expireAtMs < instance.expiry.key)) {
      this.#alarms.set(instance.expiry, expireAtMs);
    }
    const { node } = instance;
    if (isReserved || (!node.isBounded && this.settings.warmMemoryMb === Infinity)) return;
    // Its places by worth stay as they were while it is used: a key that is too low is put right when it comes to the top.
    const worth = pool.policy.worth(now);
    instance.worth = worth;
    instance.isEvictable = true;
    const { overall, onNode } = instance;
    if (overall.index < 0 || worth < overall.key) this.#idle.set(overall, worth);
    if (onNode.index < 0 || worth < onNode.key) node.idle.set(onNode, worth);
    node.idleMb += instance.memoryMb;
    node.idleCpus += instance.cpus;
    if (!this.#starved.isEmpty) this.#feed(now);
  }

  #leaveIdle(instance: Instance): void {
    const { pool, node } = instance;
    pool.idle--;
    this.counts.idle--;
    if (!instance.isEvictable) return;
    instance.isEvictable = false;
    node.idleMb -= instance.memoryMb;
    node.idleCpus -= instance.cpus;
  }

  #maybeEnd(instance: Instance, now: number): void {
    if (instance.state !== "idle" || instance.expireAtMs === Infinity) return;
    const { pool } = instance;
    if (pool.idle <= pool.warm && pool.warmUntilMs > instance.expireAtMs) instance.expireAtMs = pool.warmUntilMs;
    if (instance.expireAtMs > now) this.#alarms.set(instance.expiry, instance.expireAtMs);
    else if (pool.live > pool.reservedInstances) this.#stop(instance, "idle for long");
  }

  #join(pool: FunctionPool, ticket: Ticket, deadlineMs: number, now: number, near: Node | null): void {
    const waiter = new Waiter(ticket, pool, now, near);
    pool.queue.push(waiter);
    this.counts.waiting++;
    this.#waiters.set(ticket, waiter);
    if (deadlineMs !== Infinity) this.#alarms.set(waiter.deadline, deadlineMs);
  }

  #leave(waiter: Waiter<Ticket>): void {
    waiter.pool.queue.remove(waiter);
    this.counts.waiting--;
    this.#waiters.delete(waiter.ticket);
    this.#alarms.remove(waiter.deadline);
  }

  #refuse(waiter: Waiter<Ticket>, error: LocusError): void {
    this.#leave(waiter);
    this.counts.refusals++;
    this.#effects.refused(waiter.ticket, error);
  }

  /** Calls wait and no instance is free: starts what they are worth, and looks again when the policy says. */
  #serveWaiting(pool: FunctionPool, now: number): void {
    if (pool.queue.size === 0 || pool.removed) return;
    if (this.#isCooling(pool)) return;
    const room = pool.instancesMax - pool.live - pool.unplaced;
    const asked = pool.policy.startsFor(pool, now);
    const isHopeless = pool.busy + pool.starting + pool.unplaced === 0;
    const wanted = Math.max(asked, isHopeless ? 1 : 0);
    const starts = Math.min(room, wanted);
    if (wanted > Math.max(0, room)) pool.isHeldBack ||= pool.isBounded;
    if (starts > 0) {
      this.#setUnplaced(pool, pool.unplaced + starts);
      this.#feed(now);
    }
    // Not where starts under way serve all.
    if (pool.starting < pool.queue.size) this.#callBackFor(pool);
    const againMs = pool.policy.reconsiderAtMs(pool, now);
    if (againMs === Infinity) this.#alarms.remove(pool.reconsiderAlarm);
    else this.#alarms.set(pool.reconsiderAlarm, Math.max(againMs, now + WAKE_MS_MIN));
  }

  /** Starts that have no node yet are dropped where fewer calls wait than there are starts. */
  #wantNoMore(pool: FunctionPool): void {
    if (pool.unplaced > 0) {
      const wanted = Math.ceil(pool.queue.size / pool.concurrency) - pool.starting;
      if (pool.unplaced > wanted) this.#setUnplaced(pool, Math.max(0, wanted));
    }
    if (pool.queue.size === 0) this.#alarms.remove(pool.reconsiderAlarm);
  }

  #wakeToPlan(pool: FunctionPool, now: number): void {
    const atMs = pool.policy.nextPlanMs(now);
    const { planAlarm } = pool;
    // As with idle instances: early is cheap.
    if (atMs === Infinity || (planAlarm.index >= 0 && planAlarm.key <= atMs)) return;
    this.#alarms.set(planAlarm, Math.max(atMs, now + WAKE_MS_MIN));
  }

  #plan(pool: FunctionPool, now: number): void {
    if (pool.policy.nextPlanMs(now) <= now) {
      const { warm, untilMs } = pool.policy.plan(pool, now);
      pool.warm = warm;
      pool.warmUntilMs = untilMs;
      const coming = pool.idle + Math.max(0, pool.starting + pool.unplaced - pool.queue.size);
      const room = pool.instancesMax - pool.live - pool.unplaced;
      this.#startAhead(pool, Math.min(warm - coming, room), "prewarm", now);
    }
    this.#wakeToPlan(pool, now);
  }

  /** Those that were kept whatever the policy says are its matter again. */
  #unreserve(pool: FunctionPool, now: number): void {
    for (const instance of this.#instances.values()) {
      if (instance.pool !== pool || instance.state !== "idle" || instance.expireAtMs !== Infinity) continue;
      this.#leaveIdle(instance);
      this.#rest(instance, now);
    }
  }

  #keepReserved(pool: FunctionPool, now: number): void {
    this.#startAhead(pool, pool.reservedInstances - pool.live - pool.unplaced, "reserved", now);
  }

  /** Not where calls of others wait for room. */
  #startAhead(pool: FunctionPool, count: number, why: StartReason, now: number): void {
    if (this.#isCooling(pool)) return;
    for (let started = 0; started < count; started++) {
      if (!this.#starved.isEmpty || !this.#start(pool, why, now)) return;
    }
  }

  #learn(pool: FunctionPool, { executionMs, memoryMb, cpus, lackedMemory }: Usage, now: number): void {
    pool.policy.ended(executionMs, now);
    if (memoryMb !== undefined || cpus !== undefined) pool.need.used(memoryMb, cpus);
    if (lackedMemory === true) pool.need.provedTooSmall();
  }

  // ── starting and stopping ──

  #setUnplaced(pool: FunctionPool, count: number): void {
    this.counts.unplaced += count - pool.unplaced;
    pool.unplaced = count;
    if (count > 0) this.#starved.add(pool);
    else this.#starved.remove(pool);
  }

  /** Gives nodes to those that want some, one each in turn; then sees to more room where that was not enough. */
  #feed(now: number, probesMax = STARVED_PROBES): void {
    const starved = this.#starved;
    let probes = 0;
    while (probes < probesMax) {
      const pool = starved.first;
      if (pool === null) return;
      if (this.#start(pool, "miss", now)) {
        this.#setUnplaced(pool, pool.unplaced - 1);
        starved.placed(pool);
        probes = 0;
      } else {
        if (starved.passedOver(pool)) break;
        probes++;
        if (probes >= starved.size) break;
      }
    }
    this.#makeRoom();
  }

  #start(pool: FunctionPool, why: StartReason, now: number): boolean {
    const node = this.#nodeFor(pool);
    if (node === null) return false;
    this.#startOn(node, pool, why, now);
    return true;
  }

  /** Near whoever waits, up to an instance for each core there; then where CPU is to spare. Else, and where nobody said where they are, the best fit. */
  #nodeFor(pool: FunctionPool): Node | null {
    const { memoryMb, cpus, isCpuHeavy } = pool.need;
    const near = pool.queue.first?.near ?? null;
    if (near === null) return this.fleet.place(memoryMb, cpus, isCpuHeavy);
    const hasCore = (node: Node): boolean => pool.instancesOn(node) < node.description.cpus;
    const fitsNear = !isCpuHeavy && !near.gone && !near.draining && near.fits(memoryMb, cpus);
    if (fitsNear && hasCore(near)) return near;
    return this.fleet.roomiest(memoryMb, cpus, hasCore) ?? this.fleet.place(memoryMb, cpus, isCpuHeavy);
  }

  #startOn(node: Node, pool: FunctionPool, why: StartReason, now: number): Instance {
    const instance = this.#newInstance(null, pool, node, now);
    pool.starting++;
    pool.startingSinceSumMs += now;
    this.counts.starting++;
    this.counts.starts++;
    this.#effects.startInstance(instance, why);
    this.#keepWithinWarmMemory();
    return instance;
  }

  #newInstance(name: string | null, pool: FunctionPool, node: Node, now: number): Instance {
    const share = pool.share(node);
    share.instances++;
    const instance = new Instance(this.#serial++, name, pool, share, now);
    this.#instances.set(instance.serial, instance);
    pool.live++;
    node.add(instance);
    this.fleet.changed(node);
    this.#alarms.remove(node.idleAlarm);
    this.#liveMb += instance.memoryMb;
    this.#configuredMb += pool.config.memoryMb;
    this.#configuredMbMs += pool.config.memoryMb * now;
    return instance;
  }

  /** One that was started before its function's need was known gives back what it does not need. */
  #shrink(instance: Instance): void {
    const { memoryMb, cpus } = instance.pool.need;
    if (instance.state !== "busy" || (memoryMb >= instance.memoryMb && cpus >= instance.cpus)) return;
    this.#resize(instance, Math.min(memoryMb, instance.memoryMb), Math.min(cpus, instance.cpus));
  }

  #resize(instance: Instance, memoryMb: number, cpus: number): void {
    const { node } = instance;
    if (memoryMb === instance.memoryMb && cpus === instance.cpus) return;
    this.#liveMb += memoryMb - instance.memoryMb;
    if (instance.isEvictable) {
      node.idleMb += memoryMb - instance.memoryMb;
      node.idleCpus += cpus - instance.cpus;
    }
    node.resize(instance, memoryMb, cpus);
    this.fleet.changed(node);
  }

  #moveElsewhere(instance: Instance, memoryMb: number, cpus: number, now: number): void {
    const { pool, node } = instance;
    if (pool.replaced !== null || pool.removed || this.#isCooling(pool) || !this.#starved.isEmpty) return;
    const other = this.fleet.roomiest(memoryMb, cpus, (one) => one !== node);
    if (other === null) return;
    pool.replaced = instance;
    pool.replacement = this.#startOn(other, pool, "outgrown", now);
    const extra = pool.replacement;
    this.#resize(extra, Math.max(extra.memoryMb, memoryMb), Math.max(extra.cpus, cpus));
  }

  /** The new one is there: the other goes when its calls have ended. */
  #replace(pool: FunctionPool): void {
    const { replaced } = pool;
    pool.replaced = null;
    pool.replacement = null;
    if (replaced === null) return;
    if (replaced.lease !== null) this.#revoke(replaced.lease);
    this.#stop(replaced, "outgrew its node");
  }

  #startEnded(instance: Instance): void {
    const { pool } = instance;
    pool.starting--;
    pool.startingSinceSumMs -= instance.createdMs;
    this.counts.starting--;
  }

  /** It is no good any more: its function may need another. */
  #retire(instance: Instance, reason: StopReason, now: number): void {
    this.#stop(instance, reason);
    this.#serveWaiting(instance.pool, now);
    this.#keepReserved(instance.pool, now);
  }

  /** An idle or starting one is ended at once, a busy one when its calls have ended. */
  #stop(instance: Instance, reason: StopReason): void {
    if (instance.state === "draining" || instance.state === "gone") return;
    this.#drains(instance, reason);
    if (instance.running === 0) this.#effects.stopInstance(instance, reason);
  }

  /** Out of the lists and counts of its state. */
  #drains(instance: Instance, reason: StopReason): void {
    const { pool, node, state } = instance;
    if (state === "idle") this.#leaveIdle(instance);
    else if (state === "starting") this.#startEnded(instance);
    pool.withdraw(instance);
    instance.unrank(this.#idle);
    if (instance.hasExpiry) this.#alarms.remove(instance.expiry);
    instance.state = "draining";
    instance.stopReason = reason;
    pool.live--;
    this.#liveMb -= instance.memoryMb;
    const { memoryMb } = pool.config;
    this.#configuredMb -= memoryMb;
    this.#configuredMbMs -= memoryMb * instance.createdMs;
    this.#endedMbMs += memoryMb * (this.#nowMs - instance.createdMs);
    this.counts.draining++;
    node.drainingMb += instance.memoryMb;
    node.drainingCpus += instance.cpus;
  }

  /** Whatever its state: it does not exist any more. Who holds its calls may still release it. */
  #forget(instance: Instance): void {
    const { pool, node, lease } = instance;
    if (instance.state !== "draining") this.#drains(instance, "not wanted");
    if (lease !== null) {
      this.#endLease(lease, this.#nowMs);
      instance.running = 0;
    }
    if (pool.replaced === instance || pool.replacement === instance) {
      pool.replaced = null;
      pool.replacement = null;
    }
    this.#noLongerBusy(instance);
    instance.state = "gone";
    this.counts.draining--;
    this.#instances.delete(instance.serial);
    if (this.#adopted.size > 0) this.#adopted.delete(instance.id);
    pool.leaves(instance);
    node.drainingMb -= instance.memoryMb;
    node.drainingCpus -= instance.cpus;
    node.remove(instance);
    if (!node.gone) this.fleet.changed(node);
  }

  #isCooling(pool: FunctionPool): boolean {
    return pool.cooledAlarm.index >= 0;
  }

  #coolDown(instance: Instance, why: string, now: number): void {
    const { pool } = instance;
    const { coolDownMs, coolDownMsMax } = this.settings;
    const retryInMs = Math.min(coolDownMsMax, coolDownMs * 2 ** Math.min(pool.failures, 30));
    pool.failures++;
    this.#setUnplaced(pool, 0);
    if (!pool.removed) this.#alarms.set(pool.cooledAlarm, now + retryInMs);
    this.#effects.instanceFailed(instance, why, retryInMs);
  }

  // ── room ──

  #keepWithinWarmMemory(): void {
    while (this.#liveMb > this.settings.warmMemoryMb) {
      const least = leastWorth(this.#idle);
      if (least === undefined) return;
      this.#evict(least.owner, least.key);
    }
  }

  #evict(instance: Instance, worth: number): void {
    instance.pool.policy.evicted(worth, instance.pool);
    this.#stop(instance, "makes room");
  }

  /** For those that want a node and have none: more nodes where there may be more, else the least worth of the idle instances go. */
  #makeRoom(): void {
    const { nodesMax, nodeSize } = this.settings;
    if (this.#starved.isEmpty) return;
    if (this.#refill.index < 0) {
      const wanted = this.#starved.nodesWanted(nodeSize);
      while (this.#nodesPending < wanted && this.fleet.nodes.size + this.#nodesPending < nodesMax) {
        this.#nodesPending++;
        this.#effects.reserveNode();
      }
    }
    if (this.#nodesPending > 0) return;
    const pool = this.#starved.first;
    if (pool !== null) this.#clearFor(pool);
  }

  /** Ends idle instances on the node where that makes room for one start, the least worth first. */
  #clearFor(pool: FunctionPool): void {
    const { memoryMb, cpus } = pool.need;
    const node = this.#nodeToClear(memoryMb, cpus);
    if (node === null) return this.#callBack(pool);
    while (!node.willFit(memoryMb, cpus)) {
      const least = leastWorth(node.idle);
      if (least === undefined) return;
      this.#evict(least.owner, least.key);
    }
  }

  /** null: no idle instance's end would help, or enough end already. */
  #nodeToClear(memoryMb: number, cpus: number): Node | null {
    const looked: HeapEntry<Instance>[] = [];
    let chosen: Node | null = null;
    while (looked.length < ROOM_PROBES && chosen === null) {
      const least = leastWorth(this.#idle);
      if (least === undefined) break;
      const { node } = least.owner;
      if (node.willFit(memoryMb, cpus)) break;
      if (node.couldFit(memoryMb, cpus)) chosen = node;
      else {
        this.#idle.remove(least);
        looked.push(least);
      }
    }
    for (const entry of looked) this.#idle.set(entry, entry.key);
    return chosen;
  }

  #nodeMayBeEmpty(node: Node, now: number): void {
    if (!node.isEmpty || node.gone) return;
    if (node.draining) this.#release(node, "drained");
    // Those that came by themselves go by themselves.
    else if (this.settings.nodesMax > 0) this.#alarms.set(node.idleAlarm, now + this.settings.nodeIdleMs);
  }

  #maybeRelease(node: Node, now: number): void {
    const { nodesMin, nodesAhead, nodeIdleMs } = this.settings;
    if (!node.isEmpty || node.gone) return;
    // As many as were empty and are kept: those that come later than this one are looked at by their own alarms.
    const isKept = this.fleet.nodes.size <= nodesMin || this.fleet.emptyNodes <= nodesAhead;
    if (isKept) this.#alarms.set(node.idleAlarm, now + nodeIdleMs);
    else this.#release(node, `empty for ${nodeIdleMs} ms`);
  }

  #release(node: Node, why: string): void {
    this.#alarms.remove(node.idleAlarm);
    this.fleet.remove(node);
    this.#effects.releaseNode(node, why);
  }

  // ── leases ──

  #revoke(lease: Lease): void {
    if (lease.revoked) return;
    lease.revoked = true;
    this.#leasesRevoked++;
    this.#effects.leaseEnded(lease, "revoked");
  }

  /** For those that wait what others hold comes back; what a node holds itself serves its calls as those before them end. */
  #callBackFor(pool: FunctionPool): void {
    if (pool.leases.size === 0) return;
    const [one = null, ...more] = pool.queue.near();
    const only = more.length === 0 ? one?.id : undefined;
    for (const lease of pool.leases) if (lease.holder !== only) this.#revoke(lease);
  }

  /** Of those that are revoked already the end is on its way. */
  #endSurplus(pool: FunctionPool): void {
    const idle = Array.from(pool.offered()).filter(({ state }) => state === "idle");
    const ends = idle.toSorted((one, other) => one.idleSinceMs - other.idleSinceMs);
    if (ends.length < pool.surplus && pool.starting > 0) {
      for (const instance of this.#instances.values()) {
        if (instance.pool !== pool || instance.state !== "starting") continue;
        if (instance !== pool.replacement) ends.push(instance);
      }
    }
    for (const instance of ends.slice(0, pool.surplus)) this.#stop(instance, "not wanted");
    let left = pool.surplus;
    for (const lease of pool.leases) {
      if (left-- <= 0) return;
      this.#revoke(lease);
    }
  }

  /** It is a busy instance's again, whatever becomes of that. */
  #endLease(lease: Lease, now: number): void {
    const { instance } = lease;
    const { pool } = instance;
    this.#alarms.remove(lease.expiry);
    if (lease.revoked) this.#leasesRevoked--;
    pool.leases.delete(lease);
    pool.leased--;
    pool.busy++;
    pool.busySinceSumMs += instance.busySinceMs;
    instance.lease = null;
    pool.policy.ended(now - instance.busySinceMs, now);
  }

  /** Somebody finds no room, and nothing is idle: of the function that holds the most, one instance comes back when its calls have ended. One at a time. */
  #callBack({ live, need: { memoryMb, cpus } }: FunctionPool): void {
    if (this.#leasesRevoked > 0) return;
    let most: FunctionPool | null = null;
    for (const pool of this.#pools.values()) {
      if (pool.leased > Math.max(live, most?.leased ?? 0)) most = pool;
    }
    if (most === null) return;
    for (const lease of most.leases) {
      const { node, memoryMb: itsMb, cpus: itsCpus } = lease.instance;
      if (node.couldFit(memoryMb - itsMb, cpus - itsCpus)) return this.#revoke(lease);
    }
  }

  /** A clock that goes back stands still. */
  #advance(nowMs: number): number {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    return this.#nowMs;
  }
}

/** Puts the keys on top right: those of instances that are used now, and of those that have become worth more since. */
function leastWorth(heap: IndexedHeap<Instance>): HeapEntry<Instance> | undefined {
  for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
    const { isEvictable, worth } = top.owner;
    if (isEvictable && worth <= top.key) return top;
    if (isEvictable) heap.set(top, worth);
    else heap.remove(top);
  }
  return undefined;
}

/** NaN: no id of ours. */
const serialOf = (id: string): number =>
  id.startsWith(INSTANCE_PREFIX) ? Number(id.slice(INSTANCE_PREFIX.length)) : NaN;

const isNeed = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((one) => Number.isFinite(one) && one >= 0);

const deadlinePassed = ({ config }: FunctionPool, waitedMs: number): LocusError =>
  new LocusError(
    "DEADLINE_EXCEEDED",
    `no instance of "${config.key}" was free before the call's deadline; it waited ${Math.round(waitedMs)} ms`,
  );
