import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import { arePlausible, constantsOf, constantsOver, type Calibration, type Run, type Runs } from "./calibration.ts";
import { costOf, lockUsOf, type CostConstants, type Moved } from "./cost-model.ts";
import { DEFAULT_CONSTANTS, DEFAULT_ROUND_TRIP_US } from "./default-constants.ts";

const MOVED: Readonly<Record<keyof Runs, Moved>> = {
  nothing: { operations: 0, rounds: 0, bytes: 0 },
  chain: { operations: 32, rounds: 32, bytes: 0 },
  batch: { operations: 1_024, rounds: 4, bytes: 0 },
  long: { operations: 8, rounds: 8, bytes: 2.5e5 },
};

const runsOf = (run: (moved: Moved) => Run): Runs => ({
  nothing: run(MOVED.nothing),
  chain: run(MOVED.chain),
  batch: run(MOVED.batch),
  long: run(MOVED.long),
});

/** What is measured if these are the constants. */
function measuredAt(constants: CostConstants): Calibration {
  const on = (side: Side): Runs =>
    runsOf((moved) => {
      const { latencyUs, terms, computeUs, storageUs, redisUs } = costOf(side, { ...moved, cpuUs: 0 }, constants);
      const { callWaitUs, nodeCallUs } = constants[side];
      const sideUs = side === "storage" ? storageUs : computeUs;
      const lockUs = side === "storage" ? lockUsOf(constants.storage, moved) : 0;
      const waits = { serviceUs: latencyUs - terms.call, outsideUs: callWaitUs };
      return { ...moved, ...waits, sideUs, nodeUs: nodeCallUs, redisUs, lockUs };
    });
  return { compute: on("compute"), storage: on("storage"), cpuRatio: constants.storage.cpuRatio };
}

const factor = fc.double({ min: 0.2, max: 5, noNaN: true });
const anyConstants = fc.record({ compute: factor, storage: factor }).map(({ compute, storage }): CostConstants => {
  const scaled = <Of extends object>(of: Of, by: number): Of =>
    Object.fromEntries(Object.entries(of).map(([name, value]) => [name, (value as number) * by])) as Of;
  const { found } = DEFAULT_CONSTANTS.storage;
  return {
    compute: scaled(DEFAULT_CONSTANTS.compute, compute),
    storage: { ...scaled(DEFAULT_CONSTANTS.storage, storage), found },
  };
});

test("a calibration finds the constants that runs were made with", () => {
  fc.assert(
    fc.property(anyConstants, (constants) => {
      const found = constantsOf(measuredAt(constants));
      for (const side of ["compute", "storage"] as const) {
        for (const [name, value] of Object.entries(constants[side])) {
          expect(new Map(Object.entries(found[side])).get(name), `${side}.${name}`).toBeCloseTo(value, 3);
        }
      }
    }),
  );
});

test("a disturbed calibration still has plausible constants", () => {
  const us = fc.oneof(fc.constant(0), fc.double({ min: -1e6, max: 1e9, noNaN: true }));
  const run = fc.record({ serviceUs: us, outsideUs: us, sideUs: us, nodeUs: us, redisUs: us, lockUs: us });
  const runs = fc.record({ nothing: run, chain: run, batch: run, long: run }).map((all): Runs => {
    const kinds = Object.keys(all) as (keyof Runs)[];
    return Object.fromEntries(kinds.map((kind) => [kind, { ...MOVED[kind], ...all[kind] }])) as unknown as Runs;
  });
  fc.assert(
    fc.property(runs, runs, us, (compute, storage, cpuRatio) => {
      expect(arePlausible(constantsOf({ compute, storage, cpuRatio }))).toBe(true);
    }),
  );
});

test.each([
  ["no bandwidth", { compute: { bytesPerUs: 0 } }],
  ["impossible work", { storage: { callUs: 1e6 } }],
  ["an endless wait", { compute: { roundWaitUs: 1e12 } }],
  ["no number", { compute: { enterUs: Number.NaN } }],
])("constants with %s are not plausible", (_what, { compute, storage }: { compute?: object; storage?: object }) => {
  const usual = DEFAULT_CONSTANTS;
  expect(arePlausible(usual)).toBe(true);
  expect(arePlausible({ compute: { ...usual.compute, ...compute }, storage: { ...usual.storage, ...storage } })).toBe(
    false,
  );
});

describe("constants over a network of which only the round trip is known", () => {
  const { compute, storage } = DEFAULT_CONSTANTS;

  test("are the default ones with the difference of the round trip added to rounds and to calls to storage", () => {
    expect(constantsOver(DEFAULT_ROUND_TRIP_US, null)).toEqual(DEFAULT_CONSTANTS);
    expect(constantsOver(DEFAULT_ROUND_TRIP_US + 1_000, null)).toEqual({
      compute: { ...compute, roundWaitUs: compute.roundWaitUs + 1_000 },
      storage: { ...storage, callWaitUs: storage.callWaitUs + 1_000 },
    });
  });

  test("are plausible, and wait no less over a longer round trip", () => {
    const roundTripUs = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(roundTripUs, roundTripUs, fc.option(anyConstants), (one, other, kept) => {
        const near = constantsOver(Math.min(one, other), kept);
        const far = constantsOver(Math.max(one, other), kept);
        expect(far.compute.roundWaitUs).toBeGreaterThanOrEqual(near.compute.roundWaitUs);
        expect([arePlausible(near), arePlausible(far)]).toEqual([true, true]);
      }),
    );
  });

  test("are those that were kept unless the network is another one", () => {
    const kept = { compute: { ...compute, roundWaitUs: 100 }, storage: { ...storage, callUs: 20 } };
    expect(constantsOver(DEFAULT_ROUND_TRIP_US + 300, kept)).toBe(kept);
    const { compute: other, storage: otherStorage } = constantsOver(DEFAULT_ROUND_TRIP_US + 1_000, kept);
    expect(other.roundWaitUs).toBe(compute.roundWaitUs + 1_000);
    expect(otherStorage.callUs).toBe(20);
  });
});
