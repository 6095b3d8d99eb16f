import { describe, expect, it } from "vitest";

import { FREE_RULES } from "#runtime/placement/situation.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { explain, type Explanation } from "#runtime/placement/explanation.ts";
import type { Transition } from "#runtime/placement/function-state.ts";
import type { PlacementState } from "#runtime/placement/plan.ts";
import { simulate } from "#runtime/placement/simulated-load.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import type { PlacementOverview } from "../placement/answers.ts";
import { overviewText, summaryText } from "./placement-text.ts";

const DEMAND = { operations: 64, rounds: 64, bytes: 5_000, cpuUs: 100 };

/** What is known of a function that is called so often, from the beginning on. */
const explained = (callsPerSecond: number, durationMs: number): Explanation => {
  const walk = { name: "walk", demand: DEMAND, callsPerSecond };
  const capacity = {
    computeCores: 2,
    storageCores: 1,
    redisThread: 1,
    storageMachineCores: 2,
    sharedCores: Infinity,
    nodes: 1,
  };
  const run = simulate(
    {
      functionsAt: () => [walk],
      leftAt: () => ({ compute: 1, storage: 1 }),
      constantsAt: () => DEFAULT_CONSTANTS,
      capacityAt: () => capacity,
      callers: null,
      hubEvery: 0,
      mixing: 0,
      mixingOfComputing: 0,
    },
    { rules: new Map([["walk", FREE_RULES]]), constants: DEFAULT_CONSTANTS },
    durationMs,
    seededRandom(1),
  );
  return explain("walk", {
    state: run.state.get("walk")!,
    rules: FREE_RULES,
    profile: run.profiles.get("walk"),
    constants: DEFAULT_CONSTANTS,
    transitions: run.transitions,
    isCrowded: false,
    hasStorage: true,
    nodes: 1,
    nowMs: durationMs,
  });
};

