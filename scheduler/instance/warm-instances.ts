// What is warm without being used: how long idle instances stay, and which are started before anybody asks, as the policy says and as is
// reserved.

import { type Alarm, WAKE_MS_MIN } from "../alarm.ts";
import type { StartReason } from "../effects.ts";
import type { IndexedHeap } from "../indexed-heap.ts";
import type { FunctionPool } from "./function-pool.ts";
import type { IdleByWorth } from "./idle-by-worth.ts";
import type { Instance } from "./instance.ts";
import type { Instances } from "./instances.ts";
import type { Starts } from "./starts.ts";

interface Ports {
  /** Infinity: idle instances end for want of memory only where their node is full. */
  readonly warmMemoryMb: number;
  readonly alarms: IndexedHeap<Alarm>;
  readonly instances: Instances;
  readonly idle: IdleByWorth;
  readonly starts: Starts;
}

export class WarmInstances {
  readonly #warmMemoryMb: number;
  readonly #alarms: IndexedHeap<Alarm>;
  readonly #instances: Instances;
  readonly #idle: IdleByWorth;
  readonly #starts: Starts;

  constructor({ warmMemoryMb, alarms, instances, idle, starts }: Ports) {
    this.#warmMemoryMb = warmMemoryMb;
    this.#alarms = alarms;
    this.#instances = instances;
    this.#idle = idle;
    this.#starts = starts;
  }

  /** It is idle from now on, or ends at once. It is in the list of the free. */
  rest(instance: Instance, now: number): void {
    const { pool, unusedSinceMs } = instance;
    // A lease ends some time after its last call: keep-alive is counted from that.
    const sinceMs = unusedSinceMs !== null && unusedSinceMs >= instance.busySinceMs ? unusedSinceMs : now;
    this.#instances.becomeIdle(instance, sinceMs);
    const keepMs = pool.policy.keepAliveMs(pool.idle, sinceMs);
    this.wakeToPlan(pool, now);
    const warmUntilMs = pool.idle <= pool.warm ? pool.warmUntilMs : 0;
    instance.expireAtMs = Math.max(sinceMs + keepMs, warmUntilMs, instance.keepUntilMs);
    const isReserved = pool.live <= pool.reservedInstances;
    if (isReserved) instance.expireAtMs = Infinity;
    if (instance.expireAtMs <= now) return this.#instances.stop(instance, "idle for long", now);
    // An alarm that rings too early costs less than moving it at each call.
    const { expireAtMs } = instance;
    if (expireAtMs < instance.alarmAtMs) this.#setAlarm(instance, expireAtMs);
    if (isReserved || (!instance.node.isBounded && this.#warmMemoryMb === Infinity)) return;
    this.#idle.add(instance, pool.policy.worth(now));
    if (this.#starts.areWaiting) this.#starts.feed(now);
  }

  /** Its alarm rang: it ends where it has rested long enough. */
  endRested(instance: Instance, now: number): void {
    instance.alarmAtMs = Infinity;
    if (instance.state !== "idle" || instance.expireAtMs === Infinity) return;
    const { pool } = instance;
    if (pool.idle <= pool.warm && pool.warmUntilMs > instance.expireAtMs) instance.expireAtMs = pool.warmUntilMs;
    if (instance.expireAtMs > now) this.#setAlarm(instance, instance.expireAtMs);
    else if (pool.live > pool.reservedInstances) this.#instances.stop(instance, "idle for long", now);
  }

  wakeToPlan(pool: FunctionPool, now: number): void {
    const atMs = pool.policy.nextPlanMs(now);
    const { planAlarm } = pool;
    // As with idle instances: early is cheap.
    if (atMs === Infinity || (planAlarm.index >= 0 && planAlarm.key <= atMs)) return;
    this.#alarms.set(planAlarm, Math.max(atMs, now + WAKE_MS_MIN));
  }

  plan(pool: FunctionPool, now: number): void {
    if (pool.policy.nextPlanMs(now) <= now) {
      const { warm, untilMs } = pool.policy.plan(pool, now);
      pool.warm = warm;
      pool.warmUntilMs = untilMs;
      this.#startAhead(pool, pool.lackingWarm, "prewarm", now);
    }
    this.wakeToPlan(pool, now);
  }

  keepReserved(pool: FunctionPool, now: number): void {
    this.#startAhead(pool, pool.lackingReserved, "reserved", now);
  }

  /** A node has come: starts that have found no room are made, as far as they are still wanted. */
  startLacking(pool: FunctionPool, now: number): void {
    this.keepReserved(pool, now);
    if (now < pool.warmUntilMs) this.#startAhead(pool, pool.lackingWarm, "prewarm", now);
  }

  /** Fewer are reserved: those that were kept whatever the policy says are its matter again. */
  unreserve(pool: FunctionPool, now: number): void {
    for (const instance of this.#instances.all()) {
      if (instance.pool !== pool || instance.state !== "idle" || instance.expireAtMs !== Infinity) continue;
      this.#instances.leaveIdle(instance);
      this.rest(instance, now);
    }
  }

  #setAlarm(instance: Instance, atMs: number): void {
    instance.alarmAtMs = atMs;
    this.#alarms.set(instance.expiry, atMs);
  }

  /** Not before calls of others that wait for room. */
  #startAhead(pool: FunctionPool, count: number, why: StartReason, now: number): void {
    if (pool.isCooling) return;
    for (let started = 0; started < count; started++) {
      if (this.#starts.areWaiting || !this.#starts.start(pool, why, now)) return this.#starts.wantAhead(pool, now);
    }
  }
}
