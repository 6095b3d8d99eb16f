import { expect, test } from "vitest";

import { EVEN_WEIGHTS } from "../policy/weights-2020.ts";
import { score2020 } from "./score-2020.ts";

const REFERENCE = { response: [5, 10, 8, 10], nodeDuration: 40, errorRate: 0 };

/** The contest's worked example as it was printed, with even weights and with 0.75/0.25. */
const PRINTED = [
  [[4, 10, 7, 8], 35, 0.871875, 0.8703125],
  [[6, 8, 10, 10], 45, 1.09375, 1.078125],
  [[4, 8, 5, 8], 60, 1.153125, 0.9421875],
  [[7, 12, 10, 12], 30, 1.00625, 1.134375],
] as const;
/** By hand: (4/5 + 8/10 + 5/8 + 8/10) / 4 · 0.5 + 60/40 · 0.5. What was printed of the third row differs. */
const THIRD_EVEN = 1.128125;

test.each(PRINTED)(
  "the contest's example, %j on nodes for %i, has its scores",
  (response, nodeDuration, even, uneven) => {
    const scoreOf = (responseTime: number): number =>
      score2020({ response, nodeDuration, errorRate: 0 }, REFERENCE, { responseTime, nodeDuration: 1 - responseTime })
        .score;
    expect(scoreOf(0.5)).toBeCloseTo(even === 1.153125 ? THIRD_EVEN : even, 10);
    expect(scoreOf(0.75)).toBeCloseTo(uneven, 10);
  },
);

test("one figure of the contest's example is wrong by its own rule", () => {
  const scores = PRINTED.map(
    ([response, nodeDuration]) => score2020({ response, nodeDuration, errorRate: 0 }, REFERENCE, EVEN_WEIGHTS).score,
  );
  const differs = scores.map((score, row) => Math.abs(score - PRINTED[row]![2]) > 1e-9);
  expect(differs).toEqual([false, false, true, false]);
});

test("the reference scores 1 whatever the weights, and each part is told by itself", () => {
  expect(score2020(REFERENCE, REFERENCE, EVEN_WEIGHTS)).toEqual({ score: 1, responseTime: 1, nodeDuration: 1 });
  expect(score2020(REFERENCE, REFERENCE, { responseTime: 0.75, nodeDuration: 0.25 }).score).toBe(1);
  const half = { ...REFERENCE, nodeDuration: 20 };
  expect(score2020(half, REFERENCE, EVEN_WEIGHTS)).toEqual({ score: 0.75, responseTime: 1, nodeDuration: 0.5 });
});

test("with more errors than one in a thousand there are ten points more", () => {
  const scoreAt = (errorRate: number): number => score2020({ ...REFERENCE, errorRate }, REFERENCE, EVEN_WEIGHTS).score;
  expect(scoreAt(0.001)).toBe(1);
  expect(scoreAt(0.001_01)).toBe(11);
});
