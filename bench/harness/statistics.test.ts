import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mayComeTo, medianErrorOf, medianOf, mediansOf, spreadOf } from "./statistics.ts";

test.for([
  [[7], { median: 7, min: 7, max: 7 }],
  [[3, 1, 2], { median: 2, min: 1, max: 3 }],
  [[4, 1, 3, 2], { median: 2.5, min: 1, max: 4 }],
  [[10, 9, 1_000], { median: 10, min: 9, max: 1_000 }],
] as const)("%j has the spread %j", ([values, spread]) => {
  expect(spreadOf(values)).toEqual(spread);
});

test("nothing has no spread", () => {
  expect(() => spreadOf([])).toThrow(RangeError);
});

describe("the median", () => {
  const values = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 20 });

  test("has as many values below as above", () => {
    fc.assert(
      fc.property(values, (list) => {
        const median = medianOf(list);
        const below = list.filter((value) => value < median).length;
        const above = list.filter((value) => value > median).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(list.length / 2);
      }),
    );
  });

  test("does not depend on the order, and leaves the list as it was", () => {
    fc.assert(
      fc.property(values, (list) => {
        const before = [...list];
        expect(medianOf(list)).toBe(medianOf(list.toReversed()));
        expect(list).toEqual(before);
      }),
    );
  });
});

test("the error of a median is that of a mean, and a quarter more, and shrinks as there are more values", () => {
  // Of four values that are 1 from their mean: √(4 ÷ 3 ÷ 4).
  expect(medianErrorOf([1, 3, 1, 3])).toBeCloseTo(1.2533 * 0.577, 3);
  expect(medianErrorOf([1, 3, 1, 3, 1, 3, 1, 3])).toBeCloseTo(1.2533 * 0.378, 3);
  expect(medianErrorOf([2, 2, 2])).toBe(0);
});

test("values may come to what lies within their error, which is the greater the fewer they are", () => {
  // Of four the error is 3.18 times 0.72, of many twice as many.
  const four = [1, 3, 1, 3];
  expect([2, 4.2, -0.2].map((median) => mayComeTo(four, median))).toEqual([true, true, true]);
  expect([4.4, -0.4].map((median) => mayComeTo(four, median))).toEqual([false, false]);
  const many = Array.from({ length: 100 }, (_, index) => 1 + 2 * (index % 2));
  expect([2.2, 2.3].map((median) => mayComeTo(many, median))).toEqual([true, false]);
  expect(mayComeTo([7], 1)).toBe(true);
  // Of two 12.7 times 1.25, of three 4.3 times 0.72.
  expect([17.9, 18].map((median) => mayComeTo([1, 3], median))).toEqual([true, false]);
  expect([4.1, 4.2].map((median) => mayComeTo([0, 1, 2], median))).toEqual([true, false]);
  expect(mayComeTo([2, 2, 2], 2.1)).toBe(false);
});

test("of values that lie together there is one, and none of those that are left over", () => {
  expect(mediansOf([1, 2, 9, 5, 7, 8], 1)).toEqual([1, 2, 9, 5, 7, 8]);
  expect(mediansOf([1, 2, 9, 5, 7], 3)).toEqual([2]);
  expect(mediansOf([], 3)).toEqual([]);
});
