import { describe, expect, it } from "vitest";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import type { Transition, Why } from "#runtime/placement/transition.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import { Replay, WALKS } from "../placement/placement-loop.fake.ts";
import { overviewText, summaryText } from "./placement-text.ts";

const replay = new Replay().run(5_000, { f0: WALKS });
const walk = replay.loop.explain("f0")!;
const { outlook } = replay.loop;
replay.loop.close();

/** What a terminal of usual size shows. */
const SCREEN_LINES = 40;
const NOW_MS = 6_000;

describe("locus why", () => {
  it("fits on a screen", () => {
    expect(summaryText(walk, NOW_MS).split("\n").length).toBeLessThanOrEqual(SCREEN_LINES);
  });

  it("shows the terms of both sides, and their differences add up to that of the latencies", () => {
    const { sum, ...terms } = walk.difference!;
    expect(Object.values(terms).reduce((total, us) => total + us, 0)).toBeCloseTo(sum);
    const { compute, storage } = walk.sides!;
    expect(sum).toBeCloseTo(compute.cost.latencyUs - storage.cost.latencyUs);
    const text = summaryText(walk, NOW_MS);
    expect(text).toMatch(/LATENCY +STORAGE +COMPUTE +MOVING TO COMPUTE ADDS\n/);
    expect(text).toMatch(/\n *Redis round trips .* \+[\d.]+ [mµ]s *\n/);
    expect(text).toMatch(/\n *a call .* \+[\d.]+ [µm]s *\n/);
  });

  it("says in one line why the function stays", () => {
    expect(summaryText(walk, NOW_MS).split("\n")[1]).toMatch(
      /^A call takes .* at storage and .* at compute( \(by the model\))?\. It stays at storage: compute is slower\.$/,
    );
  });

  it("says what was measured on each side, and what was not", () => {
    const text = summaryText(walk, NOW_MS);
    expect(text).toMatch(/\nstorage: measured .* in the sandbox \(model .*\), CPU .*; [\d,]+ calls, the last .* ago\n/);
    const unmeasured = { ...walk.sides!.compute, measuredUs: null, predictedUs: null, lastMs: null };
    expect(summaryText({ ...walk, sides: { ...walk.sides!, compute: unmeasured } }, NOW_MS)).toContain(
      "compute: not measured; the figures are the model's",
    );
  });

  it("says what operators have set, and whether it is kept", () => {
    const ruled = (p99UnderUs: number | null, weight = 1): string =>
      summaryText({ ...walk, rules: { ...walk.rules, p99UnderUs, weight } }, NOW_MS);
    expect(ruled(1e7)).toContain("Its p99 bound is 10.0 s.");
    expect(ruled(1)).toContain("Its p99 bound is 1 µs, which both sides exceed.");
    expect(ruled(null, 2)).toContain("Its weight is 2");
    expect(ruled(null)).not.toMatch(/p99 bound|weight/);
  });

  it("says that functions lack CPU", () => {
    const lack = "functions beside Redis lack CPU: within 0.50 s …";
    expect(summaryText({ ...walk, warnings: [lack] }, NOW_MS)).toContain(`\nwarning: ${lack}\n`);
  });

  it("says when calls overflow", () => {
    expect(summaryText({ ...walk, overflowMin: 3, overflowTimes: 4 }, NOW_MS)).toContain(
      "Overflow: a call goes to compute while 3 or more are in flight at storage, and 4 for each at compute.",
    );
  });

  it("says that no node controls placement if none does", () => {
    const { function: name, state, share, probeEvery, backCpuUs, overflowMin, overflowTimes } = walk;
    const alone: PlacementSummary = { function: name, state, share, probeEvery, backCpuUs, overflowMin, overflowTimes };
    expect(summaryText(alone, NOW_MS)).toContain("No node controls placement now.");
  });

  it.each([
    [{ kind: "unpinned" }, "unpinned"],
    [{ kind: "shifted", workTimes: 2.5 }, "its calls have changed: 2.5 times the work"],
    [{ kind: "capacity", from: 1.2, to: 0.75, error: 0.02 }, "the busiest pool is at 75 % instead of 120 % (± 2 %)"],
    [{ kind: "bound", p99UnderUs: 5_000, p99Us: 9_000 }, "its p99 was 9.00 ms, above its bound of 5.00 ms"],
    [
      { kind: "reverted", ratio: 1.3, retryInMs: 2_000 },
      "taken back: all calls took 130 % of the time before; next attempt after 2.00 s of calls",
    ],
    [
      { kind: "tried", side: "storage", partner: "g", outcome: "rejected", ratio: 1.3 },
      "trial at storage, and g on the other side rejected: all calls took 130 % of the time without it",
    ],
    [{ kind: "whim", times: 3 } as unknown as Why, "whim (times 3)"],
  ] satisfies [Why, string][])("tells the change %j in words", (why, words) => {
    const transition: Transition = {
      atMs: 1_000,
      function: "f0",
      from: "compute",
      to: "storage",
      fromShare: 0,
      toShare: 1,
      why,
    };
    expect(summaryText({ ...walk, transitions: [transition] }, NOW_MS)).toContain(
      `1970-01-01T00:00:01.000Z  0 % → 100 % at storage: ${words}`,
    );
  });
});

describe("locus placement", () => {
  const overview: PlacementOverview = {
    planVersion: 7,
    decidedMs: 4_000,
    controller: "0123456789ab",
    nodes: 2,
    outlook,
    regret: 0.02,
    constants: DEFAULT_CONSTANTS,
    constantsFrom: "measured",
    functions: [walk],
  };

  it("shows a line for each function, and how busy the pools are", () => {
    const text = overviewText(overview, NOW_MS);
    expect(text).toMatch(/^f0 +storage +100 % +\d/m);
    expect(text).toContain(
      "node 0123456789ab controls placement and changed the plan 2.00 s ago; 2 nodes had calls lately",
    );
    expect(text).toMatch(/\nbusy: compute cores [\d.]+ %, storage cores [\d.]+ %, Redis' thread [\d.]+ %/);
    expect(text).toContain("regret: the plan misses 2 % of what the best shares would save");
  });

  it("says that no node controls placement", () => {
    expect(overviewText({ ...overview, controller: null, functions: [] }, NOW_MS)).toContain(
      "no function is planned yet",
    );
  });
});
