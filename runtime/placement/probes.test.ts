import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { calledFunction } from "./called-function.ts";
import { busyUs, costOf, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NO_PACES } from "./function-costs.ts";
import { FRESH } from "./function-state.ts";
import { PlayedCalls, type Calls } from "./played-calls.ts";
import { isWarmAt, probed, VISITS_MIN, WARM_MS } from "./probes.ts";
import { simulate } from "./simulated-load.ts";
import { FREE_RULES } from "./situation.ts";

const KNOWN_MS = 20_000;
const FOR_MS = 60_000;
const KNOWN = { fromMs: KNOWN_MS, toMs: KNOWN_MS + FOR_MS };
/** Beyond the part: what is known of costs is known within some percent, and a plan that has changed by less than a tenth stays. */
const SLACK = 1.15;
/** Visits by chance: one call in so many is drawn. */
const CHANCE = 1.5;

/** Calls that have visited the other side between two times, and how many a hundredth of the work of all would pay. */
function visitsOf(demand: Demand, callsPerSecond: number, { fromMs, toMs } = KNOWN) {
  const world = {
    functionsAt: () => [{ name: "f", demand, callsPerSecond }],
    leftAt: () => ({ compute: 1, storage: 1 }),
    constantsAt: () => DEFAULT_CONSTANTS,
    capacityAt: () => ({
      computeCores: 16,
      storageCores: 16,
      redisThread: 1,
      storageMachineCores: 17,
      sharedCores: Infinity,
      nodes: 1,
    }),
    callers: null,
    hubEvery: 0,
    mixing: 0,
    mixingOfComputing: 0,
  };
  const decider = { rules: new Map([["f", FREE_RULES]]), constants: DEFAULT_CONSTANTS };
  const { moments, state } = simulate(world, decider, toMs, seededRandom(1));
  const { share, probeEvery } = state.get("f")!;
  const [side, other] = share > 0 ? (["storage", "compute"] as const) : (["compute", "storage"] as const);
  const counted = moments.filter(({ ms }) => ms >= fromMs);
  expect(counted.every(({ step }) => step.state.get("f")!.share === share)).toBe(true);
  const ranAt = (of: Side): number => counted.reduce((sum, { ran }) => sum + ran[of], 0);
  const busy = (of: Side) => busyUs(costOf(of, demand, DEFAULT_CONSTANTS));
  const [visits, calls] = [ranAt(other), ranAt(side)];
  const costOfOne = busy(other) / busy(side);
  return { visits, most: (0.01 * calls) / costOfOne, part: costOfOne / probeEvery };
}

const WALK: Demand = { operations: 60, rounds: 20, bytes: 2_000, cpuUs: 300 };
const CHAIN: Demand = { operations: 64, rounds: 64, bytes: 2_000, cpuUs: 20 };
const HASH: Demand = { operations: 1, rounds: 1, bytes: 100, cpuUs: 5_000 };

test("a side is warm while it was visited often enough, and not long ago", () => {
  const paces = { ...NO_PACES, storage: { value: 0, least: 0, calls: VISITS_MIN, atMs: 1_000 } };
  expect(isWarmAt(paces, "storage", 1, 1_000 + WARM_MS)).toBe(true);
  expect(isWarmAt(paces, "storage", 1, 1_001 + WARM_MS)).toBe(false);
  expect(isWarmAt(paces, "compute", 1, 1_000)).toBe(false);
  const seldom = { ...NO_PACES, storage: { ...paces.storage, calls: VISITS_MIN - 1 } };
  expect(isWarmAt(seldom, "storage", 1, 1_000)).toBe(false);
});

test("compute is warm when it was visited as often as each node has to be, storage by whatever node", () => {
  const visited = (calls: number) => {
    const pace = { value: 0, least: 0, calls, atMs: 0 };
    return { ...NO_PACES, compute: pace, storage: pace };
  };
  expect(isWarmAt(visited(VISITS_MIN), "storage", 3, 0)).toBe(true);
  expect(isWarmAt(visited(3 * VISITS_MIN - 1), "compute", 3, 0)).toBe(false);
  expect(isWarmAt(visited(3 * VISITS_MIN), "compute", 3, 0)).toBe(true);
  expect(isWarmAt(visited(4 * VISITS_MIN), "compute", 100, 0), "a profile does not keep more").toBe(true);
});

