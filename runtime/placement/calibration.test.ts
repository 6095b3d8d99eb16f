import * as fc from "fast-check";
import { expect, test } from "vitest";
import { constantsOf, type Calibration, type CalibrationRun, type SideCalibration } from "./calibration.ts";
import type { CostConstants } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";

/** What would be measured where these are the constants. */
function measuredAt({ compute, storage }: CostConstants): Calibration {
  const atCompute = (operations: number, rounds: number): CalibrationRun => ({
    operations,
    rounds,
    serviceUs:
      operations * (compute.operationUs + compute.redisOperationUs) +
      rounds * (compute.roundUs + compute.redisRoundUs + compute.roundTripUs),
    redisUs: operations * compute.redisOperationUs + rounds * compute.redisRoundUs,
    hostUs: operations * compute.operationUs + rounds * compute.roundUs,
    lockUs: 0,
  });
  const atStorage = (operations: number, rounds: number): CalibrationRun => ({
    operations,
    rounds,
    serviceUs: operations * (storage.operationUs + storage.lockUs) + rounds * storage.roundUs,
    redisUs: operations * storage.lockUs,
    hostUs: null,
    lockUs: operations * storage.lockUs,
  });
  const side = (run: typeof atCompute): Pick<SideCalibration, "chain" | "batch"> => ({
    chain: run(32, 32),
    batch: run(1_024, 4),
  });
  const { nodeCallUs, redisCallUs, callUs, callRoundTripUs } = storage;
  return {
    compute: {
      ...side(atCompute),
      computingUs: 1_000,
      call: { waitUs: compute.callUs / 2, nodeUs: compute.callUs, redisUs: 0 },
    },
    storage: {
      ...side(atStorage),
      computingUs: 1_000 * storage.cpuRatio,
      call: { waitUs: nodeCallUs + redisCallUs + callUs + callRoundTripUs, nodeUs: nodeCallUs, redisUs: redisCallUs },
    },
    bytes: { moved: 1e6, us: 1e6 / compute.bytesPerUs },
  };
}

const factor = fc.double({ min: 0.2, max: 5, noNaN: true });
const anyConstants = fc
  .record({ compute: factor, storage: factor, roundTripUs: fc.double({ min: 0, max: 5_000, noNaN: true }) })
  .map(({ compute: atCompute, storage: atStorage, roundTripUs }): CostConstants => {
    const scaled = <Group extends object>(group: Group, by: number): Group =>
      Object.fromEntries(Object.entries(group).map(([name, value]) => [name, (value as number) * by])) as Group;
    const { compute, storage } = DEFAULT_CONSTANTS;
    return {
      compute: { ...scaled(compute, atCompute), roundTripUs },
      // It cannot be seen from outside.
      storage: { ...scaled(storage, atStorage), callUs: storage.callUs },
    };
  });

test("constants come out of a calibration as they went into it", () => {
  fc.assert(
    fc.property(anyConstants, (constants) => {
      const found = constantsOf(measuredAt(constants));
      for (const side of ["compute", "storage"] as const) {
        for (const [name, value] of Object.entries(constants[side])) {
          expect((found[side] as Record<string, number>)[name], `${side}.${name}`).toBeCloseTo(value, 3);
        }
      }
    }),
  );
});

test("a measurement that was disturbed beyond belief leaves constants that can be reckoned with", () => {
  const us = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const run = (operations: number, rounds: number) =>
    fc.record({
      operations: fc.constant(operations),
      rounds: fc.constant(rounds),
      serviceUs: us,
      redisUs: us,
      hostUs: fc.option(us),
      lockUs: us,
    });
  const side = fc.record({
    chain: run(32, 32),
    batch: run(1_024, 4),
    computingUs: us,
    call: fc.record({ waitUs: us, nodeUs: us, redisUs: us }),
  });
  const any = fc.record({ compute: side, storage: side, bytes: fc.record({ moved: us, us }) });
  fc.assert(
    fc.property(any, (measured) => {
      for (const group of Object.values(constantsOf(measured)) as object[]) {
        for (const value of Object.values(group) as number[]) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThan(Infinity);
        }
      }
    }),
  );
});
