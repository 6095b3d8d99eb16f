import { expect, test } from "vitest";

import { azureLikeTrace } from "./azure-like.ts";

const TRACE = azureLikeTrace({ seed: 5, functions: 2_000, hours: 24, callsPerHourMax: 200 });

test("the same seed gives the same trace, another another", () => {
  const small = { functions: 20, hours: 2, callsPerHourMax: 60 };
  expect(azureLikeTrace({ ...small, seed: 1 })).toEqual(azureLikeTrace({ ...small, seed: 1 }));
  expect(azureLikeTrace({ ...small, seed: 2 }).startMs).not.toEqual(azureLikeTrace({ ...small, seed: 1 }).startMs);
});

test("calls are in order and within the time", () => {
  expect(TRACE.startMs.every((atMs, call) => call === 0 || atMs >= TRACE.startMs[call - 1]!)).toBe(true);
  expect(TRACE.startMs.at(-1)).toBeLessThan(24 * 3_600e3);
});

test("rates, execution times and memory lie where they were published", () => {
  const calls = new Float64Array(TRACE.functions.length);
  for (const index of TRACE.functionOf) calls[index]!++;
  const share = (count: number): number => count / TRACE.functions.length;
  // Published: 45 % of applications are called once an hour or less, 81 % once a minute or less.
  expect(share(calls.filter((count) => count <= 24).length)).toBeCloseTo(0.45, 1);
  expect(share(calls.filter((count) => count <= 1_440).length)).toBeCloseTo(0.81, 1);
  const memory = TRACE.functions.map(({ memoryMb }) => memoryMb).toSorted((a, b) => a - b);
  // Published: half use at most 170 MB, nine tenths at most 400 MB.
  expect(memory[1_000]).toBeGreaterThan(110);
  expect(memory[1_000]).toBeLessThan(200);
  expect(memory[1_800]).toBeLessThan(500);
});
