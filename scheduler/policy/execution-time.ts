// How long a function's calls run: the mean, and what is left of one that has run for a while.

import { bucketOfMs } from "./idle-gaps.ts";

const BUCKETS = 68;
const CALLS_MAX = 1_024;

export class ExecutionTime {
  readonly #counts = new Float64Array(BUCKETS);
  readonly #sumsMs = new Float64Array(BUCKETS);
  calls = 0;
  #last = -1;
  #sumMs = 0;

  add(executionMs: number): void {
    const bucket = bucketOfMs(executionMs);
    this.#counts[bucket]!++;
    if (bucket > this.#last) this.#last = bucket;
    this.#sumsMs[bucket]! += executionMs;
    this.#sumMs += executionMs;
    if (++this.calls < CALLS_MAX) return;
    for (let index = 0; index < BUCKETS; index++) {
      this.#counts[index]! /= 2;
      this.#sumsMs[index]! /= 2;
    }
    this.calls /= 2;
    this.#sumMs /= 2;
  }

  get meanMs(): number {
    return this.#sumMs / this.calls;
  }

  /** Expected, of a call that runs for so long already. One that outlasts all that was seen will take as long again. */
  leftMs(elapsedMs: number): number {
    let [count, sumMs] = [0, 0];
    for (let bucket = bucketOfMs(elapsedMs); bucket <= this.#last; bucket++) {
      const here = this.#counts[bucket]!;
      if (here === 0) continue;
      if (this.#sumsMs[bucket]! / here <= elapsedMs) continue;
      count += here;
      sumMs += this.#sumsMs[bucket]!;
    }
    return count === 0 ? elapsedMs : sumMs / count - elapsedMs;
  }

  save(): readonly number[] {
    return [this.calls, this.#sumMs, ...this.#counts, ...this.#sumsMs];
  }

  restore([calls = 0, sumMs = 0, ...rest]: readonly number[]): void {
    this.calls = calls;
    this.#sumMs = sumMs;
    this.#last = BUCKETS - 1;
    this.#counts.set(rest.slice(0, BUCKETS));
    this.#sumsMs.set(rest.slice(BUCKETS, 2 * BUCKETS));
  }
}
