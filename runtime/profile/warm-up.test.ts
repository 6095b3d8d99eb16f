import { expect, test } from "vitest";
import { FunctionProfile } from "./function-profile.ts";
import { NO_USAGE, type Side } from "./sample.ts";
import { SampleTally, type Tally } from "./tally.ts";
import { WARM_CALLS, WarmUp } from "./warm-up.ts";

const tallyOf = (calls: number, cpuUs: number, side: Side = "compute"): Tally => {
  const tally = new SampleTally();
  const sample = { ...NO_USAGE, function: "f", version: "1", side, outcome: "ok", wallUs: cpuUs + 10 };
  // Calls differ a little.
  for (let call = 0; call < calls; call++) tally.record({ ...sample, cpuUs: cpuUs * (0.9 + 0.1 * (call % 3)) }, 200);
  return tally.take().tallies[0]!;
};

/** After which of so many calls the earlier ones were outdated. */
const outdatedIn = (warmUp: WarmUp, calls: number, cpuUs: number): readonly number[] =>
  Array.from({ length: calls }, (_, index) => index + 1).filter((call) => warmUp.add(tallyOf(1, cpuUs).sums, call));

test("calls are outdated each time that their number has doubled, until the code is warm", () => {
  const warmUp = new WarmUp();
  // The last window of cold code is outdated too.
  expect(outdatedIn(warmUp, 1_000, 50)).toEqual([16, 32, 64, WARM_CALLS, WARM_CALLS + 1]);
  expect(warmUp.warmMs).toBe(WARM_CALLS);
});

test("code gets warm with fewer calls if they compute for long", () => {
  const warmUp = new WarmUp();
  expect(outdatedIn(warmUp, 40, 10_000).at(-1)).toBeLessThan(30);
  expect(warmUp.warmMs).toBeLessThan(30);
  const long = new WarmUp();
  expect(outdatedIn(long, 1, 300_000)).toEqual([1]);
  expect(long.warmMs).toBe(1);
});

/** Windows of calls on each side, and their CPU time; whether the function shifted. */
const play = (
  profile: FunctionProfile,
  fromMs: number,
  ms: number,
  calls: Partial<Readonly<Record<Side, readonly [count: number, cpuUs: number]>>>,
): boolean => {
  let shifted = false;
  for (let atMs = fromMs; atMs < fromMs + ms; atMs += 25) {
    for (const [side, [count, cpuUs]] of Object.entries(calls))
      shifted ||= profile.fold(tallyOf(count, cpuUs, side as Side), atMs, 25, 25);
  }
  return shifted;
};

test.each([12, 200])(
  "a function that gets warm by %d calls in a window is known by warm code, without a shift",
  (calls) => {
    const profile = new FunctionProfile("1");
    expect(profile.sides.compute.warmMs).toBeNull();
    const coldMs = 25 * Math.ceil(WARM_CALLS / calls);
    expect(play(profile, 0, coldMs, { compute: [calls, 400] })).toBe(false);
    expect(profile.sides.compute.warmMs).toBe(coldMs - 25);
    expect(play(profile, coldMs, 500, { compute: [calls, 100] })).toBe(false);
    expect(profile.estimates(coldMs + 500).compute!.cpuUs).toBeCloseTo(100, -1);
    expect(profile.sides.storage.warmMs).toBeNull();
  },
);

test("visits do not tell the CPU time of warm code, and calls that move to their side are no shift", () => {
  const profile = new FunctionProfile("1");
  play(profile, 0, 3_000, { compute: [200, 20], storage: [4, 90] });
  const visited = profile.estimates(3_000);
  expect(visited.compute!.inEarnest.cpuUs).toBeCloseTo(20, 0);
  expect(visited.storage!.cpuUs).toBeCloseTo(90, -1);
  expect(visited.storage!.inEarnest.calls).toBe(0);
  expect(play(profile, 3_000, 2_000, { storage: [200, 20] })).toBe(false);
  expect(profile.estimates(5_000).storage!.inEarnest.cpuUs).toBeCloseTo(20, 0);
});
