import { describe, expect, test } from "vitest";
import { costOf, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { excessOf, mixedTimes, mixingAfter, mixingSeen, NO_MIXING, type Mixing } from "./mixing.ts";
import { ONE_CORE_EACH } from "./played-calls.ts";

const SHARE = 0.6;
const DEMAND: Demand = { operations: 1, rounds: 1, bytes: 20_000, cpuUs: 20 };

/** Where all costs so many times as much. */
const costing = (times: number) => {
  const of = (side: "compute" | "storage") => {
    const cost = costOf(side, DEMAND, DEFAULT_CONSTANTS);
    const { computeUs, storageUs, redisUs } = cost;
    return { ...cost, computeUs: times * computeUs, storageUs: times * storageUs, redisUs: times * redisUs };
  };
  return { compute: of("compute"), storage: of("storage") };
};
const costs = costing(1);
const usual = excessOf(NO_MIXING, costs, 0);

/** What a step finds, under a share of its own, at a time. */
const lookAt = (nowMs: number, share: number) => ({
  share,
  isTold: true,
  costs,
  capacity: ONE_CORE_EACH,
  resumedMs: -Infinity,
  nowMs,
});

/** What is remembered of one that has been all on one side for so long. */
const aloneFor = (ms: number, side = 1): Mixing => mixingSeen(NO_MIXING, lookAt(-ms, side));
const SPLIT = { from: 1, to: SHARE, costs, nowMs: 0 };
const LEFT: Mixing = mixingAfter(aloneFor(2_000), SPLIT);

/** What is remembered after so long in a split in which calls cost so many times as much; a look each 25 ms, but for where nobody looks, or nothing is told. */
function after(
  ms: number,
  times: number,
  { before = LEFT, share = SHARE, fromMs = 0, quietUntilMs = -Infinity, untoldUntilMs = -Infinity } = {},
): Mixing {
  let mixing = before;
  for (let nowMs = fromMs; nowMs <= fromMs + ms; nowMs += 25) {
    if (nowMs < quietUntilMs) continue;
    const isTold = nowMs >= untoldUntilMs;
    const look = { ...lookAt(nowMs, share), costs: costing(times), resumedMs: quietUntilMs, isTold };
    mixing = mixingSeen(mixing, look);
  }
  return mixing;
}

describe("what a split costs a function more", () => {
  test("is as usual until one was seen, and more of what moves much beside computing", () => {
    expect(usual).toBeGreaterThan(0);
    const computing = { operations: 1, rounds: 1, bytes: 100, cpuUs: 5_000 };
    const dear = {
      compute: costOf("compute", computing, DEFAULT_CONSTANTS),
      storage: costOf("storage", computing, DEFAULT_CONSTANTS),
    };
    expect(excessOf(NO_MIXING, dear, 0)).toBeLessThan(usual / 5);
    expect(mixedTimes(0.4, 0.5)).toBeCloseTo(1.4);
    expect(mixedTimes(0.4, 1)).toBe(1);
  });

  test("is learnt from what calls cost in it, to what they cost before", () => {
    const times = mixedTimes(0.8, SHARE);
    expect(excessOf(after(250, times), costs, 250)).toBe(usual);
    const soon = excessOf(after(800, times), costs, 800);
    expect(soon).toBeGreaterThan(usual + 0.1);
    expect(soon).toBeLessThan(0.7);
    expect(excessOf(after(4_000, times), costs, 4_000)).toBeCloseTo(0.8, 1);
    // Four seconds later the load may be another.
    const later = after(5_000, 3, { before: after(4_000, times), fromMs: 4_025 });
    expect(later.seen).toEqual(after(4_000, times).seen);
    // From then on there is nothing to be remembered, nor anew in each look.
    expect(later.left).toBeNull();
    expect(mixingSeen(later, lookAt(60_000, SHARE))).toBe(later);
  });

  test("is of what the machines do, and not of what calls wait for", () => {
    const waiting = (times: number): Mixing => {
      const { compute, storage } = costing(1.5);
      const longer = (cost: typeof compute) => ({
        ...cost,
        aloneUs: times * cost.aloneUs,
        latencyUs: times * cost.latencyUs,
      });
      return mixingSeen(LEFT, {
        ...lookAt(1_000, SHARE),
        costs: { compute: longer(compute), storage: longer(storage) },
      });
    };
    expect(waiting(1_000)).toEqual(waiting(1));
  });

  test("is never less than usual, is bounded, and is half forgotten after two minutes", () => {
    expect(excessOf(after(4_000, 0.5), costs, 4_000)).toBe(usual);
    const most = excessOf(after(4_000, 100), costs, 4_000);
    expect(most).toBeLessThanOrEqual(1.5);
    const later = excessOf(after(4_000, 100), costs, 4_000 + 120_000);
    expect(later - usual).toBeCloseTo((most - usual) / 2, 1);
  });

  test("is not learnt where too little was known before, from one side, nor once it is over", () => {
    for (const short of [NO_MIXING, aloneFor(1_000), aloneFor(5_000, 0)]) {
      expect(mixingSeen(mixingAfter(short, SPLIT), lookAt(25, SHARE))).toMatchObject({ seen: null, left: null });
    }
    expect(after(4_000, 3, { share: 1 }).seen).toBeNull();
    // To another share of both sides it goes on; to one side it is over, and what was seen stays.
    const seen = after(1_000, 3);
    const move = { from: SHARE, costs, nowMs: 1_000 };
    expect(mixingAfter(seen, { ...move, to: 0.4 })).toMatchObject({ seen: seen.seen, left: seen.left });
    const over = mixingSeen(mixingAfter(seen, { ...move, to: 0 }), lookAt(1_025, 0));
    expect(over).toMatchObject({ seen: seen.seen, left: null });
    expect(after(4_000, 1, { before: over, fromMs: 1_050 }).seen).toBe(seen.seen);
    // Whoever has put it there, and back into a split.
    const put = mixingSeen(seen, lookAt(1_500, 1));
    expect(after(900, 3, { before: put, share: 0.4, fromMs: 3_000 }).seen).toBe(seen.seen);
  });

  test.each([
    ["a trial, or a pause of its calls alone", { untoldUntilMs: 1_500 }],
    ["a pause of all calls", { quietUntilMs: 1_500 }],
  ])("is not learnt from %s, and a look after it weighs no more than others", (_what, meanwhile) => {
    const seen = after(1_000, 3);
    const then = after(475, 1, { before: seen, fromMs: 1_025, ...meanwhile });
    // By one look at what costs nothing more.
    expect(excessOf(then, costs, 1_500)).toBeGreaterThan(0.96 * excessOf(seen, costs, 1_500));
  });
});
