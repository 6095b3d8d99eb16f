import { describe, expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { busyUs, costOf, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { simulate } from "./simulated-load.ts";
import { FREE_RULES } from "./situation.ts";

const KNOWN_MS = 20_000;
const FOR_MS = 60_000;
/** Beyond the part: calls are whole, and a threshold that has changed by less than a tenth stays. */
const SLACK = 1.15;

/** Calls that have visited the other side in a minute, once both are known, and how many a hundredth of the work of all would pay. */
function visitsOf(demand: Demand, callsPerSecond: number) {
  const world = {
    functionsAt: () => [{ name: "f", demand, callsPerSecond }],
    constantsAt: () => DEFAULT_CONSTANTS,
    capacityAt: () => ({
      computeCores: 16,
      storageCores: 16,
      redisThread: 1,
      storageMachineCores: 17,
      sharedCores: Infinity,
    }),
    callers: null,
    hubEvery: 0,
    mixing: 0,
  };
  const decider = { rules: new Map([["f", FREE_RULES]]), constants: DEFAULT_CONSTANTS };
  const after = (ms: number) => {
    const { profiles, state } = simulate(world, decider, ms, seededRandom(1));
    const side = state.get("f")!.share > 0 ? "storage" : "compute";
    const other = side === "storage" ? "compute" : "storage";
    const { [side]: here, [other]: there } = profiles.get("f")!.estimates(ms);
    return { side, other, here: here!.callsInAll, there: there!.callsInAll } as const;
  };
  const [known, then] = [after(KNOWN_MS), after(KNOWN_MS + FOR_MS)];
  expect(then.side).toBe(known.side);
  const busy = (side: "compute" | "storage") => busyUs(costOf(side, demand, DEFAULT_CONSTANTS));
  const [visits, calls] = [then.there - known.there, then.here - known.here];
  return { visits, most: (0.01 * calls * busy(then.side)) / busy(then.other) };
}

const WALK: Demand = { operations: 60, rounds: 20, bytes: 2_000, cpuUs: 300 };
const CHAIN: Demand = { operations: 64, rounds: 64, bytes: 2_000, cpuUs: 20 };
const HASH: Demand = { operations: 1, rounds: 1, bytes: 100, cpuUs: 5_000 };

describe("visits to the side where a function is not", () => {
  test.each([
    { name: "walk", demand: WALK },
    { name: "chain", demand: CHAIN },
    { name: "hash", demand: HASH },
  ])(
    "cost a hundredth of its work at most, and are one in ten seconds at least where that allows it: $name",
    ({ demand }) => {
      for (const callsPerSecond of [2, 20, 200]) {
        const { visits, most } = visitsOf(demand, callsPerSecond);
        // Of few calls a visit more is more than the part.
        expect(visits).toBeLessThanOrEqual(SLACK * most + 2);
        const isAllowed = most >= 2 * (FOR_MS / 10_000);
        expect(visits).toBeGreaterThanOrEqual(isAllowed ? FOR_MS / 10_000 : 0);
      }
    },
  );

  test("are no more than four a second, however many calls there are", () => {
    expect(visitsOf(WALK, 4_000).visits).toBeLessThanOrEqual(SLACK * 4 * (FOR_MS / 1e3));
  });
});
