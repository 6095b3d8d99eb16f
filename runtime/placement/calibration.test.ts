import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import {
  arePlausible,
  constantsOf,
  constantsOver,
  networkOf,
  type Calibration,
  type RoundTrips,
  type RunAlone,
  type RunInCrowd,
} from "./calibration.ts";
import { costOf, lockUsOf, type Cost, type CostConstants, type Moved } from "./cost-model.ts";
import { DEFAULT_CONSTANTS, DEFAULT_ROUND_TRIP_US } from "./default-constants.ts";

const CHAIN: Moved = { operations: 32, rounds: 32, bytes: 0 };
const BATCH: Moved = { operations: 1_024, rounds: 4, bytes: 0 };
const LONG: Moved = { operations: 8, rounds: 8, bytes: 2.5e5 };
const NOTHING: Moved = { operations: 0, rounds: 0, bytes: 0 };

/** What would be measured where these are the constants. */
function measuredAt(constants: CostConstants): Calibration {
  const { compute, storage } = constants;
  const side = (of: Side, nodeUs: number) => {
    const costOfRun = (run: Moved): Cost => costOf(of, { ...run, cpuUs: 0 }, constants);
    const alone = (run: Moved): RunAlone => {
      const { latencyUs, terms } = costOfRun(run);
      // Besides what each operation computes.
      const cpuUs = 5 + 0.6 * run.operations + compute.resumeUs * run.rounds;
      return { ...run, serviceUs: latencyUs - terms.call, cpuUs };
    };
    const inCrowd = (run: Moved): RunInCrowd => {
      const { computeUs, storageUs, redisUs } = costOfRun(run);
      const lockUs = of === "storage" ? lockUsOf(storage, run) : 0;
      return { ...run, sideUs: of === "storage" ? storageUs : computeUs, redisUs, nodeUs, lockUs };
    };
    const nothing = { serviceUs: constants[of].enterUs, cpuUs: 5, outsideUs: constants[of].callWaitUs };
    return {
      alone: { chain: alone(CHAIN), batch: alone(BATCH), nothing },
      crowd: {
        chain: inCrowd(CHAIN),
        batch: inCrowd(BATCH),
        long: inCrowd(LONG),
        nothing: inCrowd(NOTHING),
      },
    };
  };
  return {
    compute: side("compute", compute.nodeCallUs),
    storage: side("storage", storage.nodeCallUs),
    bytes: { moved: 1e6, us: 1e6 / compute.bytesPerUs },
    computingUs: { compute: 1_000, storage: 1_000 * storage.cpuRatio },
  };
}

const factor = fc.double({ min: 0.2, max: 5, noNaN: true });
const anyConstants = fc
  .record({ compute: factor, storage: factor, roundWaitUs: fc.double({ min: 0, max: 5_000, noNaN: true }) })
  .map(({ compute: atCompute, storage: atStorage, roundWaitUs }): CostConstants => {
    const scaled = <Group extends object>(group: Group, by: number): Group =>
      Object.fromEntries(Object.entries(group).map(([name, value]) => [name, (value as number) * by])) as Group;
    const { compute, storage } = DEFAULT_CONSTANTS;
    // What functions find no calibration can tell.
    const { found } = storage;
    return {
      compute: { ...scaled(compute, atCompute), roundWaitUs },
      storage: { ...scaled(storage, atStorage), found },
    };
  });

