import { describe, expect, test } from "vitest";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { heldAlong, heldPlanOf, refutedAgain, type HeldPlan } from "./held-function.ts";
import { atCompute, atStorage, isHeldAlone, Load, walks } from "./played-load.ts";
import { NO_TRIALS, type Trials } from "./trials.ts";

type Held = NonNullable<Trials["held"]>;

test("others are held to what they took meanwhile, if they were called", () => {
  const also = Load.warm().run(150, { a: atCompute });
  const shown = { fromMs: 0, toMs: 150 };
  const until = { untilMs: 9_000, isFirm: true };
  expect(heldAlong(also.tried("a", 0), shown, until, 150).held).toEqual({
    sinceMs: 375,
    untilMs: 9_000,
    promisedUs: 4_000,
    promisedBytes: 0,
    refutedShare: 0,
    firmUntilMs: 9_000,
  });
  expect(heldAlong(also.tried("a", 0), { fromMs: 200, toMs: 300 }, until, 300).held).toBeNull();
});

describe("who is held already", () => {
  const also = Load.warm().run(150, { a: atCompute });
  const shown = { fromMs: 0, toMs: 150 };
  /** At 150 ms, at compute, until 5 s. */
  const heldOnBy = (held: Partial<Held>, until: { readonly untilMs: number; readonly isFirm: boolean }) => {
    const before = { sinceMs: 0, untilMs: 5_000, promisedUs: 100, refutedShare: 0, firmUntilMs: -Infinity, ...held };
    const tried = { ...also.tried("a", 0), trials: { ...NO_TRIALS, held: before } };
    return heldAlong(tried, shown, until, 150).held;
  };

  test.each([false, true])("is so for longer when a plan proves better, proof or none", (isProof) => {
    const refutedShare = isProof ? 1 : 0;
    const longer = { untilMs: 9_000, isFirm: false };
    expect(heldOnBy({ refutedShare }, longer)).toMatchObject({
      untilMs: 9_000,
      refutedShare,
      firmUntilMs: -Infinity,
    });
    expect(heldOnBy({ refutedShare }, { untilMs: 2_000, isFirm: false })?.untilMs).toBe(5_000);
  });

  test("stays whatever is promised after a mistake, until its back-off is over and no longer, if it was held along only", () => {
    expect(heldOnBy({}, { untilMs: 9_000, isFirm: true })).toMatchObject({ untilMs: 9_000, firmUntilMs: 9_000 });
    expect(heldOnBy({}, { untilMs: 2_000, isFirm: true })).toMatchObject({ untilMs: 5_000, firmUntilMs: 2_000 });
    const firm = { firmUntilMs: 2_000 };
    expect(heldOnBy(firm, { untilMs: 9_000, isFirm: true })).toMatchObject({ untilMs: 9_000, firmUntilMs: 9_000 });
    expect(heldOnBy(firm, { untilMs: 9_000, isFirm: false })).toMatchObject({ untilMs: 9_000, firmUntilMs: 2_000 });
  });

  test("is held to what its calls take beside what others do now, unless that was a mistake of theirs", () => {
    expect(heldOnBy({}, { untilMs: 9_000, isFirm: false })).toMatchObject({ promisedUs: 4_000 });
    expect(heldOnBy({}, { untilMs: 9_000, isFirm: true })).toMatchObject({ promisedUs: 100 });
  });

  test("is as before after a mistake of others, where it is held for a proof of its own", () => {
    const proof = { untilMs: 5_000, firmUntilMs: -Infinity };
    expect(heldOnBy({ refutedShare: 1 }, { untilMs: 9_000, isFirm: true })).toMatchObject(proof);
  });
});

