import { expect, test } from "vitest";

import { fixedKeepAlive, REFERENCE } from "../policy/fixed.ts";
import { forecast } from "../policy/forecast.ts";
import { greedyDual } from "../policy/greedy-dual.ts";
import { hybridHistogram } from "../policy/hybrid-histogram.ts";
import { azureLikeTrace } from "./azure-like.ts";
import { replay } from "./replay.ts";
import { score2023 } from "./score-2023.ts";
import { withDurations, type Trace } from "./trace.ts";

const traceOf = (calls: readonly (readonly [atMs: number, durationMs: number])[], initMs = 50): Trace => ({
  name: "t",
  functions: [{ key: "f", runtime: "go", memoryMb: 512, initMs, timeoutMs: 60_000 }],
  functionOf: new Int32Array(calls.length),
  startMs: Float64Array.from(calls, ([atMs]) => atMs),
  durationMs: Float64Array.from(calls, ([, durationMs]) => durationMs),
  statusCode: new Uint16Array(calls.length).fill(200),
  epochMs: 0,
});
const AT_ONCE = { keepAliveMs: 0, lookEveryMs: 0 };

test("a slot costs from the start of its creation until it is destroyed, and a call waits for creation and init", () => {
  const result = replay(
    traceOf([
      [0, 100],
      [1_000, 100],
    ]),
    fixedKeepAlive("0", AT_ONCE),
  );
  expect([...result.waitMs]).toEqual([150, 150]);
  expect(result.slotGbSeconds[0]).toBeCloseTo(2 * 0.25 * 0.5);
  const { score, executionSeconds, scheduleSeconds } = score2023(result);
  expect([executionSeconds, scheduleSeconds]).toEqual([0.2, 0.3]);
  expect(score).toBeCloseTo((0.1 / 0.25) * 50 + (0.2 / 0.5) * 50);
});

test("when the last call has ended all slots are destroyed", () => {
  const result = replay(
    traceOf([
      [0, 100],
      [1_000, 100],
    ]),
    fixedKeepAlive("never", { keepAliveMs: Infinity, lookEveryMs: 0 }),
  );
  expect([...result.waitMs]).toEqual([150, 0]);
  expect(result.slotGbSeconds[0]).toBeCloseTo(1.1 * 0.5);
});

test("the reference looks every 10 s from the first call on, and ends what was idle for more than 5 minutes", () => {
  const result = replay(
    traceOf([
      [0, 100],
      [400_000, 100],
    ]),
    fixedKeepAlive("reference", REFERENCE),
  );
  // Idle since 250 ms: the first look after 300,250 ms is at 310 s.
  expect(result.slotGbSeconds[0]).toBeCloseTo((310 + 0.25) * 0.5);
});

test("with the reference no call waits for a busy instance: it waits for its own", () => {
  const result = replay(
    traceOf([
      [0, 200],
      [10, 100],
    ]),
    fixedKeepAlive("reference", REFERENCE),
  );
  expect([...result.waitMs]).toEqual([150, 150]);
  expect(result.starts).toBe(2);
});

test("our own waits for a busy instance where a start takes much longer", () => {
  // Ten bursts of 20 calls; by the second it knows how long these run.
  const calls = Array.from(
    { length: 200 },
    (_, call) => [Math.floor(call / 20) * 600_000 + (call % 20) * 5, 10] as const,
  );
  const ours = replay(traceOf(calls, 5_000), forecast());
  const reference = replay(traceOf(calls, 5_000), fixedKeepAlive("reference", REFERENCE));
  expect(reference.starts).toBe(200);
  expect(ours.starts).toBeLessThan(60);
});

test("a period is found, and the instance is there when the call comes", () => {
  const calls = Array.from({ length: 300 }, (_, call) => [call * 30_000 + ((call * 7) % 5), 50] as const);
  const result = replay(traceOf(calls), forecast());
  // Windows end where being earlier would cost more than it saves: a call may wait a moment.
  expect(Math.max(...result.waitMs.subarray(50))).toBeLessThan(2);
  // A fortieth of what keeping it would have cost.
  expect(result.slotGbSeconds[0]).toBeLessThan((9_000 * 0.5) / 40);
  expect(result.forecastErrors[0]).toBeLessThan(0.001);
});

test("calls that come at once by a clock find as many instances as they are worth", () => {
  const calls = Array.from({ length: 400 }, (_, call) => [Math.floor(call / 8) * 60_000, 2_000] as const);
  const { waitMs } = replay(traceOf(calls, 3_000), forecast({ kind: "waiting", gbSecondsPerWaitSecond: 20 }));
  const last = waitMs.subarray(200);
  expect(last.filter((one) => one < 5).length).toBeGreaterThan(last.length * 0.9);
});

const POLICIES = [() => fixedKeepAlive("reference", REFERENCE), hybridHistogram, greedyDual, () => forecast()];

test("the same trace and policy give the same figures, with each policy", () => {
  const trace = azureLikeTrace({ seed: 3, functions: 40, hours: 6, callsPerHourMax: 600 });
  for (const policy of POLICIES) {
    const [one, other] = [replay(trace, policy()), replay(trace, policy())];
    expect(other.waitMs).toEqual(one.waitMs);
    expect(other.slotGbSeconds).toEqual(one.slotGbSeconds);
    expect(one.slotGbSeconds.every((gbSeconds) => gbSeconds >= 0)).toBe(true);
  }
});

test("our own scores above the reference on synthetic traces that it was not tuned on", () => {
  for (const seed of [101, 102]) {
    const trace = azureLikeTrace({ seed, functions: 100, hours: 8, callsPerHourMax: 600 });
    for (const one of [trace, withDurations(trace, 50)]) {
      const [ours, reference] = [forecast(), fixedKeepAlive("reference", REFERENCE)].map((policy) =>
        score2023(replay(one, policy)),
      );
      expect(ours!.score).toBeGreaterThan(reference!.score);
    }
  }
});
