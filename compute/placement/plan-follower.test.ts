import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Placement } from "#runtime/placement/plan.ts";
import { PushBackBudget } from "#runtime/placement/push-back.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { PlanFollower, SLACK, type SidesInFlight } from "./plan-follower.ts";

const BUDGET = expect.any(PushBackBudget) as PushBackBudget;
const NONE = { inFlight: 0, overflowing: 0 };
const IDLE: SidesInFlight = { compute: NONE, storage: NONE };

const placement = (share: number, probeEvery = 0): Placement => ({
  state: "split",
  share,
  probeEvery,
  backCpuUs: 0,
  overflowMin: 0,
  overflowTimes: 0,
});
const OVERFLOW = { overflowMin: 3, overflowTimes: 4 };

const follow = (share: number, probeEvery = 0): PlanFollower => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", placement(share, probeEvery)]]));
  return follower;
};

const calls = (follower: PlanFollower, count: number) =>
  Array.from({ length: count }, () => follower.sideFor("f", IDLE));

test("the share of calls at storage is the planned one at any time, to within a call", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 500 }), (share, count) => {
      const atStorage = calls(follow(share), count).filter((one) => one?.side === "storage").length;
      expect(Math.abs(atStorage - share * count)).toBeLessThanOrEqual(1);
    }),
  );
});

test("whatever stands idle, the share is the planned one to within a few calls", () => {
  const inFlight = fc.constantFrom(0, 0, 1, 5).map((count) => ({ inFlight: count, overflowing: 0 }));
  const sides = fc.array(fc.record({ compute: inFlight, storage: inFlight }), { minLength: 1, maxLength: 500 });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), sides, (share, seen) => {
      const follower = follow(share);
      const chosen = seen.map((one) => follower.sideFor("f", one)?.side);
      const atStorage = chosen.filter((side) => side === "storage").length;
      const slack = share === 0 || share === 1 ? 0 : SLACK + 1;
      expect(Math.abs(atStorage - share * seen.length)).toBeLessThanOrEqual(slack);
    }),
  );
});

test("a call of a split function goes where nothing runs, and one of another does not", () => {
  const busy = { compute: { inFlight: 0, overflowing: 0 }, storage: { inFlight: 3, overflowing: 0 } };
  const split = follow(0.9);
  expect([1, 2, 3].map(() => split.sideFor("f", busy)?.side)).toEqual(["compute", "compute", "compute"]);
  expect(follow(1).sideFor("f", busy)?.side).toBe("storage");
});

/** A function that callers call who wait for each other. */
interface Kind {
  /** How often, to the others. */
  readonly part: number;
  readonly share: number;
  readonly overflows: boolean;
  /** Of a call, on average, on the one core of either side. */
  readonly work: Readonly<Record<Side, number>>;
}

/** Calls per unit of time that they make. `isBlind`: without knowing what is in flight. */
function doneBy(callers: number, kinds: Readonly<Record<string, Kind>>, isBlind: boolean): number {
  const follower = new PlanFollower();
  const placements = Object.entries(kinds).map(
    ([name, { share, overflows }]) => [name, { ...placement(share), ...(overflows ? OVERFLOW : {}) }] as const,
  );
  follower.follow(new Map(placements));
  const random = seededRandom(1);
  const sides = {
    compute: { inFlight: 0, overflowing: 0, freeAt: 0 },
    storage: { inFlight: 0, overflowing: 0, freeAt: 0 },
  };
  const ends: { readonly at: number; readonly side: Side; readonly overflowing: number }[] = [];
  const parts = Object.values(kinds).reduce((sum, { part }) => sum + part, 0);
  const begin = (at: number): void => {
    let left = random() * parts;
    const [name, { overflows, work }] = Object.entries(kinds).find(([, { part }]) => (left -= part) < 0)!;
    const { side } = follower.sideFor(name, isBlind ? IDLE : sides)!;
    const own = sides[side];
    const overflowing = Number(overflows);
    own.inFlight += 1;
    own.overflowing += overflowing;
    own.freeAt = Math.max(own.freeAt, at) + work[side] * (0.6 + 0.8 * random());
    ends.push({ at: own.freeAt, side, overflowing });
    ends.sort((one, other) => other.at - one.at);
  };
  for (let caller = 0; caller < callers; caller++) begin(0);
  const calls = 5_000;
  for (let done = 1; done < calls; done++) {
    const { at, side, overflowing } = ends.pop()!;
    sides[side].inFlight -= 1;
    sides[side].overflowing -= overflowing;
    begin(at);
  }
  return calls / ends.at(-1)!.at;
}

