import { describe, expect, test } from "vitest";
import { Profiles } from "./profiles.ts";
import { NO_USAGE, type Sample } from "./sample.ts";
import { SampleTally, TALLIED_FUNCTIONS_MAX, type Tally } from "./tally.ts";

const WINDOW_MS = 25;

const sample = (change: Partial<Sample>): Sample => ({
  ...NO_USAGE,
  function: "khop",
  version: "1",
  side: "compute",
  outcome: "ok",
  ...change,
});

/** A window of equal calls. */
const callsOf = (calls: number, change: Partial<Sample>, elapsedUs = 100): readonly Tally[] => {
  const tally = new SampleTally();
  for (let call = 0; call < calls; call++) tally.record(sample(change), elapsedUs);
  return tally.take().tallies;
};

/** Profiles that are fed window by window. */
function played() {
  const profiles = new Profiles();
  let nowMs = 0;
  return {
    profiles,
    /** Whether the function shifted. */
    fold: (tallies: readonly Tally[], isDirect = false): boolean =>
      profiles.fold(tallies, (nowMs += WINDOW_MS), WINDOW_MS, isDirect).length > 0,
    rest: (ms: number): void => void (nowMs += ms),
    profile: () => profiles.get("khop")!,
    estimates: () => profiles.get("khop")!.estimates(nowMs),
  };
}

