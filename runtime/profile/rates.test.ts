import { describe, expect, test } from "vitest";
import { poisson, seededRandom } from "#runtime/seeded-random.ts";
import { CallRates, type Rates } from "./rates.ts";
import type { Side } from "./sample.ts";
import { TALLY_TERMS, type TallyTerm } from "./tally.ts";

const WINDOW_MS = 25;

const tallyOf = (side: Side, terms: Partial<Record<TallyTerm, number>>) => ({
  side,
  sums: TALLY_TERMS.map((term) => terms[term] ?? 0),
});

/** Rates that are fed window by window with calls at compute. */
function played() {
  const rates = new CallRates();
  let nowMs = 0;
  const nowOf = (): Rates => rates.surge(nowMs) ?? rates.at(nowMs);
  const come = (calls: number, fixed = 0): Rates => {
    rates.fold(tallyOf("compute", { calls, fixed }), WINDOW_MS, (nowMs += WINDOW_MS));
    return nowOf();
  };
  /** Rates after each window of a stretch. */
  const comeFor = (ms: number, callsOf: () => number): readonly number[] =>
    Array.from({ length: ms / WINDOW_MS }, () => come(callsOf()).all);
  /** Windows with a surge, of a stretch of so many equal ones. */
  const surgesIn = (windows: number, calls: number): number =>
    Array.from({ length: windows }, () => (come(calls), rates.surge(nowMs))).filter(Boolean).length;
  return { rates, come, comeFor, surgesIn };
}

test("all calls count, and those that run on their side whatever the plan is count by side", () => {
  const rates = new CallRates();
  for (let nowMs = WINDOW_MS; nowMs <= 5_000; nowMs += WINDOW_MS) {
    rates.fold(tallyOf("compute", { calls: 10, fixed: 4 }), WINDOW_MS, nowMs);
    rates.fold(tallyOf("storage", { calls: 5, untold: 2, fixed: 7 }), WINDOW_MS, nowMs);
  }
  const { all, fixed } = rates.at(5_000);
  expect(all).toBeCloseTo(17 * 40, -1);
  expect(fixed.compute).toBeCloseTo(4 * 40, -1);
  expect(fixed.storage).toBeCloseTo(7 * 40, -1);
  expect(rates.at(15_000).fixed.storage).toBeLessThan(7);
});

test("a young rate is not too low, and it falls when calls end", () => {
  const { rates, come } = played();
  expect(come(10).all).toBeGreaterThan(350);
  expect(come(10).all).toBeLessThan(450);
  expect(rates.at(3_000).all).toBeLessThan(10);
});

test("people see the rate of about the last ten seconds", () => {
  const { rates, comeFor } = played();
  comeFor(60_000, () => 10);
  expect(rates.perSecondLately(60_000)).toBeCloseTo(400, -1);
  expect(rates.perSecondLately(65_000)).toBeGreaterThan(100);
  expect(rates.perSecondLately(180_000)).toBeLessThan(1);
});

describe.each([100, 1_000])("of %d calls per second by chance", (perSecond) => {
  const random = seededRandom(1);
  const calls = (times: number) => () => poisson((times * perSecond * WINDOW_MS) / 1e3, random);

  test("the rate stays near the true one", () => {
    const rates = played().comeFor(60_000, calls(1)).slice(80);
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    expect(Math.abs(mean / perSecond - 1)).toBeLessThan(0.05);
    expect(Math.max(...rates) / perSecond).toBeLessThan(1 + 6 / Math.sqrt(0.7 * perSecond));
  });

  test("ten times as many are a surge within 100 ms", () => {
    const { comeFor } = played();
    comeFor(5_000, calls(1));
    expect(comeFor(100, calls(10)).at(-1)!).toBeGreaterThan(6 * perSecond);
  });
});

test.each([
  { times: 1.2, isSurge: false },
  // More cannot end on a side that was half busy.
  { times: 2, isSurge: true },
  { times: 3, isSurge: true },
])("$times times as many calls as usual are a surge: $isSurge", ({ times, isSurge }) => {
  const { surgesIn } = played();
  expect(surgesIn(200, 500)).toBe(0);
  expect(surgesIn(40, times * 500) > 0).toBe(isSurge);
});

test.each([
  { free: 0, moreFree: 0, fixed: 400, moreFixed: 4_000 },
  { free: 80, moreFree: 2_000, fixed: 480, moreFixed: 480 },
])("a surge from $fixed to $moreFixed fixed calls is none of the $moreFree free ones", (calls) => {
  const { free, moreFree, fixed, moreFixed } = calls;
  const { come } = played();
  const comeAt = (freely: number, fixedly: number) => come((freely + fixedly) / 40, fixedly / 40);
  for (let window = 0; window < 200; window++) comeAt(free, fixed);
  for (let window = 0; window < 10; window++) {
    const { all, fixed: known } = comeAt(moreFree, moreFixed);
    expect(known.compute).toBeGreaterThan(0.95 * fixed - 1);
    expect(known.compute).toBeLessThan(1.05 * moreFixed + 1);
    expect(all - known.compute).toBeGreaterThan(0.95 * free - 1);
    expect(all - known.compute).toBeLessThan(1.05 * moreFree + 1);
  }
});
