import { describe, expect, test } from "vitest";
import { calledFunction, type CalledFunction } from "./called-function.ts";
import type { Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { FRESH, type FunctionState } from "./function-state.ts";
import { judgedMove, lastMoves, moved, recalled, relieved, unmoved } from "./moves.ts";
import { modelledCalls, PlayedCalls } from "./played-calls.ts";
import { FREE_RULES } from "./situation.ts";
import { NO_TRIALS } from "./trials.ts";
import { latencyAt } from "./worthwhile-shares.ts";

const CHAIN: Demand = { operations: 16, rounds: 16, bytes: 2_000, cpuUs: 20 };
const HASH: Demand = { operations: 1, rounds: 1, bytes: 100, cpuUs: 5_000 };
const MOVED_MS = 1_000;
const CAPACITY = {
  computeCores: 2,
  storageCores: 1,
  redisThread: 1,
  storageMachineCores: 2,
  sharedCores: Infinity,
  nodes: 1,
  callers: 16,
};

const RESTING: FunctionState = { ...FRESH, state: "compute", share: 0, sinceMs: 0 };
const MOVED: FunctionState = {
  ...FRESH,
  state: "storage",
  share: 1,
  sinceMs: 0,
  moves: 3,
  moved: { atMs: MOVED_MS, by: "model", fromShare: 0, promisedUs: 300, isJudged: false },
};

/** Calls of both, which take so many times as long as they should, and as many fewer end. `slowedPart`: of what they compute so much is that more. */
function callsAt(side: "compute" | "storage", times: number, { hash = HASH, slowedPart = 0 } = {}) {
  const of = (where: typeof side, count: number, demand: Demand) => {
    const modelled = modelledCalls(where, count / times, demand, DEFAULT_CONSTANTS, times);
    return { ...modelled, usage: { ...modelled.usage, slowedUs: slowedPart * (modelled.usage?.cpuUs ?? 0) } };
  };
  return { chain: of(side, 320, CHAIN), hash: of("compute", 8, hash) };
}

/** The chain has gone to storage, where calls take so many times as long as they should, and fewer of them and of the other function end. */
const played = (ms: number, factor: number, how: Parameters<typeof callsAt>[2] = {}): PlayedCalls =>
  new PlayedCalls().run(MOVED_MS, callsAt("compute", 1, how)).run(ms, callsAt("storage", factor, how));

const judged = (
  load: PlayedCalls,
  chain: Partial<FunctionState> = {},
  hash: Partial<FunctionState> = {},
  heardMs = load.nowMs,
) => {
  const situation = load.situation({ heardMs, capacity: CAPACITY });
  const called = (name: string, before: FunctionState): CalledFunction =>
    calledFunction(name, FREE_RULES, before, situation)!;
  const all = [called("chain", { ...MOVED, ...chain }), called("hash", { ...RESTING, ...hash })];
  return judgedMove(all[0]!, lastMoves(all, situation), situation);
};

describe("a move after which calls take longer, and fewer end", () => {
  const slow = played(150, 8);

  test("is taken back, and is not made again for a second, then for longer", () => {
    const { to, why } = judged(slow)!;
    expect(to).toMatchObject({ state: "reverting", share: 0, backOffMs: 1_000, retryAtMs: slow.nowMs + 1_000 });
    expect(to).toMatchObject({ moves: 4, reverts: 1, flaps: 1, moved: { isJudged: true } });
    expect(why).toMatchObject({ kind: "reverted", promisedUs: 300, retryInMs: 1_000 });
    expect(to.doublesUntilMs).toBe(to.retryAtMs + 60_000);
    const backOffAfter = (backOffMs: number, doublesUntilMs = Infinity): number =>
      judged(slow, { backOffMs, doublesUntilMs })!.to.backOffMs;
    expect([backOffAfter(2_000), backOffAfter(50_000)]).toEqual([4_000, 60_000]);
    expect([0, -1].map((afterMs) => backOffAfter(2_000, slow.nowMs + afterMs))).toEqual([4_000, 1_000]);
  });

  describe("while cores are slower than before", () => {
    const SLOW = { slowedPart: 0.8 };
    const slowedFor = (ms: number): PlayedCalls =>
      new PlayedCalls().run(MOVED_MS, callsAt("compute", 1)).run(ms, callsAt("storage", 8, SLOW));

    test("is not judged, nor approved; half a second after its code is warm it is all the same", () => {
      expect([judged(slowedFor(150)), judged(slowedFor(500))]).toEqual([null, null]);
      expect(judged(slowedFor(900))!.to).toMatchObject({ state: "reverting", share: 0 });
    });

    test.each([
      [1, false],
      [3, true],
    ])("for a moment, and calls take %f times as long afterwards: is a mistake: %s", (times, isMistake) => {
      const outcomes = Array.from({ length: 36 }, (_, step) => {
        const [slowMs, ms] = [100, 25 * step];
        const load = new PlayedCalls().run(MOVED_MS, callsAt("compute", 1));
        load.run(Math.min(slowMs, ms), callsAt("storage", 5 * times, SLOW));
        if (ms > slowMs) load.run(ms - slowMs, callsAt("storage", times));
        return judged(load)?.to.state ?? null;
      });
      const [first = "none"] = outcomes.filter((state) => state !== null);
      expect(first).toBe(isMistake ? "reverting" : "storage");
    });
  });

  test("is not judged before it has had 100 ms, nor twice", () => {
    expect(judged(played(75, 8))).toBeNull();
    expect(judged(slow, {}, {}, slow.nowMs - 75)).toBeNull();
    expect(judged(slow, { moved: { ...MOVED.moved!, isJudged: true } })).toBeNull();
    expect(judged(slow, { moved: null })).toBeNull();
  });

  test.each([
    ["another function moved since", { moved: { ...MOVED.moved!, atMs: MOVED_MS + 1 } }],
    ["a trial of another function ended since", { trials: { ...NO_TRIALS, endedMs: MOVED_MS + 1 } }],
    ["the calls of another function changed since", { sinceMs: MOVED_MS + 1 }],
    ["the calls of another function changed shortly before", { sinceMs: MOVED_MS - 149 }],
  ] as const)("stays where %s, and for good: nobody can tell what did it", (_, hash) => {
    const { to, why } = judged(slow, {}, hash)!;
    expect(to).toMatchObject({ state: "storage", share: 1, reverts: 0, moved: { isJudged: true } });
    expect(why).toBeNull();
  });

  test.each([
    { moved: { ...MOVED.moved!, atMs: MOVED_MS + 1 } },
    { trials: { ...NO_TRIALS, endedMs: MOVED_MS + 1 } },
    { sinceMs: MOVED_MS + 1 },
  ])("is taken back where what does little of the work moved, ended a trial or changed since: %o", (hash) => {
    const slight = played(150, 8, { hash: { ...HASH, cpuUs: 50 } });
    expect(judged(slight, {}, hash)?.why).toMatchObject({ kind: "reverted" });
  });

  test("is taken back where others moved at the same time or before, and their calls changed long before", () => {
    const hash = { moved: MOVED.moved, trials: { ...NO_TRIALS, endedMs: MOVED_MS }, sinceMs: MOVED_MS - 150 };
    expect(judged(slow, {}, hash)?.why).toMatchObject({ kind: "reverted" });
  });
});

test("a move after which calls do well is looked at once, and stays", () => {
  const { to, why } = judged(played(150, 1))!;
  expect(to).toMatchObject({ state: "storage", share: 1, reverts: 0, moved: { isJudged: true } });
  expect(why).toBeNull();
});

describe("a move that the model wants undone", () => {
  /** `agoMs` after it was made and found to do well: calls take no longer than was promised. */
  const undone = (agoMs: number, change: Partial<FunctionState> = {}, load = played(agoMs, 1)) => {
    const situation = load.situation({ capacity: CAPACITY });
    const before = {
      ...MOVED,
      sinceMs: -10_000,
      moved: { ...MOVED.moved!, promisedUs: 1e6, isJudged: true },
      ...change,
    };
    const called = calledFunction("chain", FREE_RULES, before, situation)!;
    const gain = { kind: "overload", from: 1, to: 0.8, noise: 0 } as const;
    return moved(called, { share: 0, gain }, situation.nowMs);
  };

  test("at once is a mistake of the model's", () => {
    expect(undone(275)).toMatchObject({ to: { state: "reverting", share: 0, reverts: 1 }, why: { kind: "reverted" } });
  });

  test.each(["surge", "trial", "recall", "revert"] as const)("at once is none, where a %s has made it", (by) => {
    const moved = { ...MOVED.moved!, by, promisedUs: 1e6, isJudged: true };
    expect(undone(275, { moved })).toMatchObject({ to: { share: 0, reverts: 0 }, why: { kind: "overload" } });
  });

  const NONE = null;
  const USUAL = { slowedPart: 0 };
  const SLOWER = { slowedPart: 0.3 };
  const SLOW = { slowedPart: 0.8 };

  /** Calls at storage after the move, for so long each in cores that are so slow. */
  const after = (...pieces: readonly (readonly [ms: number, cores: typeof SLOW | null])[]): PlayedCalls => {
    const load = new PlayedCalls().run(MOVED_MS, callsAt("compute", 1));
    for (const [ms, cores] of pieces) load.run(ms, cores === null ? {} : callsAt("storage", 1, cores));
    return load;
  };

  test("at once is none, where cores are so much slower than before that nothing is known of that side", () => {
    expect(undone(275, {}, after([275, SLOW]))).toMatchObject({ to: { share: 0, reverts: 0 } });
    expect(undone(275, {}, after([275, SLOWER]))).toMatchObject({ to: { share: 0, reverts: 1 } });
  });

  test("at once is one, where cores are only so much quicker than before", () => {
    const slowBefore = new PlayedCalls()
      .run(MOVED_MS, callsAt("compute", 1, { slowedPart: 0.8 }))
      .run(275, callsAt("storage", 1));
    expect(undone(275, {}, slowBefore)).toMatchObject({ to: { share: 0, reverts: 1 } });
  });

  /** Whether it is a mistake that calls take so many times what was promised by now. */
  const revertsWhere = (times: number, load: PlayedCalls): number => {
    const { costs } = calledFunction("chain", FREE_RULES, MOVED, load.situation({ capacity: CAPACITY }))!;
    const moved = { ...MOVED.moved!, promisedUs: latencyAt(costs.sides, 1) / times, isJudged: true };
    return undone(load.nowMs - MOVED_MS, { moved }, load).to.reverts;
  };

  test("later is none, where cores have become slow only since: that is a moment, and not the side", () => {
    const load = after([900, USUAL], [200, SLOW]);
    expect([1.2, 1.4].map((times) => revertsWhere(times, load))).toEqual([0, 1]);
  });

  test.each([
    ["first", after([300, SLOW], [275, USUAL])],
    ["first, long ago", after([300, SLOW], [500, USUAL])],
    ["for half a second at first", after([500, SLOW], [300, USUAL])],
    ["at last", after([400, USUAL], [175, SLOW])],
    ["at last, for less", after([450, USUAL], [125, SLOW])],
    ["at last, and nothing ended before", after([900, NONE], [50, SLOW])],
    ["at first, and nothing ended after", after([100, SLOW], [700, NONE])],
  ])("is none where cores are slow in a part of what follows it: %s", (_when, load) => {
    expect(revertsWhere(1.3, load)).toBe(0);
  });

  test.each([
    ["for long enough", after([575, SLOW])],
    ["for longer", after([1_000, SLOW])],
    ["as soon as any ends, after half a second", after([600, NONE], [500, SLOW])],
    ["as soon as any ends, before that", after([300, NONE], [700, SLOW])],
  ])("may be one where cores are slow in all that follows it: %s", (_when, load) => {
    expect(revertsWhere(1.3, load)).toBe(1);
  });

  test.each([
    ["not", USUAL, 1.3, 1],
    ["a little", SLOWER, 1.3, 0],
    ["much", SLOW, 3, 0],
  ])(
    "after 400 ms, where cores are %s slower: %o, %f times what was promised: reverts: %i",
    (_how, cores, times, reverts) => {
      expect(revertsWhere(times, after([400, cores]))).toBe(reverts);
    },
  );

  test("may be one where they are a little slower for longer than half a second: it may be the side", () => {
    expect(revertsWhere(1.3, after([1_000, SLOWER]))).toBe(1);
  });

  test("later is a move like others: the load has changed", () => {
    expect(undone(300)).toMatchObject({ to: { state: "compute", share: 0, reverts: 0 }, why: { kind: "overload" } });
  });

  test("is a flap within ten seconds, and none after that", () => {
    expect([300, 9_900, 10_100].map((agoMs) => undone(agoMs, { flaps: 2 }).to.flaps)).toEqual([3, 3, 2]);
  });
});

const SURGING = { surging: null, profile: played(0, 1).profiles.get("chain")! };

test("before a surge tells how many calls come, and how many usually do; what a surge takes back is told as that", () => {
  const profile = played(0, 1).profiles.get("chain")!;
  const overload = { kind: "overload", from: 1.5, to: 0.75, noise: 0.02 } as const;
  const { costs } = calledFunction("chain", FREE_RULES, RESTING, played(0, 1).situation())!.load;
  const load = { callsPerSecond: 40_000, fixedPerSecond: { compute: 0, storage: 2_000 }, costs };
  const surging = { ...load, lowest: 0, highest: 1, weight: 1, isNew: true };
  const usualPerSecond = profile.rates(MOVED_MS).all;
  expect(usualPerSecond).toBeGreaterThan(1_000);
  expect(relieved({ surging, profile }, { to: MOVED, why: overload }, MOVED_MS).why).toEqual({
    ...overload,
    kind: "surge",
    callsPerSecond: 42_000,
    usualPerSecond,
  });
  const back = { kind: "reverted", promisedUs: 1, cameUs: 2, ratio: null, retryInMs: 1_000 } as const;
  expect(relieved({ surging, profile }, { to: MOVED, why: back }, MOVED_MS).why).toBe(back);
});

test("before a surge keeps away for a second, and twice as long each time that another follows soon", () => {
  const reliefAfter = (before: FunctionState, nowMs: number): FunctionState =>
    relieved(SURGING, { to: before, why: null }, nowMs).to;
  const once = reliefAfter(MOVED, 1_000);
  expect(once.relief).toEqual({ restMs: 1_000, untilMs: 2_000 });
  expect(once.moved!.by).toBe("surge");
  // The same, that grows on.
  expect(reliefAfter(once, 1_100).relief).toEqual({ restMs: 1_000, untilMs: 2_100 });
  const twice = reliefAfter(once, 11_999);
  expect(twice.relief).toEqual({ restMs: 2_000, untilMs: 13_999 });
  expect(reliefAfter(twice, 24_000).relief?.restMs).toBe(1_000);
});

test("before a surge of calls that have only begun keeps away from nothing", () => {
  const begun = { ...MOVED, sinceMs: 1_000 };
  expect(relieved(SURGING, { to: begun, why: null }, 1_999).to.relief).toBeNull();
  expect(relieved(SURGING, { to: begun, why: null }, 2_000).to.relief).toEqual({ restMs: 1_000, untilMs: 3_000 });
});

test("such calls as were here before go back where they did best, and nothing is left of a back-off since", () => {
  const situation = played(150, 1).situation({ capacity: CAPACITY });
  const { nowMs } = situation;
  const before = { ...RESTING, share: 1, state: "storage", retryAtMs: nowMs + 1_000, backTo: 0.5 } as const;
  const refutation = { atMs: 0, sinceMs: 0, fromShare: 0, promisedUs: 1, promisedBytes: 0, modelError: 1 };
  const backOffs = new Map([
    ["storage", { ms: 1_000, untilMs: 9_000, refutation }],
    ["compute", { ms: 1_000, untilMs: 9_000 }],
  ]);
  const refuted = { backOffs, fruitless: 0 };
  const called = calledFunction("chain", FREE_RULES, before, situation)!;
  const known = { demand: CHAIN, share: 0, proof: null, refuted };
  expect(recalled({ ...called, recalled: known }, nowMs)).toMatchObject({
    to: { state: "compute", share: 0, retryAtMs: 0, backTo: null, moved: { by: "recall", fromShare: 1 } },
    why: { kind: "recalled", from: expect.closeTo(called.costs.sides.storage.cost.latencyUs), to: expect.any(Number) },
  });
  // What other calls took is not held against what was refuted.
  const { to } = recalled({ ...called, recalled: known }, nowMs)!;
  expect([...to.trials.backOffs]).toEqual([
    ["storage", { ms: 1_000, untilMs: 9_000, refutation: { ...refutation, sinceMs: nowMs + 225 } }],
    ["compute", { ms: 1_000, untilMs: 9_000 }],
  ]);
});

describe("what the model moved when its callers had just gone", () => {
  const LAST_MS = 1_000;
  const CHAINS = modelledCalls("compute", 20, CHAIN, DEFAULT_CONSTANTS);
  const UNDO = { retryAtMs: 700, backTo: null, held: null };
  const back = (
    change: Partial<NonNullable<FunctionState["moved"]>> = {},
    {
      called = {},
      isDemanded = false,
      load = new PlayedCalls().run(LAST_MS, { chain: CHAINS }),
    }: {
      readonly called?: Partial<CalledFunction>;
      /** By bounds. */
      readonly isDemanded?: boolean;
      readonly load?: PlayedCalls;
    } = {},
  ) => {
    const situation = load.run(100, {}).situation({ capacity: CAPACITY });
    const before = {
      ...MOVED,
      moved: { ...MOVED.moved!, atMs: load.nowMs - 80, ...(!isDemanded && { undo: UNDO }), ...change },
    };
    const one = calledFunction("chain", FREE_RULES, before, situation)!;
    return unmoved({ ...one, isGone: true, ...called }, load.nowMs);
  };

  test("is where it was while they were there, as it was held there", () => {
    const { to, why } = back()!;
    expect(to).toMatchObject({ state: "compute", share: 0, moved: null, moves: 4, flaps: 1, retryAtMs: 700 });
    expect(why).toEqual({ kind: "stopped", quietMs: 101 });
    expect(back({ atMs: LAST_MS - 50 }), "what it was made for may have been told since").not.toBeNull();
  });

  test("stays where they may come back, or were there, and where it may not be elsewhere", () => {
    expect(back({}, { called: { isGone: false } })).toBeNull();
    expect(back({ atMs: LAST_MS - 100 })).toBeNull();
    expect(back({ by: "trial" })).toBeNull();
    expect(back({}, { isDemanded: true })).toBeNull();
    expect(back({}, { called: { bounds: [1, 1] } })).toBeNull();
  });

  test("stays where it is called in bursts", () => {
    const bursts = new PlayedCalls();
    for (let burst = 0; burst < 5; burst++) bursts.run(150, {}).run(50, { chain: CHAINS });
    expect(back({}, { load: bursts })).toBeNull();
  });
});