describe("a profile", () => {
  test("tells means, rate and percentiles of each side", () => {
    const { fold, profile, estimates } = played();
    const usage = { wallUs: 90, queueUs: 15, cpuUs: 40, waitUs: 30, operations: 3, rounds: 2 };
    for (let at = 0; at < 200; at++) fold(callsOf(10, usage));
    const { compute, storage } = estimates();
    expect(compute).toMatchObject({ failedShare: 0, lastMs: 5_000, callsInAll: 1_870 });
    for (const term of ["queueUs", "cpuUs", "waitUs", "operations", "rounds"] as const)
      expect(compute?.[term]).toBeCloseTo(usage[term]);
    expect(compute?.serviceUs).toBeCloseTo(75);
    expect(profile().sides.compute.percentileUs(99)! / 100).toBeCloseTo(1, 1);
    expect(profile().rates.at(5_000).all).toBeCloseTo(400, -1);
    expect(profile().byTime.between(4_000, 5_000)).toMatchObject({ calls: 400, elapsedUs: 40_000 });
    expect(storage).toBeNull();
  });

  test("tells what callers of nodes wait outside the sandbox, and nothing of calls that came straight to Redis", () => {
    const { fold, estimates } = played();
    const usage = { side: "storage", wallUs: 90, queueUs: 20, cpuUs: 40 } as const;
    fold(callsOf(10, usage, 95), true);
    expect(estimates().storage!.callUs).toBeNull();
    fold(callsOf(10, usage, 230));
    fold(callsOf(10, usage, 95), true);
    expect(estimates().storage!.callUs).toBeCloseTo(140);
  });

  test("tells how much calls vary, and how far their mean may be off", () => {
    const { fold, estimates } = played();
    const tally = new SampleTally();
    for (let call = 0; call < 16; call++)
      tally.record(sample(call % 2 === 0 ? { wallUs: 50, cpuUs: 9 } : { wallUs: 150, cpuUs: 99 }), 100);
    fold(tally.take().tallies);
    const { compute } = estimates();
    expect(compute?.serviceError).toBeCloseTo(50 / Math.sqrt(15) / 100, 5);
    // Of log(1 + µs): half of them log 10, half log 100.
    expect(compute?.logCpuDeviation).toBeCloseTo(Math.log(10) / 2, 5);
    expect(compute?.logCpuError).toBeCloseTo(Math.log(10) / 2 / Math.sqrt(15), 5);
  });

  test("does not know how far one call is off", () => {
    const { fold, estimates } = played();
    fold(callsOf(1, { wallUs: 50, cpuUs: 9 }));
    const { compute } = estimates();
    expect(compute?.serviceError).toBe(1);
    expect(compute?.logCpuDeviation).toBeCloseTo(0);
    expect(compute?.logCpuError).toBeCloseTo(Math.log(10), 5);
  });

  test("counts older calls less, but keeps a few until others come", () => {
    const { fold, rest, estimates } = played();
    fold(callsOf(40, { cpuUs: 100 }));
    rest(20_000);
    expect(estimates().compute).toMatchObject({ cpuUs: 100, calls: 16 });
    fold(callsOf(4, { cpuUs: 104 }));
    expect(estimates().compute?.calls).toBeCloseTo(16);
    expect(estimates().compute?.cpuUs).toBeCloseTo((12 * 100 + 4 * 104) / 16);
    rest(20_000);
    fold(callsOf(40, { cpuUs: 104 }));
    expect(estimates().compute?.cpuUs).toBeCloseTo(104, 1);
  });

  test.each([
    [25, 105],
    [60_000, 1_000],
    [365 * 86_400_000, 1_000],
  ])("weighs calls in percentiles by their age: others %d ms later make the median %d µs", (agoMs, medianUs) => {
    const { fold, rest, profile } = played();
    for (let at = 1; at <= 10; at++) fold(callsOf(50, {}, 105));
    rest(agoMs - WINDOW_MS);
    fold(callsOf(100, {}, 1_000));
    expect(Math.abs(profile().sides.compute.percentileUs(50)! / medianUs - 1)).toBeLessThan(0.0501);
  });

  test("tells percentiles as exactly after hours as in the first minute", () => {
    const { fold, rest, profile } = played();
    for (let at = 1; at <= 20_000; at++) {
      fold(callsOf(2, {}, at % 10 === 0 ? 1_000 : 100));
      rest(975);
    }
    expect(Math.abs(profile().sides.compute.percentileUs(50)! / 100 - 1)).toBeLessThan(0.0501);
    expect(Math.abs(profile().sides.compute.percentileUs(99)! / 1_000 - 1)).toBeLessThan(0.0501);
  });

  test("ignores what is no bucket", () => {
    const { fold, profile } = played();
    const elapsed = [199.99999999999997, 200, -1, 0.5].flatMap((bucket) => [bucket, 1e15]);
    fold([{ ...callsOf(1, {})[0]!, elapsed }]);
    expect(profile().sides.compute.percentileUs(50)).toBeNull();
  });

  test("counts failed calls as calls, and not in what a call costs", () => {
    const { fold, profile, estimates } = played();
    for (let at = 0; at < 200; at++) {
      const tally = new SampleTally();
      for (let call = 0; call < 10; call++) {
        tally.record(sample({ wallUs: 5_000, cpuUs: 4_000 }), 5_100);
        tally.record(sample({ wallUs: 20, cpuUs: 10, outcome: "FUNCTION_FAILED" }), 50);
      }
      fold(tally.take().tallies);
    }
    expect(estimates().compute!.serviceUs).toBeCloseTo(5_000);
    expect(estimates().compute!.failedShare).toBeCloseTo(0.5);
    expect(profile().rates.at(5_000).all).toBeCloseTo(800, -1);
    expect(profile().sides.compute.percentileUs(1)).toBeGreaterThan(4_000);
  });

  test("does not know a side where every call fails", () => {
    const { fold, profile, estimates } = played();
    fold(callsOf(20, { cpuUs: 100 }));
    for (let at = 2; at < 40; at++) fold(callsOf(20, { side: "storage", cpuUs: 1, outcome: "FUNCTION_FAILED" }));
    expect(estimates().storage).toBeNull();
    expect(profile().sides.storage.untold).toBeGreaterThan(0);
    expect(profile().lastMs).toBe(25);
  });
});

