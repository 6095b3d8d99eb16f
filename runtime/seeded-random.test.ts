import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "./seeded-random.ts";

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

test("numbers spread evenly", () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const number of draw(7, 100_000)) tenths[Math.floor(number * 10)]! += 1;
  for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});
