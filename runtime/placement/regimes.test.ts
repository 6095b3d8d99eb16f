import { describe, expect, test } from "vitest";
import type { Demand } from "./cost-model.ts";
import { NO_REGIMES, regimeLike, regimesAfterShift, regimesNow, type Regimes } from "./regimes.ts";

const LIGHT: Demand = { operations: 64, rounds: 64, bytes: 6_400, cpuUs: 100 };
const HEAVY: Demand = { ...LIGHT, cpuUs: 4_000 };
const PROOF = { refutedShare: 0.5, promisedUs: 900 };

const placed = (change: Partial<Parameters<typeof regimesAfterShift>[1]> = {}) => ({
  share: 1,
  state: "storage" as const,
  moved: null,
  sinceMs: 0,
  ...change,
});
/** Calls that needed so much, for a while. */
const after = (demand: Demand, change: Partial<Parameters<typeof regimesNow>[1]> = {}, before: Regimes = NO_REGIMES) =>
  regimesNow(before, { demand, share: 1, proof: null, forMs: 100, ...change });

describe("what calls have been like", () => {
  test("is kept with the share of the end when it is over, if it lasted", () => {
    const { now, known } = regimesAfterShift(after(LIGHT), placed(), 600);
    expect(now).toBeNull();
    expect(known).toEqual([{ demand: LIGHT, share: 1, proof: null }]);
    expect(regimesAfterShift(after(LIGHT), placed(), 400).known).toEqual([]);
    expect(regimesAfterShift(NO_REGIMES, placed(), 600).known).toEqual([]);
  });

  test("is what was known of it in its first half second: later calls may be those that come after it", () => {
    const young = after(HEAVY, { forMs: 400 }, after(LIGHT));
    expect(young.now).toEqual(HEAVY);
    expect(after(LIGHT, { forMs: 600 }, young).now).toEqual(HEAVY);
  });

  test("does not end with a move that was for what comes after it, nor with one that was taken back", () => {
    const moved = { atMs: 900, fromShare: 0, promisedUs: 0, isJudged: true };
    const shareOf = (change: Parameters<typeof placed>[0], nowMs: number) =>
      regimesAfterShift(after(LIGHT), placed(change), nowMs).known[0]?.share;
    expect(shareOf({ moved }, 1_000)).toBe(0);
    expect(shareOf({ moved }, 1_100)).toBe(1);
    expect(shareOf({ moved, state: "reverting" }, 1_000)).toBe(1);
  });

  test("has the proof of its share, and none of another", () => {
    const proven = after(LIGHT, { proof: PROOF });
    // It outlives the hold: that ends with the first calls that are others.
    const later = after(LIGHT, { forMs: 900 }, proven);
    expect(regimesAfterShift(later, placed(), 1_000).known[0]?.proof).toEqual({ share: 1, ...PROOF });
    expect(regimesAfterShift(later, placed({ share: 0.4 }), 1_000).known[0]?.proof).toBeNull();
  });

  test("is known by its calls: alike is what needs as much, within 30 %", () => {
    let regimes = regimesAfterShift(after(LIGHT), placed(), 600);
    regimes = regimesAfterShift(after(HEAVY, {}, regimes), placed({ share: 0.5, sinceMs: 600 }), 1_300);
    expect(regimeLike(regimes, { ...LIGHT, cpuUs: 110, rounds: 70 })?.share).toBe(1);
    expect(regimeLike(regimes, { ...HEAVY, cpuUs: 3_300 })?.share).toBe(0.5);
    expect(regimeLike(regimes, { ...LIGHT, cpuUs: 700 })).toBeNull();
    expect(regimeLike(regimes, { ...LIGHT, rounds: 30 })).toBeNull();
  });

  test("differs by nothing where both are next to nothing", () => {
    const none: Demand = { operations: 0, rounds: 0, bytes: 0, cpuUs: 1 };
    const regimes = regimesAfterShift(after(none), placed({ share: 0 }), 600);
    expect(regimeLike(regimes, { ...none, cpuUs: 5, bytes: 10 })?.share).toBe(0);
  });

  test("is kept once, as it was last, and of four kinds", () => {
    let regimes: Regimes = NO_REGIMES;
    const pass = (demand: Demand, share: number, fromMs: number): void => {
      regimes = regimesAfterShift(after(demand, {}, regimes), placed({ share, sinceMs: fromMs }), fromMs + 600);
    };
    pass(LIGHT, 1, 0);
    pass({ ...LIGHT, cpuUs: 105 }, 0, 1_000);
    expect(regimes.known.map(({ share }) => share)).toEqual([0]);
    for (const [at, cpuUs] of [1_000, 2_000, 4_000, 8_000].entries()) pass({ ...LIGHT, cpuUs }, at / 10, 2_000 + at);
    expect(regimes.known.map(({ demand }) => demand.cpuUs)).toEqual([8_000, 4_000, 2_000, 1_000]);
  });
});
