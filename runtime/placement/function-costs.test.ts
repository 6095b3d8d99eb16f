import { describe, expect, test } from "vitest";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { WARM_CALLS } from "#runtime/profile/warm-up.ts";
import { busyUs, costOf, lockUsOf, withoutFound, type CostConstants, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { functionCosts, predictionErrorOf, type FunctionCosts } from "./function-costs.ts";

/** The read cache answers nothing unless measured otherwise. */
const CONSTANTS: CostConstants = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, found: 0 } };

/** A walk in a graph from a leaf, and from a hub: a hundred times the work in as many rounds. */
const LEAF: Demand = { operations: 10, rounds: 4, bytes: 500, cpuUs: 60 };
const HUB: Demand = { operations: 1_000, rounds: 4, bytes: 50_000, cpuUs: 6_000 };

interface Calls {
  readonly leaves: number;
  readonly hubs: number;
}
type CallsBySide = Partial<Readonly<Record<Side, Calls>>>;

interface World {
  /** CPU time at storage ÷ at compute. */
  readonly cpuRatio?: number;
  /** Of calls at storage, measured ÷ modelled: time in the sandbox, outside it, and of Redis' lock. */
  readonly slowness?: number;
  readonly outside?: number;
  readonly locked?: number;
  /** Fraction of reads that the read cache answers. */
  readonly found?: number;
  /** Calls come straight to Redis. */
  readonly isDirect?: boolean;
}

/** Half a second of windows. Both sides have run the function long before, and that is forgotten. */
const WINDOWS = 20;
const WINDOW_MS = 25;
const BEGUN_MS = 60_000;
const NOW_MS = BEGUN_MS + WINDOWS * WINDOW_MS;

/** Leaves differ by up to a half of what one computes on average. */
const sizeOf = (leaf: number): number => 0.5 + ((leaf * 7) % 11) / 10;

/** Of a function whose calls cost what the model says, except for what `world` says. */
function profileAfter(calls: CallsBySide, world: World): FunctionProfile {
  const { cpuRatio = 1, slowness = 1, outside = 1, locked = 1, found = 0, isDirect = false } = world;
  const constants: CostConstants = { ...CONSTANTS, storage: { ...CONSTANTS.storage, cpuRatio } };
  const profiles = new Profiles();
  const record = (tally: SampleTally, side: Side, demand: Demand): void => {
    const isAtStorage = side === "storage";
    const { operations, rounds, bytes: bytesIn } = demand;
    const part = isAtStorage ? found : 0;
    const [foundOperations, foundRounds] = [part * operations, part * rounds];
    const sent = withoutFound(demand, { operations: foundOperations, rounds: foundRounds });
    const { latencyUs, terms } = costOf(side, { ...sent, cpuUs: demand.cpuUs }, constants);
    const wallUs = (latencyUs - terms.call) * (isAtStorage ? slowness : 1);
    const findable = { findableOperations: operations, findableRounds: rounds };
    const lockUs = isAtStorage ? locked * lockUsOf(constants.storage, sent) : 0;
    const moved = { operations, rounds, bytesIn, ...findable, foundOperations, foundRounds, lockUs };
    const usage = { ...NO_USAGE, wallUs, cpuUs: terms.cpu, ...moved };
    const callUs = (isAtStorage ? outside : 1) * terms.call;
    tally.record({ ...usage, function: "walk", version: "1", side, outcome: "ok" }, wallUs + callUs);
  };
  const sides = (["compute", "storage"] as const).filter((side) => calls[side] !== undefined);
  const before = new SampleTally();
  for (const side of sides) for (let call = 0; call < WARM_CALLS; call++) record(before, side, LEAF);
  profiles.fold(before.take().tallies, 0, WINDOW_MS);
  for (let window = 0; window < WINDOWS; window++) {
    const tally = new SampleTally();
    const begunBy = (count: number, end: number): number => Math.ceil((count * end) / WINDOWS);
    for (const side of sides) {
      const { leaves, hubs } = calls[side]!;
      for (let call = begunBy(leaves, window); call < begunBy(leaves, window + 1); call++) {
        record(tally, side, { ...LEAF, cpuUs: LEAF.cpuUs * sizeOf(call) });
      }
      for (let call = begunBy(hubs, window); call < begunBy(hubs, window + 1); call++) record(tally, side, HUB);
    }
    profiles.fold(tally.take().tallies, BEGUN_MS + (window + 1) * WINDOW_MS, WINDOW_MS, isDirect);
  }
  return profiles.get("walk")!;
}

function costsAfter(calls: CallsBySide, world: World = {}, constants = CONSTANTS): FunctionCosts {
  const costs = functionCosts(profileAfter(calls, world).estimates(NOW_MS), constants, NOW_MS);
  if (costs === null) throw new Error("nothing was profiled");
  return costs;
}

