import { describe, expect, test } from "vitest";
import type { Demand } from "./cost-model.ts";
import { NO_REGIMES, regimeComeBack, regimeLike, regimesAfterShift, regimesNow, type Regimes } from "./regimes.ts";
import { NO_TRIALS } from "./trials.ts";

const LIGHT: Demand = { operations: 64, rounds: 64, bytes: 6_400, cpuUs: 100 };
const HEAVY: Demand = { ...LIGHT, cpuUs: 4_000 };
const NONE_REFUTED = { backOffs: new Map(), fruitless: 0 };
const PROOF = { refutedShare: 0.5, promisedUs: 900, promisedBytes: 100 };

type Ended = Parameters<typeof regimesAfterShift>[0];

/** What was so is over. */
const shifted = (regimes: Regimes, nowMs: number, change: Partial<Ended> = {}) =>
  regimesAfterShift({ share: 1, state: "storage", moved: null, trials: NO_TRIALS, regimes, ...change }, nowMs);
const regimesAfter = (...how: Parameters<typeof shifted>): Regimes => shifted(...how).regimes;
/** Calls that needed so much, for a while. */
const after = (demand: Demand, change: Partial<Parameters<typeof regimesNow>[1]> = {}, before: Regimes = NO_REGIMES) =>
  regimesNow(before, { demand, share: 1, proof: null, forMs: 100, nowMs: 100, ...change });