describe("what people are told of one function", () => {
  it("says where each figure comes from: over how many calls, and since when", () => {
    const known = explained(200, 5_000);
    const text = summaryText(known, 6_000);
    const { callsInAll, sinceMs } = known.sides!.storage;
    expect(callsInAll).toBeGreaterThan(100);
    const since = new Date(sinceMs!).toISOString();
    const over = `${callsInAll.toLocaleString("en")} calls since ${since}, the last 1\\.\\d+ s ago; the latest count most`;
    expect(text).toMatch(new RegExp(`\\n  measured +[\\d.]+ [µm]s  in the sandbox: ${over}\\n`));
    const figure = /[\d.]+ [µmn]?s/.source;
    expect(text).toMatch(
      new RegExp(
        `\\n {2}computed +${figure} {2}of that\\n {2}waited +${figure} {2}of that, for replies or timers\\n {2}queued +${figure} {2}besides, for an isolate\\n`,
      ),
    );
    expect(text).toMatch(/\n {2}p99 .*\n {2}modelled +[\d.]+ [µm]s {2}of the same calls, in the sandbox\n/);
    expect(text).toContain("How to read it");
  });

  it("has a headline that follows from the figures below it", () => {
    const [, headline = "", ...rest] = summaryText(explained(200, 5_000), 6_000).split("\n");
    const told = [...headline.matchAll(/([\d.]+ [µm]s) at (compute|storage)/g)].map(
      ([, us, side]) => `at ${side}: ${us}`,
    );
    expect(told).toHaveLength(2);
    for (const line of told) expect(rest).toContain(line);
  });

  it("says what people have said of it, and whether no side keeps it; nothing where they have said nothing", () => {
    const known = explained(200, 5_000);
    const lineOf = (weight: number, p99UnderUs: number | null): string | undefined =>
      summaryText({ ...known, rules: { ...FREE_RULES, weight, p99UnderUs } }, 6_000).split("\n")[2];
    expect(lineOf(1, null)).toBe("");
    expect(lineOf(2, 1e7)).toBe(
      "Said of it: its callers' time counts 2 times as much as that of others; its 99th percentile is to be under 10.0 s.",
    );
    const { compute, storage } = known.sides!;
    const sides = { compute: { ...compute, p99Us: 20 }, storage: { ...storage, p99Us: 11 } };
    const ruled = { ...known, sides, rules: { ...FREE_RULES, p99UnderUs: 10 } };
    expect(summaryText(ruled, 6_000)).toContain("under 10 µs, which it keeps on neither side by what is known.");
  });

  it("says from how many calls on they overflow, and to where; nothing where they do not", () => {
    const known = { ...explained(200, 5_000), share: 1, overflowMin: 3, overflowTimes: 4 };
    expect(summaryText(known, 6_000).split("\n")[2]).toBe(
      "Its calls overflow: one goes to compute instead while 3 or more of such calls, and 4 for each at compute, are in flight at storage.",
    );
    expect(summaryText({ ...known, share: 0.4 }, 6_000)).toContain("one goes to storage instead while 3");
    expect(summaryText({ ...known, overflowMin: 0 }, 6_000)).not.toContain("overflow");
  });

  it("draws each term as a bar, those of both sides by one measure", () => {
    const known = explained(200, 5_000);
    const { compute, storage } = known.sides!;
    const none = { call: 0, enter: 0, cpu: 0, operations: 0, rounds: 0, bytes: 0, crowd: 0 };
    const having = (side: typeof compute, terms: Partial<typeof none>) => ({
      ...side,
      cost: { ...side.cost, terms: { ...none, ...terms } },
    });
    const sides = {
      compute: having(compute, { rounds: 800, operations: 25, bytes: 12 }),
      storage: having(storage, { cpu: 400 }),
    };
    const text = summaryText({ ...known, sides }, 6_000);
    const barOf = (side: string, term: string): string => {
      const [, terms = ""] = text.split(`\nat ${side}: `);
      return new RegExp(`^  ${term} .*?(█*)$`, "m").exec(terms)?.[1] ?? "no such term";
    };
    expect(barOf("compute", "rounds")).toBe("█".repeat(32));
    expect(barOf("storage", "cpu")).toBe("█".repeat(16));
    expect(barOf("compute", "operations")).toBe("█");
    expect(barOf("compute", "bytes")).toBe("");
    expect(barOf("storage", "rounds")).toBe("");
  });

  it("says that few calls are few, and where there were none", () => {
    const known = explained(8, 300);
    const { compute, storage } = known.sides!;
    expect([compute.callsInAll, storage.callsInAll]).toEqual([expect.toSatisfy((calls) => calls < 8), 0]);
    const text = summaryText(known, 6_000);
    expect(text).toMatch(/call of it is known, and a decision takes 8|calls of it are known, and a decision takes 8/);
    expect(text).toMatch(
      /: \d calls? since \S+, the last .* ago; fewer than the 8 of a decision: first calls compile its code, so that what they took is dropped each time that there are twice as many\n/,
    );
    expect(text).toContain("nothing measured: no call ran here");
  });

  it("tells a beginning as one, and a move as one", () => {
    const [, changes = ""] = summaryText(explained(200, 5_000), 6_000).split("last changes:\n");
    const [first, ...others] = changes.split("\n");
    expect(first).toMatch(/^ {2}\S+Z {2}deployed: begins as profiling, 0 % at storage$/);
    expect(others).toContainEqual(expect.stringMatching(/ → storage \(0 % → 100 % at storage\): a call takes /));
  });

  it("tells each kind of change with its numbers, a trial from its beginning to what came of it", () => {
    const all = { side: "storage", partner: null } as const;
    const lineOf = (from: PlacementState, why: Transition["why"]): string => {
      const of = { atMs: 5_000, function: "walk", from, to: "probing", fromShare: 1, toShare: 0, why } as const;
      return summaryText({ ...explained(200, 5_000), transitions: [of] }, 6_000)
        .split("last changes:\n")[1]!
        .trim();
    };
    expect(lineOf("compute", { kind: "trying", ...all, busierTimes: 0.8 })).toMatch(
      /all calls are tried at storage for a moment, with which the busiest part would be 80 % as busy by the model$/,
    );
    expect(lineOf("probing", { kind: "checking", ...all, ratio: 0.8 })).toMatch(
      /\(100 % → 0 % at storage\): with all at storage, calls of all functions took 80 % of what they took before; all is as before for a moment, to see whether that is worse again$/,
    );
    expect(lineOf("compute", { kind: "probing", side: "storage", every: 4_000 })).toMatch(
      /: one call in 4,000 visits storage, of which too little is known lately$/,
    );
    expect(lineOf("probing", { kind: "probed", side: "storage", takesUs: 300 })).toMatch(
      /: storage was visited, where a call takes 300 µs$/,
    );
    expect(lineOf("storage", { kind: "shifted", workTimes: 2.5 })).toMatch(
      /: its calls are not what they were: 250 % of their work$/,
    );
    expect(lineOf("probing", { kind: "resumed", sinceLastMs: 1_500 })).toMatch(
      /\(100 % → 0 % at storage\): another node decides since, from the plan as it was \(it had changed 1\.50 s before\), and profiles its calls anew$/,
    );
    expect(lineOf("probing", { kind: "resumed", sinceLastMs: null })).toMatch(/ from the plan as it was, and profiles/);
    const whim = { kind: "whim", times: 3, side: "storage" } as unknown as Transition["why"];
    expect(lineOf("storage", whim)).toMatch(/: whim \(times 3, side storage\)$/);
    expect(lineOf("storage", { kind: "recalled", from: 2_000, to: 500 })).toMatch(
      /: calls like these came before, and did best with that share \(500 µs a call, where they begin with 2\.00 ms\)$/,
    );
    expect(lineOf("compute", { kind: "stopped", quietMs: 80 })).toMatch(
      /: nobody has called it for 80\.0 ms, since about when it was moved$/,
    );
    expect(lineOf("reverting", { kind: "waited", ms: 4_000 })).toMatch(
      /: after 4\.00 s of calls what was taken back may be tried again$/,
    );
    const came = (
      ratio: number | null,
      isKept: boolean,
      brokenOff: "bounds" | "surge" | "quiet" | null = null,
    ): string => lineOf("probing", { kind: "tried", ...all, ratio, isKept, brokenOff });
    expect(came(0.8, true)).toMatch(/took 80 % of what they took otherwise: it stays so$/);
    expect(came(0.8, false)).toMatch(/took 80 % of what they took otherwise, which may be chance: back$/);
    expect(came(1.3, false)).toMatch(/took 130 % of what they took otherwise: back$/);
    expect(lineOf("storage", { kind: "bound", p99UnderUs: 5_000, p99Us: 9_000 })).toMatch(
      /\(100 % → 0 % at storage\): where it was its 99th percentile was 9\.00 ms, beyond its bound of 5\.00 ms$/,
    );
    expect(lineOf("storage", { kind: "closed" })).toMatch(/: storage runs nothing$/);
    expect(lineOf("storage", { kind: "replaced" })).toMatch(/: other code was deployed under its name$/);
    const surge = { from: 1.5, to: 0.75, noise: 0.02, callsPerSecond: 3_000, usualPerSecond: 500 };
    expect(lineOf("storage", { kind: "surge", ...surge })).toMatch(
      /: 3,000 calls of it come a second at once, and usually 500: the busiest part is to be at 75 % instead of 150 % \(± 2 %\)$/,
    );
    expect(came(null, false)).toMatch(/storage was tried, and nothing tells what came of it$/);
    expect(came(null, false, "bounds")).toMatch(/tried, and broken off: a function may not stay where it was$/);
    expect(came(null, false, "surge")).toMatch(/tried, and broken off: more callers came all at once$/);
    expect(lineOf("compute", { kind: "slowed", side: "storage", partner: null })).toMatch(
      "storage was tried, and nobody judges it: cores were slower or quicker then",
    );
    expect(came(null, false, "quiet")).toMatch(
      /tried, and broken off: it was not called any more, or not looked at in time$/,
    );
  });

  it("says that nothing is known beside the place where no node decides", () => {
    const alone = {
      function: "walk",
      state: "storage",
      share: 1,
      probeEvery: 0,
      backCpuUs: 0,
      overflowMin: 0,
      overflowTimes: 0,
    } as const;
    expect(summaryText(alone, 0)).toBe(
      "walk: storage, 100 % at storage\nno node decides now: the last plan holds, and what it was made from is not known",
    );
  });
});

