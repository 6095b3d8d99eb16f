import { array, assert, integer, property, record } from "fast-check";
import { expect, test } from "vitest";
import { split } from "./split.ts";

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

test("all have what they want where it fits", () => {
  expect(split([want(1, 4), want(1, 1), want(2, 3)], 8)).toEqual([4, 1, 3]);
});

test("those who want less than an equal part have it, and the others what is left in equal parts", () => {
  expect(split([want(0, 2), want(0, 10), want(0, 20)], 12)).toEqual([2, 5, 5]);
});

test("what is left of equal parts goes to the first ones, a step each", () => {
  expect(split([want(0, 9), want(0, 9), want(0, 9)], 8)).toEqual([3, 3, 2]);
});

test("a floor is granted whatever others want", () => {
  expect(split([want(6, 6), want(1, 9), want(1, 9)], 8)).toEqual([6, 1, 1]);
});

test("the total is never passed and, where more is wanted, used up; each has from its floor to what it wants, and nobody who lacks something has less than another beyond its floor", () => {
  const wants = array(record({ floor: integer({ min: 0, max: 5 }), more: integer({ min: 0, max: 60 }) }), {
    maxLength: 12,
  });
  assert(
    property(wants, integer({ min: 0, max: 200 }), (given, above) => {
      const asked = given.map(({ floor, more }) => want(floor, floor + more));
      const total = sumOf(asked.map(({ floor }) => floor)) + above;
      const granted = split(asked, total);
      expect(sumOf(granted)).toBe(Math.min(total, sumOf(asked.map(({ wanted }) => wanted))));
      for (const [index, { floor, wanted }] of asked.entries()) {
        const own = granted[index]!;
        expect(own).toBeGreaterThanOrEqual(floor);
        expect(own).toBeLessThanOrEqual(wanted);
        if (own === wanted) continue;
        const aboveFloor = granted.filter((amount, other) => amount > asked[other]!.floor);
        expect(Math.max(0, ...aboveFloor)).toBeLessThanOrEqual(own + 1);
      }
    }),
  );
});

const want = (floor: number, wanted: number) => ({ floor, wanted });
