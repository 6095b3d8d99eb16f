import { describe, expect, test } from "vitest";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { WARM_CALLS } from "#runtime/profile/warm-up.ts";
import { busyUs, costOf, lockUsOf, withoutFound, type CostConstants, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { functionCosts, predictionErrorOf, type FunctionCosts } from "./function-costs.ts";

/** By which nothing is found that was not seen to be. */
const CONSTANTS: CostConstants = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, found: 0 } };

/** A walk in a graph from a leaf, and from a hub: a hundred times the work in as many rounds. */
const LEAF: Demand = { operations: 10, rounds: 4, bytes: 500, cpuUs: 60 };
const HUB: Demand = { operations: 1_000, rounds: 4, bytes: 50_000, cpuUs: 6_000 };

interface Calls {
  readonly leaves: number;
  readonly hubs: number;
}

interface World {
  /** CPU time on storage ÷ on compute. */
  readonly cpuRatio?: number;
  /** What calls take on a side ÷ what the model says. */
  readonly slowness?: Partial<Readonly<Record<Side, number>>>;
  /** Of operations and rounds, reads that may be found. */
  readonly reads?: number;
  /** Of these, what the read cache answers. */
  readonly found?: number;
  /** How long Redis' lock is held ÷ what the model says. */
  readonly locked?: number;
  /** What callers wait for beside the sandbox ÷ what the model says. */
  readonly way?: number;
  /** Calls come straight to Redis. */
  readonly isDirect?: boolean;
}

/** Half a second of calls, as often as nodes tell of them. */
const STRETCHES = 20;
const STRETCH_MS = 25;
/** Both sides have run it long before, and what is known of that is forgotten. */
const BEGUN_MS = 60_000;
const NOW_MS = BEGUN_MS + STRETCHES * STRETCH_MS;

/** Of so many calls that come evenly, those before a stretch; the first comes at once. */
const begunBy = (stretch: number, calls: number): number => Math.ceil((calls * stretch) / STRETCHES);

/** Leaves differ by up to a half of what one computes on average. */
const sizeOf = (leaf: number): number => 0.5 + ((leaf * 7) % 11) / 10;

/** Of a function whose calls cost what the model says, but for what `world` says of it. */
function profileAfter(calls: Partial<Readonly<Record<Side, Calls>>>, world: World): FunctionProfile {
  const { cpuRatio = 1, slowness = {}, reads = 1, found = 0, locked = 1, way = 1, isDirect = false } = world;
  const constants: CostConstants = { ...CONSTANTS, storage: { ...CONSTANTS.storage, cpuRatio } };
  const profiles = new Profiles();
  const record = (tally: SampleTally, side: Side, demand: Demand): void => {
    const { operations, rounds, bytes: bytesIn, cpuUs } = demand;
    const part = side === "storage" ? reads * found : 0;
    const [foundOperations, foundRounds] = [part * operations, part * rounds];
    const sent = withoutFound(demand, { operations: foundOperations, rounds: foundRounds });
    const { latencyUs, terms } = costOf(side, { ...sent, cpuUs }, constants);
    const wallUs = (latencyUs - terms.call) * (slowness[side] ?? 1);
    const findable = { findableOperations: reads * operations, findableRounds: reads * rounds };
    const moved = { operations, rounds, bytesIn, ...findable, foundOperations, foundRounds };
    const lockUs = side === "storage" ? locked * lockUsOf(constants.storage, sent) : 0;
    const usage = { ...NO_USAGE, wallUs, cpuUs: terms.cpu, ...moved, lockUs };
    tally.record({ ...usage, function: "walk", version: "1", side, outcome: "ok" }, wallUs + way * terms.call);
  };
  const before = new SampleTally();
  for (const side of ["compute", "storage"] as const) {
    for (let call = 0; calls[side] !== undefined && call < WARM_CALLS; call++) record(before, side, LEAF);
  }
  profiles.fold(before.take().tallies, 0, STRETCH_MS);
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const tally = new SampleTally();
    for (const side of ["compute", "storage"] as const) {
      const { leaves = 0, hubs = 0 } = calls[side] ?? {};
      for (let call = begunBy(stretch, leaves); call < begunBy(stretch + 1, leaves); call++) {
        record(tally, side, { ...LEAF, cpuUs: LEAF.cpuUs * sizeOf(call) });
      }
      for (let call = begunBy(stretch, hubs); call < begunBy(stretch + 1, hubs); call++) record(tally, side, HUB);
    }
    profiles.fold(tally.take().tallies, BEGUN_MS + (stretch + 1) * STRETCH_MS, STRETCH_MS, isDirect);
  }
  return profiles.get("walk")!;
}

