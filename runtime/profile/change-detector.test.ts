import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import { ChangeDetector } from "./change-detector.ts";

/** The work of calls of a function on a graph: nearly all meet a leaf, one in fifty a hub with a thousand times as much. */
const hubsAndLeaves =
  (random: () => number, leafUs = 100, hubs = 0.02) =>
  (): number =>
    leafUs * (0.5 + random()) * (random() < hubs ? 1_000 : 1);

/** In each of the windows, whether there was an alarm. */
const alarmsIn = (detector: ChangeDetector, windows: number, calls: number, workOf: () => number) =>
  Array.from({ length: windows }, () => {
    const logs = Array.from({ length: calls }, () => Math.log1p(workOf()));
    const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
    return detector.observe(calls, sumOf(logs), sumOf(logs.map((log) => log * log)));
  });

const countIn = (...of: Parameters<typeof alarmsIn>): number => alarmsIn(...of).filter(Boolean).length;

test.each([1, 5, 20])("raises no alarm while calls differ a thousandfold by their input and come by %d", (calls) => {
  let alarms = 0;
  for (let seed = 0; seed < 20; seed++)
    alarms += countIn(new ChangeDetector(), 1_000, calls, hubsAndLeaves(seededRandom(seed)));
  expect(alarms).toBeLessThanOrEqual(1);
});

test.each([1, 5, 20])("sees within four pools that calls that come by %d became four times as much work", (calls) => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(4, 1 / 4), (seed, factor) => {
      const [detector, random] = [new ChangeDetector(), seededRandom(seed)];
      const workOf = (us: number) => () => us * (0.5 + random());
      expect(countIn(detector, 100, calls, workOf(100))).toBe(0);
      expect(detector.lastChange).toBe(0);
      expect(alarmsIn(detector, 80 / calls, calls, workOf(100 * factor))).toContain(true);
      expect(Math.exp(detector.lastChange) / factor).toBeGreaterThan(0.5);
      expect(Math.exp(detector.lastChange) / factor).toBeLessThan(2);
    }),
    { numRuns: 20 },
  );
});

test.each([
  { calls: 20, windows: 20 },
  { calls: 5, windows: 80 },
])("sees within $windows windows of $calls calls that a fifth of them are hubs", ({ calls, windows }) => {
  for (let seed = 0; seed < 20; seed++) {
    const [detector, random] = [new ChangeDetector(), seededRandom(seed)];
    alarmsIn(detector, 100, calls, hubsAndLeaves(random));
    expect(alarmsIn(detector, windows, calls, hubsAndLeaves(random, 100, 0.2)), `seed ${seed}`).toContain(true);
    expect(detector.lastChange).toBeGreaterThan(0);
  }
});

test("follows a slow drift without an alarm", () => {
  const [detector, random] = [new ChangeDetector(), seededRandom(1)];
  let alarms = 0;
  for (let window = 0; window < 2_000; window++)
    alarms += countIn(detector, 1, 50, hubsAndLeaves(random, 100 * (1 + window / 2_000)));
  expect(alarms).toBeLessThanOrEqual(2);
});

test.each([
  { factor: 1.35, alarms: 0 },
  { factor: 1 / 1.35, alarms: 0 },
  { factor: 2, alarms: 1 },
  { factor: 1 / 2, alarms: 1 },
])(
  "takes a machine that is a third slower for no change, and twice the work for one: $factor",
  ({ factor, alarms }) => {
    const [detector, random] = [new ChangeDetector(), seededRandom(4)];
    const workOf = (us: number) => () => us * (0.5 + random());
    alarmsIn(detector, 100, 20, workOf(100));
    expect(countIn(detector, 200, 20, workOf(100 * factor))).toBe(alarms);
  },
);

test("raises no alarm for one window in which the machine stuttered", () => {
  const [detector, random] = [new ChangeDetector(), seededRandom(2)];
  alarmsIn(detector, 100, 20, hubsAndLeaves(random));
  expect(countIn(detector, 1, 20, hubsAndLeaves(random, 100_000))).toBe(0);
  expect(countIn(detector, 100, 20, hubsAndLeaves(random))).toBe(0);
});
