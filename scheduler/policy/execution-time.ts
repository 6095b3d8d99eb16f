// How long a function's calls run: the mean, and what is left of one that has run for a while.

import { bucketOfMs } from "./idle-gaps.ts";
import { amountsIn } from "./saved-amounts.ts";

const BUCKETS = 68;
const CALLS_MAX = 1_024;

export class ExecutionTime {
  /** Of each bucket its count and its sum, side by side. */
  readonly #cells = new Float64Array(BUCKETS * 2);
  calls = 0;
  #last = -1;
  #sumMs = 0;

  add(executionMs: number): void {
    const bucket = bucketOfMs(executionMs);
    this.#cells[bucket * 2]!++;
    if (bucket > this.#last) this.#last = bucket;
    this.#cells[bucket * 2 + 1]! += executionMs;
    this.#sumMs += executionMs;
    if (++this.calls < CALLS_MAX) return;
    for (let index = 0; index < this.#cells.length; index++) this.#cells[index]! /= 2;
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
      const here = this.#cells[bucket * 2]!;
      if (here === 0) continue;
      if (this.#cells[bucket * 2 + 1]! / here <= elapsedMs) continue;
      count += here;
      sumMs += this.#cells[bucket * 2 + 1]!;
    }
    return count === 0 ? elapsedMs : sumMs / count - elapsedMs;
  }

  save(): readonly number[] {
    return [this.calls, this.#sumMs, ...this.#cells];
  }

  /** Throws where it cannot have been saved. */
  restore(saved: unknown): void {
    const [calls = 0, sumMs = 0, ...cells] = amountsIn(saved, 2 + this.#cells.length);
    this.calls = calls;
    this.#sumMs = sumMs;
    this.#last = BUCKETS - 1;
    this.#cells.set(cells);
  }
}
