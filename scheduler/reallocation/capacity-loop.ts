// How many compute instances, and how many threads beside the data, each function may use: looked at once a second, decided by
// reallocation.ts, and told to the scheduler and to whoever holds the threads, live.

import type { LiveScheduler } from "../live-scheduler.ts";
import { Reallocation, type Change, type Sample } from "./reallocation.ts";

/** Threads beside the data: isolates that run a function there. */
export interface StorageThreads {
  /** Of the functions that have, or want, any. */
  look(): Promise<readonly ThreadUse[]>;
  /** From now on it may use so many at once. */
  allow(functionKey: string, threads: number): Promise<void>;
}

export interface ThreadUse {
  readonly functionKey: string;
  /** That it may use at most, whatever is used. */
  readonly threadsMax: number;
  readonly busy: number;
  /** Calls that wait for one. */
  readonly waiting: number;
}

export interface CapacityLoopOptions {
  readonly scheduler: LiveScheduler;
  /** Of all functions together. */
  readonly instances: number;
  /** null: nothing beside the data is divided. */
  readonly threads: { readonly holder: StorageThreads; readonly total: number } | null;
  /** Told when the threads' holder does not answer; it is asked again at the next look. */
  readonly onError: (error: Error) => void;
}

/** AutoLoc's. */
const LOOK_MS = 1_000;
/** A function that has had and wanted nothing for so many looks is forgotten. Chosen. */
const FORGOTTEN_AFTER = 60;
/** Of a function that is new. */
const INITIAL = 2;
/** Calls that wait show that a forecast was too low: it wants so many times what is busy and waits together. */
const LACKED_GROWTH = 2;
const COUNTS = { floor: 1, step: 1, rests: false };

/** What one function has and wants, whatever is counted. */
interface Use {
  readonly key: string;
  readonly most: number;
  readonly used: number;
  readonly waits: boolean;
}

/** Divides one total among functions, as they come and go. */
class Divided {
  readonly #reallocation: Reallocation;
  readonly #quietLooks = new Map<string, number>();

  constructor(total: number) {
    this.#reallocation = new Reallocation({ ...COUNTS, total });
  }

  look(uses: readonly Use[], nowMs: number): readonly Change[] {
    const changes = [...this.#comeAndGo(uses)];
    const samples = uses.flatMap(({ key, used, waits }): readonly Sample[] =>
      this.#quietLooks.has(key) ? [{ id: key, used, calls: 0, lacked: waits ? used * LACKED_GROWTH : null }] : [],
    );
    changes.push(...this.#reallocation.sampled(samples, nowMs));
    // Of one that changed twice the last counts.
    return [...new Map(changes.map((change) => [change.id, change])).values()];
  }

  #comeAndGo(uses: readonly Use[]): readonly Change[] {
    const changes: Change[] = [];
    const seen = new Set(uses.map(({ key }) => key));
    for (const [key, looks] of this.#quietLooks) {
      this.#quietLooks.set(key, looks + 1);
      if (looks < FORGOTTEN_AFTER && seen.has(key)) continue;
      this.#quietLooks.delete(key);
      changes.push(...this.#reallocation.remove(key));
    }
    for (const { key, most, used } of uses) {
      if (used === 0) continue;
      if (!this.#quietLooks.has(key)) {
        const added = this.#reallocation.add(key, most, INITIAL);
        // More functions than there is to divide: it is asked about again.
        changes.push(...(added ?? [{ id: key, amount: 1 }]));
        if (added === null) continue;
      }
      this.#quietLooks.set(key, 0);
    }
    // Of those that are gone nobody has to be told.
    return changes.filter(({ id }) => seen.has(id));
  }
}

export class CapacityLoop {
  readonly #options: CapacityLoopOptions;
  readonly #instances: Divided;
  readonly #threads: Divided | null;
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  constructor(options: CapacityLoopOptions) {
    const { instances, threads } = options;
    this.#options = options;
    this.#instances = new Divided(instances);
    this.#threads = threads === null ? null : new Divided(threads.total);
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Also at a word, beside its own time; not where a look is under way. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      this.#lookAtInstances();
      await this.#lookAtThreads();
    } catch (error) {
      this.#options.onError(error as Error);
    } finally {
      this.#isLooking = false;
    }
  }

  #lookAtInstances(): void {
    const { scheduler, instances } = this.#options;
    const { core } = scheduler;
    const uses = Array.from(core.functions(), (pool) => {
      const { busy, starting, queue, concurrency, config } = pool;
      const wanted = Math.ceil(queue.size / concurrency);
      return {
        key: config.key,
        most: Math.min(config.instancesMax, instances),
        used: busy + Math.max(starting, wanted),
        waits: wanted > 0 && pool.live >= pool.instancesMax,
      };
    });
    const nowMs = scheduler.now();
    for (const { id, amount } of this.#instances.look(uses, nowMs)) core.allow(core.pool(id), amount, nowMs);
    scheduler.wake();
  }

  async #lookAtThreads(): Promise<void> {
    const { threads, scheduler } = this.#options;
    if (threads === null || this.#threads === null) return;
    const { holder, total } = threads;
    const uses = (await holder.look()).map(({ functionKey, threadsMax, busy, waiting }) => ({
      key: functionKey,
      most: Math.min(threadsMax, total),
      used: busy + waiting,
      waits: waiting > 0,
    }));
    for (const { id, amount } of this.#threads.look(uses, scheduler.now())) await holder.allow(id, amount);
  }
}
