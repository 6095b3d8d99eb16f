import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { ChangeDetector } from "./change-detector.ts";

/** The work of calls of a function on a graph: nearly all meet a leaf, one in fifty a hub with a thousand times as much. */
const hubsAndLeaves =
  (random: () => number, leafUs = 100, hubs = 0.02) =>
  (): number =>
    leafUs * (0.5 + random()) * (random() < hubs ? 1_000 : 1);

const observe = (detector: ChangeDetector, calls: number, workOf: () => number): boolean => {
  const logs = Array.from({ length: calls }, () => Math.log1p(workOf()));
  const sum = logs.reduce((total, value) => total + value, 0);
  return detector.observe(
    calls,
    sum,
    logs.reduce((total, value) => total + value * value, 0),
  );
};

describe("a change detector", () => {
  test.each([1, 5, 20])("raises no alarm while calls differ a thousandfold by their input and come by %d", (calls) => {
    let alarms = 0;
    for (let seed = 0; seed < 20; seed++) {
      const [detector, work] = [new ChangeDetector(), hubsAndLeaves(seededRandom(seed))];
      for (let window = 0; window < 1_000; window++) if (observe(detector, calls, work)) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(1);
  });

  test.each([1, 5, 20])("sees a fourfold change within four pools of calls that come by %d", (calls) => {
    const [detector, random] = [new ChangeDetector(), seededRandom(1)];
    const workOf = (us: number) => () => us * (0.5 + random());
    for (let window = 0; window < 100; window++) expect(observe(detector, calls, workOf(100))).toBe(false);
    expect(detector.lastChange).toBe(0);
    const after = Array.from({ length: 80 / calls }, () => observe(detector, calls, workOf(400)));
    expect(after).toContain(true);
    expect(Math.exp(detector.lastChange)).toBeGreaterThan(2);
    expect(Math.exp(detector.lastChange)).toBeLessThan(8);
  });

  test.each([
    { calls: 20, before: 0.02, windows: 10 },
    { calls: 5, before: 0.02, windows: 80 },
  ])(
    "sees within $windows windows of $calls calls that a fifth of them are hubs, after $before before",
    ({ calls, before, windows }) => {
      for (let seed = 0; seed < 20; seed++) {
        const [detector, random] = [new ChangeDetector(), seededRandom(seed)];
        for (let window = 0; window < 100; window++) observe(detector, calls, hubsAndLeaves(random, 100, before));
        const work = hubsAndLeaves(random, 100, 0.2);
        expect(Array.from({ length: windows }, () => observe(detector, calls, work))).toContain(true);
        expect(Math.exp(detector.lastChange), `seed ${seed}`).toBeGreaterThan(1);
      }
    },
  );

  test("sees within six windows that each call became four times as much work", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(4, 1 / 4), (seed, factor) => {
        const random = seededRandom(seed);
        const detector = new ChangeDetector();
        for (let window = 0; window < 100; window++) observe(detector, 20, hubsAndLeaves(random));
        const after = Array.from({ length: 8 }, () => observe(detector, 20, hubsAndLeaves(random, 100 * factor)));
        expect(after.indexOf(true)).toBeGreaterThanOrEqual(0);
        expect(after.indexOf(true)).toBeLessThan(6);
      }),
      { numRuns: 50 },
    );
  });

  test("follows a slow drift without an alarm", () => {
    const random = seededRandom(1);
    const detector = new ChangeDetector();
    let alarms = 0;
    for (let window = 0; window < 2_000; window++) {
      if (observe(detector, 50, hubsAndLeaves(random, 100 * (1 + window / 2_000)))) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(2);
  });

  test.each([
    ["alike", (random: number) => 0.5 + random],
    ["as different as folds of a graph's records", (random: number) => Math.exp(2.2 * random)],
  ])(
    "raises no alarm if the machine gets a third slower, and one if work doubles, for calls that are %s",
    (_are, workAt) => {
      const alarmsAt = (factor: number): number => {
        const [detector, random] = [new ChangeDetector(), seededRandom(4)];
        const workOf = (us: number) => () => us * workAt(random());
        for (let window = 0; window < 100; window++) observe(detector, 20, workOf(100));
        return Array.from({ length: 40 }, () => observe(detector, 20, workOf(100 * factor))).filter(Boolean).length;
      };
      expect(alarmsAt(1.35)).toBe(0);
      expect(alarmsAt(1 / 1.35)).toBe(0);
      expect(alarmsAt(2)).toBe(1);
      expect(alarmsAt(1 / 2)).toBe(1);
    },
  );

  test("raises no alarm for one window in which the machine stuttered", () => {
    const random = seededRandom(2);
    const detector = new ChangeDetector();
    for (let window = 0; window < 100; window++) observe(detector, 20, hubsAndLeaves(random));
    expect(observe(detector, 20, hubsAndLeaves(random, 100_000))).toBe(false);
    for (let window = 0; window < 100; window++) expect(observe(detector, 20, hubsAndLeaves(random))).toBe(false);
  });

  test("compares with calls after the alarm", () => {
    const random = seededRandom(3);
    const detector = new ChangeDetector();
    for (let window = 0; window < 50; window++) observe(detector, 20, hubsAndLeaves(random));
    const alarms = Array.from({ length: 200 }, () => observe(detector, 20, hubsAndLeaves(random, 1_000)));
    expect(alarms.filter(Boolean)).toHaveLength(1);
  });
});