const gainOf = (callers: number, kinds: Readonly<Record<string, Kind>>): number =>
  doneBy(callers, kinds, false) / doneBy(callers, kinds, true);

test("few callers keep both sides busier than by shares alone, and many no less so", () => {
  const halved = { share: 0.5, overflows: false };
  const kinds = {
    short: { ...halved, part: 3, work: { compute: 1, storage: 1 } },
    long: { ...halved, part: 1, work: { compute: 3, storage: 3 } },
  };
  expect(gainOf(2, kinds)).toBeGreaterThan(1.1);
  expect(gainOf(4, kinds)).toBeGreaterThan(1);
  expect(gainOf(16, kinds)).toBeGreaterThan(0.99);
});

test("where calls overflow both sides are busier than where each stays on its own, though it costs more there", () => {
  const kindsAt = (dearer: number): Readonly<Record<string, Kind>> => ({
    walk: { part: 1, share: 1, overflows: true, work: { compute: dearer, storage: 1 } },
    hash: { part: 1, share: 0, overflows: true, work: { compute: 1, storage: dearer } },
  });
  for (const callers of [4, 8, 16]) {
    expect(gainOf(callers, kindsAt(1))).toBeGreaterThan(1.02);
    expect(gainOf(callers, kindsAt(2))).toBeGreaterThan(1);
  }
  expect(gainOf(32, kindsAt(2))).toBeGreaterThan(0.99);
});

describe("a call that overflows", () => {
  const follower = new PlanFollower();
  const to = (share: number, sides: SidesInFlight, overflow = OVERFLOW) => {
    follower.follow(new Map([["f", { ...placement(share), ...overflow }]]));
    return follower.sideFor("f", sides);
  };
  const many = (overflowing: number) => ({ inFlight: 9, overflowing });
  const left = { reason: "overflow", overflows: true };

  test("leaves its side where many of its kind are there, and says so", () => {
    expect(to(1, { compute: NONE, storage: many(3) })).toMatchObject({ side: "compute", ...left });
    expect(to(0, { storage: NONE, compute: many(3) })).toMatchObject({ side: "storage", ...left });
    expect(to(1, { compute: NONE, storage: many(2) })).toMatchObject({ side: "storage", reason: "plan" });
    expect(to(1, IDLE)).toMatchObject({ side: "storage", reason: "plan", overflows: true });
  });

  test("stays where the other side has calls as well, whatever these are", () => {
    const one = { inFlight: 1, overflowing: 0 };
    expect(to(1, { compute: one, storage: many(6) })).toMatchObject({ side: "storage", reason: "plan" });
    expect(to(1, { compute: one, storage: many(7) })).toMatchObject({ side: "compute", ...left });
  });

  test("is pushed back from storage like any other there", () => {
    follower.follow(new Map([["f", { ...placement(0), ...OVERFLOW, backCpuUs: 10_000 }]]));
    const crowded = { compute: many(3), storage: NONE };
    expect(follower.sideFor("f", crowded)).toMatchObject({ side: "storage", backCpuUs: 10_000 });
  });

  test("leaves the side with most of its function's calls only", () => {
    const few = { inFlight: 1, overflowing: 0 };
    const crowdedAt = (side: Side): SidesInFlight => ({ compute: few, storage: few, [side]: many(9) });
    const chosen = (side: Side) => Array.from({ length: 8 }, () => to(0.75, crowdedAt(side)));
    // A quarter of them is planned there, and stays.
    const atCompute = chosen("compute");
    expect(new Set(atCompute.map((one) => one?.reason))).toEqual(new Set(["plan"]));
    expect(atCompute.filter((one) => one?.side === "compute")).toHaveLength(2);
    const atStorage = chosen("storage");
    expect(new Set(atStorage.map((one) => one?.side))).toEqual(new Set(["compute"]));
    expect(atStorage.filter((one) => one?.reason === "overflow")).toHaveLength(6);
  });

  test("is none where the plan says so, as in a trial", () => {
    const none = { overflowMin: 0, overflowTimes: 0 };
    expect(to(1, { compute: NONE, storage: many(9) }, none)).toMatchObject({ side: "storage", overflows: false });
  });
});

