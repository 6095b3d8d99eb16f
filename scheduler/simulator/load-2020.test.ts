import { describe, expect, test } from "vitest";

import { load2020 } from "./load-2020.ts";

const RUN_MS = 20 * 60e3;
const LOAD = load2020(1);
const { functions, functionOf, startMs, durationMs } = LOAD;

interface Round {
  readonly atMs: number;
  readonly index: number;
  calls: number;
  /** Calls of other functions than its first is of. */
  strangers: number;
}

/** Calls of one round come within a millisecond or two, rounds a hundred times as far apart. */
const ROUNDS: readonly Round[] = (() => {
  const rounds: Round[] = [];
  for (const [call, atMs] of startMs.entries()) {
    const last = rounds.at(-1);
    const index = functionOf[call]!;
    if (last === undefined || atMs - last.atMs > 20) rounds.push({ atMs, index, calls: 1, strangers: 0 });
    else {
      last.calls++;
      if (index !== last.index) last.strangers++;
    }
  }
  return rounds;
})();
const roundsOf = (index: number): readonly Round[] => ROUNDS.filter((round) => round.index === index);
const indexesOf = (pattern: (typeof functions)[number]["pattern"]): readonly number[] =>
  functions.flatMap((one, index) => (one.pattern === pattern ? [index] : []));

test("it has the contest's 73,300 calls within twenty minutes, in order, the same for the same seed", () => {
  expect(startMs).toHaveLength(73_300);
  expect(startMs.every((atMs, call) => call === 0 || atMs >= startMs[call - 1]!)).toBe(true);
  expect(startMs.at(-1)).toBeLessThan(RUN_MS + 1);
  expect(load2020(1)).toEqual(LOAD);
  expect(load2020(2).startMs).not.toEqual(startMs);
});

test("a round comes every 200 to 800 ms, and fires several calls of one function at once", () => {
  const gapsMs = ROUNDS.slice(1).map(({ atMs }, at) => atMs - ROUNDS[at]!.atMs);
  // Each call is up to a millisecond after its round.
  expect(Math.min(...gapsMs)).toBeGreaterThan(200 - 1);
  expect(Math.max(...gapsMs)).toBeLessThan(800 + 1);
  expect(gapsMs.reduce((sum, one) => sum + one, 0) / gapsMs.length).toBeCloseTo(500, -2);
  expect(Math.min(...ROUNDS.map(({ calls }) => calls))).toBeGreaterThan(1);
  expect(ROUNDS.filter(({ strangers }) => strangers > 0)).toEqual([]);
});

test("some functions are called in a part of the run only, the others from its beginning to its end", () => {
  for (const [index, { activeFrom, activeTo }] of functions.entries()) {
    const times = roundsOf(index).map(({ atMs }) => atMs / RUN_MS);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(activeFrom);
    expect(Math.max(...times)).toBeLessThanOrEqual(activeTo);
    // It is called all the time in which it is active, as far as it is called often enough to tell.
    expect(Math.min(...times)).toBeLessThan(activeFrom + 0.15);
    expect(Math.max(...times)).toBeGreaterThan(activeTo - 0.15);
  }
  const partly = functions.filter(({ activeFrom, activeTo }) => activeTo - activeFrom < 1);
  expect(partly.length).toBeGreaterThan(0);
  expect(partly.length).toBeLessThan(functions.length);
});

describe("functions", () => {
  test("run nearly as long each time", () => {
    const ratios = durationMs.map((ms, call) => ms / functions[functionOf[call]!]!.executionMs);
    const [least, most] = [ratios.reduce((a, b) => Math.min(a, b)), ratios.reduce((a, b) => Math.max(a, b))];
    expect(least).toBeGreaterThanOrEqual(0.9);
    expect(least).toBeLessThan(0.91);
    expect(most).toBeLessThanOrEqual(1.1);
    expect(most).toBeGreaterThan(1.09);
  });

  test("that are dense fire in several times as many rounds as those that are sparse, while they are active", () => {
    const perRun = (index: number): number => {
      const { activeFrom, activeTo } = functions[index]!;
      return roundsOf(index).length / (activeTo - activeFrom);
    };
    const dense = indexesOf("dense").map(perRun);
    const sparse = indexesOf("sparse").map(perRun);
    expect(Math.min(dense.length, sparse.length)).toBeGreaterThan(0);
    expect(Math.min(...dense)).toBeGreaterThan(2 * Math.max(...sparse));
  });

  test("that are periodic fire every half a minute, and at no other time", () => {
    const periodic = indexesOf("periodic");
    expect(periodic.length).toBeGreaterThan(0);
    for (const index of periodic) {
      expect(roundsOf(index).length).toBeGreaterThan(10);
      for (const { atMs } of roundsOf(index)) expect(atMs % 30_000).toBeLessThan(801);
    }
    const periods = new Set(periodic.flatMap((index) => roundsOf(index).map(({ atMs }) => Math.floor(atMs / 30_000))));
    expect(periods.size).toBeGreaterThan(30);
  });
});
