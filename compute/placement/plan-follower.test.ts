import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Placement } from "#runtime/placement/plan.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { PlanFollower, SLACK, type SidesInFlight } from "./plan-follower.ts";

const IDLE: SidesInFlight = { compute: { inFlight: 0 }, storage: { inFlight: 0 } };

const placement = (share: number, probeEvery = 0): Placement => ({ state: "split", share, probeEvery, backCpuUs: 0 });

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
  const inFlight = fc.constantFrom(0, 0, 1, 5).map((count) => ({ inFlight: count }));
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
  const busy = { compute: { inFlight: 0 }, storage: { inFlight: 3 } };
  const split = follow(0.9);
  expect([1, 2, 3].map(() => split.sideFor("f", busy)?.side)).toEqual(["compute", "compute", "compute"]);
  expect(follow(1).sideFor("f", busy)?.side).toBe("storage");
});

/**
 * Calls per unit of time that `callers` make who wait for each other, of a function that takes 1 on average on the one core of either
 * side, and now and then of one that takes 3.
 */
function doneBy(callers: number, isBlind: boolean): number {
  const follower = new PlanFollower();
  follower.follow(new Map(["short", "long"].map((name) => [name, placement(0.5)])));
  const random = seededRandom(1);
  const sides = { compute: { inFlight: 0, freeAt: 0 }, storage: { inFlight: 0, freeAt: 0 } };
  const ends: { readonly at: number; readonly side: Side }[] = [];
  const begin = (at: number): void => {
    const name = random() < 0.25 ? "long" : "short";
    const { side } = follower.sideFor(name, isBlind ? IDLE : sides)!;
    const own = sides[side];
    own.inFlight += 1;
    own.freeAt = Math.max(own.freeAt, at) + (name === "long" ? 3 : 1) * (0.6 + 0.8 * random());
    ends.push({ at: own.freeAt, side });
    ends.sort((one, other) => other.at - one.at);
  };
  for (let caller = 0; caller < callers; caller++) begin(0);
  const calls = 5_000;
  for (let done = 1; done < calls; done++) {
    const { at, side } = ends.pop()!;
    sides[side].inFlight -= 1;
    begin(at);
  }
  return calls / ends.at(-1)!.at;
}

test("few callers keep both sides busier than by shares alone, and many no less so", () => {
  const gainOf = (callers: number): number => doneBy(callers, false) / doneBy(callers, true);
  expect(gainOf(2)).toBeGreaterThan(1.1);
  expect(gainOf(4)).toBeGreaterThan(1);
  expect(gainOf(16)).toBeGreaterThan(0.99);
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
  const call = { side: "storage", reason: "trial", backCpuUs: 0 };
  expect(calls(follower, 3)).toEqual([call, call, call]);
});

test("a plan that changes holds from the next call on", () => {
  const follower = follow(0);
  calls(follower, 7);
  follower.follow(new Map([["f", placement(1)]]));
  expect(follower.sideFor("f", IDLE)).toEqual({ side: "storage", reason: "plan", backCpuUs: 0 });
  follower.follow(new Map([["f", placement(0)]]));
  expect(follower.sideFor("f", IDLE)).toEqual({ side: "compute", reason: "plan", backCpuUs: 0 });
});

test("a call may be pushed back from storage, and from nowhere else", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(0.5), backCpuUs: 10_000 }]]));
  expect([follower.sideFor("f", IDLE), follower.sideFor("f", IDLE)]).toEqual([
    { side: "compute", reason: "plan", backCpuUs: 0 },
    { side: "storage", reason: "plan", backCpuUs: 10_000 },
  ]);
});

test("what is not planned is left to others", () => {
  const follower = follow(1);
  expect(follower.sideFor("g", IDLE)).toBeNull();
  follower.follow(new Map());
  expect(follower.sideFor("f", IDLE)).toBeNull();
});
