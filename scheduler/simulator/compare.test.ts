import { expect, test } from "vitest";

import { fixedSeconds } from "../policy/policies.ts";
import { azureLikeTrace } from "./azure-like.ts";
import { bestFixed, compare, simulate } from "./compare.ts";
import { TRIED_SECONDS } from "./hindsight.ts";
import { reportOf } from "./report.ts";
import { withDurations, type Trace } from "./trace.ts";

const TRACE = azureLikeTrace({ seed: 7, functions: 20, hours: 2, callsPerHourMax: 300 });

test.each([1, 50])(
  "with %i times the durations, the best in hindsight is as good as each fixed keep-alive",
  (factor) => {
    const trace = withDurations(TRACE, factor);
    const { reports, hindsight } = compare(trace, () => {});
    expect(reports.map(({ policy }) => policy)).toEqual(["forecast", "reference", "hybrid-histogram", "greedy-dual"]);
    const scores = TRIED_SECONDS.map((seconds) => reportOf(simulate(trace, fixedSeconds(seconds))).score.score);
    expect(hindsight.score.score).toBeGreaterThanOrEqual(Math.max(...scores));
    expect(hindsight.policy).toMatch(/^fixed:/);
  },
);

test("each step tells whose turn it is", () => {
  const told = new Set<string>();
  compare(TRACE, (policy) => told.add(policy));
  const known = [
    "forecast",
    "reference",
    "hybrid-histogram",
    "greedy-dual",
    ...TRIED_SECONDS.map((seconds) => (seconds === Infinity ? "fixed:never" : `fixed:${seconds}`)),
  ];
  expect([...told].slice(0, known.length)).toEqual(known);
  for (const name of [...told].slice(known.length)) expect(name).toMatch(/^fixed:\d+(\.\d+)?$/);
  expect(told.size).toBeLessThanOrEqual(known.length + 12);
});

test("of calls that come every 2.5 s the best in hindsight is a little longer, and better than whatever is tried first", () => {
  const calls = 500;
  const trace: Trace = {
    name: "by the clock",
    functions: [{ key: "f", runtime: "go", memoryMb: 1_024, initMs: 900, timeoutMs: 60_000 }],
    functionOf: new Int32Array(calls),
    // After each five of them a long pause, which is not worth keeping anything for.
    startMs: Float64Array.from({ length: calls }, (_, call) => call * 2_500 + Math.floor(call / 5) * 600_000),
    durationMs: new Float64Array(calls).fill(1_000),
    statusCode: new Uint16Array(calls).fill(200),
    epochMs: 0,
  };
  const best = bestFixed(trace);
  const seconds = Number(/^fixed:(.+)$/.exec(best.policy)?.[1]);
  // From the end of one, which takes a second, to the next.
  expect(seconds).toBeGreaterThanOrEqual(1.5);
  expect(seconds).toBeLessThan(1.5 * 1.05);
  for (const tried of TRIED_SECONDS) {
    expect(best.score.score).toBeGreaterThan(reportOf(simulate(trace, fixedSeconds(tried))).score.score);
  }
});