describe("what people are told of all functions", () => {
  const overview: PlacementOverview = {
    planVersion: 16_777_229,
    decidedMs: 10_000,
    controller: "0123456789ab",
    nodes: 1,
    outlook: null,
    hostCores: null,
    regret: 0.004,
    constants: DEFAULT_CONSTANTS,
    constantsFrom: "measured",
    functions: [explained(200, 5_000)],
  };

  it("says who decided and when, and what the columns are", () => {
    const text = overviewText(overview, 13_200);
    expect(text).toContain(
      "node 0123456789ab decides, and changed it last 3.20 s ago (1970-01-01T00:00:10.000Z); 1 node had calls lately",
    );
    expect(text).not.toContain("16777229");
    for (const head of ["AT STORAGE", "CALLS/S", "TAKES", "MOVES", "REVERTS", "TRIALS"])
      expect(text).toContain(`${head}: `);
  });

  it("says that others keep sandboxes beside Redis from its cores, where they do", () => {
    for (const unknown of [null, undefined])
      expect(overviewText({ ...overview, hostCores: unknown }, 13_200)).not.toContain("beside Redis");
    expect(overviewText({ ...overview, hostCores: 0.12 }, 13_200)).toContain(
      "beside Redis: sandboxes get 0.12 of its cores, others keep them from more",
    );
  });

  it("tells calls for seconds after they came", () => {
    expect(overviewText(overview, 13_200)).toMatch(/^walk +\w+ +100 % +(9\d|1[01]\d) /m);
  });

  it("says that the plan of another holds", () => {
    expect(overviewText({ ...overview, decidedMs: null }, 0)).toContain("has changed nothing since it began to");
    expect(overviewText({ ...overview, controller: null }, 0)).toContain("no node decides now: the last plan holds");
  });
});
