import { describe, expect, test } from "vitest";
import { FRESH, settled, type FunctionState } from "./function-state.ts";
import { NO_MIXING } from "./mixing.ts";
import { FREE_RULES, type Situation } from "./situation.ts";
import { PlayedCalls } from "./played-calls.ts";
import { NO_TRIALS } from "./trials.ts";

const STARTED_MS = 5_000;

/** Its calls are split, and all of them run at storage for a moment. */
const TRIED: FunctionState = {
  ...FRESH,
  state: "probing",
  share: 1,
  sinceMs: 0,
  mixing: { ...NO_MIXING, seen: { excess: 1, atMs: 0 } },
  trials: {
    ...NO_TRIALS,
    running: { side: "storage", partner: null, startedMs: STARTED_MS, fromShare: 0.4, shown: null },
    held: { sinceMs: 0, untilMs: 60_000, promisedUs: 100, refutedShare: 0, firmUntilMs: -Infinity },
  },
};

const situationAt = (nowMs: number, ...shifted: readonly string[]): Situation =>
  new PlayedCalls().situation({
    nowMs,
    heardMs: nowMs,
    shifted: new Set(shifted),
    rules: new Map([["a", FREE_RULES]]),
  });

const after = (passedMs: number, ...shifted: readonly string[]) =>
  settled("a", TRIED, FREE_RULES, situationAt(STARTED_MS + passedMs, ...shifted));

describe("a trial", () => {
  test("goes on as long as nothing happens, and is given up where nobody judges it", () => {
    expect(after(100)).toEqual({ to: TRIED, why: null });
    expect(after(1_650)).toEqual({ to: TRIED, why: null });
    const { to, why } = after(1_651);
    expect(to).toMatchObject({ state: "split", share: 0.4, trials: { running: null, endedMs: STARTED_MS + 1_651 } });
    expect(why).toEqual({
      kind: "tried",
      side: "storage",
      partner: null,
      ratio: null,
      isKept: false,
      brokenOff: "quiet",
    });
  });

  test("ends when the function's own calls change, which is profiled anew where it was", () => {
    const { to, why } = after(75, "a");
    expect(to).toMatchObject({ state: "profiling", share: 0.4, trials: { running: null, held: null } });
    expect(to.mixing).toBe(NO_MIXING);
    expect(why).toEqual({ kind: "shifted", workTimes: 1 });
  });
});

test("another version is another function: it is profiled anew where the one before was, and knows nothing of it", () => {
  const profiles = new PlayedCalls().run(50, { a: { side: "storage", count: 8, elapsedUs: 900 } }).profiles;
  const pace = { value: 1, least: 1, calls: 40, atMs: 10 };
  const first: FunctionState = {
    ...TRIED,
    version: "0",
    moves: 3,
    trialsBegun: 2,
    paces: { compute: pace, storage: pace, cpu: { value: 2, atMs: 10 }, foundOperations: null, foundRounds: null },
  };
  const { to, why } = settled("a", first, FREE_RULES, { ...situationAt(50), profiles });
  // What is counted goes on, as counters do.
  const counted = { moves: 3, trialsBegun: 2 };
  // Its trial is over, and whoever moves now is not held against it.
  const trials = { ...NO_TRIALS, endedMs: 50 };
  expect(to).toEqual({ ...FRESH, ...counted, trials, state: "profiling", share: 0.4, version: "1", sinceMs: 50 });
  expect(why).toEqual({ kind: "replaced" });
  const same = settled("a", { ...to, version: null }, FREE_RULES, { ...situationAt(75), profiles });
  expect([same.to.version, same.to.state]).toEqual(["1", "split"]);
});

test("a shift of others leaves a function as it is that is not being tried", () => {
  const now: FunctionState = { ...TRIED, trials: { ...TRIED.trials, running: null } };
  expect(settled("a", now, FREE_RULES, situationAt(STARTED_MS, "b"))).toEqual({ to: now, why: null });
});

test("what was taken back stays until its back-off is over", () => {
  const wait = { backOffMs: 2_000, retryAtMs: 6_000 };
  const now: FunctionState = { ...TRIED, state: "reverting", share: 0, ...wait, trials: NO_TRIALS };
  const at = (ms: number) => settled("a", now, FREE_RULES, situationAt(ms));
  expect(at(5_999)).toEqual({ to: now, why: null });
  expect(at(6_000)).toEqual({ to: { ...now, state: "compute" }, why: { kind: "waited", ms: 2_000 } });
});
