import { describe, expect, test } from "vitest";
import { NO_BREACHES } from "./p99-bound.ts";
import { FREE_RULES } from "./situation.ts";
import { reasonText } from "./reason.ts";

type Placed = Parameters<typeof reasonText>[0];
type PlacedSide = NonNullable<Placed["sides"]>["compute"];

const NOW_MS = 1_800_000_000_000;
const NO_TERMS = { call: 0, enter: 0, cpu: 0, operations: 0, rounds: 0, bytes: 0, crowd: 0 };

/** A side that is well known; all of its time goes on rounds unless said otherwise. */
const sideOf = (latencyUs: number, change: Partial<PlacedSide> = {}): PlacedSide => ({
  cost: {
    latencyUs,
    aloneUs: latencyUs,
    terms: { ...NO_TERMS, rounds: latencyUs },
    computeUs: 0,
    storageUs: 0,
    redisUs: 0,
  },
  predictedUs: latencyUs,
  measuredUs: latencyUs,
  measuredCallUs: 0,
  error: 0.01,
  calls: 100,
  callsInAll: 100,
  lastMs: NOW_MS,
  p99Us: null,
  ...change,
});

const reasonOf = (compute: PlacedSide, storage: PlacedSide, change: Partial<Placed> = {}): string =>
  reasonText({
    state: "compute",
    share: 0,
    retryAtMs: { compute: 0, storage: 0 },
    held: null,
    isCrowded: false,
    hasStorage: true,
    isWarm: { compute: true, storage: true },
    refutedUntilMs: { compute: -Infinity, storage: -Infinity },
    breaches: NO_BREACHES,
    rules: FREE_RULES,
    demand: { operations: 4, rounds: 2, bytes: 100, cpuUs: 10 },
    sides: { compute, storage },
    transitions: [],
    nowMs: NOW_MS,
    ...change,
  });

const moved = (why: Placed["transitions"][number]["why"]): Partial<Placed> => ({
  transitions: [{ atMs: NOW_MS, function: "f", from: "storage", to: "compute", fromShare: 1, toShare: 0, why }],
});

const UNKNOWN = { calls: 0, callsInAll: 0, lastMs: null, measuredUs: null, measuredCallUs: null, predictedUs: null };

