import { describe, expect, it } from "vitest";
import { judge, type Experiment, type Verdict } from "./experiment.ts";
import { FRESH } from "./function-state.ts";
import { canTellTrial, nextTrial, trialKey } from "./next-trial.ts";
import { backOff } from "./memory.ts";
import { PlayedCalls, type Calls } from "./played-calls.fake.ts";
import { poolUse } from "./pool-use.ts";
import type { ShareChange } from "./proposal.ts";
import { FREE_RULES } from "./situation.ts";
import { viewOf, type FunctionView } from "./view.ts";

const BEGUN_MS = 2_000;

/** Forty calls in each window of 25 ms, each so long. */
const calls = (side: Calls["side"], elapsedUs: number, count = 40): Calls => ({ side, count, elapsedUs });

/** Functions `a` and `b` whose code is compiled on both sides. */
const played = (): PlayedCalls => {
  const replay = new PlayedCalls();
  replay.nowMs = 100_000;
  const kinds = [calls("compute", 4_000), calls("storage", 4_000)];
  return replay.warm({ a: kinds, b: kinds });
};

function viewsOf(replay: PlayedCalls, shares: Readonly<Record<string, number>>): readonly FunctionView[] {
  const situation = replay.situation();
  return Object.entries(shares).map(([name, share]) => {
    const state = { ...FRESH, state: share > 0 ? ("storage" as const) : ("compute" as const), share, version: "1" };
    return viewOf(name, FREE_RULES, state, situation)!;
  });
}

const toStorage: ShareChange = { name: "a", from: 0, to: 1 };

/** How an experiment ends in which calls of `a` take so long before it, and then so long. */
function verdictOf(
  kind: "verifying" | "trying",
  beforeUs: number,
  laterUs: number,
  { count = 40, noise = 0, forMs = 400 } = {},
): Verdict | null {
  const replay = played();
  replay.run(BEGUN_MS, { a: calls("compute", beforeUs) });
  const startedMs = replay.nowMs;
  const experiment: Experiment = {
    kind,
    changes: [toStorage],
    startedMs,
    baseline: [startedMs - 150, startedMs],
    noise,
  };
  for (let ms = 0; ms < forMs; ms += 25) {
    replay.run(25, { a: calls("storage", laterUs, count) });
    const verdict = judge(experiment, viewsOf(replay, { a: 1 }), replay.nowMs);
    if (verdict !== null) return verdict;
  }
  return null;
}

describe("the verdict on a change of the model's", () => {
  it("keeps it if calls take about as long as before", () => {
    expect(verdictOf("verifying", 4_000, 4_400)).toMatchObject({ outcome: "accepted" });
  });

  it("rejects it if all calls take clearly longer", () => {
    expect(verdictOf("verifying", 4_000, 8_000)).toMatchObject({ outcome: "rejected", ratio: expect.closeTo(2, 1) });
  });

  it("does not take the noise of the machine for a loss", () => {
    expect(verdictOf("verifying", 4_000, 5_600, { noise: 0.3 })).toMatchObject({ outcome: "accepted" });
  });

  it("waits until calls that were under way have ended", () => {
    expect(verdictOf("verifying", 4_000, 40_000, { forMs: 75 })).toBeNull();
  });
});

describe("the verdict on a trial", () => {
  it("is promising if calls get shorter", () => {
    expect(verdictOf("trying", 4_000, 3_000)).toMatchObject({ outcome: "promising", ratio: expect.closeTo(0.75, 1) });
  });

  it("is inconclusive if calls take as long as before", () => {
    expect(verdictOf("trying", 4_000, 4_000)).toMatchObject({ outcome: "inconclusive" });
  });

  it("is inconclusive if a gain cannot be told from noise", () => {
    expect(verdictOf("trying", 4_000, 3_200, { noise: 0.5, forMs: 700 })).toMatchObject({ outcome: "inconclusive" });
  });

  it("is invalid if the function's calls have changed meanwhile", () => {
    const replay = played();
    replay.run(BEGUN_MS, { a: calls("storage", 4_000) });
    const startedMs = replay.nowMs - 200;
    const [view] = viewsOf(replay, { a: 1 });
    const shifted = { ...view!, state: { ...view!.state, sinceMs: startedMs + 50 } };
    const baseline = [startedMs - 150, startedMs] as const;
    const experiment: Experiment = { kind: "trying", changes: [toStorage], startedMs, baseline, noise: 0 };
    expect(judge(experiment, [shifted], replay.nowMs)).toEqual({ outcome: "invalid" });
  });

  it("accepts it only if calls get longer again once it is over", () => {
    const after = (laterUs: number): Verdict | null => {
      const replay = played();
      replay.run(BEGUN_MS, { a: calls("storage", 3_000) });
      const endedMs = replay.nowMs;
      const during = [endedMs - 150, endedMs] as const;
      const begun = { changes: [toStorage], startedMs: endedMs - 300, baseline: during, noise: 0 };
      const experiment: Experiment = { ...begun, kind: "checking", endedMs, during, ratio: 0.75 };
      replay.run(300, { a: calls("compute", laterUs) });
      return judge(experiment, viewsOf(replay, { a: 0 }), replay.nowMs);
    };
    expect(after(4_000)).toMatchObject({ outcome: "accepted", ratio: expect.closeTo(0.75, 1) });
    expect(after(3_000)).toMatchObject({ outcome: "inconclusive" });
  });
});

describe("the next trial", () => {
  const known = (change: (views: readonly FunctionView[]) => readonly FunctionView[] = (views) => views) => {
    const replay = played();
    // Both functions together need two cores at compute.
    replay.run(BEGUN_MS, { a: [calls("compute", 9_000)], b: [calls("compute", 9_000), calls("storage", 9_000, 4)] });
    replay.run(50, { a: [calls("compute", 9_000), calls("storage", 9_000, 4)], b: calls("compute", 9_000) });
    const { capacity } = replay.situation();
    const views = change(viewsOf(replay, { a: 0, b: 0 }));
    const use = poolUse(
      views.map(({ load }) => load),
      { ...capacity, computeCores: 0.2 },
    );
    return { views, use, capacity, heardMs: replay.nowMs, steadyMs: 0 };
  };

  it("puts a function of weight on the other side if a pool is crowded", () => {
    expect(nextTrial(known())).toMatchObject([{ from: 0, to: 1 }]);
  });

  it("prefers what has failed least often, and skips what is backed off", () => {
    const [first] = nextTrial(known());
    const failed = (views: readonly FunctionView[]) =>
      views.map((view) =>
        view.name === first!.name
          ? { ...view, state: { ...view.state, memory: backOff(view.state.memory, trialKey(first!, [first!]), 1_000) } }
          : view,
      );
    expect(nextTrial(known(failed))[0]!.name).not.toBe(first!.name);
  });

  it("is none while the machine is so noisy that its result would mean nothing", () => {
    expect([0.05, 0.5].map((noise) => canTellTrial(noise, 1_000))).toEqual([true, false]);
  });

  it("is none for functions that may not move", () => {
    expect(nextTrial(known((views) => views.map((view) => ({ ...view, isFree: false }))))).toEqual([]);
  });
});
