import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { refined, withMore } from "./refinement.ts";

const US_OF_A_CALL = 40;
/** What nodes would be seen to work where a call takes `moreUs` beside the model's. */
const worked = (trueMoreUs: number, moreUs: number, callsPerSecond = 1_000) => ({
  passedMs: 25,
  measuredCores: (callsPerSecond * (US_OF_A_CALL + trueMoreUs)) / 1e6,
  modelledCores: (callsPerSecond * (US_OF_A_CALL + moreUs)) / 1e6,
  callsPerSecond,
});

test("comes to what calls really take, from whatever was believed", () => {
  const us = fc.double({ min: -5, max: 400, noNaN: true });
  fc.assert(
    fc.property(us, us, (truth, believed) => {
      let moreUs = believed;
      for (let step = 0; step < 400; step++) moreUs = refined(moreUs, worked(truth, moreUs), DEFAULT_CONSTANTS);
      expect(moreUs).toBeCloseTo(truth, 1);
    }),
  );
});

test("goes halfway in half a second", () => {
  let moreUs = 0;
  for (let ms = 0; ms < 500; ms += 25) moreUs = refined(moreUs, worked(100, moreUs), DEFAULT_CONSTANTS);
  expect(moreUs).toBeCloseTo(50, 1);
});

test("whatever is measured, what a call takes stays within reason, and above nothing", () => {
  const any = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(any, any, any, any, (passedMs, measuredCores, modelledCores, callsPerSecond) => {
      const moreUs = refined(0, { passedMs, measuredCores, modelledCores, callsPerSecond }, DEFAULT_CONSTANTS);
      expect(moreUs).toBeLessThanOrEqual(500);
      const { compute, storage } = withMore(DEFAULT_CONSTANTS, moreUs);
      expect(Math.min(compute.callUs, storage.nodeCallUs)).toBeGreaterThan(0);
    }),
  );
});

test("a call moves with its work: what is laid on calls is no reason to move one", () => {
  const { compute, storage } = withMore(DEFAULT_CONSTANTS, 30);
  expect(compute.callUs - storage.nodeCallUs).toBeCloseTo(
    DEFAULT_CONSTANTS.compute.callUs - DEFAULT_CONSTANTS.storage.nodeCallUs,
  );
});
