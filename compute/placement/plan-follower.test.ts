import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Placement } from "#runtime/placement/plan.ts";
import { PlanFollower } from "./plan-follower.ts";

const placement = (share: number, probeEvery = 0): Placement => ({ state: "split", share, probeEvery, backCpuUs: 0 });

const follow = (share: number, probeEvery = 0): PlanFollower => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", placement(share, probeEvery)]]));
  return follower;
};

const calls = (follower: PlanFollower, count: number) => Array.from({ length: count }, () => follower.sideFor("f"));

test("the share of calls at storage is the planned one at any time, to within a call", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 500 }), (share, count) => {
      const atStorage = calls(follow(share), count).filter((one) => one?.side === "storage").length;
      expect(Math.abs(atStorage - share * count)).toBeLessThanOrEqual(1);
    }),
  );
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

test("a plan that changes holds from the next call on", () => {
  const follower = follow(0);
  calls(follower, 7);
  follower.follow(new Map([["f", placement(1)]]));
  expect(follower.sideFor("f")).toEqual({ side: "storage", reason: "plan", backCpuUs: 0 });
  follower.follow(new Map([["f", placement(0)]]));
  expect(follower.sideFor("f")).toEqual({ side: "compute", reason: "plan", backCpuUs: 0 });
});

test("a call may be pushed back from storage, and from nowhere else", () => {
  const follower = new PlanFollower();
  follower.follow(new Map([["f", { ...placement(0.5), backCpuUs: 10_000 }]]));
  expect([follower.sideFor("f"), follower.sideFor("f")]).toEqual([
    { side: "compute", reason: "plan", backCpuUs: 0 },
    { side: "storage", reason: "plan", backCpuUs: 10_000 },
  ]);
});

test("what is not planned is left to others", () => {
  const follower = follow(1);
  expect(follower.sideFor("g")).toBeNull();
  follower.follow(new Map());
  expect(follower.sideFor("f")).toBeNull();
});
