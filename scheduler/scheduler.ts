// The scheduler: one state machine that owns instances and nodes. It has no timer, no promise and no clock: it is told what happened and
// when, and commands through `Effects`. Live code (live-scheduler.ts) and the simulator drive this same class. Here is what each event
// means; how instances, leases, calls and nodes are kept is their own files' matter, and none of those calls back here.
//
// Invariants: a call waits only while no instance of its function is free, or while a start of its own is under way; an instance that is busy holds at least one call or a lease; what
// is promised of a node never exceeds what it offers.

import { LocusError } from "#runtime/errors.ts";
import type { Alarm } from "./alarm.ts";
import { type Counts, newCounts } from "./counts.ts";
import type { Effects } from "./effects.ts";
import type { FunctionConfig } from "./function-config.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import { Declaring, takenAway } from "./instance/declaring.ts";
import type { FunctionPool } from "./instance/function-pool.ts";
import { FunctionPools, type SavedFunction } from "./instance/function-pools.ts";
import { HeldMemory } from "./instance/held-memory.ts";
import { IdleByWorth } from "./instance/idle-by-worth.ts";
import type { Instance } from "./instance/instance.ts";
import { Instances } from "./instance/instances.ts";
import { type HolderWaits, type LeaseCalls, tellCalls, tellWaiting } from "./instance/lease-calls.ts";
import type { Lease } from "./instance/lease.ts";
import { Leases } from "./instance/leases.ts";
import { type InstanceUse, Resizing } from "./instance/resizing.ts";
import { type HeldInstances, Serving, type WaitOrStart } from "./instance/serving.ts";
import { type Place, Starts } from "./instance/starts.ts";
import { Waiter } from "./instance/wait-queue.ts";
import { WaitingCalls } from "./instance/waiting-calls.ts";
import { WarmInstances } from "./instance/warm-instances.ts";
import { Fleet } from "./node/fleet.ts";
import { NodeSupply } from "./node/node-supply.ts";
import type { Node, NodeDescription, NodeStats } from "./node/node.ts";
import { Room } from "./node/room.ts";
import type { Policy } from "./policy/policy.ts";
import { SCHEDULER_DEFAULTS, type SchedulerSettings } from "./settings.ts";

/** What a call came to, told when its instance is released. */
export interface Usage {
  /** null: nobody knows, since it was given up. */
  readonly executionMs: number | null;
  /** Most that the instance used while the call ran. */
  readonly memoryMb?: number;
  /** CPU time ÷ execution time. */
  readonly cpus?: number;
  /** The instance is not to be used again. */
  readonly isBroken?: boolean;
  /** It was killed for want of memory. */
  readonly lackedMemory?: boolean;
}

/** What outlives a restart: JSON. */
export interface SavedScheduler {
  readonly policy: string;
  readonly common: unknown;
  /** Those first that were called last. */
  readonly functions: Readonly<Record<string, SavedFunction>>;
}

export class Scheduler<Ticket> {
  readonly policy: Policy;
  readonly fleet: Fleet;
  readonly counts: Counts = newCounts();
  readonly #effects: Effects<Ticket>;
  readonly #alarms: IndexedHeap<Alarm>;
  readonly #pools: FunctionPools;
  readonly #instances: Instances;
  readonly #leases: Leases;
  readonly #supply: NodeSupply;
  readonly #starts: Starts;
  readonly #warm: WarmInstances;
  readonly #resizing: Resizing;
  readonly #waiting: WaitingCalls<Ticket>;
  readonly #serving: Serving<Ticket>;
  readonly #declaring: Declaring<Ticket>;
  readonly #startFailuresMax: number;
  #nowMs = -Infinity;

