import { describe, expect, it } from "vitest";
import type { Side } from "#runtime/profile/sample.ts";
import { advance, NEW_STATE, regretAfter, resumed, type ControllerState, type Step } from "./controller.ts";
import type { Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { modelledCalls, ONE_CORE_EACH, PlayedCalls, type Calls } from "./played-calls.fake.ts";
import { FREE_RULES, type Rules, type Situation } from "./situation.ts";
import type { Transition } from "./transition.ts";

/** A chain of reads: far cheaper at storage. */
const WALK: Demand = { operations: 64, rounds: 64, bytes: 5_000, cpuUs: 100 };
/** Computing only: as good at compute, and without the way to storage. */
const HASH: Demand = { operations: 0, rounds: 0, bytes: 100, cpuUs: 3_000 };
/** Room for everything. */
const ROOMY = { ...ONE_CORE_EACH, computeCores: 8, storageCores: 8, storageMachineCores: 8 };
/** Functions have a tenth of a core beside Redis. */
const NARROW_STORAGE = { ...ROOMY, storageCores: 0.1 };

interface Played {
  readonly callsPerSecond: number;
  readonly demand: Demand;
  /** Real time of a call ÷ the model's, on each side. */
  readonly slower?: Partial<Record<Side, number>>;
}

/** Functions that are called while the controller places them. */
class Replay {
  readonly calls = new PlayedCalls();
  readonly transitions: Transition[] = [];
  state: ControllerState = NEW_STATE;
  step: Step | null = null;
  readonly #change: Partial<Situation>;
  readonly #rules: ReadonlyMap<string, Rules>;

  constructor(rules: Readonly<Record<string, Partial<Rules>>>, change: Partial<Situation> = {}) {
    this.#rules = new Map(Object.entries(rules).map(([name, ruled]) => [name, { ...FREE_RULES, ...ruled }]));
    this.#change = { capacity: ROOMY, ...change };
    const kinds = [
      modelledCalls("compute", 1, WALK, DEFAULT_CONSTANTS),
      modelledCalls("storage", 1, WALK, DEFAULT_CONSTANTS),
    ];
    // Long ago their code was compiled on both sides.
    this.calls.nowMs = 100_000;
    this.calls.warm(Object.fromEntries(Object.keys(rules).map((name) => [name, kinds])));
  }

  run(ms: number, functions: Readonly<Record<string, Played>>, change: Partial<Situation> = {}): this {
    for (const endMs = this.calls.nowMs + ms; this.calls.nowMs < endMs;) {
      const shifted = this.calls.run(25, this.#ended(functions));
      this.step = advance(this.state, {
        ...this.calls.situation({ shifted, rules: this.#rules, ...this.#change }),
        ...change,
      });
      this.state = this.step.state;
      this.transitions.push(...this.step.transitions);
    }
    return this;
  }

  #ended(functions: Readonly<Record<string, Played>>): Record<string, Calls[]> {
    return Object.fromEntries(
      Object.entries(functions).map(([name, { callsPerSecond, demand, slower = {} }]) => {
        const { share = 0, probeEvery = 0 } = this.state.functions.get(name) ?? {};
        const probes = probeEvery > 0 ? 1 / Math.min(probeEvery, 40) : 0;
        const part = share > 0.5 ? share - probes : share + probes;
        const count = callsPerSecond / 40;
        const parts = { compute: 1 - part, storage: part };
        return [
          name,
          (["compute", "storage"] as const).map((side) =>
            modelledCalls(side, Math.round(count * parts[side]), demand, DEFAULT_CONSTANTS, slower[side] ?? 1),
          ),
        ];
      }),
    );
  }

  share(name: string): number {
    return this.state.functions.get(name)!.share;
  }

  kinds(name: string): readonly string[] {
    return this.transitions.filter((one) => one.function === name).map(({ why }) => why.kind);
  }

  /** The moves that change a share, of one kind. */
  moves(name: string, kind: string): readonly Transition[] {
    return this.transitions.filter(
      (one) => one.function === name && one.why.kind === kind && one.fromShare !== one.toShare,
    );
  }
}

const walk: Played = { callsPerSecond: 400, demand: WALK };
const hash: Played = { callsPerSecond: 200, demand: HASH };

describe("placing functions", () => {
  it("profiles a function before it moves it to the faster side", () => {
    const replay = new Replay({ walk: {} }).run(2_000, { walk });
    expect(replay.kinds("walk").slice(0, 2)).toEqual(["new", "profiled"]);
    expect(replay.share("walk")).toBe(1);
    expect(replay.moves("walk", "latency")).toHaveLength(1);
  });

  it("lets a few calls visit a side before the function moves there", () => {
    const replay = new Replay({ walk: {} }).run(75, { walk: { ...walk, callsPerSecond: 40 } });
    expect(replay.state.functions.get("walk")).toMatchObject({ share: 0, probeEvery: 4 });
  });

  it("leaves a function where it is if the other side is not clearly faster", () => {
    const replay = new Replay({ hash: {} }).run(3_000, { hash });
    expect(replay.share("hash")).toBe(0);
    expect(replay.state.functions.get("hash")!.moves).toBe(0);
  });

  it("starts where the author prefers it", () => {
    expect(new Replay({ walk: { preferred: "storage" } }).run(25, { walk }).share("walk")).toBe(1);
  });

  it("keeps a pinned function at its share, and places it again once it is unpinned", () => {
    const replay = new Replay({ walk: { pinnedShare: 0.25 } }).run(2_000, { walk });
    expect(replay.state.functions.get("walk")).toMatchObject({ state: "pinned", share: 0.25, probeEvery: 0 });
    replay.run(2_000, { walk }, { rules: new Map([["walk", FREE_RULES]]) });
    expect(replay.kinds("walk")).toContain("unpinned");
    expect(replay.share("walk")).toBe(1);
  });

  it("relieves a crowded pool by the function that gains most on the other side", () => {
    const change = { capacity: { ...ROOMY, computeCores: 1 } };
    const replay = new Replay({ walk: {}, hash: {} }, change).run(3_000, {
      walk,
      hash: { ...hash, callsPerSecond: 240 },
    });
    expect(replay.share("walk")).toBe(1);
    expect(replay.step!.outlook.crowded).toBe(false);
  });

  it("plans nothing for a side that has no room", () => {
    // Its rate is known by the time that it may move.
    const replay = new Replay({ walk: { pinnedShare: 0 } }, { capacity: NARROW_STORAGE }).run(1_000, { walk });
    replay.run(3_000, { walk }, { rules: new Map([["walk", FREE_RULES]]) });
    expect(replay.share("walk")).toBeLessThan(0.5);
  });

  it("leaves a side at once when storage closes", () => {
    const replay = new Replay({ walk: {} }).run(2_000, { walk });
    replay.run(25, { walk }, { capacity: { ...ROOMY, storageCores: 0 } });
    expect(replay.share("walk")).toBe(0);
    expect(replay.kinds("walk").at(-1)).toBe("closed");
  });

  it("forgets what it learnt of a version that was replaced", () => {
    const replay = new Replay({ walk: {} }).run(2_000, { walk });
    const { memory, ...state } = replay.state.functions.get("walk")!;
    const functions = new Map([["walk", { ...state, memory, version: "0" }]]);
    replay.state = { ...replay.state, functions };
    replay.run(25, { walk });
    expect(replay.kinds("walk").at(-1)).toBe("replaced");
    expect(replay.state.functions.get("walk")).toMatchObject({ state: "profiling", share: 1 });
  });
});

describe("verifying a change", () => {
  it("takes a move back that makes all calls clearly longer, and waits longer each time", () => {
    // The model is right about a single call. Many calls at storage are slow for a reason that it does not know.
    const replay = new Replay({ walk: {} });
    for (let at = 0; at < 400; at++) {
      const slow = replay.state.functions.get("walk")?.share === 1 ? 12 : 1;
      replay.run(25, { walk: { ...walk, slower: { storage: slow } } });
    }
    const reverts = replay.moves("walk", "reverted");
    expect(reverts.length).toBeGreaterThan(0);
    const waits = reverts.map(({ why }) => (why as { retryInMs: number }).retryInMs);
    expect(waits.toSorted((one, other) => one - other)).toEqual(waits);
    expect(replay.state.functions.get("walk")!.reverts).toBe(reverts.length);
    expect(reverts.length).toBeLessThanOrEqual(4);
  });

  it("changes nothing else of weight until the change is verified", () => {
    const replay = new Replay({ walk: {}, other: {} });
    replay.run(2_000, { walk, other: walk });
    const moved = replay.transitions.filter(({ fromShare, toShare }) => fromShare !== toShare).map(({ atMs }) => atMs);
    const gaps = moved.slice(1).map((ms, at) => ms - moved[at]!);
    for (const gap of gaps) expect(gap === 0 || gap >= 100).toBe(true);
  });
});

describe("reacting at once", () => {
  it("relieves a pool that a surge would fill, though a verification runs", () => {
    const change = { capacity: { ...ROOMY, computeCores: 1 } };
    const replay = new Replay({ walk: { preferred: "compute" } }, change).run(1_000, {
      walk: { ...walk, callsPerSecond: 40 },
    });
    const before = replay.calls.nowMs;
    replay.run(300, { walk: { ...walk, callsPerSecond: 4_000 } });
    const left = replay.transitions.find(({ atMs, toShare, fromShare }) => atMs > before && toShare !== fromShare);
    expect(replay.share("walk") === 1 || left !== undefined).toBe(true);
  });

  it("profiles a function again whose calls have changed", () => {
    const replay = new Replay({ walk: {} }).run(2_000, { walk });
    replay.run(1_000, { walk: { ...walk, demand: HASH } });
    expect(replay.kinds("walk")).toContain("shifted");
    replay.run(2_000, { walk: { ...walk, demand: HASH } });
    expect(replay.share("walk")).toBe(0);
  });

  it("returns to the share of an earlier kind of calls when these come back", () => {
    const replay = new Replay({ walk: {} }).run(2_000, { walk });
    replay.run(3_000, { walk: { ...walk, demand: HASH } }).run(1_000, { walk });
    expect(replay.kinds("walk")).toContain("recalled");
    expect(replay.share("walk")).toBe(1);
  });

  it("leaves a side whose 99th percentile exceeds the bound while the other one keeps it", () => {
    const replay = new Replay({ walk: { p99UnderUs: 5_000 } }).run(2_000, { walk });
    replay.run(3_000, { walk: { ...walk, slower: { storage: 40 } } });
    expect(replay.kinds("walk")).toContain("bound");
    expect(replay.share("walk")).toBe(0);
  });
});

it("tries nothing while no pool is crowded", () => {
  const replay = new Replay({ hash: {} }).run(10_000, { hash });
  expect(replay.state.functions.get("hash")!.trials).toBe(0);
});

describe("a function that leaves an experiment", () => {
  const kinds = ["verifying", "trying", "checking"] as const;
  const whole = { startedMs: 0, baseline: [0, 1], noise: 0, endedMs: 1, during: [0, 1], ratio: 0.5 } as const;
  const changes = [
    { name: "walk", from: 0, to: 1 },
    { name: "other", from: 1, to: 0 },
  ];

  /** Both functions are in an experiment that began before the calls that are known. */
  function inExperiment(kind: (typeof kinds)[number]): Replay {
    const replay = new Replay({ walk: {}, other: {} }).run(1_000, { walk, other: walk });
    const functions = new Map(replay.state.functions);
    for (const { name, from, to } of kind === "trying" ? changes : []) {
      functions.set(name, { ...functions.get(name)!, state: "probing", share: to, fromShare: from });
    }
    replay.state = { ...replay.state, functions, experiment: { ...whole, kind, changes } };
    return replay;
  }

  it.each(kinds)("may be removed while another is %s", (kind) => {
    const replay = inExperiment(kind).run(1_000, { other: walk }, { rules: new Map([["other", FREE_RULES]]) });
    expect([...replay.state.functions.keys()]).toEqual(["other"]);
    expect(replay.state.functions.get("other")!.fromShare).toBeUndefined();
  });

  it.each(kinds)("stays where it is pinned while another is %s", (kind) => {
    const pinned = { ...FREE_RULES, pinnedShare: 0.5 };
    const replay = inExperiment(kind);
    for (let step = 0; step < 40; step++) {
      replay.run(
        25,
        { walk, other: walk },
        {
          rules: new Map([
            ["walk", pinned],
            ["other", FREE_RULES],
          ]),
        },
      );
      expect(replay.share("walk")).toBe(0.5);
    }
  });
});

describe("a controller that takes over", () => {
  it("goes on from the plan, ends a trial, and profiles the functions again", () => {
    const place = { probeEvery: 9, backCpuUs: 1, overflowMin: 0, overflowTimes: 0 };
    const { state, transitions } = resumed(
      new Map([
        ["tried", { ...place, state: "probing", share: 1, fromShare: 0.25 }],
        ["pinned", { ...place, state: "pinned", share: 0.5 }],
      ] as const),
      new Map([["tried", { counters: { moves: 3, reverts: 1, trials: 2 }, transitions: [] }]]),
      1_000,
    );
    expect(state.functions.get("tried")).toMatchObject({ state: "profiling", share: 0.25, moves: 3, trials: 2 });
    expect(state.functions.get("pinned")).toMatchObject({ state: "pinned", share: 0.5 });
    expect(transitions.map(({ function: name, why }) => [name, why.kind])).toEqual([["tried", "resumed"]]);
  });
});

it("has a regret of nothing where every function is at its best share", () => {
  expect(regretAfter(new Replay({ walk: {} }).run(2_000, { walk }).step!)).toBe(0);
});