describe("the reason", () => {
  test("is the term that makes most of the difference, where a function is where it is faster", () => {
    expect(reasonOf(sideOf(400), sideOf(500))).toBe(
      "A call takes 400 µs at compute and 500 µs at storage: at storage 100 µs more go on waiting for its 2 rounds.",
    );
  });

  test("is what the model knows before what it does not, where that is a tenth of this or more", () => {
    const crowded = (rounds: number, crowd: number) => {
      const side = sideOf(400 + rounds + crowd);
      return { ...side, cost: { ...side.cost, terms: { ...NO_TERMS, rounds: 400 + rounds, crowd } } };
    };
    expect(reasonOf(sideOf(400), crowded(100, 800))).toBe(
      "A call takes 400 µs at compute and 1.30 ms at storage: at storage 100 µs more go on waiting for its 2 rounds, and 800 µs on what the model does not know, such as waiting for others.",
    );
    expect(reasonOf(sideOf(400), crowded(70, 800))).toContain(
      ": at storage 800 µs more go on what the model does not know, such as waiting for others.",
    );
  });

  test.each([
    [1, "by 1 call only"],
    [7, "by 7 calls only"],
  ])("says of a figure that %i calls are behind it that these are few", (calls, few) => {
    expect(reasonOf(sideOf(400, { calls, callsInAll: calls }), sideOf(500, UNKNOWN))).toContain(
      `400 µs at compute (${few}) and 500 µs at storage (by the model)`,
    );
  });

  test("says how many calls are missing for a decision", () => {
    const [compute, storage] = [sideOf(400, { calls: 3, callsInAll: 3 }), sideOf(500, UNKNOWN)];
    expect(reasonOf(compute, storage, { state: "profiling" })).toBe(
      "3 calls of it are known, and a decision takes 8: it runs at compute until then.",
    );
  });

  test("says what a move would save, and what it has to, where that is too little", () => {
    expect(reasonOf(sideOf(500), sideOf(490))).toBe(
      "A call takes 500 µs at compute and 490 µs at storage: all at storage would save 10 µs a call (2 %), and a move must save more than 25 µs (5 %).",
    );
    expect(reasonOf(sideOf(500, { error: 0.06 }), sideOf(450, { error: 0.08 }))).toBe(
      "A call takes 500 µs at compute and 450 µs at storage: all at storage would save 50 µs a call (10 %), and a move must save more than 100 µs (20 %), twice what these figures may be wrong by.",
    );
  });

  test("says that a trial there was clearly worse, while it counts", () => {
    const refutedUntilMs = { compute: -Infinity, storage: NOW_MS + 4_000 };
    const reason = (change: Partial<Placed>) => reasonOf(sideOf(500), sideOf(300), { refutedUntilMs, ...change });
    expect(reason({})).toBe(
      "A call takes 500 µs at compute and 300 µs at storage: a trial with all of its calls there was clearly worse, which counts for up to 4.00 s more while a part is too busy.",
    );
    expect(reason({ nowMs: NOW_MS + 4_000 })).toContain("it moves when that makes no part too busy.");
  });

  test("says that storage runs nothing, where it would go", () => {
    expect(reasonOf(sideOf(500), sideOf(300), { hasStorage: false })).toBe(
      "A call takes 500 µs at compute and 300 µs at storage: storage runs nothing.",
    );
  });

  test("says that what is saved of a crowd is doubtful", () => {
    const crowded = sideOf(1_000);
    const cost = { ...crowded.cost, terms: { ...NO_TERMS, rounds: 200, crowd: 800 } };
    expect(reasonOf({ ...crowded, cost }, sideOf(700))).toBe(
      "A call takes 1.00 ms at compute and 700 µs at storage: all at storage would save 300 µs a call (30 %), and a move must save more than 428 µs (43 %), since much of a call is beyond the model, such as waiting for others, and changes with every move.",
    );
  });

  test("says that the figures are not known well enough, where a move would have to save more than a call takes", () => {
    expect(reasonOf(sideOf(2_600_000, { error: 1 }), sideOf(2_369_000, { error: 1.4 }))).toBe(
      "A call takes 2.60 s at compute and 2.37 s at storage: what all at storage would save is not known well enough yet, as these figures may be wrong by more than a call takes.",
    );
  });

  test.each([
    [null, 0.86, "all of its calls ran at storage for a moment, calls of all functions took 14 % less time"],
    ["g", 0.5, "all of its calls and of g's ran at storage for a moment, calls of all functions took 50 % less time"],
    [null, 1, "all of its calls ran at storage for a moment, calls of all functions took no more time"],
  ])("says what a trial (with %s, ratio %f) found against the figures", (partner, ratio, found) => {
    const change = moved({ kind: "tried", side: "storage", partner, ratio, isKept: true, brokenOff: null });
    expect(reasonOf(sideOf(453), sideOf(901), { ...change, isCrowded: true, state: "storage", share: 1 })).toBe(
      `A call takes 901 µs at storage and 453 µs at compute: but when ${found}, so it stays.`,
    );
  });

  test("says the same of a split, and where its calls run", () => {
    expect(reasonOf(sideOf(500), sideOf(490), { state: "split", share: 0.25 })).toBe(
      "A call takes 500 µs at compute and 490 µs at storage, and 25 % of it runs at storage: all at storage would save 8 µs a call (1.5 %), and a move must save more than 25 µs (5 %).",
    );
  });

  test.each<[string, Partial<PlacedSide>, Partial<Placed>, string]>([
    [
      "that a busy part is spared",
      {},
      { ...moved({ kind: "overload", from: 0.95, to: 0.8, noise: 0.1 }), isCrowded: true },
      "where it is, the busiest part is at 80 % instead of 95 %",
    ],
    [
      "that a move was taken back",
      {},
      { state: "reverting", retryAtMs: { compute: 0, storage: NOW_MS + 4_000 } },
      "a move there was taken back, and is tried again in 4.00 s",
    ],
    [
      "nothing of a move back where it may go there",
      {},
      { state: "reverting", retryAtMs: { compute: NOW_MS + 4_000, storage: -Infinity } },
      "it moves when that makes no part too busy",
    ],
    [
      "that a bound is broken there",
      { p99Us: 9_000 },
      { rules: { ...FREE_RULES, p99UnderUs: 5_000 } },
      "storage breaks its bound of 5.00 ms on the 99th percentile",
    ],
    [
      "that a bound was broken there, and how long it is closed for that",
      { p99Us: 100 },
      {
        rules: { ...FREE_RULES, p99UnderUs: 5_000 },
        breaches: {
          ...NO_BREACHES,
          storage: { p99Us: 9_000, isClosed: true, restMs: 10_000, untilMs: NOW_MS + 4_000 },
        },
      },
      "storage broke its bound of 5.00 ms on the 99th percentile, with 9.00 ms, and is open again in 4.00 s at the earliest",
    ],
    [
      "that visits come first",
      {},
      { isWarm: { compute: true, storage: false } },
      "it moves when 3 calls have visited that side lately",
    ],
    ["that there is no room for it", {}, {}, "it moves when that makes no part too busy"],
  ])("says where a move would be worth it %s", (_what, storage, change, reason) => {
    const where = change.state === "reverting" ? ", and it runs at compute" : "";
    expect(reasonOf(sideOf(1_000), sideOf(500, storage), change)).toBe(
      `A call takes 1.00 ms at compute and 500 µs at storage${where}: ${reason}.`,
    );
  });

  test.each(["probing", "reverting"] as const)("says where it is while it is %s", (state) => {
    expect(reasonOf(sideOf(900), sideOf(500), { state, share: 1 })).toMatch(
      /^A call takes 500 µs at storage and 900 µs at compute, and it runs at storage: at compute 400 µs more go on /,
    );
    expect(reasonOf(sideOf(900), sideOf(500), { state, share: 0.6, hasStorage: false })).toBe(
      "A call takes 500 µs at storage and 900 µs at compute, and 60 % of it runs at storage: storage runs nothing.",
    );
  });

  test.each<[string, Placed["transitions"][number]["why"], string]>([
    [
      "a part was too busy",
      { kind: "overload", from: 0.95, to: 0.8, noise: 0.1 },
      "it was moved at 2027-01-15T08:00:00.000Z, when the busiest part was at 95 %",
    ],
    ["somebody had pinned it", { kind: "freed" }, "it was pinned where it is until 2027-01-15T08:00:00.000Z"],
    [
      "of a trial",
      { kind: "tried", side: "compute", partner: null, ratio: 0.86, isKept: true, brokenOff: null },
      "it was moved at 2027-01-15T08:00:00.000Z, when all of its calls ran at compute for a moment and calls of all functions took 14 % less time",
    ],
  ])(
    "says that it was moved because %s as what was, and why it stays now, where none is too busy",
    (_what, why, was) => {
      const nowMs = NOW_MS + 3_600_000;
      expect(reasonOf(sideOf(1_000), sideOf(500), moved(why))).toBe(
        `A call takes 1.00 ms at compute and 500 µs at storage: ${was}; now it moves when that makes no part too busy.`,
      );
      expect(reasonOf(sideOf(1_000), sideOf(990, { lastMs: nowMs }), { ...moved(why), nowMs })).toContain(
        `${was}; now all at storage would save 10 µs a call (1 %), and a move must save more than 50 µs (5 %).`,
      );
    },
  );

  test.each<[string, Placed["held"], string]>([
    [
      "a trial of its own",
      { untilMs: NOW_MS + 12_000, refutedShare: 1, isFirm: false },
      "since calls took longer with 100 % of it at storage",
    ],
    [
      "a move of others that was taken back",
      { untilMs: NOW_MS + 12_000, refutedShare: 0, isFirm: true },
      "since a move of others was just taken back",
    ],
    [
      "a trial of others",
      { untilMs: NOW_MS + 12_000, refutedShare: 0, isFirm: false },
      "since the plan as it is did better in a trial of others",
    ],
  ])("says of what is held by %s until when, and what has shown it", (_what, held, since) => {
    expect(reasonOf(sideOf(904), sideOf(330), { held })).toBe(
      `A call takes 904 µs at compute and 330 µs at storage: it stays where it is, for up to 12.0 s more while a part is too busy, or would be elsewhere, ${since}.`,
    );
    expect(reasonOf(sideOf(904), sideOf(330), { held: { ...held!, untilMs: NOW_MS } })).not.toContain("stays");
  });

  test("says of a trial how long what it found holds", () => {
    const change = moved({ kind: "tried", side: "compute", partner: null, ratio: 0.86, isKept: true, brokenOff: null });
    const held = { untilMs: NOW_MS + 5_000, refutedShare: 1, isFirm: false };
    expect(reasonOf(sideOf(904), sideOf(330), { ...change, held })).toBe(
      "A call takes 904 µs at compute and 330 µs at storage: but when all of its calls ran at compute for a moment, calls of all functions took 14 % less time, so it stays, for up to 5.00 s more while a part is too busy, or would be elsewhere.",
    );
  });

  test("says that a function that rests is moved when it is called", () => {
    const lastMs = NOW_MS - 12_000;
    expect(reasonOf(sideOf(1_000, { lastMs }), sideOf(500, { lastMs }))).toContain(
      "it was not called for 12.0 s, and moves when it is",
    );
  });

  test("says of what is pinned, or was never called, where it runs", () => {
    expect(reasonOf(sideOf(1), sideOf(1), { state: "pinned", share: 0.5 })).toBe(
      "It is pinned: 50 % of it runs at storage.",
    );
    expect(reasonOf(sideOf(1), sideOf(1), { sides: null, demand: null })).toBe(
      "No call of it is known: it runs at compute until there are some.",
    );
  });
});
