import { expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { simulate } from "./simulated-load.ts";
import { FREE_RULES } from "./situation.ts";

const CALLERS = 64;

interface Of {
  readonly hubEvery?: number;
  readonly mixingOfComputing?: number;
}

/** A second of a function that stays where it is, in a closed loop. */
const runOf = (pinnedShare: number, { hubEvery = 0, mixingOfComputing = 0 }: Of = {}) => {
  const demand = { operations: 20, rounds: 2, bytes: 1_000, cpuUs: 50 };
  const world = {
    functionsAt: () => [{ name: "f", demand, callsPerSecond: 100 }],
    leftAt: () => ({ compute: 1, storage: 1 }),
    constantsAt: () => DEFAULT_CONSTANTS,
    capacityAt: () => ({
      computeCores: 2,
      storageCores: 1,
      redisThread: 1,
      storageMachineCores: 2,
      sharedCores: Infinity,
      nodes: 1,
    }),
    callers: CALLERS,
    hubEvery,
    mixing: 0,
    mixingOfComputing,
  };
  const decider = { rules: new Map([["f", { ...FREE_RULES, pinnedShare }]]), constants: DEFAULT_CONSTANTS };
  const { moments, profiles } = simulate(world, decider, 3_000, seededRandom(1));
  const sumOf = (of: "done" | "doneByBest"): number =>
    moments.filter(({ ms }) => ms >= 2_000).reduce((sum, moment) => sum + moment[of], 0);
  const { calls, elapsedUs } = profiles.get("f")!.byTime.between(2_000, 3_000);
  return { done: sumOf("done"), doneByBest: sumOf("doneByBest"), tookUs: elapsedUs / calls };
};

/** What a call took, to callers ÷ calls a second. */
const timeTaken = (pinnedShare: number, of?: Of): number => {
  const { done, tookUs } = runOf(pinnedShare, of);
  return tookUs / ((1e6 * CALLERS) / done);
};

test("callers who wait for each other wait as long as calls ÷ second of them leave, however full a pool is (Little)", () => {
  for (const share of [0, 1]) {
    expect(timeTaken(share)).toBeGreaterThan(0.97);
    expect(timeTaken(share)).toBeLessThan(1.03);
  }
});

test("so they do where a few calls have a hundred times the work of the others", () => {
  expect(timeTaken(0, { hubEvery: 50 })).toBeGreaterThan(0.7);
  expect(timeTaken(0, { hubEvery: 50 })).toBeLessThan(1.3);
});

test("so they do where a split has them compute for longer, of which fewer are done then", () => {
  const dear = { mixingOfComputing: 1 };
  expect(timeTaken(0.5, dear)).toBeGreaterThan(0.97);
  expect(timeTaken(0.5, dear)).toBeLessThan(1.03);
  expect(runOf(0.5, dear).done).toBeLessThan(0.8 * runOf(0.5).done);
  expect(runOf(1, dear).done).toBeCloseTo(runOf(1).done);
});

test("the best of a moment is a split where that does the most, and one side where a split has them compute for longer", () => {
  expect(runOf(1).doneByBest).toBeGreaterThan(1.1 * Math.max(runOf(0).done, runOf(1).done));
  const dear = { mixingOfComputing: 3 };
  const { doneByBest } = runOf(0.5, dear);
  expect(doneByBest).toBeCloseTo(Math.max(runOf(0, dear).done, runOf(1, dear).done));
});
