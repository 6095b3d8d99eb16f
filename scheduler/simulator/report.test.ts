import { expect, test } from "vitest";

import { fixedSeconds } from "../policy/policies.ts";
import { replay, type Replay } from "./replay.ts";
import { reportOf } from "./report.ts";
import type { Trace } from "./trace.ts";

const traceOf = (
  functions: readonly (readonly [key: string, memoryMb: number, initMs: number])[],
  calls: readonly (readonly [index: number, atMs: number, durationMs: number])[],
): Trace => ({
  name: "by hand",
  functions: functions.map(([key, memoryMb, initMs]) => ({ key, runtime: "go", memoryMb, initMs, timeoutMs: 60_000 })),
  functionOf: Int32Array.from(calls, ([index]) => index),
  startMs: Float64Array.from(calls, ([, atMs]) => atMs),
  durationMs: Float64Array.from(calls, ([, , durationMs]) => durationMs),
  statusCode: new Uint16Array(calls.length).fill(200),
  epochMs: 0,
});

test("a replay that nothing ends is reported as it comes to by hand", () => {
  const trace = traceOf(
    [
      ["f", 1_024, 100],
      ["g", 512, 0],
    ],
    [
      [0, 0, 1_000], // Waits 200 ms for its slot.
      [0, 500, 1_000], // That one is busy: 200 ms for another.
      [1, 2_000, 100], // Waits 100 ms.
      [0, 5_000, 1_000], // Finds one of two.
    ],
  );
  const report = reportOf(replay(trace, fixedSeconds(Infinity)));
  expect(report).toMatchObject({
    trace: "by hand",
    policy: "fixed:never",
    calls: 4,
    functions: 2,
    starts: 3,
    coldShare: 3 / 4,
    coldShareOfFunctions: { p25: 2 / 3, p50: 2 / 3, p75: 1, p90: 1 },
    waitMs: { mean: 125, p50: 100, p99: 200, max: 200 },
    forecastError: null,
    forecastErrors: {},
  });
  // All slots last until 6,000 ms, since 0, 500 and 2,000.
  const [held, executed] = [6 + 5.5 + 4 * 0.5, 3 + 0.1 * 0.5];
  expect(report.score.slotGbSeconds).toBeCloseTo(held);
  expect(report.wastedGbSeconds).toBeCloseTo(held - executed);
  expect(report.score.resourceUsageScore).toBeCloseTo((executed / held) * 50);
  expect(report.score.coldStartTimeScore).toBeCloseTo((3.1 / 3.6) * 50);
});

test("percentiles are of the functions that were called, and of all waits, by nearest rank", () => {
  const waits = [
    [0, [300, 20, 10, 0]],
    [1, [100, 0]],
    [3, [500]],
    [4, [0]],
  ] as const;
  const calls = waits.flatMap(([index, ms]) => ms.map(() => [index, 0, 1_000] as const));
  const trace = traceOf(
    ["a", "b", "never called", "c", "d"].map((key) => [key, 1_024, 0] as const),
    calls,
  );
  const all: Replay = {
    trace,
    policy: "by hand",
    waitMs: Float64Array.from(waits.flatMap(([, ms]) => ms)),
    slotGbSeconds: Float64Array.of(6, 3, 0, 2, 1.5),
    starts: 5,
    spanMs: 10_000,
    forecastErrors: [0.1, null, null, 0.3, 0.2],
  };
  const { functions, coldShare, coldShareOfFunctions, waitMs, wastedGbSeconds, forecastError, forecastErrors } =
    reportOf(all);
  expect(functions).toBe(4);
  expect(coldShare).toBe(5 / 8);
  // 0, 1/2, 3/4 and all.
  expect(coldShareOfFunctions).toEqual({ p25: 0, p50: 0.5, p75: 0.75, p90: 1 });
  // 0, 0, 0, 10, 20, 100, 300, 500.
  expect(waitMs).toEqual({ mean: 116.25, p50: 10, p99: 500, max: 500 });
  expect(wastedGbSeconds).toBeCloseTo(12.5 - 8);
  expect(forecastError).toBe(0.2);
  expect(forecastErrors).toEqual({ a: 0.1, c: 0.3, d: 0.2 });
});

test("of a hundred waits the 99th percentile is the one before the longest", () => {
  const trace = traceOf(
    [["f", 1_024, 0]],
    Array.from({ length: 100 }, () => [0, 0, 1] as const),
  );
  const { waitMs } = reportOf({
    trace,
    policy: "by hand",
    waitMs: Float64Array.from({ length: 100 }, (_, call) => 100 - call),
    slotGbSeconds: Float64Array.of(1),
    starts: 1,
    spanMs: 1,
    forecastErrors: [null],
  });
  expect(waitMs).toEqual({ mean: expect.closeTo(50.5), p50: 50, p99: 99, max: 100 });
});