/** What is left when the function has not run at storage of late. */
function costsLater(calls: CallsBySide, world: World, ms: number): FunctionCosts {
  const estimates = profileAfter(calls, world).estimates(NOW_MS);
  const { paces } = functionCosts(estimates, CONSTANTS, NOW_MS)!;
  return functionCosts({ ...estimates, storage: null }, CONSTANTS, NOW_MS + ms, paces)!;
}

test("opening isolates counts on a side that has no room for all of them", () => {
  const profiles = new Profiles();
  const tally = new SampleTally();
  const sample = { ...NO_USAGE, function: "walk", version: "1", side: "compute", outcome: "ok", cpuUs: 100 } as const;
  for (let call = 0; call < 16; call++) tally.record({ ...sample, wallUs: 1_200, queueUs: 1_000, startUs: 800 }, 1_300);
  profiles.fold(tally.take().tallies, NOW_MS, WINDOW_MS);
  const costsIf = (compute: boolean) =>
    functionCosts(profiles.get("walk")!.estimates(NOW_MS), CONSTANTS, NOW_MS, undefined, { compute, storage: true })!
      .sides;
  expect(costsIf(true).compute.cost.latencyUs - costsIf(false).compute.cost.latencyUs).toBeCloseTo(800);
  expect(costsIf(true).compute.cost.terms.opening).toBeCloseTo(800);
  expect(costsIf(false).storage.cost.terms.opening).toBe(0);
});

const cpuRatioIn = ({ sides: { compute, storage } }: FunctionCosts): number =>
  storage.cost.terms.cpu / compute.cost.terms.cpu;

/** One call in fifty is a hub, on either side; or only compute has met hubs. Storage is only visited. */
const EVEN = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 49, hubs: 1 } } as const;
const UNEVEN = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 50, hubs: 0 } } as const;
/** Both sides run it, and one has met hubs. */
const BOTH = { compute: { leaves: 490, hubs: 10 }, storage: { leaves: 490, hubs: 0 } } as const;

const differenceOf = (one: number, other: number): number => Math.abs(one / other - 1);

describe("the cost of a call", () => {
  test("does not depend on which side has met the dear calls", () => {
    const [even, uneven] = [costsAfter(EVEN), costsAfter(UNEVEN)];
    for (const side of ["compute", "storage"] as const) {
      const [one, other] = [uneven.sides[side].cost, even.sides[side].cost];
      expect(differenceOf(one.latencyUs, other.latencyUs)).toBeLessThan(0.1);
      expect(differenceOf(busyUs(one), busyUs(other))).toBeLessThan(0.1);
    }
    const { compute, storage } = uneven.sides;
    expect(compute.measuredUs!, "the means differ").toBeGreaterThan(2 * storage.measuredUs!);
  });

  test("pools what calls need over both sides", () => {
    const { demand } = costsAfter(UNEVEN);
    const hubs = 10 / 550;
    expect(differenceOf(demand.operations, hubs * HUB.operations + (1 - hubs) * LEAF.operations)).toBeLessThan(0.02);
    expect(differenceOf(demand.bytes, hubs * HUB.bytes + (1 - hubs) * LEAF.bytes)).toBeLessThan(0.02);
    expect(demand.rounds).toBeCloseTo(4);
  });

  test("is the model's on a side without calls", () => {
    const costs = costsAfter({ compute: EVEN.compute });
    const model = costOf("storage", costs.demand, CONSTANTS);
    expect(costs.sides.storage).toMatchObject({ cost: model, calls: 0, measuredUs: null });
    expect(predictionErrorOf(costs.sides.storage)).toBeNull();
    expect(predictionErrorOf(costs.sides.compute)).toBeLessThan(0.01);
  });

  test("is unknown without a call that succeeded", () => {
    const [profiles, tally] = [new Profiles(), new SampleTally()];
    const failed = { ...NO_USAGE, function: "walk", version: "1", side: "compute", outcome: "OVERLOADED" } as const;
    tally.record(failed, 10);
    profiles.fold(tally.take().tallies, NOW_MS, WINDOW_MS);
    expect(functionCosts(profiles.get("walk")!.estimates(NOW_MS), CONSTANTS, NOW_MS)).toBeNull();
  });

  test.each([0.3, 1, 3])("has terms that sum up to the latency when calls take %d times as long", (slowness) => {
    const { cost } = costsAfter(EVEN, { slowness }).sides.storage;
    const sumUs = Object.values(cost.terms).reduce((sum, us) => sum + us, 0);
    expect(cost.latencyUs).toBeCloseTo(sumUs, 6);
    expect(cost.terms.crowd > 1).toBe(slowness > 1);
  });

  test("is larger on a side that is slower for its own calls, on that side only, and less so with time", () => {
    const usual = costsAfter(UNEVEN);
    const slow = costsAfter(UNEVEN, { slowness: 3 });
    const inSandboxUs = ({ sides: { storage } }: FunctionCosts): number =>
      storage.cost.latencyUs - storage.cost.terms.call;
    expect(differenceOf(inSandboxUs(slow) / inSandboxUs(usual), 3)).toBeLessThan(0.1);
    expect(differenceOf(slow.sides.compute.cost.latencyUs, usual.sides.compute.cost.latencyUs)).toBeLessThan(0.01);
    const later = costsLater(UNEVEN, { slowness: 3 }, 300_000);
    expect(differenceOf(inSandboxUs(later), inSandboxUs(usual))).toBeLessThan(0.1);
  });
});

