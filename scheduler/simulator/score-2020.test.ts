import { expect, test } from "vitest";

import { fixedKeepAlive } from "../policy/fixed.ts";
import { load2020 } from "./load-2020.ts";
import { run2020 } from "./run-2020.ts";
import { score2020 } from "./score-2020.ts";

const REFERENCE = { response: [5, 10, 8, 10], nodeDuration: 40, errorRate: 0 };

/** The published example, recomputed: of its third row one printed score, 1.153125, is wrong. */
for (const [response, nodeDuration, even, uneven] of [
  [[4, 10, 7, 8], 35, 0.871875, 0.8703125],
  [[6, 8, 10, 10], 45, 1.09375, 1.078125],
  [[4, 8, 5, 8], 60, 1.128125, 0.9421875],
  [[7, 12, 10, 12], 30, 1.00625, 1.134375],
] as const) {
  test(`the published example's row ${response.join(", ")}; ${nodeDuration} has its scores`, () => {
    const totals = { response, nodeDuration, errorRate: 0 };
    expect(score2020(totals, REFERENCE, { responseTime: 0.5, nodeDuration: 0.5 })).toBeCloseTo(even, 10);
    expect(score2020(totals, REFERENCE, { responseTime: 0.75, nodeDuration: 0.25 })).toBeCloseTo(uneven, 10);
  });
}

test("the reference scores 1, and ten points more with too many errors", () => {
  const weights = { responseTime: 0.5, nodeDuration: 0.5 };
  expect(score2020(REFERENCE, REFERENCE, weights)).toBe(1);
  expect(score2020({ ...REFERENCE, errorRate: 0.0011 }, REFERENCE, weights)).toBe(11);
});

test("the load has the contest's calls, in rounds of one function each, the same for the same seed", () => {
  const load = load2020(1);
  expect(load.startMs).toHaveLength(73_300);
  expect(load2020(1)).toEqual(load);
  expect(load.startMs.every((atMs, call) => call === 0 || atMs >= load.startMs[call - 1]!)).toBe(true);
  const counts = load.functions.map((_, index) => load.functionOf.filter((one) => one === index).length);
  expect(Math.min(...counts)).toBeGreaterThan(100);
});

test("a run answers every call, and never has more nodes than there are", () => {
  const load = load2020(2);
  const keepAll = fixedKeepAlive("nothing released", { keepAliveMs: Infinity, lookEveryMs: 0 });
  const { calls, errors, nodesMost, nodeMs } = run2020(load, keepAll, { seed: 1, learnsNeed: false });
  expect(calls.reduce((sum, one) => sum + one, 0) + errors).toBe(73_300);
  expect(nodesMost).toBeLessThanOrEqual(20);
  expect(nodeMs).toBeGreaterThan(0);
});
