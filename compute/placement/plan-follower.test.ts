import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Placement } from "#runtime/placement/plan.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { PlanFollower, SLACK, type SidesInFlight } from "./plan-follower.ts";

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

test("the share of calls at storage is always the planned one to within a call", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 500 }), (share, count) => {
      const atStorage = calls(follow(share), count).filter((one) => one?.side === "storage").length;
      expect(Math.abs(atStorage - share * count)).toBeLessThanOrEqual(1);
    }),
  );
});

test("the share is the planned one to within a few calls, whichever side is idle", () => {
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

test("only a call of a split function goes to an idle side", () => {
  const busy = { compute: { inFlight: 0, overflowing: 0 }, storage: { inFlight: 3, overflowing: 0 } };
  const split = follow(0.9);
  expect([1, 2, 3].map(() => split.sideFor("f", busy)?.side)).toEqual(["compute", "compute", "compute"]);
  expect(follow(1).sideFor("f", busy)?.side).toBe("storage");
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

  test("is pushed back from storage like any other", () => {
    follower.follow(new Map([["f", { ...placement(0), ...OVERFLOW, backCpuUs: 10_000 }]]));
    const crowded = { compute: many(3), storage: NONE };
    expect(follower.sideFor("f", crowded)).toMatchObject({ side: "storage", backCpuUs: 10_000 });
  });

  test("leaves only the side with most of its function's calls", () => {
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

  test("stays if the plan says so, as in a trial", () => {
    const none = { overflowMin: 0, overflowTimes: 0 };
    expect(to(1, { compute: NONE, storage: many(9) }, none)).toMatchObject({ side: "storage", overflows: false });
  });
});

test("whole shares send every call to one side", () => {
  expect(new Set(calls(follow(0), 50).map((one) => one?.side))).toEqual(new Set(["compute"]));
  expect(new Set(calls(follow(1), 50).map((one) => one?.side))).toEqual(new Set(["storage"]));
});

test("one call in so many visits the other side and gives that as its reason", () => {
  for (const [share, other] of [
    [0, "storage"],
    [1, "compute"],
  ] as const) {
    const sides = calls(follow(share, 10), 30);
    expect(sides.filter((one) => one?.reason === "probe").map((one) => one?.side)).toEqual([other, other, other]);
    expect(sides.filter((one) => one?.side === other)).toHaveLength(3);
  }
});

test("calls of a trial give it as their reason", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(1), state: "probing", fromShare: 0.25 }]]));
  expect(follower.sideFor("f", IDLE)).toMatchObject({ side: "storage", reason: "trial" });
});

test("a new plan holds from the next call on", () => {
  const follower = follow(0);
  calls(follower, 7);
  for (const [share, side] of [
    [1, "storage"],
    [0, "compute"],
  ] as const) {
    follower.follow(new Map([["f", placement(share)]]));
    expect(follower.sideFor("f", IDLE)).toMatchObject({ side, reason: "plan" });
  }
});

test("a call may be pushed back from storage only", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(0.5), backCpuUs: 10_000 }]]));
  expect([follower.sideFor("f", IDLE), follower.sideFor("f", IDLE)]).toMatchObject([
    { side: "compute", backCpuUs: 0 },
    { side: "storage", backCpuUs: 10_000 },
  ]);
});

test("each function has its own budget for push-backs as long as it is in the plan", () => {
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

test("a function outside the plan has no planned side", () => {
  const follower = follow(1);
  expect(follower.sideFor("g", IDLE)).toBeNull();
  follower.follow(new Map());
  expect(follower.sideFor("f", IDLE)).toBeNull();
});
