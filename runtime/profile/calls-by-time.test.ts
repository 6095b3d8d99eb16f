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
  const told: Partial<Record<TallyTerm, number>> = { calls, elapsedUs, untold, bytes: 100 * calls, ...computing };
  return { side, sums: TALLY_TERMS.map((term) => told[term] ?? 0) };
};

test("adds up what was heard of between two times, to 25 ms", () => {
  const byTime = newCallsByTime();
  for (let ms = 0; ms < 1_000; ms += 25) byTime.fold(heard("compute", 2, 300, 0), ms);
  byTime.fold(heard("storage", 1, 50, 0), 1_010);
  expect(byTime.between(0, 1_000)).toEqual({
    calls: 80,
    elapsedUs: 12_000,
    atStorage: 0,
    untold: 0,
    bytes: 8_000,
    slowedUs: 4_800,
  });
  expect(byTime.between(500, 600)).toEqual({
    calls: 8,
    elapsedUs: 1_200,
    atStorage: 0,
    untold: 0,
    bytes: 800,
    slowedUs: 480,
  });
  expect(byTime.between(1_000, 1_025)).toEqual({
    calls: 1,
    elapsedUs: 50,
    atStorage: 1,
    untold: 0,
    bytes: 100,
    slowedUs: 20,
  });
  expect(byTime.between(1_025, 9_000)).toEqual({
    calls: 0,
    elapsedUs: 0,
    atStorage: 0,
    untold: 0,
    bytes: 0,
    slowedUs: 0,
  });
});

test("what a longer window brings is laid evenly on its time", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 8, 800, 4), 190, 100);
  byTime.fold(heard("compute", 4, 400, 0), 190, 100);
  byTime.fold(heard("compute", 4, 400, 0), 215);
  expect(byTime.between(0, 100)).toEqual({
    calls: 0,
    elapsedUs: 0,
    atStorage: 0,
    untold: 0,
    bytes: 0,
    slowedUs: 0,
  });
  expect(byTime.between(100, 175)).toEqual({
    calls: 9,
    elapsedUs: 1_200,
    atStorage: 6,
    untold: 3,
    bytes: 900,
    slowedUs: 480,
  });
  expect(byTime.between(175, 200)).toEqual({
    calls: 3,
    elapsedUs: 400,
    atStorage: 2,
    untold: 1,
    bytes: 300,
    slowedUs: 160,
  });
  expect(byTime.between(200, 225)).toEqual({
    calls: 4,
    elapsedUs: 400,
    atStorage: 0,
    untold: 0,
    bytes: 400,
    slowedUs: 160,
  });
});

test("windows of several lengths that end together lie on the mean of them, by their calls", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 6, 600, 0), 190, 100);
  byTime.fold(heard("compute", 6, 300, 0), 190, 50);
  byTime.fold(heard("compute", 0, 0, 0), 190, 25);
  expect(byTime.between(0, 125)).toEqual({
    calls: 0,
    elapsedUs: 0,
    atStorage: 0,
    untold: 0,
    bytes: 0,
    slowedUs: 0,
  });
  expect(byTime.between(125, 175)).toEqual({
    calls: 8,
    elapsedUs: 600,
    atStorage: 4,
    untold: 0,
    bytes: 800,
    slowedUs: 240,
  });
  expect(byTime.between(175, 200)).toEqual({
    calls: 4,
    elapsedUs: 300,
    atStorage: 2,
    untold: 0,
    bytes: 400,
    slowedUs: 120,
  });
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
  expect(byTime.between(0, 50)).toEqual({
    calls: 8,
    elapsedUs: 800,
    atStorage: 8,
    untold: 0,
    bytes: 800,
    slowedUs: 320,
  });
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
  expect(byTime.between(375, 525)).toEqual({
    calls: 2,
    elapsedUs: 20,
    atStorage: 2,
    untold: 0,
    bytes: 200,
    slowedUs: 8,
  });
});

test("what fails takes as long as what does not: who is told so at once asks again", () => {
  const byTime = newCallsByTime();
  byTime.fold(heard("storage", 10, 1_000, 0), 0);
  byTime.fold(heard("storage", 5, 500, 5), 25);
  byTime.fold(heard("storage", 0, 0, 10), 50);
  expect(byTime.between(0, 25)).toEqual({
    calls: 10,
    elapsedUs: 1_000,
    atStorage: 10,
    untold: 0,
    bytes: 1_000,
    slowedUs: 400,
  });
  expect(byTime.between(25, 50)).toEqual({
    calls: 5,
    elapsedUs: 1_000,
    atStorage: 5,
    untold: 5,
    bytes: 500,
    slowedUs: 400,
  });
  expect(byTime.between(25, 75)).toEqual({
    calls: 5,
    elapsedUs: 2_000,
    atStorage: 5,
    untold: 15,
    bytes: 500,
    slowedUs: 800,
  });
  expect(byTime.between(50, 75)).toEqual({
    calls: 0,
    elapsedUs: 0,
    atStorage: 0,
    untold: 10,
    bytes: 0,
    slowedUs: 0,
  });
});
