import { describe, expect, test } from "vitest";
import { RATE_SECONDS } from "#runtime/profile/function-profile.ts";
import { costOf, type Cost } from "./cost-model.ts";
import { NO_PACES } from "./function-costs.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NONE_FIXED } from "./pool-use.ts";
import { worthwhileShares, type Candidate } from "./worthwhile-shares.ts";

const CAPACITY = {
  computeCores: 1,
  storageCores: 1,
  redisThread: 1,
  storageMachineCores: 2,
  sharedCores: Infinity,
  callers: 64,
};

const side = (cost: Cost) => ({ cost, predictedUs: null, measuredUs: null, error: 0.01, calls: 500, lastMs: 0 });

/** It computes, and is at compute. */
function computing(callsPerSecond: number, meanError: number): Candidate {
  const demand = { operations: 1, rounds: 1, bytes: 100, cpuUs: 1_000 };
  const cost = {
    compute: costOf("compute", demand, DEFAULT_CONSTANTS),
    storage: costOf("storage", demand, DEFAULT_CONSTANTS),
  };
  const sides = { compute: side(cost.compute), storage: side(cost.storage) };
  const paces = NO_PACES;
  return {
    share: 0,
    costs: { demand, typical: demand, meanError, sides, paces },
    load: { callsPerSecond, fixedPerSecond: NONE_FIXED, costs: cost, lowest: 0, highest: 1, weight: 1 },
    rateSeconds: RATE_SECONDS,
    hasMovedLately: false,
  };
}

describe("where compute is too busy", () => {
  const movedOf = (callsPerSecond: number, meanError: number): number => {
    const { choices } = worthwhileShares(
      [computing(callsPerSecond, meanError), computing(callsPerSecond, meanError)],
      CAPACITY,
    );
    return choices.filter(({ share }) => share > 0).length;
  };

  test("functions whose calls are known move", () => {
    expect(movedOf(450, 0.01)).toBeGreaterThan(0);
  });

  test("those of which nobody knows what they take on average stay, where that decides what is gained", () => {
    expect(movedOf(450, 0.5)).toBe(0);
  });

  test("they move where the gain is beyond doubt", () => {
    expect(movedOf(4_000, 0.05)).toBeGreaterThan(0);
  });
});
