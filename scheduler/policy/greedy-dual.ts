// Greedy-dual keep-alive (Fuerst and Sharma, "FaasCache: Keeping Serverless Computing Alive with Greedy-Dual Caching", ASPLOS 2021): idle
// instances are a cache. None ends for being old; where memory is short, that of the least priority does,
//
//     priority = clock + frequency × cost ÷ size
//
// with the function's calls since it was last out of the cache, what a start takes, and its memory. The clock is the greatest priority
// that was ended so far: what is not used falls behind. Nothing is started ahead, no call waits for a busy instance.

import { NOTHING_WARM, type FunctionPolicy, type Policy, type PoolView } from "./policy.ts";

/** Before a function's first start was seen. Chosen. */
const FIRST_START_MS = 1_000;

interface Clock {
  priority: number;
}

export const greedyDual = (): Policy => {
  const clock: Clock = { priority: 0 };
  return {
    name: "greedy-dual",
    sharesStarts: false,
    attach: () => {},
    follow: ({ memoryMb }, _nowMs, saved) => new GreedyDualFunction(clock, memoryMb, saved),
    save: () => clock.priority,
    restore: (saved) => void (clock.priority = Number(saved)),
  };
};

class GreedyDualFunction implements FunctionPolicy {
  readonly #clock: Clock;
  readonly #memoryMb: number;
  #frequency = 0;
  #startMs = FIRST_START_MS;

  constructor(clock: Clock, memoryMb: number, saved: unknown) {
    this.#clock = clock;
    this.#memoryMb = memoryMb;
    if (Array.isArray(saved)) [this.#frequency, this.#startMs] = saved as [number, number];
  }

  arrived(): void {
    this.#frequency++;
  }

  startsFor({ waiting, starting, unplaced }: PoolView): number {
    return waiting - starting - unplaced;
  }

  reconsiderAtMs(): number {
    return Infinity;
  }

  started(startMs: number): void {
    this.#startMs = startMs;
  }

  ended(): void {}

  waited(): void {}

  keepAliveMs(): number {
    return Infinity;
  }

  worth(): number {
    return this.#clock.priority + (this.#frequency * this.#startMs) / this.#memoryMb;
  }

  evicted(worth: number, view: PoolView): void {
    this.#clock.priority = Math.max(this.#clock.priority, worth);
    if (view.busy + view.idle + view.starting <= 1) this.#frequency = 0;
  }

  nextPlanMs(): number {
    return Infinity;
  }

  plan(): typeof NOTHING_WARM {
    return NOTHING_WARM;
  }

  forecastError(): null {
    return null;
  }

  save(): unknown {
    return [this.#frequency, this.#startMs];
  }
}