describe("a shift", () => {
  test("makes both sides forget what was known", () => {
    const { fold, profile, estimates } = played();
    fold(callsOf(20, { side: "storage", cpuUs: 100 }));
    for (let at = 0; at < 20; at++) expect(fold(callsOf(20, { cpuUs: 95 + (at % 10) }))).toBe(false);
    const shifts = Array.from({ length: 8 }, (_, at) => fold(callsOf(20, { cpuUs: 1_000 + at })));
    expect(shifts.filter(Boolean)).toHaveLength(1);
    expect(estimates().compute?.cpuUs).toBeGreaterThan(999);
    expect(estimates().storage).toBeNull();
    expect(profile().shiftedTimes / 10).toBeCloseTo(1, 0);
  });

  test("is none if calls take longer because cores are slow", () => {
    const shiftsWith = (slowedUs: number): number => {
      const { fold } = played();
      for (let at = 0; at < 40; at++) fold(callsOf(20, { cpuUs: 100 + (at % 3) }));
      return Array.from({ length: 8 }, (_, at) => fold(callsOf(20, { cpuUs: 500 + (at % 3), slowedUs }))).filter(
        Boolean,
      ).length;
    };
    expect(shiftsWith(400)).toBe(0);
    expect(shiftsWith(0)).toBe(1);
  });

  test("is none if only a few visits change", () => {
    const { fold, estimates } = played();
    for (let at = 0; at < 20; at++) {
      fold(callsOf(20, { cpuUs: 100 + (at % 10) }));
      fold(callsOf(1, { side: "storage", cpuUs: 900 + at }));
    }
    for (let at = 0; at < 12; at++) expect(fold(callsOf(4, { side: "storage", cpuUs: 100 + at }))).toBe(false);
    expect(estimates().storage?.cpuUs).toBeLessThan(200);
    expect(estimates().compute?.calls).toBeGreaterThan(100);
  });

  test("is seen on the side that has most calls now, whatever the other one had before", () => {
    const { fold } = played();
    for (let at = 0; at < 40; at++) fold(callsOf(1_000, { side: "storage", cpuUs: 100 }));
    for (let at = 0; at < 80; at++) fold(callsOf(5, { cpuUs: 100 }));
    expect(Array.from({ length: 20 }, () => fold(callsOf(5, { cpuUs: 4_000 })))).toContain(true);
  });
});

describe("what the read cache answers is learnt", () => {
  /** Ten calls at storage in each window, of ten reads each; the fraction that is known to be answered after them. */
  const foundAfter = ({ fold, estimates }: ReturnType<typeof played>, windows: number, found: number, cpuUs = 100) => {
    const reads = { side: "storage", cpuUs, findableOperations: 10, foundOperations: 10 * found } as const;
    for (let window = 0; window < windows; window++) fold(callsOf(10, reads));
    const known = estimates().storage!.foundReads;
    return known && known.foundOperations / known.findableOperations;
  };

  test("not from the first calls", () => {
    const profiles = played();
    expect(foundAfter(profiles, 13, 0)).toBeNull();
    expect(foundAfter(profiles, 40, 1)).toBe(1);
  });

  test("anew after a shift", () => {
    const profiles = played();
    expect(foundAfter(profiles, 100, 1)).toBe(1);
    expect(foundAfter(profiles, 8, 0, 1_000)).toBeNull();
    expect(foundAfter(profiles, 40, 0.5, 1_000)).toBe(0.5);
  });
});

describe("profiles", () => {
  test("begin anew for a new version", () => {
    const { fold, profile, estimates } = played();
    fold(callsOf(10, { cpuUs: 100 }));
    fold(callsOf(10, { cpuUs: 1, version: "2" }));
    expect(profile().version).toBe("2");
    expect(estimates().compute?.cpuUs).toBe(1);
  });

  test("are bounded: the function that was called least recently makes room", () => {
    const { profiles, fold } = played();
    const call = (name: string) => fold(callsOf(1, { function: name }));
    for (let index = 0; index < TALLIED_FUNCTIONS_MAX; index++) call(`f${index}`);
    call("f0");
    call("one more");
    expect([...profiles.entries()]).toHaveLength(TALLIED_FUNCTIONS_MAX);
    expect(profiles.get("f0")).toBeDefined();
    expect(profiles.get("f1")).toBeUndefined();
    profiles.keepOnly(new Set(["f2"]));
    expect([...profiles.entries()].map(([name]) => name)).toEqual(["f2"]);
  });
});
