// Replays a trace through a policy in virtual time: the very Scheduler that runs live, in a world where starting takes as long as the trace
// says and stopping takes none. Deterministic: the same trace and policy give the same figures on every machine.
//
// The world is the 2023 contest's: an instance is a slot, whose creation takes 100 ms and whose function then initialises; a slot costs
// from the start of its creation until it is destroyed; when the last call has ended, all are destroyed.

import type { Effects } from "../effects.ts";
import type { FunctionPool } from "../instance/function-pool.ts";
import type { Instance } from "../instance/instance.ts";
import type { Policy } from "../policy/policy.ts";
import { Scheduler } from "../scheduler.ts";
import { EventQueue } from "./event-queue.ts";
import { CREATE_SLOT_MS, type Trace } from "./trace.ts";

const PROGRESS_CALLS = 65_536;
/** The event of a start, where that of a call's end has the call's number. */
const STARTED = -1;

export interface Replay {
  readonly trace: Trace;
  readonly policy: string;
  /** By call, ms from asking to being granted an instance. */
  readonly waitMs: Float64Array;
  /** By function, GB·s of its instances from creation to end. */
  readonly slotGbSeconds: Float64Array;
  readonly starts: number;
  /** From the first call to the end of the last. */
  readonly spanMs: number;
  /** By function: what its forecasts missed by, on what they had not seen; null where none is made. */
  readonly forecastErrors: readonly (number | null)[];
}

export interface ReplayOptions {
  /** A soft bound on the memory of all instances, for policies that only end instances where memory is short. */
  readonly warmMemoryMb?: number;
  /** Told how many calls have come. */
  readonly onProgress?: (calls: number) => void;
}

export function replay(
  trace: Trace,
  policy: Policy,
  { warmMemoryMb = Infinity, onProgress }: ReplayOptions = {},
): Replay {
  const world = new SlotWorld(trace);
  const scheduler = new Scheduler<number>(policy, world, { warmMemoryMb, waitingMax: Infinity });
  world.run(scheduler, onProgress ?? (() => {}));
  const { waitMs, slotGbSeconds, nowMs } = world;
  return {
    trace,
    policy: policy.name,
    waitMs,
    slotGbSeconds,
    starts: scheduler.counts.starts,
    spanMs: nowMs,
    forecastErrors: world.pools.map((pool) => pool.policy.forecastError()),
  };
}

class SlotWorld implements Effects<number> {
  readonly waitMs: Float64Array;
  readonly slotGbSeconds: Float64Array;
  readonly pools: FunctionPool[] = [];
  nowMs = 0;
  readonly #trace: Trace;
  readonly #indexOf = new Map<FunctionPool, number>();
  readonly #events = new EventQueue<Instance>();
  /** Stopped in the event that is being handled; told to the scheduler after it. */
  readonly #stopped: Instance[] = [];

  constructor(trace: Trace) {
    this.#trace = trace;
    this.waitMs = new Float64Array(trace.startMs.length);
    this.slotGbSeconds = new Float64Array(trace.functions.length);
  }

  run(scheduler: Scheduler<number>, onProgress: (calls: number) => void): void {
    const { functions, functionOf, startMs, durationMs } = this.#trace;
    const calls = startMs.length;
    const events = this.#events;
    scheduler.nodeCame({ id: "slots", address: "", port: 0, memoryMb: Infinity, cpus: Infinity }, 0);
    for (const { key, memoryMb, timeoutMs } of functions) {
      const bound = timeoutMs > 0 ? { timeoutMs } : {};
      const pool = scheduler.declare({ key, memoryMb, ...bound }, 0);
      this.#indexOf.set(pool, this.pools.length);
      this.pools.push(pool);
    }
    let ended = 0;
    for (let call = 0; ended < calls;) {
      const arrivalMs = call < calls ? startMs[call]! : Infinity;
      const wakeMs = scheduler.nextWakeMs();
      const eventMs = events.nextMs;
      // At the same time: ends and starts first, then what was due, then who comes.
      if (eventMs <= arrivalMs && eventMs <= wakeMs) {
        this.nowMs = eventMs;
        events.take();
        const instance = events.what!;
        if (events.detail === STARTED) scheduler.instanceStarted(instance, eventMs);
        else {
          ended++;
          scheduler.release(instance, { executionMs: durationMs[events.detail]! }, eventMs);
        }
      } else if (wakeMs <= arrivalMs) {
        this.nowMs = Math.max(this.nowMs, wakeMs);
        scheduler.tick(wakeMs);
      } else {
        this.nowMs = arrivalMs;
        scheduler.acquire(this.pools[functionOf[call]!]!, call, Infinity, arrivalMs);
        call++;
        if (call % PROGRESS_CALLS === 0) onProgress(call);
      }
      while (this.#stopped.length > 0) scheduler.instanceGone(this.#stopped.pop()!, this.nowMs);
    }
    for (const instance of scheduler.instances()) this.#account(instance);
  }

  granted(call: number, instance: Instance): void {
    this.waitMs[call] = this.nowMs - this.#trace.startMs[call]!;
    this.#events.push(this.nowMs + this.#trace.durationMs[call]!, instance, call);
  }

  refused(_call: number, error: Error): never {
    throw error;
  }

  startInstance(instance: Instance): void {
    const { initMs } = this.#trace.functions[this.#indexOf.get(instance.pool)!]!;
    this.#events.push(this.nowMs + CREATE_SLOT_MS + initMs, instance, STARTED);
  }

  stopInstance(instance: Instance): void {
    this.#account(instance);
    this.#stopped.push(instance);
  }

  #account(instance: Instance): void {
    const gbSeconds = ((this.nowMs - instance.createdMs) / 1e3) * (instance.pool.config.memoryMb / 1024);
    this.slotGbSeconds[this.#indexOf.get(instance.pool)!]! += gbSeconds;
  }

  reserveNode(): void {}
  releaseNode(): void {}
  leaseEnded(): void {}
  instanceFailed(): void {}
  nodeNoted(): void {}
}
