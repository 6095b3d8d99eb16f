import { describe, expect, test } from "vitest";
import { lonePart } from "./lone-part.ts";
import { FunctionProfile } from "./function-profile.ts";
import { NO_USAGE, type Side } from "./sample.ts";
import { SampleTally, type Tally } from "./tally.ts";
import { CpuTimes, isInEarnest, Residence, WARM_CALLS, WarmUp } from "./warm-up.ts";

const tallyOf = (calls: number, cpuUs: number, side: Side = "compute"): Tally => {
  const tally = new SampleTally();
  const sample = { ...NO_USAGE, function: "f", version: "1", side, outcome: "ok", cpuUs, wallUs: cpuUs + 10 } as const;
  // Calls differ a little.
  for (let call = 0; call < calls; call++) tally.record({ ...sample, cpuUs: cpuUs * (0.9 + 0.1 * (call % 3)) }, 200);
  return tally.take().tallies[0]!;
};

test("what is known of slower code is thrown away each time that calls have doubled, until there were enough", () => {
  const warmUp = lonePart(WarmUp);
  const thrownAway: number[] = [];
  for (let calls = 1; calls <= 1_000; calls++) if (warmUp.add(tallyOf(1, 50), calls)) thrownAway.push(calls);
  // And the last window of them, of which nobody knows how much was compiled.
  expect(thrownAway).toEqual([16, 32, 64, WARM_CALLS, WARM_CALLS + 1]);
  expect(warmUp.warmMs()).toBe(WARM_CALLS);
});

test("of what computes for long fewer calls are enough, of what computes for very long one is", () => {
  const warmUp = lonePart(WarmUp);
  const thrownAway: number[] = [];
  for (let calls = 1; calls <= 40; calls++) if (warmUp.add(tallyOf(1, 10_000), calls)) thrownAway.push(calls);
  expect(thrownAway.at(-1)).toBeLessThan(30);
  expect(warmUp.warmMs()).toBe(thrownAway.at(-2));
  const long = lonePart(WarmUp);
  expect(long.add(tallyOf(1, 300_000), 7)).toBe(true);
  expect(long.warmMs()).toBe(7);
});

test("a side is where a function runs from nearly half of its calls on, until it has hardly any", () => {
  const residence = lonePart(Residence);
  expect([0.1, 0.3, 0.5, 0.3, 0.5, 1].map((part) => residence.isNew(part))).toEqual([
    false,
    false,
    true,
    false,
    false,
    false,
  ]);
  expect([0.01, 0.39, 0.4].map((part) => residence.isNew(part))).toEqual([false, false, true]);
});

describe("a side is in use", () => {
  /** Windows of so many calls each, of which the side has that part, at that time; whether it was before the last of them. */
  const wasUsedAfter = (...windows: readonly (readonly [part: number, calls: number, atMs: number])[]): boolean => {
    const residence = lonePart(Residence);
    let wasUsed = false;
    for (const [part, calls, atMs] of windows) {
      residence.isNew(part);
      wasUsed = residence.add(calls, atMs);
    }
    return wasUsed;
  };

  test("once as many calls have run there as warm it up, or for a second", () => {
    expect(wasUsedAfter([0.9, WARM_CALLS - 1, 0], [0.9, 500, 25])).toBe(false);
    expect(wasUsedAfter([0.9, WARM_CALLS, 0], [0.9, 1, 25])).toBe(true);
    const forMs = (ms: number, everyMs: number) =>
      Array.from({ length: 1 + ms / everyMs }, (_, index) => [0.9, 1, index * everyMs] as const);
    expect(wasUsedAfter(...forMs(975, 25))).toBe(false);
    expect(wasUsedAfter(...forMs(1_000, 25))).toBe(true);
    // A window or two in which none ends, and windows come late, are no gap; three are.
    expect(wasUsedAfter(...forMs(979.2, 81.6))).toBe(false);
    expect(wasUsedAfter(...forMs(1_060.8, 81.6))).toBe(true);
    expect(wasUsedAfter(...forMs(10_000, 100))).toBe(false);
    // Visits of a function that is called that seldom look like use.
    expect([1_000, 4_000].map((everyMs) => wasUsedAfter(...forMs(300 * everyMs, everyMs)))).toEqual([false, false]);
    expect(wasUsedAfter(...forMs(60_000, 500))).toBe(false);
    expect(wasUsedAfter([0.9, WARM_CALLS, 0], [0.9, WARM_CALLS, 999], [0.9, 1, 1_998])).toBe(true);
    expect(wasUsedAfter([0.9, WARM_CALLS, 0], [0.9, WARM_CALLS, 1_000])).toBe(false);
  });

  test("not while it is visited, however often, and no more once it has been", () => {
    expect(wasUsedAfter([0.1, 1_000, 0], [0.3, 1_000, 25])).toBe(false);
    expect(wasUsedAfter([0.1, 1_000, 0], [0.9, 1, 25])).toBe(false);
    expect(wasUsedAfter([0.9, 1_000, 0], [0.3, 1, 25])).toBe(true);
    expect(wasUsedAfter([0.9, 1_000, 0], [0.1, 1, 25], [0.9, 1, 50])).toBe(false);
  });
});

