import { expect, test } from "vitest";
import { CallsByTime } from "./calls-by-time.ts";
import { TALLY_TERMS, type TallyTerm } from "./tally.ts";

const heard = (calls: number, elapsedUs: number, untold = 0) => {
  const sums: Partial<Record<TallyTerm, number>> = { calls, elapsedUs, untold };
  return { sums: TALLY_TERMS.map((term) => sums[term] ?? 0) };
};

/** `[calls, elapsedUs]`. */
const told = (byTime: CallsByTime, fromMs: number, toMs: number): readonly number[] => {
  const { calls, elapsedUs } = byTime.between(fromMs, toMs);
  return [calls, elapsedUs];
};

test("calls between two times are added up, to 25 ms", () => {
  const byTime = new CallsByTime();
  for (let ms = 0; ms < 1_000; ms += 25) byTime.fold(heard(2, 300), ms, 25);
  byTime.fold(heard(1, 50), 1_010, 25);
  expect(told(byTime, 0, 1_000)).toEqual([80, 12_000]);
  expect(told(byTime, 500, 600)).toEqual([8, 1_200]);
  expect(told(byTime, 1_000, 1_025)).toEqual([1, 50]);
  expect(told(byTime, 1_025, 9_000)).toEqual([0, 0]);
});

test("the calls of a longer window are spread evenly over its time", () => {
  const byTime = new CallsByTime();
  byTime.fold(heard(8, 800), 190, 100);
  byTime.fold(heard(4, 400), 215, 25);
  expect(told(byTime, 0, 100)).toEqual([0, 0]);
  expect(told(byTime, 100, 175)).toEqual([6, 600]);
  expect(told(byTime, 175, 225)).toEqual([6, 600]);
});

test("a window that began before the clock loses no calls", () => {
  const byTime = new CallsByTime();
  byTime.fold(heard(8, 800), 30, 100);
  expect(told(byTime, 0, 50)).toEqual([8, 800]);
});

test("calls are forgotten after 2.3 s, and not before", () => {
  const byTime = new CallsByTime();
  for (const ms of [0, 2_275]) byTime.fold(heard(1, 10), ms, 25);
  expect(byTime.between(0, 3_000).calls).toBe(2);
  byTime.fold(heard(1, 10), 2_300, 25);
  expect(byTime.between(0, 3_000).calls).toBe(2);
  expect(byTime.between(0, 25).calls).toBe(0);
});

test("a clock that goes back loses no calls", () => {
  const byTime = new CallsByTime();
  for (const ms of [500, 400]) byTime.fold(heard(1, 10), ms, 25);
  expect(told(byTime, 375, 525)).toEqual([2, 20]);
});

test("a failed call takes as long as the others, because its caller calls again", () => {
  const byTime = new CallsByTime();
  byTime.fold(heard(5, 500, 5), 25, 25);
  byTime.fold(heard(0, 0, 10), 50, 25);
  expect(told(byTime, 25, 50)).toEqual([5, 1_000]);
  expect(told(byTime, 25, 75)).toEqual([5, 2_000]);
  expect(told(byTime, 50, 75)).toEqual([0, 0]);
});