  constructor(
    policy: Policy,
    effects: Effects<Ticket>,
    given: Partial<SchedulerSettings> = {},
    saved: SavedScheduler | null = null,
  ) {
    const settings = { ...SCHEDULER_DEFAULTS, ...given };
    const { warmMemoryMb, waitingMax, startFailuresMax, nodesAhead } = settings;
    const { counts } = this;
    const fleet = new Fleet(nodesAhead > 0);
    const held = new HeldMemory();
    policy.attach(held);
    if (saved?.policy === policy.name) policy.restore(saved.common);
    // Each knows those before it alone.
    const alarms = new IndexedHeap<Alarm>();
    const pools = new FunctionPools(policy, saved);
    const idle = new IdleByWorth();
    const instances = new Instances({ counts, fleet, alarms, idle, held, effects });
    const leases = new Leases({ pools, instances, alarms, effects });
    const supply = new NodeSupply({ settings, fleet, alarms, effects });
    const room = new Room({ warmMemoryMb, supply, instances, idle, leases });
    const starts = new Starts({ counts, fleet, alarms, instances, room, effects });
    const warm = new WarmInstances({ warmMemoryMb, alarms, instances, idle, starts });
    const resizing = new Resizing({ instances, starts, leases });
    const waiting = new WaitingCalls<Ticket>({ waitingMax, counts, alarms, effects });
    const serving = new Serving({ policy, alarms, instances, waiting, starts, warm, leases, effects });
    const declaring = new Declaring({ pools, alarms, instances, leases, starts, warm, waiting, serving });
    this.policy = policy;
    this.fleet = fleet;
    this.#effects = effects;
    this.#alarms = alarms;
    this.#pools = pools;
    this.#instances = instances;
    this.#leases = leases;
    this.#supply = supply;
    this.#starts = starts;
    this.#warm = warm;
    this.#resizing = resizing;
    this.#waiting = waiting;
    this.#serving = serving;
    this.#declaring = declaring;
    this.#startFailuresMax = startFailuresMax;
  }

  // ── functions ──

  /**
   * Again with another config: takes the place of the one before; where its memory differs, its instances are replaced, and calls that wait
   * wait for the new ones. Those above the most that it may have now end, as where it is allowed fewer.
   */
  declare(given: Partial<FunctionConfig> & Pick<FunctionConfig, "key" | "memoryMb">, nowMs: number): FunctionPool {
    return this.#declaring.declare(given, this.#advance(nowMs));
  }

  /** Calls that wait are refused; those that run end. */
  remove(key: string, nowMs: number): void {
    this.#declaring.remove(this.pool(key), this.#advance(nowMs));
  }

  /** FUNCTION_NOT_FOUND. */
  pool(key: string): FunctionPool {
    return this.#pools.get(key);
  }

  functions(): Iterable<FunctionPool> {
    return this.#pools.all();
  }

  /**
   * How many instances it may have at once from now on, within what its config says; until it is declared again. Those above that end: idle ones, those
   * first that rest longest, then those that are starting; busy ones with their calls, for which leases are called back.
   */
  allow(pool: FunctionPool, instances: number, nowMs: number): void {
    this.#declaring.allow(pool, instances, this.#advance(nowMs));
  }

  /** Throws NODES_EXHAUSTED where an instance of so much memory would find room on no node. */
  expectRoom(key: string, memoryMb: number): void {
    if (!this.#supply.mayHold(memoryMb)) throw tooLarge(key, memoryMb);
  }

  // ── calls ──

  /** Grants or refuses at once, or later, `deadlineMs` at the latest; where an instance takes more memory than any node has, with NODES_EXHAUSTED. */
  acquire(pool: FunctionPool, ticket: Ticket, deadlineMs: number, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (!pool.removed) this.#arrived(pool, now);
    this.#acquire(pool, ticket, deadlineMs, now, null, false);
  }

  /**
   * As `acquire`, of an instance to be lent, near whoever asks: the policy is told of no call. It hears of those that wait by `callsWait`, and of all by
   * `leasesUsed`.
   */
  acquireToLend(pool: FunctionPool, ticket: Ticket, deadlineMs: number, nowMs: number, near: Node | null = null): void {
    this.counts.arrivals++;
    this.#acquire(pool, ticket, deadlineMs, this.#advance(nowMs), near, true);
  }

  #acquire(
    pool: FunctionPool,
    ticket: Ticket,
    deadlineMs: number,
    now: number,
    near: Node | null,
    isToLend: boolean,
  ): void {
    if (pool.removed) return this.#effects.refused(ticket, takenAway(pool));
    const free = (near === null ? null : pool.freeOn(near)) ?? pool.firstFree;
    if (free !== null) return this.#serving.grant(free, ticket, now, isToLend);
    pool.toldMs = now;
    if (!this.#supply.mayHold(pool.need.memoryMb)) {
      this.#waiting.turnAway(ticket, tooLarge(pool.config.key, pool.need.memoryMb));
    } else if (this.#waiting.admit(new Waiter(ticket, pool, now, near, isToLend), deadlineMs, now)) {
      return this.#serving.startForWaiting(pool, now);
    }
    if (!isToLend) pool.policy.left(now);
  }

