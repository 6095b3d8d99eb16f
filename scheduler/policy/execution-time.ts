// How long a function's calls run: the mean, and what is left of one that has run for a while.

import { BucketCells, bucketOfMs, BUCKETS } from "./bucket-cells.ts";
import { amountsIn } from "./saved-amounts.ts";

const CALLS_MAX = 1_024;
const [COUNT, SUM_MS, FIELDS] = [0, 1, 2] as const;

export class ExecutionTime extends BucketCells {
  calls = 0;
  #sumMs = 0;

  constructor() {
    super(FIELDS);
  }

  add(executionMs: number): void {
    const bucket = bucketOfMs(executionMs);
    this.set(bucket, COUNT, this.value(bucket, COUNT) + 1);
    this.set(bucket, SUM_MS, this.value(bucket, SUM_MS) + executionMs);
    this.#sumMs += executionMs;
    if (++this.calls < CALLS_MAX) return;
    this.scaleField(COUNT, 1 / 2);
    this.scaleField(SUM_MS, 1 / 2);
    this.calls /= 2;
    this.#sumMs /= 2;
  }

  get meanMs(): number {
    return this.#sumMs / this.calls;
  }

  /** Expected, of a call that runs for so long already. One that outlasts all that was seen will take as long again. */
  leftMs(elapsedMs: number): number {
    let [count, sumMs] = [0, 0];
    for (let bucket = bucketOfMs(elapsedMs); bucket <= this.last; bucket++) {
      const [here, hereMs] = [this.value(bucket, COUNT), this.value(bucket, SUM_MS)];
      if (here === 0 || hereMs / here <= elapsedMs) continue;
      count += here;
      sumMs += hereMs;
    }
    return count === 0 ? elapsedMs : sumMs / count - elapsedMs;
  }

  /** Count and sum of each bucket, from the first of all to the last that is in use. */
  save(): readonly number[] {
    const cells = Array.from({ length: this.last + 1 }, (_, bucket) => [
      this.value(bucket, COUNT),
      this.value(bucket, SUM_MS),
    ]);
    return [this.calls, this.#sumMs, ...cells.flat()];
  }

  /** Throws where it cannot have been saved. */
  restore(saved: unknown): void {
    const [calls = 0, sumMs = 0, ...cells] = amountsIn(saved, 2 + FIELDS * BUCKETS);
    this.calls = calls;
    this.#sumMs = sumMs;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const [count = 0, ofBucketMs = 0] = cells.slice(FIELDS * bucket, FIELDS * (bucket + 1));
      if (count === 0) continue;
      this.set(bucket, COUNT, count);
      this.set(bucket, SUM_MS, ofBucketMs);
    }
  }
}
