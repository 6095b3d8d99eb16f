import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { resumed } from "#runtime/placement/controller.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { functionCosts } from "#runtime/placement/function-costs.ts";
import { placeOf } from "#runtime/placement/plan.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { SampleTally, TALLY_TERMS, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { readPlacement } from "./messages.ts";
import { Replay, ONE_CORE, WALKS, type Calls } from "./placement-loop.fake.ts";

afterEach(() => void vi.useRealTimers());

const each = (functions: number, cpuUs = 100): Record<string, Calls> =>
  Object.fromEntries(Array.from({ length: functions }, (_, at) => [`f${at}`, { count: 3, cpuUs }]));

describe("steps", () => {
  it("follow every window if few functions are called", () => {
    expect(new Replay(8).run(500, each(8)).steps).toHaveLength(500 / WINDOW_MS);
  });

  it("are rarer the more functions are called, up to a bound", () => {
    const gapWith = (functions: number): number => {
      const replay = new Replay(functions).run(5_000, each(functions));
      return Math.max(...replay.run(4_000, each(functions)).gaps(replay.steps.length - 3));
    };
    const [few, many, most] = [gapWith(50), gapWith(400), gapWith(2_000)];
    expect(few).toBeLessThan(many);
    expect(many).toBeLessThan(most);
    expect(most).toBeLessThanOrEqual(1_100);
  });
});