  /**
   * One more instance, where nobody loses anything by it: near whoever asks where there is none yet, else one that is free, or a start for which a node
   * has room now; on the node with the most CPU to spare, a start of what is heavy on the CPU on the one with the fewest of its kind, and where the
   * function has fewer instances than there are cores. It is to be lent, for calls that are to come. False: there is none, and nothing has happened.
   */
  grow(pool: FunctionPool, ticket: Ticket, deadlineMs: number, nowMs: number, near: Node | null = null): boolean {
    const now = this.#advance(nowMs);
    // Not before those that wait for what is not even starting.
    if (pool.removed || pool.queue.size > pool.starting) return false;
    const { memoryMb, cpus } = pool.need;
    let place: Place | null = null;
    // Heavy or not: calls that run there in any case have no use for another.
    if (near !== null && !near.gone && !near.draining && pool.instancesOn(near) === 0 && near.fits(memoryMb, cpus)) {
      place = { node: near, rule: "near" };
    }
    const free = place === null ? pool.freeWhereCpuIs() : null;
    if (free === null) {
      if (pool.live + pool.unplaced >= pool.instancesMax) {
        pool.isHeldBack ||= pool.isBounded;
        return false;
      }
      if (this.#starts.areWaiting || pool.isCooling) return false;
      place ??= this.#starts.spread(pool, pool.need, null, (node) => pool.instancesOn(node) < node.description.cpus);
      if (place === null || this.#waiting.isFull) return false;
    }
    this.counts.arrivals++;
    if (free !== null) this.#serving.grant(free, ticket, now, true);
    else if (place !== null) {
      this.#waiting.join(new Waiter(ticket, pool, now, null, true), deadlineMs);
      this.#starts.startAt(place, pool, "load", now);
    }
    return true;
  }

  /** So many wait with whoever holds instances of it, or asks for one: the policy hears that they came, of each once. */
  callsWait(pool: FunctionPool, holder: string, waiting: number, nowMs: number): void {
    const now = this.#advance(nowMs);
    pool.calledMs = now;
    tellWaiting(pool, holder, waiting, now);
    this.#warm.wakeToPlan(pool, now);
  }

  /**
   * Of calls that wait with whoever holds instances of it, all of those busy: for how many another is to be asked for, one that is free or a start, and
   * whether all wait for those that are held. Nothing happens by it.
   */
  waitOrStart(pool: FunctionPool, waiting: number, held: HeldInstances, nowMs: number): WaitOrStart {
    return this.#serving.waitOrStart(pool, waiting, held, this.#advance(nowMs));
  }

  /** Whether it waited, and does no more. False: it was granted or refused already; a granted one is its caller's to release. */
  cancel(ticket: Ticket, nowMs: number): boolean {
    const now = this.#advance(nowMs);
    const waiter = this.#waiting.find(ticket);
    if (waiter === undefined) return false;
    this.#waiting.giveUp(waiter, now);
    this.#serving.wantNoMore(waiter.pool);
    this.#starts.feed(now);
    return true;
  }

  /** Nobody schedules here any more: all that wait are told so. */
  refuseAll(error: LocusError, nowMs: number): void {
    this.#advance(nowMs);
    this.#waiting.refuseAll(error);
  }

  /** A call ended. INSTANCE_NOT_HELD where the instance holds none (returned twice), or a lease's holder runs it. */
  release(instance: Instance, usage: Usage, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.running === 0 || instance.lease !== null) {
      const why = instance.lease === null ? "holds no call: it was returned before" : "is on lease";
      throw new LocusError("INSTANCE_NOT_HELD", `instance "${instance.id}" ${why}`);
    }
    const { executionMs, memoryMb, cpus, isBroken = false, lackedMemory = false } = usage;
    const { pool } = instance;
    const isUseKnown = memoryMb !== undefined || cpus !== undefined;
    if (instance.isToLend) instance.isToLend = false;
    else if (executionMs === null) pool.policy.left(now);
    // Nor longer than its instance has been busy.
    else {
      pool.ended(Math.min(executionMs, now - instance.busySinceMs), now);
      instance.isMemoryUntold ||= memoryMb === undefined;
      instance.isCpuUntold ||= cpus === undefined;
    }
    if (isUseKnown) pool.need.executed(memoryMb, cpus);
    if (lackedMemory) pool.need.provedTooSmall();
    instance.running = 0;
    instance.endedMs = now;
    this.#instances.noLongerBusy(instance);
    if (instance.state === "gone") return;
    if (!isBroken && !lackedMemory) pool.coolDown.endedWell();
    if (isUseKnown) this.#resizing.shrink(instance);
    if (instance.state === "draining") this.#instances.endDrained(instance);
    else if (isBroken || lackedMemory) {
      this.#starts.died(instance, lackedMemory ? "it lacked memory" : "it is broken", now);
      this.#instances.stop(instance, "unhealthy", now);
      this.#startWhatLacks(pool, now);
    } else this.#serving.comeFree(instance, now);
  }

  // ── instances ──

  /** INSTANCE_NOT_FOUND. */
  instance(id: string): Instance {
    return this.#instances.get(id);
  }

  instances(): Iterable<Instance> {
    return this.#instances.all();
  }

  instanceStarted(instance: Instance, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state !== "starting") return;
    const { pool } = instance;
    this.#instances.started(instance);
    pool.coolDown.started();
    pool.policy.started(now - instance.createdMs, now);
    if (pool.replacement === instance) {
      this.#serving.offer(instance, now, true);
      this.#resizing.replace(pool, now);
    } else this.#serving.comeFree(instance, now, true);
    if (instance.node.draining) this.#startWhatLacks(pool, now);
  }

