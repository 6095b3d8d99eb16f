import { expect, it } from "vitest";

import { FunctionProfile, type Estimates } from "#runtime/profile/function-profile.ts";
import { NO_USAGE, type Side } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { BACK_CPU_US_MAX } from "./plan.ts";
import { BACK_UNKNOWN_US, backCpuUs } from "./push-back.ts";

const NOTHING: Estimates = { compute: null, storage: null };

const known = (side: Side, cpuUs: readonly number[]): Estimates => knownOf({ [side]: cpuUs });

const knownOf = (sides: { readonly [side in Side]?: readonly number[] }): Estimates => {
  const profile = new FunctionProfile("1");
  const tally = new SampleTally();
  for (const side of ["compute", "storage"] as const) {
    for (const one of sides[side] ?? []) {
      tally.record({ ...NO_USAGE, cpuUs: one, wallUs: one, function: "f", version: "1", side, outcome: "ok" }, one);
    }
  }
  for (const sums of tally.take().tallies) profile.fold(sums, 0, 1_000, 25);
  return profile.estimates(0);
};

it("is a usual bound while nothing is known", () => {
  expect(backCpuUs(NOTHING, 0)).toBe(BACK_UNKNOWN_US);
});

it.each(["compute", "storage"] as const)("is far beyond what calls at %s compute, alike or not", (side) => {
  expect(backCpuUs(known(side, Array<number>(50).fill(5_000)), 0)).toBe(40_000);
  expect(backCpuUs(known(side, Array<number>(50).fill(10)), 0)).toBe(10_000);
  // A hub among leaves: calls that are usual for the function are left alone, as wide as they are spread.
  const spread = Array.from({ length: 300 }, (_, index) => 100 * 10 ** (index % 3));
  const bound = backCpuUs(known(side, spread), 0);
  expect(bound).toBeGreaterThan(Math.max(...spread));
  expect(bound).toBeLessThan(100 * Math.max(...spread));
});

it.each([1, 2, 8, 16])(
  "goes by the calls at storage where these are known, and not by %i that were pushed back",
  (hubs) => {
    const hub = 400_000;
    const usual = Array<number>(16).fill(1_000);
    expect(backCpuUs(knownOf({ storage: usual, compute: Array<number>(hubs).fill(hub) }), 0)).toBe(10_000);
    // What they used at storage until then counts as calls there: where they are many, they are usual.
    const begun = [...usual, ...Array<number>(hubs).fill(10_000)];
    const bound = backCpuUs(knownOf({ storage: begun, compute: Array<number>(hubs).fill(hub) }), 0);
    expect(bound).toBeGreaterThanOrEqual(10_000);
    expect(bound).toBeLessThan(hub);
  },
);

it("goes by the calls of both sides while few at storage are known", () => {
  const usual = Array<number>(200).fill(1_000);
  expect(backCpuUs(knownOf({ storage: usual.slice(0, 4), compute: usual }), 0)).toBe(10_000);
  // What is usual where nearly all of them run is usual for the few at storage as well, …
  const many = Array<number>(200).fill(5_000);
  expect(backCpuUs(knownOf({ compute: many, storage: [1_000, 1_000] }), 0)).toBeGreaterThan(30_000);
  // … and so is what those at storage compute, where a call takes longer there.
  expect(backCpuUs(knownOf({ compute: usual, storage: Array<number>(5).fill(20_000) }), 0)).toBe(160_000);
});

it("is no more than a plan may say, however far apart calls are", () => {
  const apart = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? 10 : 1e6));
  expect(backCpuUs(known("storage", apart), 0)).toBe(BACK_CPU_US_MAX);
});

it("stays until it is off by more than a factor of two", () => {
  const estimates = known("storage", Array<number>(50).fill(5_000));
  expect([19_999, 20_000, 80_000, 80_001].map((before) => backCpuUs(estimates, before))).toEqual([
    40_000, 20_000, 80_000, 40_000,
  ]);
});
