import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NO_WORK, refined, workSince, type NodeWork } from "./refinement.ts";

const { compute, storage } = DEFAULT_CONSTANTS;
/** What nodes have worked for so many calls on either side, where each takes `moreUs` beside what the model says. */
const worked = (moreUs: number, atMs: number, calls = { compute: 25, storage: 10 }): NodeWork => ({
  us: calls.compute * (compute.callUs + moreUs) + calls.storage * (storage.nodeCallUs + moreUs),
  ...calls,
  atMs,
});
const moreUs = (work: NodeWork): number => refined(DEFAULT_CONSTANTS, work).compute.callUs - compute.callUs;

test("comes to what calls take, wherever they run: a plan that has just changed says as much", () => {
  const calls = fc.record({ compute: fc.nat(500), storage: fc.integer({ min: 1, max: 500 }) });
  fc.assert(
    fc.property(fc.double({ min: -5, max: 400, noNaN: true }), fc.array(calls, { minLength: 1 }), (truth, windows) => {
      let work = NO_WORK;
      for (const [at, window] of windows.entries()) work = workSince(work, worked(truth, 25 * at, window));
      expect(moreUs(work)).toBeCloseTo(truth);
    }),
  );
});

test("goes halfway in a quarter of a second", () => {
  let work = NO_WORK;
  for (let ms = 0; ms < 10_000; ms += 25) work = workSince(work, worked(0, ms));
  for (let ms = 10_000; ms < 10_250; ms += 25) work = workSince(work, worked(100, ms));
  expect(moreUs(work)).toBeCloseTo(50, 0);
});

test("without calls nothing is known, and a clock that goes back forgets nothing", () => {
  expect(moreUs(NO_WORK)).toBe(0);
  expect(moreUs(workSince(NO_WORK, worked(7, 0, { compute: 0, storage: 0 })))).toBe(0);
  expect(moreUs(workSince(worked(50, 1_000), worked(0, 0)))).toBeCloseTo(25);
});

test("whatever is measured, what a call takes stays within reason, and above nothing", () => {
  const any = fc.double({ min: 0, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(any, any, any, any, (us, atCompute, atStorage, atMs) => {
      const constants = refined(
        DEFAULT_CONSTANTS,
        workSince(NO_WORK, { us, compute: atCompute, storage: atStorage, atMs }),
      );
      expect(constants.compute.callUs - compute.callUs).toBeLessThanOrEqual(500 + 1e-9);
      expect(Math.min(constants.compute.callUs, constants.storage.nodeCallUs)).toBeGreaterThan(0);
    }),
  );
});

test("a call moves with its work: what is laid on calls is no reason to move one", () => {
  const constants = refined(DEFAULT_CONSTANTS, worked(30, 0));
  expect(constants.compute.callUs - constants.storage.nodeCallUs).toBeCloseTo(compute.callUs - storage.nodeCallUs);
});
