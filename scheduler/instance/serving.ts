// How calls and instances meet: what is free goes to those that wait, first come first served, and where nothing is free so many starts are
// wanted as the policy holds the waiting to be worth.

import { type Alarm, WAKE_MS_MIN } from "../alarm.ts";
import type { Effects } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { Policy } from "../policy/policy.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { Instance } from "./instance.ts";
import type { Instances } from "./instances.ts";
import type { Leases } from "./leases.ts";
import type { Starts } from "./starts.ts";
import type { Waiter } from "./wait-queue.ts";
import type { WaitingCalls } from "./waiting-calls.ts";
import type { WarmInstances } from "./warm-instances.ts";

/** Of one function, that somebody holds on lease, and calls run on. */
export interface HeldInstances {
  readonly busy: number;
  /** Mean time since each took its last call; 0 where there are none. */
  readonly busyForMs: number;
}

/** How many of the calls that wait for instances that are held are to have another; none: they are to be asked about again at that time. */
export interface WaitOrStart {
  readonly starts: number;
  readonly againAtMs: number;
}

interface Ports<Ticket> {
  readonly policy: Pick<Policy, "sharesStarts">;
  readonly alarms: IndexedHeap<Alarm>;
  readonly instances: Instances;
  readonly waiting: WaitingCalls<Ticket>;
  readonly starts: Starts;
  readonly warm: WarmInstances;
  readonly leases: Leases;
  readonly effects: Pick<Effects<Ticket>, "granted">;
}

export class Serving<Ticket> {
  readonly #policy: Ports<Ticket>["policy"];
  readonly #alarms: IndexedHeap<Alarm>;
  readonly #instances: Instances;
  readonly #waiting: WaitingCalls<Ticket>;
  readonly #starts: Starts;
  readonly #warm: WarmInstances;
  readonly #leases: Leases;
  readonly #effects: Ports<Ticket>["effects"];

  constructor({ policy, alarms, instances, waiting, starts, warm, leases, effects }: Ports<Ticket>) {
    this.#policy = policy;
    this.#alarms = alarms;
    this.#instances = instances;
    this.#waiting = waiting;
    this.#starts = starts;
    this.#warm = warm;
    this.#leases = leases;
    this.#effects = effects;
  }

  /** One that is free, to a call that does not wait for it; or it is to be lent: `isToLend`. */
  grant(instance: Instance, ticket: Ticket, now: number, isToLend = false): void {
    if (!isToLend) instance.pool.policy.waited(0, now);
    this.#give(instance, ticket, isToLend, now);
  }

  /** It is free again, or for the first time: it ends where its function has more than it may have. */
  comeFree(instance: Instance, now: number, isNew = false): void {
    if (instance.pool.surplus > 0) this.#instances.stop(instance, "not wanted", now);
    else this.offer(instance, now, isNew);
  }

  /** It can take a call that it could not take before: to those that wait, first come first served, or it rests. Its state is busy. */
  offer(instance: Instance, now: number, isNew = false): void {
    const { pool } = instance;
    if (pool.removed || instance.node.draining) {
      return this.#instances.stop(instance, pool.removed ? "function is gone" : "node drains", now);
    }
    pool.offer(instance);
    // Each of those that wait has a start of its own under way, and waits for that.
    const haveStarts = !isNew && !this.#policy.sharesStarts && pool.starting >= pool.queue.size;
    if (haveStarts) return this.#warm.rest(instance, now);
    const waiter = this.#waiting.first(pool);
    if (waiter !== null) this.#serve(waiter, instance, now);
    if (waiter !== null || pool.unplaced > 0) this.wantNoMore(pool);
    if (waiter === null) this.#warm.rest(instance, now);
  }

  /**
   * Starts for which calls waited came to nothing: what is free is theirs, first come first served. Nothing where starts are shared: nobody waits there
   * while one is free.
   */
  serveStartless(pool: FunctionPool, now: number): void {
    for (let free = pool.firstFree; free !== null && pool.queue.size > pool.starting; free = pool.firstFree) {
      this.#serve(this.#waiting.first(pool)!, free, now);
    }
    this.wantNoMore(pool);
  }

