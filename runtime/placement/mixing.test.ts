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

const LEFT: Mixing = mixingAfter(NO_MIXING, { from: 1, to: SHARE, costs, stayedMs: 5_000, nowMs: 0 });

/** What is remembered after so long in a split in which calls cost so many times as much; a look each 25 ms. */
function after(ms: number, times: number, { before = LEFT, share = SHARE, fromMs = 0 } = {}): Mixing {
  let mixing = before;
  for (let nowMs = fromMs; nowMs <= fromMs + ms; nowMs += 25) {
    mixing = mixingSeen(mixing, { share, costs: costing(times), capacity: ONE_CORE_EACH, nowMs });
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
    expect(after(5_000, 3, { before: after(4_000, times), fromMs: 4_025 })).toEqual(after(4_000, times));
  });

  test("is never less than usual, is bounded, and is half forgotten after two minutes", () => {
    expect(excessOf(after(4_000, 0.5), costs, 4_000)).toBe(usual);
    const most = excessOf(after(4_000, 100), costs, 4_000);
    expect(most).toBeLessThanOrEqual(1.5);
    const later = excessOf(after(4_000, 100), costs, 4_000 + 120_000);
    expect(later - usual).toBeCloseTo((most - usual) / 2, 1);
  });

  test("is not learnt where too little was known before, from one side, nor once it is over", () => {
    expect(mixingAfter(NO_MIXING, { from: 1, to: SHARE, costs, stayedMs: 1_000, nowMs: 0 })).toEqual(NO_MIXING);
    expect(after(4_000, 3, { share: 1 })).toBe(LEFT);
    // To another share of both sides it goes on; to one side it is over, and what was seen stays.
    const seen = after(1_000, 3);
    const move = { from: SHARE, costs, stayedMs: 1_000, nowMs: 1_000 };
    expect(mixingAfter(seen, { ...move, to: 0.4 })).toBe(seen);
    const over = mixingAfter(seen, { ...move, to: 0 });
    expect(over).toEqual({ seen: seen.seen, left: null });
    expect(after(4_000, 1, { before: over, fromMs: 1_000 })).toBe(over);
  });
});
