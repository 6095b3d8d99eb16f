import { expect, test } from "vitest";

import { fixedSeconds, policyOf } from "../policy/policies.ts";
import { EVEN_WEIGHTS } from "../policy/weights-2020.ts";
import { Contest2020 } from "./contest-2020.ts";

const SEED = 3;

test("each call is answered or an error, on at most the contest's nodes, and the score is its parts, weighed", () => {
  const steps: (readonly [policy: string, calls: number])[] = [];
  const contest = new Contest2020({
    seed: SEED,
    weights: { responseTime: 0.75, nodeDuration: 0.25 },
    onStep: (policy, calls) => void steps.push([policy, calls]),
  });
  const report = contest.report(fixedSeconds(60));
  const { calls, functions, errors, nodesMost, responseTime, nodeDuration, score } = report;
  expect({ calls, functions, errors }).toEqual({ calls: 73_300, functions: 10, errors: 0 });
  expect(nodesMost).toBeLessThanOrEqual(20);
  expect(score).toBeCloseTo(0.75 * responseTime + 0.25 * nodeDuration, 10);
  expect(contest.report(fixedSeconds(60))).toEqual(report);
  // Whatever it started is there at the end, or ended for others: a node holds 24 of the smallest.
  const { starts, evictions } = report.reference;
  expect(evictions).toBeGreaterThan(0);
  expect(starts - evictions).toBeGreaterThanOrEqual(functions);
  expect(starts - evictions).toBeLessThanOrEqual(20 * 24);
  // The reference ran once.
  expect(steps.filter(([, at]) => at === 0).map(([policy]) => policy)).toEqual([
    "nothing released",
    "fixed:60",
    "fixed:60",
  ]);
  expect(steps.at(-1)![1]).toBeGreaterThan(60_000);
});

test("our own policy, told the weights alone, does better than the reference, and by the part that weighs more", () => {
  const reportWith = (responseTime: number) => {
    const contest = new Contest2020({ seed: SEED, weights: { responseTime, nodeDuration: 1 - responseTime } });
    return contest.report(policyOf("forecast", contest.objective));
  };
  const [even, hasty] = [reportWith(EVEN_WEIGHTS.responseTime), reportWith(0.95)];
  expect(even.score).toBeLessThan(0.6);
  expect(even.errors).toBe(0);
  expect(hasty.responseTime).toBeLessThan(even.responseTime);
});
