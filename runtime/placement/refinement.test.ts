import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { arePlausible } from "./calibration.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { learnt, recalibrated, usualWork, withWork, type NodeWork } from "./refinement.ts";

const WINDOW_MS = 25;
const USUAL = usualWork(DEFAULT_CONSTANTS);
const [USUAL_COMPUTE, USUAL_STORAGE, USUAL_OTHER] = USUAL.us;

interface Truth {
  readonly compute: number;
  readonly storage: number;
}

/**
 * After so many windows of calls that take so much, beside `otherUs` of work that no call makes; `atStorage` of each hundred at storage. Half as many
 * calls come in one window as in the next one, as it happens.
 */
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
    const come = calls * (window % 2 === 0 ? 2 / 3 : 4 / 3);
    const storage = Math.round((come * atStorage(window >> 1)) / 100);
    const compute = Math.round(come) - storage;
    const us = compute * truth.compute + storage * truth.storage + otherUs();
    work = learnt(work, { windowMs: WINDOW_MS, passedMs: WINDOW_MS, us, calls: { compute, storage } });
  }
  return work;
}

const times = fc.double({ min: 0.2, max: 3, noNaN: true });

test("comes to what calls take on either side, as soon as they are now here, now there", () => {
  fc.assert(
    fc.property(times, times, (ofCompute, ofStorage) => {
      const [compute, storage] = [ofCompute * USUAL_COMPUTE, ofStorage * USUAL_STORAGE];
      const found = heard(
        USUAL,
        80,
        { compute, storage },
        { calls: 200, atStorage: (window) => (window % 4) * 33, otherUs: () => USUAL_OTHER * WINDOW_MS },
      );
      expect(Math.abs(found.us[0] - compute)).toBeLessThan(2 + 0.2 * Math.max(compute, storage));
      expect(Math.abs(found.us[1] - storage)).toBeLessThan(2 + 0.2 * Math.max(compute, storage));
    }),
  );
});

test("what two sides have in common does not grow beyond a half while few calls come", () => {
  let work = heard(USUAL, 400, { compute: USUAL_COMPUTE, storage: USUAL_STORAGE }, { calls: 10, atStorage: () => 50 });
  work = learnt(work, { windowMs: WINDOW_MS, passedMs: 10_000, us: 100, calls: { compute: 1, storage: 1 } });
  const [ofCompute, ofStorage] = work.doubt;
  expect(ofCompute![1] / Math.sqrt(ofCompute![0] * ofStorage![1])).toBeLessThan(0.55);
});

test("constants that were measured since are what is usual, and what was learnt holds", () => {
  const found = heard(USUAL, 80, { compute: 20, storage: 60 }, { calls: 400, atStorage: (at) => (at % 3) * 50 });
  const { compute, storage } = DEFAULT_CONSTANTS;
  const measured = { compute: { ...compute, nodeCallUs: 11 }, storage: { ...storage, nodeCallUs: 90 } };
  const after = recalibrated(found, measured);
  expect(after.us).toEqual(found.us);
  expect(after.usual.slice(0, 2)).toEqual([11, 90]);
  expect(after.doubt).toEqual(usualWork(measured).doubt);
});

test("constants that say that a node works more for a call than all do for it make nothing less than nothing", () => {
  const odd = { ...DEFAULT_CONSTANTS, compute: { ...DEFAULT_CONSTANTS.compute, callUs: 1, nodeCallUs: 240 } };
  expect(withWork(odd, USUAL).compute.callUs).toBe(USUAL_COMPUTE);
});

test("a side without calls goes along by half: what makes calls dearer mostly does so on both", () => {
  const truth = { compute: 4 * USUAL_COMPUTE, storage: 1 };
  const found = heard(USUAL, 80, truth, { calls: 400, atStorage: () => 0 });
  expect(Math.abs(found.us[0] / truth.compute - 1)).toBeLessThan(0.1);
  expect(found.us[1] / USUAL_STORAGE).toBeGreaterThan(1.5);
  expect(found.us[1] / USUAL_STORAGE).toBeLessThan(4);
});

test("what no call makes tells next to nothing where calls are few, and what they take is found beside it where they are many", () => {
  const random = seededRandom(3);
  // Code is compiled on a second core, and garbage collected now and then.
  const starting = heard(
    USUAL,
    12,
    { compute: USUAL_COMPUTE, storage: USUAL_STORAGE },
    { calls: 10, atStorage: () => 50, otherUs: () => 30_000 * random() },
  );
  expect(starting.us[0]).toBeLessThan(3 * USUAL_COMPUTE);
  expect(starting.us[1]).toBeLessThan(3 * USUAL_STORAGE);
  const truth = { compute: 20, storage: 30 };
  const later = heard(starting, 80, truth, {
    calls: 500,
    atStorage: (at) => (at % 3) * 50,
    otherUs: () => 2_000 * random(),
  });
  expect(Math.abs(later.us[0] / truth.compute - 1)).toBeLessThan(0.25);
  expect(Math.abs(later.us[1] / truth.storage - 1)).toBeLessThan(0.25);
});

test("where few calls come what a node works all the time is mostly not laid on them", () => {
  const truth = { compute: USUAL_COMPUTE, storage: USUAL_STORAGE };
  // A fifth of a core, and 25 calls in a window.
  const found = heard(USUAL, 200, truth, { calls: 25, atStorage: (at) => (at % 3) * 50, otherUs: () => 5_000 });
  expect(found.us[0]).toBeLessThan(3 * truth.compute);
  expect(found.us[1]).toBeLessThan(2.5 * truth.storage);
  expect(found.us[2]).toBeGreaterThan(120);
});

test("a core that is full all the time and is slowed now and then does not look as if calls cost nothing", () => {
  const random = seededRandom(5);
  // A node that starts works .3 of a core beside few calls …
  let work = heard(USUAL, 4, { compute: 40, storage: 40 }, { calls: 20, atStorage: () => 50, otherUs: () => 7_500 });
  // … and then has as much to do for calls, whatever becomes of these.
  for (let window = 0; window < 40; window++) {
    const slowed = 1 + 0.5 * random();
    const calls = { compute: Math.round(500 / slowed), storage: 0 };
    const us = calls.compute * 10 * slowed + USUAL_OTHER * WINDOW_MS;
    work = learnt(work, { windowMs: WINDOW_MS, passedMs: WINDOW_MS, us, calls });
  }
  expect(work.us[0]).toBeGreaterThan(8);
  expect(work.us[0]).toBeLessThan(20);
  expect(work.us[2]).toBeLessThan(USUAL_OTHER + 30);
  // What is passed on is no cheaper than what is usual for that.
  expect(work.us[1]).toBeGreaterThan(USUAL_STORAGE / 2);
});

test("a change is followed within a quarter of a second", () => {
  const before = heard(USUAL, 200, { compute: 10, storage: 30 }, { calls: 400, atStorage: () => 50 });
  const after = heard(before, 10, { compute: 30, storage: 60 }, { calls: 400, atStorage: (at) => (at % 2) * 100 });
  expect(after.us[0]).toBeGreaterThan(22);
  expect(after.us[1]).toBeGreaterThan(45);
});

test("whatever is measured, what a call takes stays within reason", () => {
  const any = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const worked = fc.record({
    windowMs: any,
    passedMs: any,
    us: any,
    calls: fc.record({ compute: any, storage: any }),
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