test("calls are in earnest where most run, or where finding caches cold is no great part of them", () => {
  expect(isInEarnest(0.01, 20)).toBe(false);
  expect(isInEarnest(0.5, 20)).toBe(true);
  expect(isInEarnest(0.01, 2_000)).toBe(true);
});

test("means of CPU times stay what they are as their calls come to count less, and are gone when forgotten", () => {
  const times = lonePart(CpuTimes);
  times.add(tallyOf(3, 100));
  const { calls, cpuUs, logCpu, bytes } = times.estimate(1);
  expect([calls, cpuUs]).toEqual([3, 100]);
  times.decay(0.5);
  expect(times.estimate(0.5)).toEqual({ calls: 0.75, cpuUs, logCpu, bytes });
  // However long nothing is added, and however often somebody asks.
  for (let time = 0; time < 20_000; time++) times.decay(0.917);
  expect(times.estimate(1)).toEqual({ calls: 0, cpuUs: 0, logCpu: 0, bytes: 0 });
  times.add(tallyOf(3, 100));
  times.forget();
  expect(times.estimate(1)).toEqual({ calls: 0, cpuUs: 0, logCpu: 0, bytes: 0 });
});

test("a window with all the calls that warm a side up is not what it is known by", () => {
  const profile = new FunctionProfile("1");
  expect(play(profile, 0, 25, { compute: [200, 400] })).toBe(false);
  expect(play(profile, 25, 500, { compute: [200, 100] }), "other calls?").toBe(false);
  expect(profile.estimates(525).compute!.cpuUs).toBeCloseTo(100, 0);
});

/** So many calls a window on either side; of each so much CPU time. */
const play = (
  profile: FunctionProfile,
  fromMs: number,
  ms: number,
  calls: Partial<Readonly<Record<Side, readonly [count: number, cpuUs: number]>>>,
): boolean => {
  let isShifted = false;
  for (let atMs = fromMs; atMs < fromMs + ms; atMs += 25) {
    for (const [side, [count, cpuUs]] of Object.entries(calls)) {
      isShifted ||= profile.fold(tallyOf(count, cpuUs, side as Side), atMs, 25, 25);
    }
  }
  return isShifted;
};

test("a function is known by what it computes once its code is compiled", () => {
  const profile = new FunctionProfile("1");
  expect(profile.warmMs("compute")).toBeNull();
  expect(play(profile, 0, 250, { compute: [12, 400] })).toBe(false);
  expect(play(profile, 250, 500, { compute: [12, 100] }), "other calls?").toBe(false);
  const { compute } = profile.estimates(750);
  expect(compute!.cpuUs).toBeLessThan(160);
  expect(profile.warmMs("compute")).toBe(250);
  expect(profile.warmMs("storage")).toBeNull();
});

test("visits say nothing of what is computed in earnest, and a side where calls go to is not held against them", () => {
  const profile = new FunctionProfile("1");
  play(profile, 0, 1_000, { compute: [200, 20], storage: [2, 90] });
  play(profile, 1_000, 2_000, { compute: [200, 20], storage: [4, 90] });
  const visited = profile.estimates(3_000);
  expect(visited.compute!.inEarnest.cpuUs).toBeCloseTo(20, 0);
  expect(visited.storage!.cpuUs).toBeCloseTo(90, -1);
  expect(visited.storage!.inEarnest.calls).toBe(0);
  expect(play(profile, 3_000, 2_000, { storage: [200, 20] }), "other calls?").toBe(false);
  const moved = profile.estimates(5_000);
  expect(moved.storage!.inEarnest.cpuUs).toBeCloseTo(20, 0);
});
