import { describe, expect, test } from "vitest";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { FunctionProfile } from "./function-profile.ts";
import { Profiles } from "./profiles.ts";
import { NO_USAGE, type Sample } from "./sample.ts";
import { SampleTally, TALLIED_FUNCTIONS_MAX, TALLY_TERMS, type Tally, type TallyTerm } from "./tally.ts";

const sample = (change: Partial<Sample>): Sample => ({
  ...NO_USAGE,
  function: "khop",
  version: "1",
  side: "compute",
  outcome: "ok",
  ...change,
});

/** A stretch of so many equal calls. */
const stretch = (calls: number, change: Partial<Sample>, elapsedUs = 100): readonly Tally[] => {
  const tally = new SampleTally();
  for (let call = 0; call < calls; call++) tally.record(sample(change), elapsedUs);
  return tally.take().tallies;
};

const STRETCH_MS = 25;

/** As somebody wrote it who is no node. */
const forged = (change: Partial<Record<TallyTerm, number>>): Tally => ({
  function: "khop",
  version: "1",
  side: "compute",
  sums: TALLY_TERMS.map((term) => change[term] ?? 0),
  elapsed: [],
});

describe("profiles", () => {
  test("tell means, rate and percentiles of each side", () => {
    const profiles = new Profiles();
    for (let at = 0; at < 200; at++) {
      profiles.fold(
        stretch(10, { wallUs: 90, queueUs: 15, cpuUs: 40, waitUs: 30, operations: 3, rounds: 2 }),
        (at + 1) * STRETCH_MS,
        STRETCH_MS,
      );
    }
    const profile = profiles.get("khop");
    const estimate = profile?.estimates(5_000).compute;
    expect(estimate).toMatchObject({ failedShare: 0, lastMs: 5_000 });
    for (const [term, mean] of Object.entries({
      serviceUs: 75,
      queueUs: 15,
      cpuUs: 40,
      waitUs: 30,
      operations: 3,
      rounds: 2,
    })) {
      expect(estimate?.[term as "cpuUs"]).toBeCloseTo(mean);
    }
    expect(profile?.percentileUs("compute", 99)).toBeGreaterThan(94);
    expect(profile?.percentileUs("compute", 99)).toBeLessThan(106);
    expect(profile?.rates(5_000).all).toBeCloseTo(400, -1);
    expect(profile?.estimates(5_000).storage).toBeNull();
  });

  test("tell what callers of nodes wait beside the sandbox, of their calls alone, and nothing where all came straight to Redis", () => {
    const profiles = new Profiles();
    const callUs = (nowMs: number): number | null => profiles.get("khop")!.estimates(nowMs).storage!.callUs;
    const usage = { side: "storage", wallUs: 90, queueUs: 20, cpuUs: 40 } as const;
    profiles.fold(stretch(10, usage, 95), STRETCH_MS, STRETCH_MS, true);
    expect(callUs(STRETCH_MS)).toBeNull();
    profiles.fold(stretch(10, usage, 230), 2 * STRETCH_MS, STRETCH_MS);
    profiles.fold(stretch(10, usage, 95), 3 * STRETCH_MS, STRETCH_MS, true);
    expect(callUs(3 * STRETCH_MS)).toBeCloseTo(140);
  });

  /** As the plan follows them where a pool would be full. */
  const ratesNow = (profile: FunctionProfile, nowMs: number) => {
    const usual = profile.rates(nowMs);
    return profile.surge(usual, nowMs) ?? usual;
  };

  test("tell how many of the calls of each side run there whatever the plan says", () => {
    const profiles = new Profiles();
    for (let at = 1; at <= 200; at++) {
      const tallies = [
        forged({ calls: 10, fixed: 4 }),
        { ...forged({ calls: 5, untold: 2, fixed: 7 }), side: "storage" as const },
      ];
      profiles.fold(tallies, at * STRETCH_MS, STRETCH_MS);
    }
    const profile = profiles.get("khop")!;
    const { all, fixed } = profile.rates(5_000);
    expect(all).toBeCloseTo(17 * 40, -1);
    expect(fixed.compute).toBeCloseTo(4 * 40, -1);
    expect(fixed.storage).toBeCloseTo(7 * 40, -1);
    expect(profile.rates(15_000).fixed.storage).toBeLessThan(7);
  });

  test("tell how much the calls of a side vary, and how far their mean may be off", () => {
    const profiles = new Profiles();
    const tally = new SampleTally();
    for (let call = 0; call < 16; call++) {
      tally.record(sample(call % 2 === 0 ? { wallUs: 50, cpuUs: 9 } : { wallUs: 150, cpuUs: 99 }), 100);
    }
    profiles.fold(tally.take().tallies, STRETCH_MS, STRETCH_MS);
    const { compute } = profiles.get("khop")!.estimates(STRETCH_MS);
    expect(compute?.serviceError).toBeCloseTo(50 / Math.sqrt(15) / 100, 5);
    // Of log(1 + µs): half of them log 10, half log 100.
    expect(compute?.logCpuDeviation).toBeCloseTo(Math.log(10) / 2, 5);
    expect(compute?.logCpuError).toBeCloseTo(Math.log(10) / 2 / Math.sqrt(15), 5);
  });

  test("of one call nobody knows how far it is off", () => {
    const profiles = new Profiles();
    profiles.fold(stretch(1, { wallUs: 50, cpuUs: 9 }), STRETCH_MS, STRETCH_MS);
    const { compute } = profiles.get("khop")!.estimates(STRETCH_MS);
    expect(compute?.serviceError).toBe(1);
    expect(compute?.logCpuDeviation).toBeCloseTo(0);
    expect(compute?.logCpuError).toBeCloseTo(Math.log(10), 5);
  });

  test("a young rate is not too low, and one that ended falls", () => {
    const profiles = new Profiles();
    profiles.fold(stretch(10, {}), STRETCH_MS, STRETCH_MS);
    expect(profiles.get("khop")?.rates(STRETCH_MS).all).toBeGreaterThan(350);
    expect(profiles.get("khop")?.rates(STRETCH_MS).all).toBeLessThan(450);
    expect(profiles.get("khop")?.rates(3_000).all).toBeLessThan(10);
  });

  describe("of calls that come by chance, a rate", () => {
    /** So many a second, each for itself: of a window's many places each has a call or none. */
    const callsIn = (perSecond: number, random: () => number): number => {
      let calls = 0;
      for (let place = 0; place < 400; place++) if (random() < (perSecond * STRETCH_MS) / 400e3) calls += 1;
      return calls;
    };
    const run = (fromMs: number, toMs: number, into: Profiles, ofWindow: () => number) => {
      const rates: number[] = [];
      for (let nowMs = fromMs + STRETCH_MS; nowMs <= toMs; nowMs += STRETCH_MS) {
        into.fold([forged({ calls: ofWindow(), fixed: 0 })], nowMs, STRETCH_MS);
        rates.push(ratesNow(into.get("khop")!, nowMs).all);
      }
      return rates;
    };

    test.each([20, 200, 2_000])("of %d a second is that one, whatever chance brings", (perSecond) => {
      const random = seededRandom(1);
      const rates = run(0, 60_000, new Profiles(), () => callsIn(perSecond, random)).slice(80);
      const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
      expect(Math.abs(mean / perSecond - 1)).toBeLessThan(0.05);
      expect(Math.max(...rates) / perSecond).toBeLessThan(1 + 5 / Math.sqrt(0.7 * perSecond));
    });

    test.each([20, 200, 2_000])(
      "of %d a second is known to be ten times that within 100 ms, as one of ten times less is not",
      (perSecond) => {
        const random = seededRandom(1);
        const profiles = new Profiles();
        run(0, 5_000, profiles, () => callsIn(perSecond, random));
        expect(run(5_000, 5_100, profiles, () => callsIn(10 * perSecond, random)).at(-1)!).toBeGreaterThan(
          6 * perSecond,
        );
        const after = run(5_100, 5_200, profiles, () => callsIn(perSecond, random)).at(-1)!;
        expect(after).toBeGreaterThan(1.5 * perSecond);
      },
    );
  });

  describe("of callers who wait for each other it is no surge", () => {
    const PER_SECOND = 20_000;
    const surgesIn = (profiles: Profiles, fromMs: number, toMs: number, times: (ms: number) => number): number => {
      let surges = 0;
      for (let nowMs = fromMs + STRETCH_MS; nowMs <= toMs; nowMs += STRETCH_MS) {
        const calls = Math.round((times(nowMs) * PER_SECOND * STRETCH_MS) / 1e3);
        profiles.fold([forged({ calls })], nowMs, STRETCH_MS);
        const profile = profiles.get("khop")!;
        if (profile.surge(profile.rates(nowMs), nowMs) !== null) surges += 1;
      }
      return surges;
    };
    const steady = (): Profiles => {
      const profiles = new Profiles();
      expect(surgesIn(profiles, 0, 5_000, () => 1)).toBe(0);
      return profiles;
    };

    test("where their calls take a fifth less", () => {
      expect(surgesIn(steady(), 5_000, 6_000, () => 1.2)).toBe(0);
    });

    test("nor where nothing moved for a moment, or little for long", () => {
      expect(surgesIn(steady(), 5_000, 6_000, (ms) => (ms <= 5_150 ? 0 : 1))).toBe(0);
      expect(surgesIn(steady(), 5_000, 7_000, (ms) => (ms <= 5_500 ? 0.6 : 1))).toBe(0);
    });

    test("but where twice as many come", () => {
      expect(surgesIn(steady(), 5_000, 5_100, () => 2)).toBeGreaterThanOrEqual(3);
    });
  });

  test.each([
    { free: 0, moreFree: 0, fixed: 400, moreFixed: 4_000 },
    { free: 80, moreFree: 80, fixed: 0, moreFixed: 2_000 },
    { free: 80, moreFree: 2_000, fixed: 480, moreFixed: 480 },
  ])(
    "where $moreFree for $free and $moreFixed for $fixed come at once, those that are free are told from those that are not",
    ({ free, moreFree, fixed, moreFixed }) => {
      const profiles = new Profiles();
      const fold = (freely: number, fixedly: number, nowMs: number) => {
        const [calls, fixed] = [((freely + fixedly) * STRETCH_MS) / 1e3, (fixedly * STRETCH_MS) / 1e3];
        profiles.fold([forged({ calls, fixed })], nowMs, STRETCH_MS);
        return ratesNow(profiles.get("khop")!, nowMs);
      };
      const within = (rate: number, from: number, to: number) => {
        expect(rate).toBeGreaterThan(0.95 * from - 1);
        expect(rate).toBeLessThan(1.05 * to + 1);
      };
      for (let at = 1; at <= 200; at++) fold(free, fixed, at * STRETCH_MS);
      for (let at = 201; at <= 210; at++) {
        const { all, fixed: known } = fold(moreFree, moreFixed, at * STRETCH_MS);
        within(known.compute, fixed, moreFixed);
        within(all - known.compute, free, moreFree);
      }
    },
  );

  test("what is older counts less, but a few calls are kept until others come", () => {
    const profiles = new Profiles();
    const fold = (calls: number, cpuUs: number, nowMs: number) =>
      profiles.fold(stretch(calls, { cpuUs }), nowMs, STRETCH_MS);
    const estimate = (nowMs: number) => profiles.get("khop")?.estimates(nowMs).compute;
    fold(40, 100, 0);
    expect(estimate(20_000)).toMatchObject({ cpuUs: 100, calls: 16 });
    fold(4, 104, 20_000);
    expect(estimate(20_000)?.calls).toBeCloseTo(16);
    expect(estimate(20_000)?.cpuUs).toBeCloseTo((12 * 100 + 4 * 104) / 16);
    fold(40, 104, 40_000);
    expect(estimate(40_000)?.cpuUs).toBeCloseTo(104, 1);
  });

  test.each([
    ["a moment", 25, 105],
    ["some half-lives", 60_000, 1_000],
    ["a year", 365 * 86_400_000, 1_000],
  ])("percentiles are of calls by their age: half of them take, %s after others, …", (_, agoMs, halfUs) => {
    const profiles = new Profiles();
    const fold = (calls: number, elapsedUs: number, nowMs: number) =>
      profiles.fold(stretch(calls, {}, elapsedUs), nowMs, STRETCH_MS);
    for (let at = 1; at <= 10; at++) fold(50, 105, at * STRETCH_MS);
    fold(100, 1_000, 10 * STRETCH_MS + agoMs);
    const median = profiles.get("khop")!.percentileUs("compute", 50)!;
    expect(Math.abs(median / halfUs - 1)).toBeLessThan(0.0501);
  });

  test("percentiles are as exact after hours of calls as in the first minute", () => {
    const profiles = new Profiles();
    for (let at = 1; at <= 20_000; at++) profiles.fold(stretch(2, {}, at % 10 === 0 ? 1_000 : 100), at * 1_000, 1_000);
    const percentile = (percent: number): number => profiles.get("khop")!.percentileUs("compute", percent)!;
    expect(Math.abs(percentile(50) / 100 - 1)).toBeLessThan(0.0501);
    expect(Math.abs(percentile(99) / 1_000 - 1)).toBeLessThan(0.0501);
  });

  test("a shift is told, and what was known before it is gone on both sides", () => {
    const profiles = new Profiles();
    let nowMs = 0;
    const fold = (change: Partial<Sample>) =>
      profiles.fold(stretch(20, change), (nowMs += STRETCH_MS), STRETCH_MS).shifted;
    fold({ side: "storage", cpuUs: 100 });
    for (let at = 0; at < 20; at++) expect(fold({ cpuUs: 95 + (at % 10) })).toEqual([]);
    const shifts = Array.from({ length: 8 }, (_, at) => fold({ cpuUs: 1_000 + at }));
    expect(shifts.flat()).toEqual(["khop"]);
    expect(profiles.get("khop")?.estimates(nowMs).compute?.cpuUs).toBeGreaterThan(999);
    expect(profiles.get("khop")?.estimates(nowMs).storage).toBeNull();
  });

  test("calls that take longer since cores are slow are the same calls", () => {
    const shiftsWith = (slowedUs: number): readonly string[] => {
      const profiles = new Profiles();
      let nowMs = 0;
      const fold = (change: Partial<Sample>) =>
        profiles.fold(stretch(20, change), (nowMs += STRETCH_MS), STRETCH_MS).shifted;
      for (let at = 0; at < 40; at++) fold({ cpuUs: 100 + (at % 3) });
      return Array.from({ length: 8 }, (_, at) => fold({ cpuUs: 500 + (at % 3), slowedUs })).flat();
    };
    expect(shiftsWith(400)).toEqual([]);
    expect(shiftsWith(0)).toEqual(["khop"]);
  });

  describe("what calls find is learnt where they run", () => {
    /** So many calls at storage in a window, of which each found that part of the ten reads that it makes. */
    const reads = (calls: number, found: number, cpuUs = 100): readonly Tally[] =>
      stretch(calls, { side: "storage", cpuUs, findableOperations: 10, foundOperations: 10 * found });
    const foundIn = (profiles: Profiles, nowMs: number): number | null => {
      const found = profiles.get("khop")!.estimates(nowMs).storage!.foundReads;
      return found && found.foundOperations / found.findableOperations;
    };
    /** Windows one after the other; what is known after them. */
    const run = (profiles: Profiles, fromMs: number, windows: readonly (readonly Tally[])[]): number | null => {
      let nowMs = fromMs;
      for (const window of windows) profiles.fold(window, (nowMs += STRETCH_MS), STRETCH_MS);
      return foundIn(profiles, nowMs);
    };
    const times = (windows: number, window: readonly Tally[]) => Array.from({ length: windows }, () => window);

    test("not by the first of them", () => {
      const profiles = new Profiles();
      expect(run(profiles, 0, times(10, reads(10, 0)))).toBeNull();
      expect(run(profiles, 250, times(3, reads(10, 0.5)))).toBeNull();
      expect(run(profiles, 325, times(40, reads(10, 1)))).toBe(1);
    });

    test("anew after a shift", () => {
      const profiles = new Profiles();
      expect(run(profiles, 0, times(100, reads(10, 1)))).toBe(1);
      expect(run(profiles, 2_500, times(8, reads(10, 0, 1_000)))).toBeNull();
      expect(run(profiles, 2_700, times(40, reads(10, 0.5, 1_000)))).toBe(0.5);
    });
  });

  test("what changes on a side of a few visits is no shift, and only that side begins anew", () => {
    const profiles = new Profiles();
    let nowMs = 0;
    const fold = (calls: number, change: Partial<Sample>) =>
      profiles.fold(stretch(calls, change), (nowMs += STRETCH_MS), STRETCH_MS).shifted;
    for (let at = 0; at < 20; at++) {
      fold(20, { cpuUs: 100 + (at % 10) });
      fold(1, { side: "storage", cpuUs: 900 + at });
    }
    for (let at = 0; at < 6; at++) expect(fold(4, { side: "storage", cpuUs: 100 + at })).toEqual([]);
    expect(profiles.get("khop")?.estimates(nowMs).storage?.cpuUs).toBeLessThan(200);
    expect(profiles.get("khop")?.estimates(nowMs).compute?.calls).toBeGreaterThan(100);
  });

  test("a shift is told by the side that has most calls now, whatever the other had before", () => {
    const profiles = new Profiles();
    let atMs = 0;
    const fold = (tallies: readonly Tally[]): boolean =>
      profiles.fold(tallies, (atMs += STRETCH_MS), STRETCH_MS).shifted.length > 0;
    for (let at = 0; at < 40; at++) fold(stretch(1_000, { side: "storage", cpuUs: 100 }));
    for (let at = 0; at < 80; at++) fold(stretch(5, { cpuUs: 100 }));
    const told = Array.from({ length: 10 }, () => fold(stretch(5, { cpuUs: 4_000 })));
    expect(told).toContain(true);
  });

  test("calls that fail at once come as often as they do, and change nothing of what a call costs", () => {
    const profiles = new Profiles();
    for (let at = 0; at < 200; at++) {
      const tally = new SampleTally();
      for (let call = 0; call < 10; call++) tally.record(sample({ wallUs: 5_000, cpuUs: 4_000 }), 5_100);
      for (let call = 0; call < 10; call++)
        tally.record(sample({ wallUs: 20, cpuUs: 10, outcome: "FUNCTION_FAILED" }), 50);
      profiles.fold(tally.take().tallies, (at + 1) * STRETCH_MS, STRETCH_MS);
    }
    const profile = profiles.get("khop")!;
    const estimate = profile.estimates(5_000).compute!;
    expect(estimate.serviceUs).toBeCloseTo(5_000);
    expect(estimate.failedShare).toBeCloseTo(0.5);
    expect(profile.rates(5_000).all).toBeCloseTo(800, -1);
    expect(profile.percentileUs("compute", 1)).toBeGreaterThan(4_000);
    // Nor does a stretch of time in which half of them fail look like one of quick calls.
    const { calls, elapsedUs } = profile.byTime.between(4_000, 5_000);
    expect([calls, elapsedUs / calls]).toEqual([400, 2 * 5_100]);
  });

  test("a side where every call fails is not known, and nothing new is heard of it", () => {
    const profiles = new Profiles();
    profiles.fold(stretch(20, { cpuUs: 100 }), 25, STRETCH_MS);
    const fails = { side: "storage", cpuUs: 1, outcome: "FUNCTION_FAILED" } as const;
    for (let at = 2; at < 40; at++) profiles.fold(stretch(20, fails), at * STRETCH_MS, STRETCH_MS);
    const profile = profiles.get("khop")!;
    expect(profile.estimates(1_000).storage).toBeNull();
    expect(profile.lastMs).toBe(25);
  });

  test("a new version is a new function", () => {
    const profiles = new Profiles();
    profiles.fold(stretch(10, { cpuUs: 100 }), 25, STRETCH_MS);
    profiles.fold(stretch(10, { cpuUs: 1, version: "2" }), 50, STRETCH_MS);
    expect(profiles.get("khop")?.version).toBe("2");
    expect(profiles.get("khop")?.estimates(50).compute?.cpuUs).toBe(1);
  });

  test("are bounded: the function that was called least recently makes room", () => {
    const profiles = new Profiles();
    const call = (name: string, nowMs: number) => profiles.fold(stretch(1, { function: name }), nowMs, STRETCH_MS);
    for (let index = 0; index < TALLIED_FUNCTIONS_MAX; index++) call(`f${index}`, index);
    call("f0", TALLIED_FUNCTIONS_MAX);
    call("one more", TALLIED_FUNCTIONS_MAX + 1);
    expect([...profiles.entries()]).toHaveLength(TALLIED_FUNCTIONS_MAX);
    expect(profiles.get("f0")).toBeDefined();
    expect(profiles.get("f1")).toBeUndefined();
    profiles.keepOnly(new Set(["f2"]));
    expect([...profiles.entries()].map(([name]) => name)).toEqual(["f2"]);
  });

  test("keep what is no bucket of a histogram out of each other's numbers", () => {
    const profiles = new Profiles();
    const storage = { ...forged({ calls: 100, cpuUs: 4_000, serviceUs: 9_000 }), side: "storage" as const };
    profiles.fold([storage], STRETCH_MS, STRETCH_MS);
    const known = () => {
      const { calls, cpuUs, serviceUs, logCpu, bytes, lockUs, inEarnest } = profiles
        .get("khop")!
        .estimates(2 * STRETCH_MS).storage!;
      return { calls, cpuUs, serviceUs, logCpu, bytes, lockUs, inEarnest };
    };
    const before = known();
    const elapsed = [199.99999999999997, 200, 200.5, 273, -1, 0.5].flatMap((bucket) => [bucket, 1e15]);
    profiles.fold([{ ...forged({ calls: 1, cpuUs: 1 }), elapsed }], 2 * STRETCH_MS, STRETCH_MS);
    expect(known()).toEqual(before);
    expect(profiles.get("khop")!.percentileUs("compute", 50)).toBeNull();
  });
});
