import * as fc from "fast-check";
import { expect, test } from "vitest";
import { poisson, seededRandom } from "./seeded-random.ts";

const draw = (seed: number, count: number): number[] => Array.from({ length: count }, seededRandom(seed));

test("the same seed gives the same numbers, on every machine and in every release", () => {
  expect(draw(1, 3).map((number) => number * 2 ** 32)).toEqual([393_288_148, 2_174_103_013, 3_814_759_091]);
});

test("seeds give numbers of their own, from 0 to below 1", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 2 }), (seed) => {
      const numbers = draw(seed, 50);
      expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
      expect(numbers).not.toEqual(draw(seed + 1, 50));
    }),
  );
});

test.each([0, 0.5, 20, 3_000])(
  "counts of whom %d come in the middle are as many, and vary by the root of that",
  (mean) => {
    const random = seededRandom(7);
    const counts = Array.from({ length: 4_000 }, () => poisson(mean, random));
    const middle = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - middle) ** 2, 0) / counts.length;
    expect(Math.abs(middle - mean)).toBeLessThanOrEqual(4 * Math.sqrt(mean / counts.length));
    expect(Math.abs(variance - mean)).toBeLessThanOrEqual(0.15 * mean);
  },
);

test("numbers spread evenly", () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const number of draw(7, 100_000)) tenths[Math.floor(number * 10)]! += 1;
  for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});