test("constants come out of a calibration as they went into it", () => {
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

test("a measurement that was disturbed beyond belief leaves constants that can be reckoned with", () => {
  const us = fc.oneof(fc.constant(0), fc.double({ min: -1e6, max: 1e9, noNaN: true }));
  const alone = ({ operations, rounds }: Moved) =>
    fc.record({ operations: fc.constant(operations), rounds: fc.constant(rounds), serviceUs: us, cpuUs: us });
  const inCrowd = ({ operations, rounds, bytes }: Moved) =>
    fc.record({
      operations: fc.constant(operations),
      rounds: fc.constant(rounds),
      bytes: fc.constantFrom(bytes, 0),
      sideUs: us,
      redisUs: us,
      nodeUs: us,
      lockUs: us,
    });
  const side = fc.record({
    alone: fc.record({
      chain: alone(CHAIN),
      batch: alone(BATCH),
      nothing: fc.record({ serviceUs: us, cpuUs: us, outsideUs: us }),
    }),
    crowd: fc.record({
      chain: inCrowd(CHAIN),
      batch: inCrowd(BATCH),
      long: inCrowd(LONG),
      nothing: inCrowd(NOTHING),
    }),
  });
  const any = fc.record({
    compute: side,
    storage: side,
    bytes: fc.record({ moved: us, us }),
    computingUs: fc.record({ compute: us, storage: us }),
  });
  fc.assert(
    fc.property(any, (measured) => {
      expect(arePlausible(constantsOf(measured))).toBe(true);
      for (const group of Object.values(constantsOf(measured)) as object[]) {
        for (const value of Object.values(group) as number[]) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThan(Infinity);
        }
      }
    }),
  );
});

test.each([
  ["no bandwidth", { compute: { bytesPerUs: 0 } }],
  ["no ratio", { storage: { cpuRatio: 0 } }],
  ["work beyond belief", { storage: { callUs: 1e6 } }],
  ["a wait that never ends", { compute: { roundWaitUs: 1e12 } }],
  ["no number", { compute: { enterUs: Number.NaN } }],
])(
  "constants with %s are nobody's measurement",
  (_what, { compute, storage }: { compute?: object; storage?: object }) => {
    const { compute: atCompute, storage: atStorage } = DEFAULT_CONSTANTS;
    expect(arePlausible(DEFAULT_CONSTANTS)).toBe(true);
    expect(arePlausible({ compute: { ...atCompute, ...compute }, storage: { ...atStorage, ...storage } })).toBe(false);
  },
);

describe("what a network takes", () => {
  const answered = (more: Partial<RoundTrips["inTurn"]> = {}): RoundTrips => ({
    pingsUs: [900, 300, 2_000],
    inTurn: { pingsUs: [], echosUs: [], bytesMoved: 30_000, ...more },
  });

  test("is the least of PINGs, and what the least of ECHOs takes beyond the middle of PINGs beside them", () => {
    const inTurn = { pingsUs: [310, 5_000, 400], echosUs: [9_000, 700] };
    expect(networkOf(answered(inTurn))).toEqual({ roundTripUs: 300, isSteady: false, bytesPerUs: 100 });
  });

  test.each([
    ["who may not ECHO", {}],
    ["whose ECHOs take no longer than PINGs do by chance", { pingsUs: [300, 800, 900], echosUs: [750, 2_000] }],
  ])("is its round trip alone for one %s", (_who, inTurn) => {
    expect(networkOf(answered(inTurn))).toEqual({ roundTripUs: 300, isSteady: false, bytesPerUs: null });
  });

  test("is steady where half of the PINGs take no longer than twice the least", () => {
    const isSteady = (pingsUs: readonly number[]) => networkOf({ ...answered({}), pingsUs })?.isSteady;
    expect([isSteady([300, 600, 9_000]), isSteady([300, 601, 9_000])]).toEqual([true, false]);
  });

  test("is not known where nothing was answered", () => {
    expect(networkOf({ ...answered({ echosUs: [700] }), pingsUs: [] })).toBeNull();
  });
});

describe("constants over a network", () => {
  const roundTrip = fc.double({ min: 0, max: 1e6, noNaN: true });
  const bandwidth = fc.option(fc.double({ min: 1e-3, max: 1e6, noNaN: true }));
  const network = fc.record({ roundTripUs: roundTrip, isSteady: fc.boolean(), bytesPerUs: bandwidth });
  const keptOrNone = fc.option(anyConstants);

  test("of the usual round trip are the usual ones", () => {
    const loopback = { roundTripUs: DEFAULT_ROUND_TRIP_US, isSteady: true, bytesPerUs: null };
    expect(constantsOver(loopback, null)).toEqual(DEFAULT_CONSTANTS);
  });

  test("have rounds and calls to storage wait for so much longer, and bytes for as long as they took", () => {
    const { compute, storage } = DEFAULT_CONSTANTS;
    expect(
      constantsOver({ roundTripUs: DEFAULT_ROUND_TRIP_US + 1_000, isSteady: true, bytesPerUs: 125 }, null),
    ).toEqual({
      compute: { ...compute, roundWaitUs: compute.roundWaitUs + 1_000, bytesPerUs: 125 },
      storage: { ...storage, callWaitUs: storage.callWaitUs + 1_000 },
    });
  });

  test("say nothing of what no network decides: that is as it was kept, or as usual", () => {
    fc.assert(
      fc.property(network, keptOrNone, (seen, kept) => {
        const over = constantsOver(seen, kept);
        const known = kept ?? DEFAULT_CONSTANTS;
        const { roundWaitUs, bytesPerUs } = known.compute;
        expect({ ...over.compute, roundWaitUs, bytesPerUs }).toEqual(known.compute);
        expect({ ...over.storage, callWaitUs: known.storage.callWaitUs }).toEqual(known.storage);
      }),
    );
  });

  test("wait no less over a longer way, no less than both ends work for it, have no bytes sooner than over a loopback, and are plausible", () => {
    fc.assert(
      fc.property(roundTrip, roundTrip, bandwidth, (one, other, bytesPerUs) => {
        const [near, far] = [Math.min(one, other), Math.max(one, other)].map((roundTripUs) =>
          constantsOver({ roundTripUs, isSteady: true, bytesPerUs }, null),
        ) as [CostConstants, CostConstants];
        expect(far.compute.roundWaitUs).toBeGreaterThanOrEqual(near.compute.roundWaitUs);
        expect(far.storage.callWaitUs).toBeGreaterThanOrEqual(near.storage.callWaitUs);
        const { compute, storage } = DEFAULT_CONSTANTS;
        expect(near.compute.roundWaitUs).toBeGreaterThanOrEqual(compute.roundUs + compute.redisRoundUs);
        expect(near.storage.callWaitUs).toBeGreaterThanOrEqual(storage.nodeCallUs + storage.redisCallUs);
        expect(near.compute.bytesPerUs).toBeLessThanOrEqual(compute.bytesPerUs);
        expect([arePlausible(near), arePlausible(far)]).toEqual([true, true]);
      }),
    );
  });

  test("wait no less over a longer way where some were kept, which hold over a way about as long", () => {
    fc.assert(
      fc.property(roundTrip, roundTrip, anyConstants, (one, other, kept) => {
        const [near, far] = [Math.min(one, other), Math.max(one, other)].map((roundTripUs) =>
          constantsOver({ roundTripUs, isSteady: true, bytesPerUs: null }, kept),
        ) as [CostConstants, CostConstants];
        expect(far.compute.roundWaitUs).toBeGreaterThanOrEqual(near.compute.roundWaitUs);
      }),
    );
    const { compute, storage } = DEFAULT_CONSTANTS;
    const kept = { compute: { ...compute, roundWaitUs: 100, bytesPerUs: 200 }, storage: { ...storage, callUs: 20 } };
    const over = (roundTripUs: number, isSteady = true) =>
      constantsOver({ roundTripUs, isSteady, bytesPerUs: null }, kept);
    expect(over(DEFAULT_ROUND_TRIP_US + 200)).toBe(kept);
    // What PINGs mostly waited for was no network, and the least may have waited a little.
    expect(over(DEFAULT_ROUND_TRIP_US + 400)).not.toBe(kept);
    expect(over(DEFAULT_ROUND_TRIP_US + 400, false)).toBe(kept);
    expect(over(DEFAULT_ROUND_TRIP_US + 1_000, false)).toEqual(over(DEFAULT_ROUND_TRIP_US + 1_000));
    expect(over(DEFAULT_ROUND_TRIP_US + 1_000)).toEqual({
      compute: { ...compute, roundWaitUs: compute.roundWaitUs + 1_000 },
      storage: { ...storage, callUs: 20, callWaitUs: storage.callWaitUs + 1_000 },
    });
  });
});
