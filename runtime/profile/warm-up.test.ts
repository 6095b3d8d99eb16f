import { expect, test } from "vitest";
import { FunctionProfile } from "./function-profile.ts";
import { NO_USAGE, type Side } from "./sample.ts";
import { SampleTally, type Tally } from "./tally.ts";
import { WARM_CALLS, WarmUp } from "./warm-up.ts";

const tallyOf = (calls: number, cpuUs: number, side: Side = "compute"): Tally => {
  const tally = new SampleTally();
  const sample = { ...NO_USAGE, function: "f", version: "1", side, outcome: "ok", cpuUs, wallUs: cpuUs + 10 } as const;
  // Calls differ a little.
  for (let call = 0; call < calls; call++) tally.record({ ...sample, cpuUs: cpuUs * (0.9 + 0.1 * (call % 3)) }, 200);
  return tally.take().tallies[0]!;
};

test("what is known of slower code is thrown away each time that calls have doubled, until there were enough", () => {
  const warmUp = new WarmUp();
  const thrownAway: number[] = [];
  for (let calls = 1; calls <= 1_000; calls++) if (warmUp.add(tallyOf(1, 50).sums, calls)) thrownAway.push(calls);
  // And the last window of them, of which nobody knows how much was compiled.
  expect(thrownAway).toEqual([16, 32, 64, WARM_CALLS, WARM_CALLS + 1]);
  expect(warmUp.warmMs).toBe(WARM_CALLS);
});

test("of what computes for long fewer calls are enough, of what computes for very long one is", () => {
  const warmUp = new WarmUp();
  const thrownAway: number[] = [];
  for (let calls = 1; calls <= 40; calls++) if (warmUp.add(tallyOf(1, 10_000).sums, calls)) thrownAway.push(calls);
  expect(thrownAway.at(-1)).toBeLessThan(30);
  expect(warmUp.warmMs).toBe(thrownAway.at(-2));
  const long = new WarmUp();
  expect(long.add(tallyOf(1, 300_000).sums, 7)).toBe(true);
  expect(long.warmMs).toBe(7);
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
