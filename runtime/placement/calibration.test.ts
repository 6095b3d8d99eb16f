import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import { arePlausible, constantsOf, type Calibration, type RunAlone, type RunInCrowd } from "./calibration.ts";
import { costOf, lockUsOf, type Cost, type CostConstants, type Moved } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";

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
