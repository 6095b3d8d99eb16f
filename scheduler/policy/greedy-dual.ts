// Greedy-dual keep-alive (Fuerst and Sharma, "FaasCache: Keeping Serverless Computing Alive with Greedy-Dual Caching", ASPLOS 2021): idle
// instances are a cache. None ends for being old; where memory is short, that of the least priority does,
//
//     priority = clock + frequency × cost ÷ size
//
// with the function's calls since it was last out of the cache, what a start takes, and its memory. The clock is the greatest priority
// that was ended so far: what is not used falls behind. Nothing is started ahead, no call waits for a busy instance.

import { KeepAliveFunction } from "./keep-alive-function.ts";
import { FIRST_START_MS, type Policy, type PoolView } from "./policy.ts";
import { amountIn, amountsIn } from "./saved-amounts.ts";

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
    restore: (saved) => void (clock.priority = amountIn(saved)),
  };
};

class GreedyDualFunction extends KeepAliveFunction {
  readonly #clock: Clock;
  readonly #memoryMb: number;
  #frequency = 0;
  #startMs = FIRST_START_MS;

  constructor(clock: Clock, memoryMb: number, saved: unknown) {
    super();
    this.#clock = clock;
    this.#memoryMb = memoryMb;
    if (saved === undefined) return;
    const [frequency, startMs] = amountsIn(saved, 2);
    this.#frequency = amountIn(frequency);
    this.#startMs = amountIn(startMs);
  }

  arrived(): void {
    this.#frequency++;
  }

  override started(startMs: number): void {
    this.#startMs = startMs;
  }

  keepAliveMs(): number {
    return Infinity;
  }

  override worth(): number {
    return this.#clock.priority + (this.#frequency * this.#startMs) / this.#memoryMb;
  }

  override evicted(worth: number, view: PoolView): void {
    this.#clock.priority = Math.max(this.#clock.priority, worth);
    if (view.busy + view.idle + view.starting <= 1) this.#frequency = 0;
  }

  save(): unknown {
    return [this.#frequency, this.#startMs];
  }
}
