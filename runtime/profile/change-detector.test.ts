import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { lonePart, type LonePart } from "./lone-part.ts";
import { ChangeDetector } from "./change-detector.ts";

/** The work of calls of a function on a graph: nearly all meet a leaf, one in fifty a hub with a thousand times as much. */
const hubsAndLeaves =
  (random: () => number, leafUs = 100, hubs = 0.02) =>
  (): number =>
    leafUs * (0.5 + random()) * (random() < hubs ? 1_000 : 1);

const observe = (detector: LonePart<ChangeDetector>, calls: number, workOf: () => number): boolean => {
  const logs = Array.from({ length: calls }, () => Math.log1p(workOf()));
  const sum = logs.reduce((total, value) => total + value, 0);
  return detector.observe(
    calls,
    sum,
    logs.reduce((total, value) => total + value * value, 0),
  );
};

describe("a change detector", () => {
  test("gives no alarm while calls differ a thousandfold by their input, but stay the same mixture", () => {
    let alarms = 0;
    for (let seed = 0; seed < 20; seed++) {
      const [detector, work] = [lonePart(ChangeDetector), hubsAndLeaves(seededRandom(seed))];
      for (let stretch = 0; stretch < 1_000; stretch++) if (observe(detector, 20, work)) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(1);
  });

  test.each([1, 2, 3, 5])(
    "gives none either where only %d of them come in a stretch, so that one hub is much of it",
    (calls) => {
      let alarms = 0;
      for (let seed = 0; seed < 20; seed++) {
        const [detector, work] = [lonePart(ChangeDetector), hubsAndLeaves(seededRandom(seed))];
        for (let stretch = 0; stretch < 1_000; stretch++) if (observe(detector, calls, work)) alarms += 1;
      }
      expect(alarms).toBeLessThanOrEqual(1);
    },
  );

  test.each([
    { calls: 1, stretches: 8 },
    { calls: 2, stretches: 5 },
    { calls: 5, stretches: 5 },
  ])(
    "sees such a change of calls that are much alike by $calls in each of $stretches stretches",
    ({ calls, stretches }) => {
      const [detector, random] = [lonePart(ChangeDetector), seededRandom(1)];
      const workOf = (us: number) => () => us * (0.5 + random());
      for (let stretch = 0; stretch < 100; stretch++) expect(observe(detector, calls, workOf(100))).toBe(false);
      expect(detector.lastChange()).toBe(0);
      const after = Array.from({ length: stretches }, () => observe(detector, calls, workOf(400)));
      expect(after).toContain(true);
      const times = Math.exp(detector.lastChange());
      expect(times).toBeGreaterThan(2);
      expect(times).toBeLessThan(8);
    },
  );

  test.each([
    { calls: 20, before: 0.02, stretches: 10 },
    { calls: 5, before: 0, stretches: 30 },
    { calls: 5, before: 0.02, stretches: 80 },
  ])(
    "sees by $calls in each of $stretches stretches that a fifth of them are hubs, of $before before",
    ({ calls, before, stretches }) => {
      for (let seed = 0; seed < 20; seed++) {
        const [detector, random] = [lonePart(ChangeDetector), seededRandom(seed)];
        for (let stretch = 0; stretch < 100; stretch++) observe(detector, calls, hubsAndLeaves(random, 100, before));
        const work = hubsAndLeaves(random, 100, 0.2);
        expect(Array.from({ length: stretches }, () => observe(detector, calls, work))).toContain(true);
        expect(Math.exp(detector.lastChange()), `seed ${seed}`).toBeGreaterThan(1);
      }
    },
  );

  test("sees within six stretches that each call became four times as much work", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(4, 1 / 4), (seed, factor) => {
        const random = seededRandom(seed);
        const detector = lonePart(ChangeDetector);
        for (let stretch = 0; stretch < 100; stretch++) observe(detector, 20, hubsAndLeaves(random));
        const after = Array.from({ length: 8 }, () => observe(detector, 20, hubsAndLeaves(random, 100 * factor)));
        expect(after.indexOf(true)).toBeGreaterThanOrEqual(0);
        expect(after.indexOf(true)).toBeLessThan(6);
      }),
      { numRuns: 50 },
    );
  });

  test("follows a slow drift without an alarm", () => {
    const random = seededRandom(1);
    const detector = lonePart(ChangeDetector);
    let alarms = 0;
    for (let stretch = 0; stretch < 2_000; stretch++) {
      if (observe(detector, 50, hubsAndLeaves(random, 100 * (1 + stretch / 2_000)))) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(2);
  });

  test.each([
    ["alike", (random: number) => 0.5 + random],
    ["as different as folds of a graph's records", (random: number) => Math.exp(2.2 * random)],
  ])(
    "takes a machine that becomes a third slower for none where calls are %s, and twice as much work for one",
    (_are, workAt) => {
      const alarmsAt = (factor: number): number => {
        const [detector, random] = [lonePart(ChangeDetector), seededRandom(4)];
        const workOf = (us: number) => () => us * workAt(random());
        for (let stretch = 0; stretch < 100; stretch++) observe(detector, 20, workOf(100));
        return Array.from({ length: 40 }, () => observe(detector, 20, workOf(100 * factor))).filter(Boolean).length;
      };
      expect(alarmsAt(1.35)).toBe(0);
      expect(alarmsAt(1 / 1.35)).toBe(0);
      expect(alarmsAt(2)).toBe(1);
      expect(alarmsAt(1 / 2)).toBe(1);
    },
  );

  test("takes a single stretch in which the machine stuttered for none", () => {
    const random = seededRandom(2);
    const detector = lonePart(ChangeDetector);
    for (let stretch = 0; stretch < 100; stretch++) observe(detector, 20, hubsAndLeaves(random));
    expect(observe(detector, 20, hubsAndLeaves(random, 100_000))).toBe(false);
    for (let stretch = 0; stretch < 100; stretch++) expect(observe(detector, 20, hubsAndLeaves(random))).toBe(false);
  });

  test("compares with what came after an alarm", () => {
    const random = seededRandom(3);
    const detector = lonePart(ChangeDetector);
    for (let stretch = 0; stretch < 50; stretch++) observe(detector, 20, hubsAndLeaves(random));
    const alarms = Array.from({ length: 200 }, () => observe(detector, 20, hubsAndLeaves(random, 1_000)));
    expect(alarms.filter(Boolean)).toHaveLength(1);
  });
});
