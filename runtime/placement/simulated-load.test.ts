import { expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { simulate } from "./simulated-load.ts";
import { FREE_RULES } from "./situation.ts";

const CALLERS = 64;

/** What a call took, to callers ÷ calls a second: of a function that stays at one side, in a closed loop. */
const timeTaken = (pinnedShare: number, hubEvery: number): number => {
  const demand = { operations: 20, rounds: 2, bytes: 1_000, cpuUs: 50 };
  const world = {
    functionsAt: () => [{ name: "f", demand, callsPerSecond: 100 }],
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
    mixingOfComputing: 0,
  };
  const decider = { rules: new Map([["f", { ...FREE_RULES, pinnedShare }]]), constants: DEFAULT_CONSTANTS };
  const { moments, profiles } = simulate(world, decider, 3_000, seededRandom(1));
  const { calls, elapsedUs } = profiles.get("f")!.byTime.between(2_000, 3_000);
  const perSecond = moments.filter(({ ms }) => ms >= 2_000).reduce((sum, { done }) => sum + done, 0);
  return elapsedUs / calls / ((1e6 * CALLERS) / perSecond);
};

test("callers who wait for each other wait as long as calls ÷ second of them leave, however full a pool is (Little)", () => {
  for (const share of [0, 1]) {
    expect(timeTaken(share, 0)).toBeGreaterThan(0.97);
    expect(timeTaken(share, 0)).toBeLessThan(1.03);
  }
});

test("so they do where a few calls have a hundred times the work of the others", () => {
  expect(timeTaken(0, 50)).toBeGreaterThan(0.7);
  expect(timeTaken(0, 50)).toBeLessThan(1.3);
});