describe("what calls have been like", () => {
  test("is kept with the share of the end when it is over, if it lasted", () => {
    const { now, known } = regimesAfter(after(LIGHT), 600);
    expect(now).toBeNull();
    expect(known).toEqual([{ demand: LIGHT, share: 1, proof: null, refuted: NONE_REFUTED }]);
    expect(regimesAfter(after(LIGHT), 400).known).toEqual([]);
    expect(regimesAfter(NO_REGIMES, 600).known).toEqual([]);
  });

  test("is what was known of it in its first half second: later calls may be those that come after it", () => {
    const young = after(HEAVY, { forMs: 400 }, after(LIGHT));
    expect(young.now).toEqual(HEAVY);
    expect(after(LIGHT, { forMs: 600 }, young).now).toEqual(HEAVY);
  });

  test("does not end with a move that was for what comes after it, nor with one that was taken back", () => {
    const moved = { atMs: 900, by: "model", fromShare: 0, promisedUs: 0, isJudged: true } as const;
    const shareOf = (change: Partial<Ended>, nowMs: number) =>
      regimesAfter(after(LIGHT), nowMs, change).known[0]?.share;
    expect(shareOf({ moved }, 1_000)).toBe(0);
    expect(shareOf({ moved }, 1_100)).toBe(1);
    expect(shareOf({ moved, state: "reverting" }, 1_000)).toBe(1);
  });

  test("is nothing where it began: what nobody had looked at for half a second when it was left has not been found", () => {
    const moved = { atMs: 490, by: "model", fromShare: 1, promisedUs: 0, isJudged: false } as const;
    // Known at 400 ms, moved at 490, and over at 600, when its code had been compiled.
    const known = after(LIGHT, { forMs: 400, nowMs: 400 });
    expect(regimesAfter(known, 600, { moved, share: 0.4 }).known).toEqual([]);
    expect(regimesAfter(known, 899).known).toEqual([]);
    expect(regimesAfter(known, 900).known).toHaveLength(1);
    // Who takes over a plan does not know since when calls have been what they are.
    const takenOver = after(LIGHT, { forMs: Infinity, nowMs: 400 });
    expect(regimesAfter(takenOver, 899).known).toEqual([]);
    expect(regimesAfter(takenOver, 900).known).toHaveLength(1);
  });

  test("is taken for those before three times at most: what seems now the one and now the other is neither", () => {
    let regimes = regimesAfter(after(LIGHT), 600);
    regimes = regimesAfter(after(HEAVY, { nowMs: 700 }, regimes), 1_300, { share: 0 });
    const comeBack = (demand: Demand) => {
      const back = regimeComeBack(regimes, demand, 100);
      if (back !== null) regimes = { ...regimes, recalled: [...regimes.recalled, back] };
      return back?.share;
    };
    expect([LIGHT, HEAVY, LIGHT, HEAVY, LIGHT].map(comeBack)).toEqual([1, 0, 1, undefined, undefined]);
    // Where that has left it nothing was found, …
    const { known } = regimes;
    const between = { ...LIGHT, cpuUs: 700 };
    const pass = (proof: typeof PROOF | null, by: "recall" | "model") => {
      const moved = { atMs: 1_420, by, fromShare: 0, promisedUs: 0, isJudged: true } as const;
      return shifted(after(between, { proof, nowMs: 1_400 }, regimes), 2_000, { moved });
    };
    expect(pass(null, "recall")).toMatchObject({ isKept: false, regimes: { known, recalled: [] } });
    // … unless a trial has shown it since, or the model has moved it.
    expect(pass(PROOF, "recall").regimes.known).toHaveLength(3);
    expect(pass(null, "model").regimes.known).toHaveLength(3);
  });

  test("ends where a trial has put it, however shortly before, and is kept for that however short it was", () => {
    const moved = { atMs: 350, by: "model", fromShare: 0, promisedUs: 0, isJudged: true } as const;
    const [kept] = regimesAfter(after(LIGHT, { proof: PROOF }), 400, { moved }).known;
    expect(kept).toMatchObject({ share: 1, proof: { share: 1, ...PROOF } });
    // The proof is of another share.
    expect(regimesAfter(after(LIGHT, { proof: PROOF }), 400, { moved, share: 0.4 }).known).toEqual([]);
  });

  test("has the proof of its share, and none of another", () => {
    const proven = after(LIGHT, { proof: PROOF });
    // It outlives the hold: that ends with the first calls that are others.
    const later = after(LIGHT, { forMs: 900 }, proven);
    expect(regimesAfter(later, 1_000).known[0]?.proof).toEqual({ share: 1, ...PROOF });
    expect(regimesAfter(later, 1_000, { share: 0.4 }).known[0]?.proof).toBeNull();
  });

  test("is known by its calls: alike is what needs as much, within twice", () => {
    let regimes = regimesAfter(after(LIGHT), 600);
    regimes = regimesAfter(after(HEAVY, { nowMs: 700 }, regimes), 1_300, { share: 0.5 });
    expect(regimeLike(regimes, { ...LIGHT, cpuUs: 180, rounds: 70 })?.share).toBe(1);
    expect(regimeLike(regimes, { ...HEAVY, cpuUs: 2_300 })?.share).toBe(0.5);
    expect(regimeLike(regimes, { ...LIGHT, cpuUs: 700 })).toBeNull();
    expect(regimeLike(regimes, { ...LIGHT, rounds: 30 })).toBeNull();
  });

  test("differs by nothing where both are next to nothing", () => {
    const none: Demand = { operations: 0, rounds: 0, bytes: 0, cpuUs: 1 };
    const regimes = regimesAfter(after(none), 600, { share: 0 });
    expect(regimeLike(regimes, { ...none, cpuUs: 5, bytes: 10 })?.share).toBe(0);
  });

  test("is kept once, as it was last, and of four kinds", () => {
    let regimes: Regimes = NO_REGIMES;
    const pass = (demand: Demand, share: number, fromMs: number): void => {
      regimes = regimesAfter(after(demand, { nowMs: fromMs + 100 }, regimes), fromMs + 600, { share });
    };
    pass(LIGHT, 1, 0);
    pass({ ...LIGHT, cpuUs: 105 }, 0, 1_000);
    expect(regimes.known.map(({ share }) => share)).toEqual([0]);
    for (const [at, cpuUs] of [1_000, 3_000, 9_000, 27_000].entries()) pass({ ...LIGHT, cpuUs }, at / 10, 2_000 + at);
    expect(regimes.known.map(({ demand }) => demand.cpuUs)).toEqual([27_000, 9_000, 3_000, 1_000]);
  });

  test("keeps what was shown of it, until that was held to and left again", () => {
    const proven = regimesAfter(after(LIGHT, { proof: PROOF }), 600);
    const pass = (before: Regimes, share: number) =>
      regimesAfter(after(LIGHT, { share, nowMs: 700 }, before), 1_300, { share }).known[0];
    expect(pass(proven, 0.4)).toMatchObject({ share: 1, proof: PROOF });
    expect(pass({ ...proven, recalled: proven.known }, 0.4)).toMatchObject({ share: 0.4, proof: null });
  });

  test("keeps what was tried and was no good, and says that it does", () => {
    const trials = { ...NO_TRIALS, fruitless: 2, backOffs: new Map([["compute", { ms: 1_000, untilMs: 1_500 }]]) };
    const { regimes, isKept } = shifted(after(LIGHT), 600, { trials });
    expect(isKept).toBe(true);
    expect(regimes.known[0]?.refuted).toEqual({ fruitless: 2, backOffs: trials.backOffs });
    expect(shifted(after(LIGHT), 400, { trials }).isKept).toBe(false);
  });

  test("comes back once, while it is young: until then calls of before end among its own", () => {
    const known = regimesAfter(after(LIGHT), 600);
    expect(regimeComeBack(known, HEAVY, 100)).toBeNull();
    const back = regimeComeBack(known, { ...LIGHT, cpuUs: 130 }, 200);
    expect(back?.share).toBe(1);
    expect(regimeComeBack({ ...known, recalled: known.known }, LIGHT, 300)).toBeNull();
    expect(regimeComeBack(known, LIGHT, 500)).toBeNull();
  });
});
