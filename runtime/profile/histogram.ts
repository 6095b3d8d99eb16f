// Times of many calls in so many buckets that a percentile is off by 5 % at most, whatever the times are. Bounded, whatever their
// number.

/** Each bucket reaches so much further than the one before. Half of it is the error of a percentile. */
const RATIO = 1.1;
const FIRST_US = 1;
/** The last bucket takes everything beyond; 200 buckets of this ratio reach 190 s, beyond any deadline. */
export const BUCKETS = 200;

const LOG_RATIO = Math.log(RATIO);

export const bucketOf = (us: number): number =>
  us <= FIRST_US ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(us / FIRST_US) / LOG_RATIO));

/** The middle of the bucket, µs. */
const middleOf = (bucket: number): number => FIRST_US * Math.exp((bucket - 0.5) * LOG_RATIO);

/** `counts`: by bucket, from a place on; they may be fractions. null: there are none. */
export function percentileUs(counts: ArrayLike<number>, percent: number, from = 0): number | null {
  let total = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) total += counts[from + bucket]!;
  if (total <= 0) return null;
  let left = (percent / 100) * total;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= counts[from + bucket]!;
    if (left <= 0) return middleOf(bucket);
  }
  return middleOf(BUCKETS - 1);
}