describe("the plan", () => {
  it("moves a function to the side that is faster", () => {
    expect(new Replay().run(2_000, { f0: WALKS }).loop.functions.get("f0")).toMatchObject({ share: 1 });
  });

  it("moves functions also if so many are called that steps are further apart than a pause is long", () => {
    const walk: Calls = { count: 2, cpuUs: 5, rounds: 1, waitUs: 1_000 };
    const replay = new Replay(400).run(5_000, Object.fromEntries(Object.keys(each(400)).map((name) => [name, walk])));
    const moved = [...replay.loop.functions.values()].filter(({ share }) => share > 0);
    expect(moved.length).toBeGreaterThan(50);
  });

  it("moves a function that is called once a second, and nothing else is", () => {
    const replay = new Replay();
    for (let second = 0; second < 30; second++) {
      replay.run(WINDOW_MS, { f0: { ...WALKS, count: 1 } });
      replay.nowMs += 1_000 - WINDOW_MS;
    }
    expect(replay.loop.functions.get("f0")).toMatchObject({ share: 1 });
  });

  it("has all functions that are called, and others only as far as there is room", () => {
    const replay = new Replay(10_000).run(100, { f0: WALKS, f9999: WALKS });
    expect(replay.loop.placements.size).toBe(1_000);
    expect([...replay.loop.placements.keys()]).toEqual(expect.arrayContaining(["f0", "f1", "f9999"]));
  });

  describe("keeps within the memory for isolates", () => {
    const sharesOf = ({ loop }: Replay): readonly number[] => Array.from(loop.functions.values(), ({ share }) => share);
    const named = (calls: Calls, count = 20): Record<string, Calls> =>
      Object.fromEntries(Object.keys(each(count)).map((name) => [name, calls]));

    const machine = { id: "m", cpus: Array.from({ length: 16 }, (_, cpu) => cpu), cores: 16 };

    it("where functions want to go", () => {
      const replay = new Replay(20, { machine: { ...machine, id: "storage" }, isolatesMax: 10 });
      replay.machine = machine;
      replay.run(20_000, named({ ...WALKS, count: 2 }));
      expect(sharesOf(replay).filter((share) => share > 0)).toHaveLength(9);
      const waiting = Object.keys(named(WALKS)).find((name) => replay.loop.functions.get(name)!.share === 0)!;
      expect(replay.loop.explain(waiting)!.reason).toContain(
        "It stays at compute: storage has memory for the isolates of 9 functions, and 9 run there.",
      );
    });

    it("where a function comes that saves far more than one that is there", () => {
      const replay = new Replay(20, { machine: { ...machine, id: "storage" }, isolatesMax: 10 });
      replay.machine = machine;
      const few = named({ ...WALKS, count: 2 }, 9);
      replay.run(10_000, few);
      expect(sharesOf(replay).filter((share) => share > 0)).toHaveLength(9);
      replay.run(30_000, { ...few, f9: { ...WALKS, count: 12 } });
      expect(replay.loop.functions.get("f9")).toMatchObject({ share: 1 });
      expect(sharesOf(replay).filter((share) => share > 0)).toHaveLength(9);
      expect(replay.transitions.filter(({ why }) => why.kind === "room")).toHaveLength(1);
    });

    it("where functions are, which go to the other side if it has room", () => {
      const hashes = named({ count: 2, cpuUs: 50 });
      const replay = new Replay(20, { machine: { ...machine, id: "storage" } });
      replay.machine = machine;
      replay.isolatesMax = 10;
      replay.run(20_000, hashes);
      expect(sharesOf(replay).filter((share) => share < 1)).toHaveLength(9);
      const moved = replay.transitions.length;
      replay.run(20_000, hashes);
      expect(replay.transitions).toHaveLength(moved);
    });

    it("where functions are, which stay if the other side has no room either", () => {
      const replay = new Replay(20, { machine: { ...machine, id: "storage" }, isolatesMax: 1 });
      replay.machine = machine;
      replay.isolatesMax = 10;
      replay.run(20_000, named({ count: 2, cpuUs: 50 }));
      expect(sharesOf(replay).filter((share) => share > 0)).toHaveLength(1);
      const { latencyUs, terms } = replay.loop.explain("f9")!.sides!.compute.cost;
      expect(terms.opening).toBeGreaterThan(1_000);
      expect(Object.values(terms).reduce((sum, us) => sum + us, 0)).toBeCloseTo(latencyUs);
    });
  });

  it("leaves storage when that closes", () => {
    const storage = { isOpen: true };
    const replay = new Replay(1, storage).run(2_000, { f0: WALKS });
    expect(replay.loop.functions.get("f0")!.share).toBe(1);
    storage.isOpen = false;
    replay.run(WINDOW_MS, { f0: WALKS });
    expect(replay.loop.functions.get("f0")!.share).toBe(0);
  });

  it("is announced only when followers would do something else", () => {
    const replay = new Replay().run(4_000, { f0: WALKS });
    const announced = replay.plans.length;
    replay.run(1_000, { f0: WALKS });
    expect(replay.plans.length - announced).toBeLessThan(5);
    expect(replay.loop.decidedMs).toBeLessThanOrEqual(replay.nowMs);
  });

  /** A function of which all calls run on one side for a moment. */
  const inTrial = (): Replay => {
    const replay = new Replay(2);
    replay.machine = ONE_CORE;
    const busy = { f0: { count: 8, cpuUs: 10_000 }, f1: { count: 8, cpuUs: 10_000 } };
    for (let at = 0; at < 400 && !isTried(replay); at++) replay.run(WINDOW_MS, busy, { inFlight: 16 });
    expect(isTried(replay)).toBe(true);
    return replay;
  };
  const isTried = ({ loop }: Replay): boolean => loop.functions.get("f0")?.fromShare !== undefined;

  it("holds the share from before a trial, for a controller that takes over", () => {
    const tried = inTrial().loop.placements.get("f0")!;
    expect(readPlacement(JSON.stringify(tried))).toEqual(tried);
    const { state } = resumed(new Map([["f0", tried]]), new Map(), 0);
    expect(state.functions.get("f0")).toMatchObject({ share: tried.fromShare });
  });

  it("ends a trial even if no window comes any more", () => {
    vi.useFakeTimers();
    const replay = inTrial();
    for (let at = 0; at < 80; at++) {
      replay.nowMs += WINDOW_MS;
      vi.advanceTimersByTime(WINDOW_MS);
    }
    expect(isTried(replay)).toBe(false);
  });

  it("keeps nothing busy when there have been no calls for a while", () => {
    const replay = new Replay().run(1_000, { f0: { count: 16, cpuUs: 10_000 } });
    expect(replay.loop.outlook!.busiest).toBeGreaterThan(0.75);
    replay.nowMs += 10_100;
    expect(replay.loop.outlook).toMatchObject({ busiest: 0, crowded: false });
    expect(replay.loop.regret).toBe(0);
    expect(replay.loop.explain("f0")!.function).toBe("f0");
  });
});