test("whole shares send every call to one side", () => {
  expect(new Set(calls(follow(0), 50).map((one) => one?.side))).toEqual(new Set(["compute"]));
  expect(new Set(calls(follow(1), 50).map((one) => one?.side))).toEqual(new Set(["storage"]));
});

test("one call in so many visits the other side, and says why", () => {
  for (const [share, other] of [
    [0, "storage"],
    [1, "compute"],
  ] as const) {
    const sides = calls(follow(share, 10), 30);
    expect(sides.filter((one) => one?.reason === "probe").map((one) => one?.side)).toEqual([other, other, other]);
    expect(sides.filter((one) => one?.side === other)).toHaveLength(3);
  }
});

test("calls of a trial say that they are", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(1), state: "probing", fromShare: 0.25 }]]));
  const call = { side: "storage", reason: "trial", backCpuUs: 0, overflows: false, budget: BUDGET };
  expect(calls(follower, 3)).toEqual([call, call, call]);
});

test("a plan that changes holds from the next call on", () => {
  const follower = follow(0);
  calls(follower, 7);
  follower.follow(new Map([["f", placement(1)]]));
  expect(follower.sideFor("f", IDLE)).toEqual({
    side: "storage",
    reason: "plan",
    backCpuUs: 0,
    overflows: false,
    budget: BUDGET,
  });
  follower.follow(new Map([["f", placement(0)]]));
  expect(follower.sideFor("f", IDLE)).toEqual({
    side: "compute",
    reason: "plan",
    backCpuUs: 0,
    overflows: false,
    budget: BUDGET,
  });
});

test("a call may be pushed back from storage, and from nowhere else", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(0.5), backCpuUs: 10_000, overflows: false }]]));
  expect([follower.sideFor("f", IDLE), follower.sideFor("f", IDLE)]).toEqual([
    { side: "compute", reason: "plan", backCpuUs: 0, overflows: false, budget: BUDGET },
    { side: "storage", reason: "plan", backCpuUs: 10_000, overflows: false, budget: BUDGET },
  ]);
});

test("what push-backs of a function may waste is known as long as it is planned, and counts for it alone", () => {
  const planned = new Map([
    ["f", placement(1)],
    ["g", placement(1)],
  ]);
  const follower = new PlanFollower();
  follower.follow(planned);
  const isSpent = (name: string): boolean => follower.sideFor(name, IDLE)!.budget.isSpent;
  const { budget } = follower.sideFor("f", IDLE)!;
  budget.pushedBack(1e6);
  budget.letStay();
  follower.follow(new Map([...planned, ["f", placement(0.5)]]));
  expect([isSpent("f"), isSpent("g")]).toEqual([true, false]);
  expect([...follower.stayed]).toEqual([
    ["f", 1],
    ["g", 0],
  ]);
  follower.follow(new Map());
  follower.follow(planned);
  expect(isSpent("f")).toBe(false);
});

test("what is not planned is left to others", () => {
  const follower = follow(1);
  expect(follower.sideFor("g", IDLE)).toBeNull();
  follower.follow(new Map());
  expect(follower.sideFor("f", IDLE)).toBeNull();
});