  /** Calls wait and no instance is free: starts what they are worth, and looks again when the policy says. */
  startForWaiting(pool: FunctionPool, now: number): void {
    if (pool.queue.size === 0 || pool.removed || pool.isCooling) return;
    const room = pool.instancesMax - pool.live - pool.unplaced;
    const asked = pool.policy.startsFor(pool, now);
    const isHopeless = pool.busy + pool.starting + pool.unplaced === 0;
    const wanted = Math.max(asked, isHopeless ? 1 : 0);
    const count = Math.min(room, wanted);
    if (wanted > Math.max(0, room)) pool.isHeldBack ||= pool.isBounded;
    if (count > 0) {
      this.#starts.setUnplaced(pool, pool.unplaced + count);
      this.#starts.feed(now);
    }
    // Not where starts under way serve all.
    if (pool.starting < pool.queue.size) this.#leases.revokeForWaiting(pool);
    const againMs = pool.policy.reconsiderAtMs(pool, now);
    if (againMs === Infinity) this.#alarms.remove(pool.reconsiderAlarm);
    else this.#alarms.set(pool.reconsiderAlarm, Math.max(againMs, now + WAKE_MS_MIN));
  }

  /**
   * As many calls wait with whoever holds these instances, which the policy sees as it sees those that are busy here. Nothing happens by it. What is free
   * is for the first of them, from when it counts as busy; about the others the policy is asked, and starts that nobody waits for are theirs beside what
   * it says. Where there is nothing of all that each has a start.
   */
  waitOrStart(pool: FunctionPool, waiting: number, held: HeldInstances, now: number): WaitOrStart {
    const { starting, unplaced, queue, startingSinceMs } = pool;
    const spare = Math.max(0, starting + unplaced - queue.size);
    const free = Math.min(waiting, pool.idle);
    const others = waiting - free;
    if (others === 0 || held.busy + free + spare === 0) return { starts: waiting, againAtMs: Infinity };
    const busy = pool.busy + held.busy + free;
    const busySinceMs = (pool.busySinceSumMs + held.busy * (now - held.busyForMs) + free * now) / busy;
    const view = { busy, idle: 0, starting, waiting: queue.size + others, unplaced, startingSinceMs, busySinceMs };
    const starts = free + Math.min(others, spare + Math.max(0, pool.policy.startsFor(view, now)));
    const againAtMs = Math.max(pool.policy.reconsiderAtMs(view, now), now + WAKE_MS_MIN);
    return { starts, againAtMs };
  }

  /** Starts that have no node yet are dropped where fewer calls wait than there are starts. */
  wantNoMore(pool: FunctionPool): void {
    if (pool.unplaced > 0) {
      const wanted = pool.queue.size - pool.starting;
      if (pool.unplaced > wanted) this.#starts.setUnplaced(pool, Math.max(0, wanted));
    }
    if (pool.queue.size === 0) this.#alarms.remove(pool.reconsiderAlarm);
  }

  /** It is free for the call that waits. */
  #serve(waiter: Waiter<Ticket>, instance: Instance, now: number): void {
    this.#waiting.leave(waiter);
    if (!waiter.isToLend) instance.pool.policy.waited(now - waiter.sinceMs, now);
    this.#give(instance, waiter.ticket, waiter.isToLend, now);
  }

  /** It is idle, or has just come free. */
  #give(instance: Instance, ticket: Ticket, isToLend: boolean, now: number): void {
    if (instance.state === "idle") this.#instances.leaveIdle(instance);
    this.#instances.becomeBusy(instance, now);
    instance.running = 1;
    instance.isToLend = isToLend;
    instance.pool.withdraw(instance);
    this.#effects.granted(ticket, instance);
  }
}
