import * as fc from "fast-check";
import { expect, test } from "vitest";
import { BUCKETS, bucketOf, percentileUs } from "./histogram.ts";

test("a percentile is off by 5 % at most, for any times", () => {
  const times = fc.array(fc.double({ min: 1, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 100 }), (values, percent) => {
      const counts = new Float64Array(BUCKETS);
      for (const us of values) counts[bucketOf(us)]! += 1;
      const sorted = values.toSorted((one, other) => one - other);
      const exact = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
      expect(Math.abs(percentileUs(counts, percent)! / exact - 1)).toBeLessThanOrEqual(0.0501);
    }),
  );
});

test("times outside of all buckets are in the first and in the last", () => {
  expect([bucketOf(-1), bucketOf(0), bucketOf(1e12)]).toEqual([0, 0, BUCKETS - 1]);
});

test("of no calls there is no percentile", () => {
  expect(percentileUs(new Float64Array(BUCKETS), 50)).toBeNull();
});
