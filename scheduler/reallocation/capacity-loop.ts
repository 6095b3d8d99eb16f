// How many compute instances, and how many threads beside the data, each function may use: looked at once a second, divided by divided.ts, and told
// to the scheduler and to whoever holds the threads, live.

import { every, type Repeated } from "#runtime/shared-timer.ts";
import type { LiveScheduler } from "../live-scheduler.ts";
import { Divided } from "./divided.ts";

/** Threads beside the data: isolates that run a function there. */
export interface StorageThreads {
  /**
   * From now on each of these functions may use so many at once, the others as many as they like; for a while, unless it is said again. What they have
   * and want then.
   */
  allow(allowed: ReadonlyMap<string, number>): Promise<ThreadsSeen>;
}

export interface ThreadsSeen {
  /** That there is room for. */
  readonly total: number;
  /** Of the functions that have, or want, any. */
  readonly functions: readonly ThreadUse[];
}

export interface ThreadUse {
  readonly functionKey: string;
  /** That it may use at most, whatever is used. */
  readonly threadsMax: number;
  /** That there are, busy or not. */
  readonly threads: number;
  readonly busy: number;
  /** Calls that wait for one. */
  readonly waiting: number;
}

/** Of all functions together. */
export interface CapacityTotals {
  /** null: instances are not divided. */
  readonly instances: number | null;
  /** null: nothing beside the data is divided. */
  readonly threads: DividedThreads | null;
}

interface DividedThreads {
  readonly holder: StorageThreads;
  /** null: as many as there is room for. */
  readonly total: number | null;
  /** Told why the holder does not answer, each reason once until it has; it is asked again at every look. */
  readonly onError: (error: Error) => void;
}

/** AutoLoc's. */
const LOOK_MS = 1_000;

export class CapacityLoop {
  readonly #scheduler: LiveScheduler;
  readonly #holder: DividedThreads | null;
  readonly #instances: Divided | null;
  #threads: Divided | null = null;
  /** As the threads' holder was told last. */
  #allowedThreads: ReadonlyMap<string, number> = new Map();
  readonly #looks: Repeated;
  #isAsking = false;
  /** Why the holder does not answer, as was told last. */
  #trouble: string | null = null;

  constructor(scheduler: LiveScheduler, { instances, threads }: CapacityTotals) {
    this.#scheduler = scheduler;
    this.#holder = threads;
    this.#instances = instances === null ? null : new Divided(instances);
    this.#looks = every(LOOK_MS, () => void this.look());
  }

  /** What was said last holds on: of threads for as long as their holder remembers it. */
  close(): void {
    this.#looks.stop();
  }

  /** Also at a word, beside its own time. Threads are not asked about while an answer is on its way. */
  async look(): Promise<void> {
    if (this.#instances !== null) this.#divideInstances(this.#instances);
    if (this.#holder === null || this.#isAsking) return;
    this.#isAsking = true;
    try {
      await this.#divideThreads(this.#holder);
      this.#trouble = null;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#trouble) this.#holder.onError(error as Error);
      this.#trouble = message;
    } finally {
      this.#isAsking = false;
    }
  }

  #divideInstances(divided: Divided): void {
    const { total } = divided;
    const { core } = this.#scheduler;
    const uses = Array.from(core.functions(), (pool) => {
      const { busy, leased, starting, live, queue, config, reservedInstances, isHeldBack } = pool;
      const wanted = queue.size;
      pool.isHeldBack = false;
      return {
        key: config.key,
        most: Math.min(config.instancesMax, total),
        least: Math.max(1, Math.min(reservedInstances, total)),
        held: live,
        used: Math.max(reservedInstances, busy + leased + Math.max(starting, wanted)),
        lacks: isHeldBack || (wanted > 0 && pool.isBounded),
      };
    });
    const nowMs = this.#scheduler.now();
    for (const [key, amount] of divided.look(uses, nowMs)) {
      const pool = core.pool(key);
      // Declared anew it may have what is configured.
      if (pool.instancesMax !== amount || pool.surplus > 0) core.allow(pool, amount, nowMs);
    }
    this.#scheduler.wake();
  }

  async #divideThreads({ holder, total: set }: DividedThreads): Promise<void> {
    const seen = await holder.allow(this.#allowedThreads);
    const total = Math.min(seen.total, set ?? Infinity);
    if (this.#threads?.total !== total) this.#threads = new Divided(total);
    const limits = new Map<string, number>();
    const uses = seen.functions.map(({ functionKey: key, threadsMax, threads: held, busy, waiting }) => {
      limits.set(key, threadsMax);
      const most = Math.min(threadsMax, total);
      return { key, most, least: 1, held, used: busy + waiting, lacks: waiting > 0 };
    });
    const divided = this.#threads.look(uses, this.#scheduler.now());
    // Who may have all that it can have need not be told so.
    const allowed = new Map(divided.entries().filter(([key, amount]) => amount < (limits.get(key) ?? Infinity)));
    const isSame =
      allowed.size === this.#allowedThreads.size &&
      allowed.entries().every(([key, amount]) => this.#allowedThreads.get(key) === amount);
    this.#allowedThreads = allowed;
    if (!isSame) await holder.allow(allowed);
  }
}
