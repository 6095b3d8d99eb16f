import { describe, expect, it } from "vitest";
import { DECIDERS } from "./decider.ts";
import { differenceRows, meanOf, worldResult, type RunResult } from "./report.ts";
import { simulate } from "./simulate.ts";
import { SUITES } from "./suites.ts";

const missedIn = (suite: string, decider: keyof typeof DECIDERS, count: number, seed = 0): readonly number[] =>
  SUITES[suite]!.cases(count, seed).map(({ world, durationMs, fromMs, seed: own }) => {
    const { stretches } = simulate(world, DECIDERS[decider](), durationMs, own);
    return worldResult(stretches, fromMs, 0).missed;
  });

describe("simulated worlds", () => {
  it("come out the same each time", () => {
    expect(missedIn("mixes", "locus", 2)).toEqual(missedIn("mixes", "locus", 2));
  });

  it("are others with another seed", () => {
    expect(missedIn("mixes", "still", 3, 1)).not.toEqual(missedIn("mixes", "still", 3));
  });

  it.each(Object.keys(SUITES))("of suite %s are hardly done better than by their best fixed shares", (suite) => {
    const [one] = SUITES[suite]!.cases(1, 5);
    const { stretches } = simulate(one!.world, DECIDERS.locus(), 5_000, 1);
    for (const { done, doneByBest } of stretches) expect(done).toBeLessThanOrEqual(doneByBest * 1.02 + 1e-9);
  });

  it("tell a decider that stays where it is from one that moves functions", () => {
    expect(meanOf(missedIn("mixes", "locus", 6))).toBeLessThan(0.5 * meanOf(missedIn("mixes", "still", 6)));
  });

  it("are compared one by one with those of another run", () => {
    const run = (missed: readonly number[]): RunResult => ({
      decider: "locus",
      seed: 0,
      commit: "unknown",
      suites: { mixes: missed.map((one) => ({ missed: one, movesPerMinute: 0, reversals: 0, tried: 0 })) },
    });
    const [mixes] = differenceRows(run([0.1, 0.3]), run([0.2, 0.4]));
    expect(mixes).toEqual(["mixes", "2", "0.2000", "0.3000", "0.1000", "0.0000"]);
  });
});
