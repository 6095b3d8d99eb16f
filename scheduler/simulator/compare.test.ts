import { expect, test } from "vitest";

import { fixedSeconds } from "../policy/policies.ts";
import { azureLikeTrace } from "./azure-like.ts";
import { compare, simulate, TRIED_SECONDS } from "./compare.ts";
import { reportOf } from "./report.ts";
import { withDurations } from "./trace.ts";

const TRACE = azureLikeTrace({ seed: 7, functions: 20, hours: 2, callsPerHourMax: 300 });

test.each([1, 50])(
  "with %i times the durations, the best in hindsight is as good as each fixed keep-alive",
  (factor) => {
    const trace = withDurations(TRACE, factor);
    const { reports, hindsight } = compare(trace, () => {});
    expect(reports.map(({ policy }) => policy)).toEqual(["forecast", "reference", "hybrid-histogram", "greedy-dual"]);
    const scores = TRIED_SECONDS.map((seconds) => reportOf(simulate(trace, fixedSeconds(seconds))).score.score);
    expect(hindsight.score.score).toBe(Math.max(...scores));
    expect(hindsight.policy).toMatch(/^fixed:/);
  },
);

test("each step tells whose turn it is", () => {
  const told = new Set<string>();
  compare(TRACE, (policy) => told.add(policy));
  expect([...told]).toEqual([
    "forecast",
    "reference",
    "hybrid-histogram",
    "greedy-dual",
    ...TRIED_SECONDS.map((seconds) => (seconds === Infinity ? "fixed:never" : `fixed:${seconds}`)),
  ]);
});
