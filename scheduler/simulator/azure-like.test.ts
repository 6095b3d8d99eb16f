import { describe, expect, test } from "vitest";

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

test("rates and memory lie where they were published", () => {
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

test("mean execution times of functions lie and spread as was published", () => {
  const seconds = Array.from(TRACE.functions, (): number[] => []);
  TRACE.functionOf.forEach((index, call) => seconds[index]!.push(TRACE.durationMs[call]! / 1e3));
  const logMeans = seconds
    .filter(({ length }) => length > 0)
    .map((values) => Math.log(values.reduce((sum, one) => sum + one, 0) / values.length))
    .toSorted((a, b) => a - b);
  const at = (share: number): number => logMeans[Math.floor(share * logMeans.length)]!;
  // Published: log-normal, log mean -0.38, σ 2.36, in s.
  expect(Math.abs(at(0.5) - -0.38)).toBeLessThan(0.25);
  expect(Math.abs((at(0.841) - at(0.159)) / 2 - 2.36)).toBeLessThan(0.25);
});

describe("of functions that are called often enough to tell", () => {
  const last = new Float64Array(TRACE.functions.length).fill(NaN);
  const gapsMs = Array.from(TRACE.functions, (): number[] => []);
  TRACE.functionOf.forEach((index, call) => {
    const atMs = TRACE.startMs[call]!;
    if (!Number.isNaN(last[index])) gapsMs[index]!.push(atMs - last[index]!);
    last[index] = atMs;
  });
  const told = gapsMs
    .filter(({ length }) => length >= 30)
    .map((gaps) => ({ gaps, median: gaps.toSorted((a, b) => a - b)[gaps.length >> 1]!, variation: variationOf(gaps) }));
  type Told = (typeof told)[number];
  const share = (is: (one: Told) => boolean): number => told.filter(is).length / told.length;
  /** Those of Poisson with a day's rhythm are at 1.1; bursts of a few dozen calls far beyond. */
  const isBursty = ({ variation }: Told): boolean => variation > 1.5;

  test("15.6 % are on timers, of whole minutes, and a fifth of the rest are as regular", () => {
    const isTimer = ({ gaps, median }: Told): boolean =>
      Math.abs(median - Math.round(median / 60e3) * 60e3) < 100 && gaps.every((gap) => Math.abs(gap - median) < 500);
    expect(Math.abs(share(isTimer) - 0.156)).toBeLessThan(0.03);
    expect(Math.abs(share(({ variation }) => variation < 0.1) - (0.156 + 0.844 * 0.2))).toBeLessThan(0.04);
  });

  test("two fifths of the rest come in bursts of six on the mean, and of the others hardly a call follows another at once", () => {
    expect(Math.abs(share(isBursty) - 0.844 * 0.4)).toBeLessThan(0.05);
    const followShare = (which: readonly Told[]): number => {
      const gaps = which.flatMap((one) => one.gaps);
      return gaps.filter((gap) => gap < 3_000).length / gaps.length;
    };
    expect(Math.abs(followShare(told.filter(isBursty)) - 5 / 6)).toBeLessThan(0.05);
    expect(followShare(told.filter((one) => !isBursty(one)))).toBeLessThan(0.12);
  });
});

/** Standard deviation ÷ mean. */
function variationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  return Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length) / mean;
}