function costsAfter(calls: Partial<Readonly<Record<Side, Calls>>>, world: World = {}): FunctionCosts {
  const costs = functionCosts(profileAfter(calls, world).estimates(NOW_MS), CONSTANTS, NOW_MS);
  if (costs === null) throw new Error("nothing was profiled");
  return costs;
}

/** CPU time at storage ÷ at compute, as it is believed. */
const cpuRatioIn = ({ demand, sides: { storage } }: FunctionCosts): number => {
  const { callUs, operationUs, roundUs } = CONSTANTS.storage;
  const besides = callUs + demand.operations * operationUs + demand.rounds * roundUs;
  return (storage.cost.storageUs - besides) / demand.cpuUs;
};

/** One call in fifty is a hub: of as many calls on either side. */
const EVEN = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 49, hubs: 1 } } as const;
/** Compute has met its hubs, and storage none. */
const UNEVEN = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 50, hubs: 0 } } as const;

/** Both sides run it, and one has met hubs. */
const IN_EARNEST = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 490, hubs: 0 } } as const;

/** Of two figures that should be about the same. */
const differenceOf = (one: number, other: number): number => Math.abs(one / other - 1);

describe("what a call costs on each side, where hubs and leaves were met", () => {
  test("does not depend on which side has met the hub", () => {
    const [even, uneven] = [costsAfter(EVEN), costsAfter(UNEVEN)];
    for (const side of ["compute", "storage"] as const) {
      const [one, other] = [uneven.sides[side].cost, even.sides[side].cost];
      expect(differenceOf(one.latencyUs, other.latencyUs)).toBeLessThan(0.1);
      expect(differenceOf(busyUs(one), busyUs(other))).toBeLessThan(0.1);
    }
    // The means themselves differ threefold.
    const { compute, storage } = uneven.sides;
    expect(compute.measuredUs!).toBeGreaterThan(2 * storage.measuredUs!);
  });

  test("is known less well on average where few calls make most of it", () => {
    const [alike, mixed] = [costsAfter({ compute: { leaves: 500, hubs: 0 } }), costsAfter(EVEN)];
    expect(alike.meanError).toBeLessThan(0.02);
    expect(mixed.meanError).toBeGreaterThan(5 * alike.meanError);
  });

  test("is of one CPU speed on both, as far as calls tell that run in earnest", () => {
    expect(differenceOf(cpuRatioIn(costsAfter(IN_EARNEST)), 1)).toBeLessThan(0.1);
    expect(differenceOf(cpuRatioIn(costsAfter(IN_EARNEST, { cpuRatio: 2 })), 2)).toBeLessThan(0.15);
  });

  test("is so though one has met nothing but hubs, and the other leaves, where computing goes with bytes", () => {
    const calls = { compute: { leaves: 20, hubs: 480 }, storage: { leaves: 490, hubs: 10 } } as const;
    for (const cpuRatio of [0.5, 1, 2])
      expect(differenceOf(cpuRatioIn(costsAfter(calls, { cpuRatio })), cpuRatio)).toBeLessThan(0.15);
  });

  test("is not that of visits, which find caches cold, but for a side that is the faster one in spite of them", () => {
    expect(cpuRatioIn(costsAfter(UNEVEN, { cpuRatio: 2 }))).toBeCloseTo(1);
    expect(differenceOf(cpuRatioIn(costsAfter(UNEVEN, { cpuRatio: 0.25 })), 0.25)).toBeLessThan(0.5);
  });

  test("of a CPU speed once known stays so when nothing more is heard, and goes back to the usual one in time", () => {
    const profile = profileAfter(IN_EARNEST, { cpuRatio: 2 });
    const { paces } = functionCosts(profile.estimates(NOW_MS), CONSTANTS, NOW_MS)!;
    const later = (ms: number) => {
      const { compute } = profile.estimates(NOW_MS);
      return functionCosts({ compute, storage: null }, CONSTANTS, NOW_MS + ms, paces)!;
    };
    expect(differenceOf(cpuRatioIn(later(0)), 2)).toBeLessThan(0.15);
    expect(differenceOf(cpuRatioIn(later(30_000)), Math.SQRT2)).toBeLessThan(0.1);
    expect(differenceOf(cpuRatioIn(later(600_000)), 1)).toBeLessThan(0.01);
  });

  test("is of what the calls of both sides need, each by how many there were", () => {
    const { demand } = costsAfter(UNEVEN);
    const hubs = 10 / 550;
    expect(differenceOf(demand.operations, hubs * HUB.operations + (1 - hubs) * LEAF.operations)).toBeLessThan(0.02);
    expect(differenceOf(demand.bytes, hubs * HUB.bytes + (1 - hubs) * LEAF.bytes)).toBeLessThan(0.02);
    // Of those that run in earnest.
    const atCompute = 10 / 500;
    expect(differenceOf(demand.cpuUs, atCompute * HUB.cpuUs + (1 - atCompute) * LEAF.cpuUs)).toBeLessThan(0.02);
    expect(demand.rounds).toBeCloseTo(4);
  });

  test("has a side take longer that takes longer for its own calls, whatever they were", () => {
    const [usual, slow] = [costsAfter(UNEVEN), costsAfter(UNEVEN, { slowness: { storage: 3 } })];
    const inSandboxUs = ({ sides: { storage } }: FunctionCosts): number =>
      storage.cost.latencyUs - storage.cost.terms.call;
    expect(differenceOf(inSandboxUs(slow) / inSandboxUs(usual), 3)).toBeLessThan(0.1);
    expect(differenceOf(slow.sides.compute.cost.latencyUs, usual.sides.compute.cost.latencyUs)).toBeLessThan(0.01);
  });

  test("is the model's on a side that was never visited, and the model is held against what was measured", () => {
    const costs = costsAfter({ compute: EVEN.compute });
    const model = costOf("storage", costs.demand, CONSTANTS);
    expect(costs.sides.storage).toMatchObject({ cost: model, calls: 0, measuredUs: null });
    expect(predictionErrorOf(costs.sides.storage)).toBeNull();
    expect(predictionErrorOf(costs.sides.compute)).toBeLessThan(0.01);
  });

  test("is held against all that callers of nodes wait for, and in the sandbox alone where nobody sees more", () => {
    const errorWith = (world: World): number =>
      predictionErrorOf(costsAfter({ storage: EVEN.storage }, world).sides.storage)!;
    const { latencyUs, terms } = costsAfter({ storage: EVEN.storage }).sides.storage.cost;
    expect(errorWith({ way: 3 })).toBeCloseTo(1 - latencyUs / (latencyUs + 2 * terms.call), 2);
    expect(errorWith({ way: 3, isDirect: true })).toBeLessThan(0.01);
    const { measuredCallUs } = costsAfter({ storage: EVEN.storage }, { way: 3 }).sides.storage;
    expect(measuredCallUs).toBeCloseTo(3 * terms.call, 1);
  });

  test("is at storage that of what has to go to Redis, and of the rest what the host works for it", () => {
    const { storage: constants } = CONSTANTS;
    const costWith = (found: number) => costsAfter(IN_EARNEST, { found });
    const { demand } = costWith(0);
    for (const found of [0, 0.5, 1]) {
      const { cost } = costWith(found).sides.storage;
      const sent = { ...demand, rounds: (1 - found) * demand.rounds, bytes: (1 - found) * demand.bytes };
      const model = costOf("storage", sent, CONSTANTS);
      expect(differenceOf(cost.latencyUs, model.latencyUs)).toBeLessThan(0.01);
      expect(differenceOf(cost.storageUs, model.storageUs)).toBeLessThan(0.01);
      const foundUs = found * demand.operations * constants.redisOperationUs;
      expect(differenceOf(cost.redisUs, model.redisUs - foundUs)).toBeLessThan(0.01);
    }
    // Nothing is found at compute.
    const [found, sent] = [costWith(1), costWith(0)].map(({ sides: { compute } }) => compute.cost);
    expect(differenceOf(found!.latencyUs, sent!.latencyUs)).toBeLessThan(0.001);
    expect(found!.redisUs).toBeCloseTo(sent!.redisUs);
    // And what the model says is held against what such calls took.
    expect(predictionErrorOf(costWith(1).sides.storage)).toBeLessThan(0.01);
  });

  test("is on a side that was never visited without going on after rounds that are found, or with it", () => {
    const { resumeUs } = CONSTANTS.compute;
    const usual = { ...CONSTANTS, storage: { ...CONSTANTS.storage, cpuRatio: 1.25, found: 0.9 } };
    const sidesWith = (side: Side, world: World) =>
      functionCosts(profileAfter({ [side]: EVEN.compute }, world).estimates(NOW_MS), usual, NOW_MS)!.sides;
    const foundUs = 0.9 * LEAF.rounds * resumeUs;
    const cpuUsOf = ({ cost }: FunctionCosts["sides"][Side]): number => cost.terms.cpu;
    const atCompute = sidesWith("compute", {});
    expect(cpuUsOf(atCompute.storage)).toBeCloseTo(1.25 * (cpuUsOf(atCompute.compute) - foundUs), 0);
    const atStorage = sidesWith("storage", { found: 0.9 });
    expect(cpuUsOf(atStorage.compute)).toBeCloseTo(cpuUsOf(atStorage.storage) / 1.25 + foundUs, 0);
    // Nothing may be found.
    const { compute, storage } = sidesWith("compute", { reads: 0 });
    expect(cpuUsOf(storage) / cpuUsOf(compute)).toBeCloseTo(1.25);
    // Going on with its promises is not all that it computes.
    const chain = { ...usual, compute: { ...usual.compute, resumeUs: 1_000 } };
    const known = functionCosts(profileAfter({ compute: EVEN.compute }, {}).estimates(NOW_MS), chain, NOW_MS)!.sides;
    expect(cpuUsOf(known.storage) / cpuUsOf(known.compute)).toBeCloseTo(0.25);
  });

  test("is so for as long as calls there tell of it, and then as usual again", () => {
    const profile = profileAfter(IN_EARNEST, { found: 1 });
    const { paces } = functionCosts(profile.estimates(NOW_MS), CONSTANTS, NOW_MS)!;
    const { compute } = profile.estimates(NOW_MS);
    const sentAfter = (ms: number): number => {
      const roundsUsOf = (found: typeof paces.found) =>
        functionCosts({ compute, storage: null }, CONSTANTS, NOW_MS + ms, { ...paces, found })!.sides.storage.cost.terms
          .rounds;
      return roundsUsOf(paces.found) / roundsUsOf(null);
    };
    expect(sentAfter(0)).toBeLessThan(0.01);
    expect(sentAfter(30_000)).toBeCloseTo(0.5, 1);
    expect(sentAfter(600_000)).toBeCloseTo(1);
  });

  test("is as usual of what may be found on a side that is only visited, whatever its visits found, and however long they compute", () => {
    const usual = { ...CONSTANTS, storage: { ...CONSTANTS.storage, found: 0.9 } };
    const roundsUsOf = (calls: Readonly<Record<Side, Calls>>, world: World): number =>
      functionCosts(profileAfter(calls, world).estimates(NOW_MS), usual, NOW_MS)!.sides.storage.cost.terms.rounds;
    const allUs = LEAF.rounds * CONSTANTS.storage.roundWaitUs;
    expect(roundsUsOf(EVEN, { found: 0.2 }) / allUs).toBeCloseTo(0.1, 1);
    expect(roundsUsOf(EVEN, { found: 0.2, reads: 0.5 }) / allUs).toBeCloseTo(0.55, 1);
    expect(roundsUsOf(IN_EARNEST, { found: 0.2 }) / allUs).toBeCloseTo(0.8, 1);
    const visitedByHubs = { compute: { leaves: 0, hubs: 500 }, storage: { leaves: 0, hubs: 20 } };
    expect(roundsUsOf(visitedByHubs, { found: 0 }) / allUs).toBeCloseTo(0.1, 1);
    expect(
      functionCosts(profileAfter(IN_EARNEST, { found: 1 }).estimates(NOW_MS), CONSTANTS, NOW_MS)!.paces.found,
    ).toMatchObject({
      operations: expect.closeTo(1, 1),
    });
  });

  test("has Redis' lock held as much longer than the model says as it was for those that there were, whatever these found", () => {
    const lockedFor = (factor: number, found: number) => costsAfter(IN_EARNEST, { found, locked: factor });
    const redisUsOf = (costs: FunctionCosts): number => costs.sides.storage.cost.redisUs;
    const { operations, bytes } = costsAfter(IN_EARNEST).demand;
    for (const found of [0, 0.5]) {
      const lockUs = (1 - found) * lockUsOf(CONSTANTS.storage, { operations, bytes });
      const usualUs = redisUsOf(lockedFor(1, found)) - lockUs;
      for (const factor of [3, 10_000]) {
        const moreUs = redisUsOf(lockedFor(factor, found)) - usualUs;
        expect(differenceOf(moreUs, factor * lockUs)).toBeLessThan(0.05);
      }
    }
  });

  test("is known of no function that was not called", () => {
    const profiles = new Profiles();
    const tally = new SampleTally();
    const failed = { ...NO_USAGE, function: "walk", version: "1", side: "compute", outcome: "OVERLOADED" } as const;
    tally.record(failed, 10);
    profiles.fold(tally.take().tallies, NOW_MS, 25);
    expect(functionCosts(profiles.get("walk")!.estimates(NOW_MS), CONSTANTS, NOW_MS)).toBeNull();
  });
});
