// Times of many calls in buckets that grow by a fixed ratio, so that a percentile is off by at most 5 %.

/** Each bucket ends so much later than the one before. Half of the step is the error of a percentile. */
const RATIO = 1.1;
/** They reach 190 s, beyond any deadline; the last one takes all longer times. */
export const BUCKETS = 200;

export const bucketOf = (us: number): number =>
  us <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(us) / Math.log(RATIO)));

/** The middle of the bucket, µs. */
const middleOf = (bucket: number): number => RATIO ** (bucket - 0.5);

/** `counts`: by bucket; they may be fractions. null: there are none. */
export function percentileUs(counts: ArrayLike<number>, percent: number): number | null {
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) total += counts[bucket]!;
  if (total <= 0) return null;
  let left = (percent / 100) * total;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= counts[bucket]!;
    if (left <= 0) return middleOf(bucket);
  }
  return middleOf(BUCKETS - 1);
}

/** Counts that decay by time. New counts weigh more instead, which spares two hundred products in each window. */
export class DecayedHistogram {
  readonly #counts = new Float32Array(BUCKETS);
  #weight = 1;

  /** `kept`: the part of all earlier counts that still counts. `elapsed`: bucket, count, bucket, count, … */
  add(elapsed: readonly number[], kept: number): void {
    this.#weight /= kept;
    // Long before the counts overflow.
    if (this.#weight > 1e12) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket]! /= this.#weight;
      this.#weight = 1;
    }
    for (let pair = 0; pair + 1 < elapsed.length; pair += 2) {
      const bucket = elapsed[pair]!;
      if (Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS)
        this.#counts[bucket]! += elapsed[pair + 1]! * this.#weight;
    }
  }

  percentileUs(percent: number): number | null {
    return percentileUs(this.#counts, percent);
  }

  forget(): void {
    this.#counts.fill(0);
    this.#weight = 1;
  }
}
