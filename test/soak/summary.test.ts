// What is said at the end: above all, whether anything was tested.

import { describe, expect, it } from "vitest";
import type { EpisodeReport } from "./soak.ts";
import { summaryOf, summaryText } from "./summary.ts";

const report = (episode: number, more: Partial<EpisodeReport> = {}): EpisodeReport => ({
  episode,
  calls: 10,
  endings: { ok: 9, left: 1 },
  wellShare: 1,
  faults: {},
  writes: 5,
  latestMs: 0,
  lateWhileStopped: 0,
  lateWhileWaiting: 0,
  holdings: null,
  violations: [],
  ...more,
});
const summary = (interruption: string | null, ...reports: readonly EpisodeReport[]) =>
  summaryOf({ seed: 1, minutes: 1, callsPerSecond: 40, interruption }, reports);
const lastLines = (...told: Parameters<typeof summary>): readonly string[] =>
  summaryText(summary(...told))
    .split("\n")
    .slice(-2);

describe("a summary", () => {
  it("says that every promise held where an episode with faults was played, and none was broken", () => {
    expect(lastLines(null, report(0), report(1)).at(-1)).toBe("Every promise held.");
    expect(lastLines("interrupted by SIGINT", report(0), report(1))).toEqual([
      "It was interrupted by SIGINT.",
      "Every promise held.",
    ]);
  });

  it("says that nothing was tested after the warm-up alone", () => {
    const nothing = "Nothing was tested: no episode with faults came to its end.";
    expect(lastLines(null, report(0)).at(-1)).toBe(nothing);
    expect(lastLines("interrupted by SIGTERM")).toEqual(["It was interrupted by SIGTERM.", nothing]);
  });

  it("names what was broken, in the warm-up too", () => {
    const violations = [{ rule: "the right answer", text: "it was wrong" }] as const;
    expect(lastLines(null, report(0, { violations }))).toEqual([
      "1 promises were broken:",
      "  the right answer: it was wrong",
    ]);
  });

  it("adds up what was done, and keeps the worst of what was seen", () => {
    const worst = { latestMs: 400, wellShare: 0.7, faults: { "kill node1": 2 } };
    expect(summary(null, report(0), report(1, worst), report(2, { faults: { "kill node1": 1 } }))).toMatchObject({
      episodes: 2,
      calls: 30,
      endings: { ok: 27, left: 3 },
      faults: { "kill node1": 3 },
      latestMs: 400,
      wellShare: 0.7,
    });
  });
});