describe("what calls take", () => {
  it("is learned from windows of nodes, unless calls come without a node", () => {
    const calls = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`f${at}`, { count: 3, cpuUs: 1 }]));
    const nodeCores = (12_000 * 30) / 1e6;
    const learnt = new Replay(100).run(2_000, calls, { nodeCores });
    expect(learnt.loop.constants.compute.nodeCallUs).toBeGreaterThan(1.5 * DEFAULT_CONSTANTS.compute.nodeCallUs);
    const mixed = new Replay(100);
    for (let at = 0; at < 40; at++) {
      mixed.direct({ f0: { count: 1 } });
      mixed.run(WINDOW_MS, calls, { nodeCores });
    }
    expect(mixed.loop.constants.compute).toEqual(DEFAULT_CONSTANTS.compute);
  });

  it("counts reads that the read cache would answer at storage, if it is in use", () => {
    const roundsWith = (findsReads: boolean): number => {
      const { loop } = new Replay(1, { findsReads }).run(500, { f0: { ...WALKS, findable: 20 } });
      const costs = functionCosts(loop.profiles.get("f0")!.estimates(500), loop.constants, 500)!;
      return costs.sides.storage.cost.terms.rounds;
    };
    expect(roundsWith(true)).toBeLessThan(0.5 * roundsWith(false));
  });
});

describe("windows", () => {
  it("of another version are ignored, and make the node look for a new one", () => {
    const replay = new Replay();
    replay.version = "1";
    replay.run(500, { f0: { count: 3 } });
    const tally = new SampleTally();
    tally.record({ ...NO_USAGE, function: "f0", version: "0", side: "compute", outcome: "ok", wallUs: 10 }, 20);
    const before = replay.loop.profiles.get("f0")!.lastMs;
    replay.hear(WINDOW_MS, tally.take().tallies);
    expect(replay.loop.profiles.get("f0")).toMatchObject({ version: "1", lastMs: before });
    expect(replay.otherVersions).toBe(1);
  });

  const sums = (change: Partial<Record<(typeof TALLY_TERMS)[number], number>>): number[] =>
    TALLY_TERMS.map((term) => change[term] ?? 0);
  const forged = (change: Parameters<typeof sums>[0]): Tally => ({
    function: "f0",
    version: "1",
    side: "compute",
    sums: sums(change),
    elapsed: [],
  });

  it("that no calls can have caused make no profile", () => {
    const replay = new Replay();
    replay.hear(WINDOW_MS, [forged({ calls: 0.5, cpuUs: 100 })]);
    replay.hear(WINDOW_MS, [forged({ calls: 1, cpuUs: 1e30 })]);
    expect(replay.loop.profiles.get("f0")).toBeUndefined();
  });

  it("of any content never make the constants or the plan invalid", () => {
    const tally = fc.record({
      function: fc.constantFrom("f0", "f1", "f2"),
      version: fc.constantFrom("1", "2"),
      side: fc.constantFrom("compute" as const, "storage" as const),
      sums: fc.array(fc.oneof(fc.constantFrom(0, 1, 1e3, 1e9), fc.double({ min: 0, max: 1e30, noNaN: true })), {
        minLength: TALLY_TERMS.length,
        maxLength: TALLY_TERMS.length,
      }),
      elapsed: fc.array(fc.double({ min: 0, max: 1e15, noNaN: true }), { maxLength: 8 }),
    });
    const window = fc.tuple(
      fc.constantFrom(0, 1e-9, 25, 1e15),
      fc.array(tally, { maxLength: 4 }),
      fc.constantFrom(0, 1, 16, 1e6),
    );
    fc.assert(
      fc.property(fc.array(window, { maxLength: 30 }), (windows) => {
        const replay = new Replay(3);
        for (const [stretchMs, tallies, inFlight] of windows) replay.hear(stretchMs, tallies, inFlight);
        for (const state of replay.loop.functions.values()) {
          expect(readPlacement(JSON.stringify(placeOf(state)))).not.toBeNull();
        }
        const { compute, storage } = replay.loop.constants;
        for (const us of [...Object.values(compute), ...Object.values(storage)]) expect(us).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 100 },
    );
  });
});