  /**
   * It never came to be. The function's next start waits, longer each time; after so many in a row calls wait only for what is there. `refusal`: no start
   * of the function can go well as it is. Calls then do so at once, and are refused with that where nothing is there or starting; a start is tried again for the next one.
   */
  instanceFailed(instance: Instance, why: string, nowMs: number, refusal: LocusError | null = null): void {
    const now = this.#advance(nowMs);
    if (instance.state !== "starting") return;
    this.counts.failedStarts++;
    this.#starts.failed(instance, why, now);
    this.#giveUpWaiting(instance.pool, why, refusal, now);
    this.#forget(instance, now);
    this.#supply.mayBeEmpty(instance.node, now);
    this.#startWhatLacks(instance.pool, now);
    this.#starts.feed(now);
  }

  /** Where starts have failed too often, or cannot go well, and no other instance is free or will be. */
  #giveUpWaiting(pool: FunctionPool, why: string, refusal: LocusError | null, now: number): void {
    const { coolDown, config } = pool;
    const isHopeless = refusal !== null || coolDown.failuresInRow >= this.#startFailuresMax;
    // The one that failed counts as starting still.
    if (!isHopeless || pool.busy + pool.idle > 0 || (refusal !== null && pool.starting > 1)) return;
    const times = `${coolDown.failuresInRow} starts in a row have failed`;
    const text = `there is no instance of "${config.key}": ${times}, the last with ${why}`;
    // Nobody waits for it to go better: whoever asks next is not to wait the longer for it.
    if (refusal !== null && pool.waiting > 0) coolDown.answered();
    this.#waiting.turnAllAway(pool, refusal ?? new LocusError("INSTANCE_FAILED", text), now);
    this.#serving.wantNoMore(pool);
  }

  /**
   * What an instance on lease was seen to use while calls ran there, which the scheduler hears of in no other way. As `instanceSeen`, and whoever is told
   * again has lived through those calls.
   */
  instanceUses(instance: Instance, use: InstanceUse, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.wasUsed) instance.pool.coolDown.endedWell();
    instance.wasUsed = true;
    instance.isMemoryUntold = true;
    instance.isCpuUntold = true;
    instance.pool.calledMs = now;
    this.#resizing.follow(instance, use, now);
  }

  /**
   * Calls lacked memory on instances of it that are on lease, which stay: a sandbox makes an isolate anew, and a process that died of it is gone. From now
   * on it needs what is configured; what these are promised follows with what they are told to use.
   */
  lackedMemory(pool: FunctionPool, nowMs: number): void {
    this.#advance(nowMs);
    pool.need.provedTooSmall();
  }

  /**
   * What an instance was seen to use lately, of one on which calls ran (`ranSince`): its function's need is raised by it, and learned where calls have
   * ended there of which nobody has told it; and what the instance is promised follows. Where its node has no room for that and another has, one is started there in its place.
   */
  instanceSeen(instance: Instance, use: InstanceUse, nowMs: number): void {
    this.#resizing.follow(instance, use, this.#advance(nowMs));
  }

  /** It does not exist any more: it was stopped, or died. Not of a node that is lost: that takes its instances along. */
  instanceGone(instance: Instance, nowMs: number): void {
    const now = this.#advance(nowMs);
    if (instance.state === "gone") return;
    const wasAsked = instance.state === "draining";
    if (!wasAsked) this.#starts.died(instance, "it died", now);
    this.#forget(instance, now);
    this.#supply.mayBeEmpty(instance.node, now);
    if (!wasAsked) this.#startWhatLacks(instance.pool, now);
    this.#starts.feed(now);
  }

  /** Ends an idle instance or one that is starting, or one that is busy after its calls. */
  stop(instance: Instance, nowMs: number): void {
    const now = this.#advance(nowMs);
    const wasStarting = instance.state === "starting";
    this.#instances.stop(instance, "asked for", now);
    if (wasStarting) this.#startWhatLacks(instance.pool, now);
  }

  /** One that ends is adopted still: until it is gone. */
  isAdopted(id: string): boolean {
    return this.#instances.isAdopted(id);
  }

  /**
   * One that was there before this scheduler, as its node says. It counts as idle, and stays for `keepMs` at least, unless its function has more than it
   * may have.
   */
  adopt(id: string, key: string, nodeId: string, nowMs: number, keepMs = 0): Instance {
    const now = this.#advance(nowMs);
    const instance = this.#instances.adopt(id, this.pool(key), this.node(nodeId), now);
    instance.keepUntilMs = now + keepMs;
    this.#serving.offer(instance, now);
    if (instance.pool.surplus > 0) this.#declaring.keepWithin(instance.pool, now);
    return instance;
  }

  // ── leases ──

  /**
   * To `holder`, for `ttlMs`: an idle instance, or one that a call was granted, whose place the lease then takes. To the policy that call runs there
   * until `leasesUsed` tells of its end.
   */
  lend(instance: Instance, holder: string, ttlMs: number, nowMs: number): Lease {
    return this.#leases.lend(instance, holder, ttlMs, this.#advance(nowMs));
  }

  /** What their holders say that calls did there since they last said so, and how many wait and have left without an instance. */
  leasesUsed(told: readonly LeaseCalls[], waits: readonly HolderWaits[], nowMs: number): void {
    const now = this.#advance(nowMs);
    for (const pool of tellCalls(told, waits, now)) if (!pool.removed) this.#warm.wakeToPlan(pool, now);
  }

  /** False: it was revoked, and ends when it ends. */
  renewLease(lease: Lease, ttlMs: number, nowMs: number): boolean {
    return this.#leases.renew(lease, ttlMs, this.#advance(nowMs));
  }

  /** Its holder uses it no more. Nothing where it is over already. */
  returnLease(lease: Lease, nowMs: number): void {
    const now = this.#advance(nowMs);
    const { instance } = lease;
    if (instance.lease !== lease) return;
    this.#leases.end(lease, now);
    if (instance.state === "draining") this.#instances.endDrained(instance);
    else this.#serving.comeFree(instance, now);
  }

  // ── nodes ──

  /** NODE_NOT_FOUND. */
  node(id: string): Node {
    const node = this.fleet.nodes.get(id);
    if (node === undefined) throw new LocusError("NODE_NOT_FOUND", `the scheduler knows no node "${id}"`);
    return node;
  }

  /** All nodes that were there before it are told of: from now on as many are reserved ahead of calls as its settings say. */
  begin(nowMs: number): void {
    const now = this.#advance(nowMs);
    this.#supply.keepAhead();
    this.#starts.makeRoom(now);
  }

  /** A node that was asked for (`reserveNode`) is there. */
  nodeReserved(description: NodeDescription, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.#supply.granted(description);
    if (!node.gone) this.#welcome(node, now);
  }

  /** A node is there that came by itself. */
  nodeCame(description: NodeDescription, nowMs: number): Node {
    const now = this.#advance(nowMs);
    const node = this.#supply.came(description);
    this.#welcome(node, now);
    return node;
  }

  /** For starts that want one. */
  #welcome(node: Node, now: number): void {
    const ahead = this.#starts.takeAhead();
    for (const pool of this.#starts.starved()) {
      if (this.#supply.mayHold(pool.need.memoryMb)) continue;
      this.#starts.forget(pool);
      this.#waiting.turnAllAway(pool, tooLarge(pool.config.key, pool.need.memoryMb), now);
    }
    this.#starts.feedFrom(node, now);
    for (const pool of ahead) this.#warm.startLacking(pool, now);
    this.#supply.mayBeEmpty(node, now);
  }

  nodeRefused(why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    this.#supply.refused(why, now);
    this.#starts.makeRoom(now);
  }

  /** Its instances are gone with it. */
  nodeLost(id: string, why: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    this.#supply.lost(node, why);
    const pools = new Set<FunctionPool>();
    for (const instance of this.#instances.all()) {
      if (instance.node !== node) continue;
      pools.add(instance.pool);
      this.#forget(instance, now);
    }
    for (const pool of pools) this.#startWhatLacks(pool, now);
    this.#starts.feed(now);
  }

  /** Takes no new instances, and is released when those it has are gone. */
  drainNode(id: string, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    if (node.draining) return;
    this.#supply.drain(node);
    for (const instance of this.#instances.all()) {
      if (instance.node !== node) continue;
      if (instance.state === "idle" || instance.running > 0) this.#instances.stop(instance, "node drains", now);
      if (instance.lease !== null) this.#leases.revoke(instance.lease);
    }
    this.#supply.mayBeEmpty(node, now);
  }

  nodeStats(id: string, stats: NodeStats, nowMs: number): void {
    const now = this.#advance(nowMs);
    const node = this.node(id);
    node.told(stats);
    this.fleet.changed(node);
    this.#starts.feed(now);
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

  save(): SavedScheduler {
    return { policy: this.policy.name, common: this.policy.save(), functions: this.#pools.save() };
  }

  #ring(alarm: Alarm, now: number): void {
    switch (alarm.kind) {
      case "idle-end":
        return this.#warm.endRested(alarm.instance, now);
      case "deadline": {
        const waiter = alarm.waiter as Waiter<Ticket>;
        this.#waiting.refuseLate(waiter, now);
        this.#serving.wantNoMore(waiter.pool);
        return this.#starts.feed(now);
      }
      case "reconsider":
      case "cooled":
        this.#warm.keepReserved(alarm.pool, now);
        return this.#serving.startForWaiting(alarm.pool, now);
      case "plan":
        return this.#warm.plan(alarm.pool, now);
      case "node-idle":
        return this.#supply.releaseSpare(alarm.node, now);
      case "lease-end":
        this.#effects.leaseEnded(alarm.lease, "expired");
        return this.returnLease(alarm.lease, now);
      case "refill":
        return this.#starts.feed(now);
      default:
        return alarm satisfies never;
    }
  }

  /** A clock that goes back stands still. */
  #advance(nowMs: number): number {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    return this.#nowMs;
  }

  #arrived(pool: FunctionPool, now: number): void {
    this.counts.arrivals++;
    pool.calledMs = now;
    pool.policy.arrived(now);
    this.#warm.wakeToPlan(pool, now);
  }

  /** It has fewer instances than before: for those that wait, and for those that are reserved. */
  #startWhatLacks(pool: FunctionPool, now: number): void {
    if (pool.removed) return;
    this.#serving.serveStartless(pool, now);
    this.#serving.startForWaiting(pool, now);
    this.#warm.keepReserved(pool, now);
  }

  /** It does not exist any more, and nobody has it on lease. */
  #forget(instance: Instance, now: number): void {
    if (instance.lease !== null) this.#leases.end(instance.lease, now);
    this.#instances.remove(instance, now);
  }
}

const tooLarge = (key: string, memoryMb: number): LocusError =>
  new LocusError("NODES_EXHAUSTED", `an instance of "${key}" takes ${memoryMb} MiB: no node has as much`);