describe("what was promised of walks", () => {
  const isHeldBy = ({ profiles, nowMs }: Load, held: Held): boolean =>
    isHeldAlone(profiles.get("a")!, { share: 0, trials: { ...NO_TRIALS, held }, overflowMin: 0 }, nowMs);

  const isHeldThen = (work: number, slowed: number, promisedBytes = 10_000): boolean => {
    const load = Load.ofWalks();
    const sinceMs = load.nowMs;
    const held = { sinceMs, untilMs: Infinity, promisedUs: 4_000, promisedBytes, refutedShare: 1, firmUntilMs: 0 };
    load.run(250, { a: walks("compute", 20, work, slowed) });
    return isHeldBy(load, held);
  };

  test("holds while they take longer for being more work, and not where the same work does", () => {
    expect(isHeldThen(3, 1)).toBe(true);
    expect(isHeldThen(3, 2)).toBe(false);
    expect(isHeldThen(0.5, 3)).toBe(false);
  });

  /** Calls as promised for a while, none for another, and then for so long in cores that are slow: each so many times as long as it is by that. */
  const isHeldInSlowCores = (
    ms: number,
    times: number,
    slowTimes: number,
    promisedMs = 1_500,
    noneMs = 0,
    afterMs = 0,
  ): boolean => {
    const load = Load.ofWalks();
    const held = { sinceMs: load.nowMs, untilMs: Infinity, promisedUs: 4_000, refutedShare: 1, firmUntilMs: 0 };
    const slowed = { cpuUs: 1_000 * slowTimes, slowedUs: 1_000 * (slowTimes - 1) };
    load
      .run(promisedMs, { a: walks("compute", 20, 1) })
      .run(noneMs, {})
      .run(ms, { a: walks("compute", 10, 1, slowTimes * times, slowed) })
      .run(afterMs, {});
    return isHeldBy(load, held);
  };

  test("holds while they take longer since cores are slow for a moment, and not where they take longer still, or cores stay so", () => {
    expect(isHeldInSlowCores(250, 1, 2)).toBe(true);
    expect(isHeldInSlowCores(250, 2, 1)).toBe(false);
    expect(isHeldInSlowCores(250, 1.5, 2)).toBe(false);
    expect(isHeldInSlowCores(1_500, 1, 2)).toBe(false);
  });

  test("… nor where none had come for a while before cores became slow", () => {
    expect(isHeldInSlowCores(250, 1, 2, 1_500, 2_000)).toBe(true);
    expect(isHeldInSlowCores(1_500, 1, 2, 1_500, 2_000)).toBe(false);
    expect(isHeldInSlowCores(250, 1, 2, 1_500, 1_200)).toBe(true);
    expect(isHeldInSlowCores(250, 1, 2, 1_500, 700)).toBe(true);
  });

  /** As promised for 1.5 s; then in waves that far apart, for three seconds, in cores that stay slow. */
  const isHeldInWaves = (everyMs: number): boolean => {
    const load = Load.ofWalks();
    const held = { sinceMs: load.nowMs, untilMs: Infinity, promisedUs: 4_000, refutedShare: 1, firmUntilMs: 0 };
    load.run(1_500, { a: walks("compute", 20, 1) });
    for (let atMs = 0; atMs < 3_000; atMs += everyMs) {
      load
        .run(everyMs - WINDOW_MS, {})
        .run(WINDOW_MS, { a: walks("compute", 40, 1, 2, { cpuUs: 2_000, slowedUs: 1_000 }) });
    }
    return isHeldBy(load, held);
  };

  test("… but not where they stay slow for calls that come in waves", () => {
    expect([100, 200, 400, 500, 1_000].map(isHeldInWaves)).toEqual([false, false, false, false, true]);
  });

  test("… nor where calls in slow cores have come now and then before such a moment", () => {
    const load = Load.ofWalks();
    const held = { sinceMs: load.nowMs, untilMs: Infinity, promisedUs: 4_000, refutedShare: 1, firmUntilMs: 0 };
    const slow = walks("compute", 40, 1, 2, { cpuUs: 2_000, slowedUs: 1_000 });
    const usual = { ...walks("compute", 1, 1), cpuUs: 1_000 };
    for (const calls of [usual, usual, slow]) load.run(475, {}).run(WINDOW_MS, { a: calls });
    expect(isHeldBy(load, held)).toBe(true);
  });

  test("… nor where none come after a moment in which they were", () => {
    expect([0, 500, 1_000, 1_250].map((afterMs) => isHeldInSlowCores(250, 1, 2, 1_500, 0, afterMs))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test("… nor before it is as old as it takes to tell a moment from another load", () => {
    expect([1_250, 1_475, 1_500].map((ms) => isHeldInSlowCores(ms, 1, 2, 0))).toEqual([true, true, false]);
  });

  test.each([0, 50, 200])("… however short it has been held before: %d ms", (promisedMs) => {
    expect(isHeldInSlowCores(250, 1, 2, promisedMs)).toBe(true);
    expect(isHeldInSlowCores(250, 1.5, 2, promisedMs)).toBe(false);
    expect(isHeldInSlowCores(1_500, 1, 2, promisedMs)).toBe(false);
  });

  test("holds for calls as long as it was of, where nobody knows how much work these were", () => {
    expect(isHeldThen(3, 1, 0)).toBe(false);
    expect(isHeldThen(0.5, 2, 0)).toBe(true);
  });
});

test("who is held is held against what did worse than the plan that has done better since, and than that", () => {
  const load = Load.warm().run(250, { a: atCompute });
  const held = { sinceMs: 0, untilMs: 9_000, promisedUs: 1, refutedShare: 1, firmUntilMs: -Infinity };
  const timesAfter = (before: number | undefined, worseTimes: number | undefined) => {
    const trials = { ...NO_TRIALS, held: { ...held, ...(before !== undefined && { worseTimes: before }) } };
    const hold = { untilMs: 9_000, isFirm: false, ...(worseTimes !== undefined && { worseTimes }) };
    return heldAlong(load.tried("a", 0, { trials }), { fromMs: 0, toMs: 250 }, hold, 250).held!.worseTimes;
  };
  expect([timesAfter(undefined, 1.25), timesAfter(1.2, 1.25), timesAfter(3, 2)]).toEqual([1.25, 1.5, 4]);
  expect([timesAfter(1.2, undefined), timesAfter(undefined, undefined)]).toEqual([1.2, undefined]);
});

describe("what was promised of two functions that are held", () => {
  interface Two {
    readonly forMs?: number;
    /** So long they have kept it before. */
    readonly asPromisedMs?: number;
    readonly bCount?: number;
    readonly weights?: readonly [a: number, b: number];
    readonly aPromisedUs?: number;
    /** How many times as long calls took in the plans that did worse than where `a` is held, and `b`. */
    readonly worseTimes?: readonly [a: number | undefined, b: number | undefined];
  }

  /** What becomes of it, all together, where their calls take so many times what was promised; null: none of b's end. */
  const planAt = (
    aTimes: number,
    bTimes: number | null,
    { forMs = 250, asPromisedMs = 0, bCount = 10, weights = [1, 1], aPromisedUs = 1_000, worseTimes }: Two = {},
  ): HeldPlan => {
    const load = new Load().warm({ a: [atCompute], b: [atStorage] });
    const held = (promisedUs: number, times?: number) => {
      const promise = { sinceMs: load.nowMs, untilMs: Infinity, promisedUs, refutedShare: 1, firmUntilMs: 0 };
      return { ...NO_TRIALS, held: times === undefined ? promise : { ...promise, worseTimes: times } };
    };
    const trials = { a: held(aPromisedUs, worseTimes?.[0]), b: held(4_000, worseTimes?.[1]) };
    const a = (times: number) => ({ side: "compute", count: 40, elapsedUs: 1_000 * times }) as const;
    const b = (times: number) => ({ side: "storage", count: bCount, elapsedUs: 4_000 * times }) as const;
    load.run(asPromisedMs, { a: a(1), b: b(1) });
    load.run(forMs, { a: a(aTimes), ...(bTimes !== null && { b: b(bTimes) }) });
    const of = (name: "a" | "b", weight: number) => ({
      profile: load.profiles.get(name)!,
      trials: trials[name],
      weight,
    });
    return heldPlanOf([of("a", weights[0]), of("b", weights[1])], load.nowMs);
  };
  const isKept = (...how: Parameters<typeof planAt>): boolean => planAt(...how) === "kept";

  test("is kept where those of one take longer and those of the other as much less, and not where all together do", () => {
    expect([isKept(1, 1), isKept(1.4, 1.4), isKept(1.8, 1)]).toEqual([true, false, false]);
    expect([isKept(1.4, 0.5), isKept(0.5, 1.4), isKept(1.8, 0.5)]).toEqual([true, true, false]);
  });

  test("is better where all take longer, as long as they take less than in the plan that did worse", () => {
    const at = (times: number, ...worseTimes: readonly [number, number]) => planAt(times, times, { worseTimes });
    expect([at(1.25, 1.3, 1.3), at(1.35, 1.3, 1.3)]).toEqual(["better", "broken"]);
    // In the plan of the other one they took less.
    expect([at(1.25, 1.3, 1.1), at(1, 1.01, 1.01)]).toEqual(["broken", "kept"]);
    expect(planAt(1.25, 1.25, { worseTimes: [1.3, undefined] }), "of one nobody knows").toBe("better");
    expect(planAt(1.25, 1.25), "nobody knows what they took there").toBe("broken");
  });

  test("counts each function's calls by its weight", () => {
    expect([isKept(1.4, 0.5, { weights: [10, 1] }), isKept(1.4, 0.5, { weights: [1, 10] })]).toEqual([false, true]);
  });

  test("is not told from those of one alone where the other's are about to end", () => {
    expect([isKept(1.4, null, { asPromisedMs: 1_000 }), isKept(1.4, null, { forMs: 1_500 })]).toEqual([true, false]);
  });

  test("is kept where few calls take longer than it is known by", () => {
    expect([isKept(1, 2, { forMs: 75, bCount: 1 }), isKept(1, 2, { forMs: 75 })]).toEqual([true, false]);
  });

  test("is nothing where none has ended, or nobody knows what was promised", () => {
    expect([heldPlanOf([], 0), planAt(1, 1, { forMs: 0 }), planAt(1, 1, { aPromisedUs: 0 })]).toEqual([
      "broken",
      "broken",
      "broken",
    ]);
  });
});

test("what was refuted of such calls before is so again; that cores were slow in the last trial of them says nothing of now", () => {
  const tie = { ms: 500, untilMs: 100, givesWay: true, ties: 2 } as const;
  const known = { fruitless: 2, backOffs: new Map([["storage", { ...tie, isSlowed: true as const }]]) };
  expect(refutedAgain(known, 500)).toEqual({ fruitless: 2, backOffs: new Map([["storage", tie]]) });
});