describe("CPU time at storage ÷ at compute", () => {
  test("is learned from sides that both run the function", () => {
    for (const cpuRatio of [1, 2]) {
      expect(differenceOf(cpuRatioIn(costsAfter(BOTH, { cpuRatio })), cpuRatio)).toBeLessThan(0.15);
    }
  });

  test("is not learned from visits, which find caches cold", () => {
    expect(cpuRatioIn(costsAfter(UNEVEN, { cpuRatio: 2 }))).toBeCloseTo(1);
  });

  test("is remembered, and returns to the usual one in time", () => {
    expect(differenceOf(cpuRatioIn(costsLater(BOTH, { cpuRatio: 2 }, 0)), 2)).toBeLessThan(0.15);
    expect(differenceOf(cpuRatioIn(costsLater(BOTH, { cpuRatio: 2 }, 600_000)), 1)).toBeLessThan(0.01);
  });
});

describe("reads that the read cache answers", () => {
  const roundsUsOf = ({ sides: { storage } }: FunctionCosts): number =>
    storage.cost.terms.rounds / (LEAF.rounds * CONSTANTS.storage.roundWaitUs);

  test("cost neither rounds nor bytes nor Redis at storage, and work for their operations", () => {
    const { demand, sides: before } = costsAfter(BOTH);
    for (const found of [0.5, 1]) {
      const { sides } = costsAfter(BOTH, { found });
      const { cost } = sides.storage;
      const sent = { ...demand, rounds: (1 - found) * demand.rounds, bytes: (1 - found) * demand.bytes };
      const model = costOf("storage", sent, CONSTANTS);
      expect(differenceOf(cost.latencyUs, model.latencyUs)).toBeLessThan(0.1);
      expect(differenceOf(cost.storageUs, model.storageUs)).toBeLessThan(0.1);
      const foundUs = found * demand.operations * CONSTANTS.storage.redisOperationUs;
      expect(differenceOf(cost.redisUs, model.redisUs - foundUs)).toBeLessThan(0.1);
      expect(sides.compute.cost.redisUs, "at compute there are none").toBeCloseTo(before.compute.cost.redisUs);
    }
  });

  test("are remembered, and return to the usual fraction in time", () => {
    expect(roundsUsOf(costsLater(BOTH, { found: 1 }, 0))).toBeLessThan(0.01);
    expect(roundsUsOf(costsLater(BOTH, { found: 1 }, 600_000))).toBeCloseTo(1);
  });

  test("are learned from calls of a side that runs the function, not from visits", () => {
    const usual = { ...CONSTANTS, storage: { ...CONSTANTS.storage, found: 0.9 } };
    expect(roundsUsOf(costsAfter(EVEN, { found: 0.2 }, usual))).toBeCloseTo(0.1, 1);
    expect(roundsUsOf(costsAfter(BOTH, { found: 0.2 }, usual))).toBeCloseTo(0.8, 1);
  });
});

test("the prediction error is of what callers of nodes wait for, and in the sandbox alone if nobody sees more", () => {
  const storageAfter = (world: World) => costsAfter({ storage: EVEN.storage }, world).sides.storage;
  const { latencyUs, terms } = storageAfter({}).cost;
  const slow = storageAfter({ outside: 3 });
  expect(predictionErrorOf(slow)).toBeCloseTo(1 - latencyUs / (latencyUs + 2 * terms.call), 2);
  expect(slow.measuredCallUs).toBeCloseTo(3 * terms.call, 1);
  expect(predictionErrorOf(storageAfter({ outside: 3, isDirect: true }))).toBeLessThan(0.01);
});

test("Redis' lock is predicted to be held as much longer than modelled as it was for the measured calls", () => {
  const redisUsOf = (locked: number, found: number): number =>
    costsAfter(BOTH, { found, locked }).sides.storage.cost.redisUs;
  const { operations, bytes } = costsAfter(BOTH).demand;
  for (const found of [0, 0.5]) {
    const lockUs = (1 - found) * lockUsOf(CONSTANTS.storage, { operations, bytes });
    expect(differenceOf(redisUsOf(100, found) - redisUsOf(1, found), 99 * lockUs)).toBeLessThan(0.05);
  }
});