describe("visits to the side where a function is not", () => {
  test.each([
    { name: "walk", demand: WALK, rates: [2, 20, 200] },
    { name: "chain", demand: CHAIN, rates: [2, 30, 200] },
    { name: "hash", demand: HASH, rates: [2, 14, 200] },
  ])(
    "cost about a hundredth of its work at most, and are one in ten seconds where that allows hardly more: $name",
    ({ demand, rates: [seldom, between, often] }) => {
      for (const callsPerSecond of [seldom!, between!, often!]) {
        const { visits, most, part } = visitsOf(demand, callsPerSecond);
        expect(part).toBeLessThanOrEqual(SLACK * 0.01);
        // Of few calls a visit more is more than the part.
        expect(visits).toBeLessThanOrEqual(CHANCE * most + 2);
        if (callsPerSecond !== between) continue;
        expect(most).toBeLessThan(1.5 * (FOR_MS / 10_000));
        expect(visits).toBeGreaterThanOrEqual(FOR_MS / 10_000);
      }
    },
  );

  test("are no more than one a second, however many calls there are, and two at first", () => {
    expect(visitsOf(WALK, 4_000).visits).toBeLessThanOrEqual(SLACK * (FOR_MS / 1e3));
    const young = visitsOf(WALK, 4_000, { fromMs: 5_000, toMs: 10_000 }).visits;
    expect(young).toBeGreaterThan(1.5 * 5);
    expect(young).toBeLessThanOrEqual(SLACK * 2 * 5);
  });

  test("go on while what was taken back waits to be tried again, which goes by what is known then; not where it is split", () => {
    const calls = (side: Side): Calls => ({ side, count: 8, elapsedUs: 5_000, usage: { wallUs: 5_000, cpuUs: 5_000 } });
    const load = new PlayedCalls()
      .warm({ f: [calls("storage"), calls("compute")] })
      .run(100, { f: calls("compute") })
      .run(2_000, { f: calls("storage") });
    const backFrom = (share: number) => {
      const before = { ...FRESH, state: "reverting", share, sinceMs: 0, retryAtMs: Infinity } as const;
      const called = calledFunction("f", FREE_RULES, before, load.situation())!;
      return probed(called.before, called, load.nowMs);
    };
    const { to, why } = backFrom(1);
    expect([to.state, why]).toEqual(["reverting", null]);
    expect(to.probeEvery).toBeGreaterThan(1);
    expect(backFrom(0.5).to.probeEvery).toBe(0);
  });

  test("are as many times as seldom as they compute more than in earnest: they find isolates closed and caches cold", () => {
    const hash = (side: Side, count: number, cpuUs: number): Calls => {
      const usage = { wallUs: cpuUs, cpuUs, operations: 1, rounds: 1 };
      return { side, count, elapsedUs: cpuUs, usage };
    };
    const everyWith = (visitUs: number): number => {
      const load = new PlayedCalls().warm({ f: [hash("storage", 4, 5_000), hash("compute", 4, 5_000)] });
      const visits = [hash("storage", 8, 5_000), hash("compute", 1, visitUs)];
      for (let second = 0; second < 40; second++) {
        load.run(975, { f: hash("storage", 8, 5_000) }).run(25, { f: visits });
      }
      const before = { ...FRESH, state: "storage", share: 1, sinceMs: 0 } as const;
      const called = calledFunction("f", FREE_RULES, before, load.situation())!;
      return probed(called.before, called, load.nowMs).to.probeEvery;
    };
    const inEarnest = everyWith(5_000);
    // No more than one a second, of 320.
    expect(inEarnest).toBeLessThan(400);
    expect(everyWith(100_000) / 2_000).toBeGreaterThan(0.5);
    expect(everyWith(100_000) / 2_000).toBeLessThan(1.5);
  });
});
