import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { arePlausible } from "./calibration.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { learnt, usualWork, withWork, type NodeWork } from "./refinement.ts";

const WINDOW_MS = 25;
const USUAL = usualWork(DEFAULT_CONSTANTS);

interface Truth {
  readonly compute: number;
  readonly storage: number;
}

/** After so many windows of calls that take so much, beside `otherUs` of work that no call makes; `atStorage` of each hundred at storage. */
function heard(
  work: NodeWork,
  windows: number,
  truth: Truth,
  {
    calls,
    atStorage,
    otherUs = () => 0,
  }: { calls: number; atStorage: (window: number) => number; otherUs?: () => number },
): NodeWork {
  for (let window = 0; window < windows; window++) {
    const storage = Math.round((calls * atStorage(window)) / 100);
    const compute = calls - storage;
    const us = compute * truth.compute + storage * truth.storage + otherUs();
    work = learnt(work, { windowMs: WINDOW_MS, passedMs: WINDOW_MS, us, calls: { compute, storage } });
  }
  return work;
}

const us = fc.double({ min: 4, max: 120, noNaN: true });

test("comes to what calls take on either side, as soon as they are now here, now there", () => {
  fc.assert(
    fc.property(us, us, (compute, storage) => {
      const found = heard(USUAL, 80, { compute, storage }, { calls: 200, atStorage: (window) => (window % 4) * 33 });
      expect(Math.abs(found.compute - compute)).toBeLessThan(1 + 0.15 * Math.max(compute, storage));
      expect(Math.abs(found.storage - storage)).toBeLessThan(1 + 0.15 * Math.max(compute, storage));
    }),
  );
});

test("a side without calls goes along by half: what makes calls dearer mostly does so on both", () => {
  const truth = { compute: 4 * USUAL.compute, storage: 1 };
  const found = heard(USUAL, 80, truth, { calls: 400, atStorage: () => 0 });
  expect(found.compute).toBeCloseTo(truth.compute, 0);
  expect(found.storage / USUAL.storage).toBeGreaterThan(1.5);
  expect(found.storage / USUAL.storage).toBeLessThan(4);
});

test("what no call makes tells next to nothing where calls are few, and what they take is found beside it where they are many", () => {
  const random = seededRandom(3);
  // Code is compiled on a second core, and garbage collected now and then.
  const starting = heard(USUAL, 12, USUAL, { calls: 10, atStorage: () => 50, otherUs: () => 30_000 * random() });
  expect(starting.compute).toBeLessThan(3 * USUAL.compute);
  expect(starting.storage).toBeLessThan(3 * USUAL.storage);
  const truth = { compute: 20, storage: 30 };
  const later = heard(starting, 40, truth, {
    calls: 500,
    atStorage: (at) => (at % 3) * 50,
    otherUs: () => 2_000 * random(),
  });
  expect(Math.abs(later.compute / truth.compute - 1)).toBeLessThan(0.25);
  expect(Math.abs(later.storage / truth.storage - 1)).toBeLessThan(0.25);
});

test("a change is followed within a quarter of a second", () => {
  const before = heard(USUAL, 200, { compute: 10, storage: 30 }, { calls: 400, atStorage: () => 50 });
  const after = heard(before, 10, { compute: 30, storage: 60 }, { calls: 400, atStorage: (at) => (at % 2) * 100 });
  expect(after.compute).toBeGreaterThan(22);
  expect(after.storage).toBeGreaterThan(45);
});

test("whatever is measured, what a call takes stays within reason", () => {
  const any = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const worked = fc.record({
    windowMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 250 })),
    passedMs: any,
    us: any,
    calls: fc.record({ compute: fc.nat(1e9), storage: fc.nat(1e9) }),
  });
  fc.assert(
    fc.property(fc.array(worked, { maxLength: 20 }), (windows) => {
      const constants = withWork(DEFAULT_CONSTANTS, windows.reduce(learnt, USUAL));
      expect(arePlausible(constants)).toBe(true);
      const { compute, storage } = constants;
      expect(compute.callUs).toBeGreaterThan(compute.nodeCallUs);
      expect(Math.max(compute.callUs, storage.nodeCallUs)).toBeLessThanOrEqual(600);
    }),
  );
});
