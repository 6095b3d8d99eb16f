import { expect, test } from "vitest";
import { CallsByTime } from "./calls-by-time.ts";

test("adds up what was heard of between two times, to 25 ms", () => {
  const byTime = new CallsByTime();
  for (let ms = 0; ms < 1_000; ms += 25) byTime.fold(2, 300, ms);
  byTime.fold(1, 50, 1_010);
  expect(byTime.between(0, 1_000)).toEqual({ calls: 80, elapsedUs: 12_000 });
  expect(byTime.between(500, 600)).toEqual({ calls: 8, elapsedUs: 1_200 });
  expect(byTime.between(1_000, 1_025)).toEqual({ calls: 1, elapsedUs: 50 });
  expect(byTime.between(1_025, 9_000)).toEqual({ calls: 0, elapsedUs: 0 });
});

test("forgets what is older than a second and a half, and nothing before", () => {
  const byTime = new CallsByTime();
  byTime.fold(1, 10, 0);
  byTime.fold(1, 10, 1_575);
  expect(byTime.between(0, 2_000).calls).toBe(2);
  byTime.fold(1, 10, 1_600);
  expect(byTime.between(0, 2_000).calls).toBe(2);
  expect(byTime.between(0, 25).calls).toBe(0);
});

test("a clock that goes back adds to what was", () => {
  const byTime = new CallsByTime();
  byTime.fold(1, 10, 500);
  byTime.fold(1, 10, 400);
  expect(byTime.between(375, 525)).toEqual({ calls: 2, elapsedUs: 20 });
});
