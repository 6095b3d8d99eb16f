import { expect, test } from "vitest";
import { CallsByTime } from "./calls-by-time.ts";
import { Layout } from "./layout.ts";
import type { Side } from "./sample.ts";
import { TALLY_TERMS, type TallyTerm } from "./tally.ts";

const newCallsByTime = (): CallsByTime => {
  const layout = new Layout();
  return new CallsByTime(CallsByTime.placeIn(layout), layout.values());
};

const heard = (side: Side, calls: number, elapsedUs: number, untold: number) => {
  const computing = { cpuUs: 10 * calls, slowedUs: 4 * calls };
  const sums: Partial<Record<TallyTerm, number>> = { calls, elapsedUs, untold, bytes: 100 * calls, ...computing };
  return { side, sums: TALLY_TERMS.map((term) => sums[term] ?? 0) };
};

/** `[calls, elapsedUs, atStorage, untold, bytes]`; of the calls what they computed, and nothing else. */
const told = (byTime: CallsByTime, fromMs: number, toMs: number): readonly number[] => {
  const { calls, elapsedUs, atStorage, untold, bytes, ...others } = byTime.between(fromMs, toMs);
  expect(others).toEqual({ cpuUs: expect.closeTo(10 * calls), slowedUs: expect.closeTo(4 * calls) });
  return [calls, elapsedUs, atStorage, untold, bytes];
};

test("adds up what was heard of between two times, to 25 ms", () => {
  const byTime = newCallsByTime();
  for (let ms = 0; ms < 1_000; ms += 25) byTime.fold(heard("compute", 2, 300, 0), ms);
  byTime.fold(heard("storage", 1, 50, 0), 1_010);
  expect(told(byTime, 0, 1_000)).toEqual([80, 12_000, 0, 0, 8_000]);
  expect(told(byTime, 500, 600)).toEqual([8, 1_200, 0, 0, 800]);
  expect(told(byTime, 1_000, 1_025)).toEqual([1, 50, 1, 0, 100]);
  expect(told(byTime, 1_025, 9_000)).toEqual([0, 0, 0, 0, 0]);
});

test("what a longer window brings is laid evenly on its time", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 8, 800, 4), 190, 100);
  byTime.fold(heard("compute", 4, 400, 0), 190, 100);
  byTime.fold(heard("compute", 4, 400, 0), 215);
  expect(told(byTime, 0, 100)).toEqual([0, 0, 0, 0, 0]);
  expect(told(byTime, 100, 175)).toEqual([9, 1_200, 6, 3, 900]);
  expect(told(byTime, 175, 200)).toEqual([3, 400, 2, 1, 300]);
  expect(told(byTime, 200, 225)).toEqual([4, 400, 0, 0, 400]);
});

test("windows of several lengths that end together lie on the mean of them, by their calls", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 6, 600, 0), 190, 100);
  byTime.fold(heard("compute", 6, 300, 0), 190, 50);
  byTime.fold(heard("compute", 0, 0, 0), 190, 25);
  expect(told(byTime, 0, 125)).toEqual([0, 0, 0, 0, 0]);
  expect(told(byTime, 125, 175)).toEqual([8, 600, 4, 0, 800]);
  expect(told(byTime, 175, 200)).toEqual([4, 300, 2, 0, 400]);
});

test("of the longest window nothing is lost, however long ago the time is that is asked for", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 14, 1_400, 0), 990, 350);
  byTime.fold(heard("storage", 14, 1_400, 0), 1_340, 350);
  byTime.fold(heard("storage", 14, 1_400, 0), 1_690, 1_000);
  for (let ms = 650; ms < 1_700; ms += 25) expect(byTime.between(ms, ms + 25).calls).toBeCloseTo(1);
  expect(byTime.between(600, 650).calls).toBe(0);
});

test("of a window that is longer than the time since the beginning nothing is lost", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 8, 800, 0), 30, 100);
  expect(told(byTime, 0, 50)).toEqual([8, 800, 8, 0, 800]);
});

test("forgets what is older than 2.3 s, and nothing before", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 1, 10, 0), 0);
  byTime.fold(heard("storage", 1, 10, 0), 2_275);
  expect(byTime.between(0, 3_000).calls).toBe(2);
  byTime.fold(heard("storage", 1, 10, 0), 2_300);
  expect(byTime.between(0, 3_000).calls).toBe(2);
  expect(byTime.between(0, 25).calls).toBe(0);
});

test("a clock that goes back adds to what was", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 1, 10, 0), 500);
  byTime.fold(heard("storage", 1, 10, 0), 400);
  expect(told(byTime, 375, 525)).toEqual([2, 20, 2, 0, 200]);
});

test("what fails takes as long as what does not: who is told so at once asks again", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 10, 1_000, 0), 0);
  byTime.fold(heard("storage", 5, 500, 5), 25);
  byTime.fold(heard("storage", 0, 0, 10), 50);
  expect(told(byTime, 0, 25)).toEqual([10, 1_000, 10, 0, 1_000]);
  expect(told(byTime, 25, 50)).toEqual([5, 1_000, 5, 5, 500]);
  expect(told(byTime, 25, 75)).toEqual([5, 2_000, 5, 15, 500]);
  expect(told(byTime, 50, 75)).toEqual([0, 0, 0, 10, 0]);
});
