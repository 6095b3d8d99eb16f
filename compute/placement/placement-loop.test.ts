import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { regretAfter, resumed, type Step } from "#runtime/placement/controller.ts";
import { functionCosts } from "#runtime/placement/function-costs.ts";
import { placeOf, type Placement } from "#runtime/placement/plan.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_USAGE, type Sample, type Side } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { readPlacement, readWindow, type Machine } from "./messages.ts";
import { PlacementLoop, type Surroundings } from "./placement-loop.ts";

const loops: PlacementLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

const MACHINE: Machine = { id: "m", cpus: [0, 1], cores: 2 };
/** Of Redis, on a machine that nobody knows. */
const STORAGE: Surroundings["storage"] = {
  machine: null,
  isolatesMax: Infinity,
  isOpen: true,
  findsReads: true,
  hostCores: Infinity,
};

/** A loop whose time passes with the windows it is given; `cpuUsOf` says what a call of each function computes. */
const loopOf = (functions: number) => {
  let nowMs = 0;
  let storage = STORAGE;
  let version: string | null = null;
  let others = 0;
  const names = Array.from({ length: functions }, (_, at) => `f${at}`);
  const rules = new Map(names.map((name) => [name, FREE_RULES]));
  const plans: ReadonlyMap<string, Placement>[] = [];
  const loop = new PlacementLoop(
    {
      rules: () => rules,
      currentVersion: () => version,
      onOtherVersion: () => (others += 1),
      surroundings: () => ({ constants: DEFAULT_CONSTANTS, storage }),
      onPlacements: (placements) => plans.push(placements),
      onTransition: () => {},
      nowMs: () => nowMs,
    },
    new Map(),
    new Map(),
  );
  loops.push(loop);
  const steps: number[] = [];
  const runFor = (
    ms: number,
    cpuUsOf: (name: string) => number,
    nodeCores = 0.5,
    hostCores: number | null = null,
    inFlight = 1,
  ): void => {
    const tally = new SampleTally();
    let last: Step | null = loop.step;
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += WINDOW_MS;
      for (const name of names) {
        for (const size of [0.9, 1, 1.1]) {
          const cpuUs = cpuUsOf(name) * size;
          const sample = { ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" } as const;
          tally.record({ ...sample, cpuUs, wallUs: cpuUs + 10 }, cpuUs + 20);
        }
      }
      const told = { stretchMs: WINDOW_MS, inFlight, nodeCores, hostCores, ...tally.take() };
      loop.take({ node: "n", machine: MACHINE, ...told });
      if (loop.step !== last) steps.push(nowMs);
      last = loop.step;
    }
  };
  /**
   * Calls that walk, of the first function, on each of those machines: where the plan has them, and one in eight on the other side while
   * that is visited.
   */
  const walkFor = (ms: number, machines: readonly Machine[], around: Partial<Surroundings["storage"]> = {}): void => {
    storage = { ...STORAGE, ...around };
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += WINDOW_MS;
      for (const [at, machine] of machines.entries()) {
        const state = loop.state.get("f0");
        const isAtStorage = (state?.share ?? 0) > 0.5;
        const isVisited = (state?.probeEvery ?? 0) > 0;
        const tally = new SampleTally();
        for (let call = 0; call < WALKS; call++) {
          const side = isAtStorage === (isVisited && call === 0) ? "compute" : "storage";
          tally.record(...walkAt(side, 0.9 + (0.2 * call) / WALKS));
        }
        const inFlight = 1;
        loop.take({
          node: `n${at}`,
          machine,
          stretchMs: WINDOW_MS,
          inFlight,
          nodeCores: null,
          hostCores: null,
          ...tally.take(),
        });
      }
    }
  };
  /**
   * More calls of the first function than both sides can bear, of 10 ms each, where the plan has them; one in eight visits. `windowMs`: in windows of this length, with a call of each other
   * function; `differing`: by how much of itself one takes less or more; `triedTimes`: so many times as long while it is tried.
   */
  const crowdFor = (
    ms: number,
    { windowMs = WINDOW_MS, others = [] as readonly string[], differing = 0.1, triedTimes = 1 } = {},
  ): void => {
    storage = { ...STORAGE, machine: { id: "storage", cpus: [0], cores: 1 } };
    let owed = 0;
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += windowMs;
      const { share = 0, probeEvery = 0, trials } = loop.state.get("f0") ?? {};
      const times = trials?.running?.shown === null ? triedTimes : 1;
      const tally = new SampleTally();
      for (const name of others) {
        const sample = { ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" } as const;
        tally.record({ ...sample, cpuUs: 10, wallUs: 20 }, 30);
      }
      const calls = (WALKS * windowMs) / WINDOW_MS;
      for (let call = 0; call < calls; call++) {
        owed += share;
        const isDue = owed >= 1;
        if (isDue) owed -= 1;
        const side = isDue === (probeEvery > 0 && call % WALKS === 0) ? "compute" : "storage";
        const cpuUs = 10_000 * times * (1 - differing + (2 * differing * (call % WALKS)) / WALKS);
        const sample = { ...NO_USAGE, function: "f0", version: "1", side, outcome: "ok" } as const;
        tally.record({ ...sample, cpuUs, wallUs: cpuUs + 10 }, cpuUs + 20);
      }
      // With two cores there all of them would make these busier than a trial may.
      const machine = { ...MACHINE, cpus: [0, 1, 2], cores: 3 };
      loop.take({
        node: "n",
        machine,
        stretchMs: windowMs,
        inFlight: 8,
        nodeCores: null,
        hostCores: null,
        ...tally.take(),
      });
    }
  };
  /** Calls at compute that read a key in each of twenty rounds. */
  const readFor = (ms: number, around: Partial<Surroundings["storage"]>): void => {
    storage = { ...STORAGE, ...around };
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += WINDOW_MS;
      const tally = new SampleTally();
      const [sample, elapsedUs] = walkAt("compute", 1);
      tally.record({ ...sample, findableOperations: 20, findableRounds: 20 }, elapsedUs);
      const told = { stretchMs: WINDOW_MS, inFlight: 1, nodeCores: null, hostCores: null, ...tally.take() };
      loop.take({ node: "n", machine: MACHINE, ...told });
    }
  };
  /** A call that no node has passed on. */
  const callDirectly = (): void => {
    const tally = new SampleTally();
    tally.record(...walkAt("storage", 1));
    loop.takeDirect({ stretchMs: WINDOW_MS, inFlight: 1, ...tally.take() });
  };
  /** A window as anybody may have written it. */
  const hear = (stretchMs: number, tallies: readonly Tally[], nodeCores = 4_096, inFlight = 1): void => {
    nowMs += WINDOW_MS;
    const text = JSON.stringify({
      node: "n",
      machine: MACHINE,
      stretchMs,
      tallies,
      untracked: 0,
      inFlight,
      nodeCores,
      hostCores: nodeCores,
    });
    loop.take(readWindow(text)!);
  };
  /** Of each function one call in a window that computes for 100 µs, and of some more. */
  const callFor = (ms: number, more: Readonly<Record<string, number>> = {}, machine = MACHINE): void => {
    const tally = new SampleTally();
    let last: Step | null = loop.step;
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += WINDOW_MS;
      for (const name of names) {
        const sample = { ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" } as const;
        for (let call = 0; call < 1 + (more[name] ?? 0); call++)
          tally.record({ ...sample, cpuUs: 100, wallUs: 110 }, 120);
      }
      const told = { stretchMs: WINDOW_MS, inFlight: 1, nodeCores: 0.5, hostCores: null, ...tally.take() };
      loop.take({ node: "n", machine, ...told });
      if (loop.step !== last) steps.push(nowMs);
      last = loop.step;
    }
  };
  const deploy = (other: string): void => {
    version = other;
  };
  /** Nobody calls. With timers that a test drives. */
  const passFor = (ms: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs += WINDOW_MS;
      vi.advanceTimersByTime(WINDOW_MS);
    }
  };
  return {
    loop,
    plans,
    steps,
    runFor,
    callFor,
    walkFor,
    readFor,
    crowdFor,
    callDirectly,
    hear,
    deploy,
    passFor,
    othersHeard: () => others,
  };
};

/** In a window of a node. */
const WALKS = 8;
/** Twenty round trips from afar. */
const walkAt = (side: Side, size: number): [Sample, number] => {
  const usage = { ...NO_USAGE, cpuUs: 30 * size, operations: 20, rounds: 20, wallUs: side === "storage" ? 300 : 1_500 };
  return [{ ...usage, function: "f0", version: "1", side, outcome: "ok" }, usage.wallUs + 100];
};

test("what is left of a version that was replaced ends among the calls of the new one, and tells nothing of it", () => {
  const { loop, runFor, hear, deploy, othersHeard } = loopOf(1);
  const known = () => loop.profiles.get("f0")!;
  const versions = () => loop.transitionsOf("f0").filter(({ why }) => why.kind === "new").length;
  deploy("1");
  runFor(500, () => 100);
  expect(known().version).toBe("1");
  const heardMs = known().lastMs;
  expect(othersHeard()).toBe(0);
  deploy("2");
  runFor(100, () => 100);
  expect(known()).toMatchObject({ version: "1", lastMs: heardMs });
  expect(othersHeard(), "it may be the new one").toBe(4);
  const tally = new SampleTally();
  const [sample, elapsedUs] = walkAt("compute", 1);
  tally.record({ ...sample, version: "2" }, elapsedUs);
  hear(WINDOW_MS, tally.take().tallies);
  expect(known().version).toBe("2");
  const begun = versions();
  runFor(500, () => 100);
  expect(known().version).toBe("2");
  expect(versions()).toBe(begun);
  // Back to it: it counts again.
  deploy("1");
  runFor(100, () => 100);
  expect(known().version).toBe("1");
});

test("a step follows every window while few functions are called", () => {
  const { steps, runFor } = loopOf(16);
  runFor(500, () => 100);
  expect(steps).toHaveLength(500 / WINDOW_MS);
});

/** Between each step and the next. */
const gapsOf = (steps: readonly number[]): number[] => steps.slice(1).map((ms, at) => ms - steps[at]!);

test.each([
  [200, 300],
  [600, 900],
  [1_000, 1_500],
  [2_000, 1_500],
])("with %i functions steps are %i ms apart", (functions, apartMs) => {
  const { steps, runFor } = loopOf(functions);
  // Where callers have just come there are more than usual.
  runFor(3_000, () => 100);
  const known = steps.length;
  runFor(6_000, () => 100);
  expect(new Set(gapsOf(steps.slice(known - 1)))).toEqual(new Set([apartMs]));
});

test("what calls take is learned from windows of nodes, and not while calls come without a node", () => {
  // 12,000 calls a second that compute next to nothing and take the node 30 µs each.
  const nodeCores = (12_000 * 30) / 1e6;
  const many = loopOf(100);
  many.runFor(2_000, () => 1, nodeCores);
  expect(many.loop.constants.compute.nodeCallUs).toBeGreaterThan(25);
  const usual = DEFAULT_CONSTANTS.compute;
  const one = loopOf(1);
  // Each call waits for 10 µs outside the sandbox.
  one.runFor(20_000, () => 5);
  expect(one.loop.constants.compute.callWaitUs).toBeGreaterThan(1.3 * usual.callWaitUs);
  const mixed = loopOf(100);
  for (let at = 0; at < 40; at++) {
    mixed.callDirectly();
    mixed.runFor(WINDOW_MS, () => 1, nodeCores);
  }
  expect(mixed.loop.constants.compute).toEqual(usual);
});

test("no window makes what calls take anything but numbers", () => {
  const { loop, hear, runFor } = loopOf(1);
  const tally = new SampleTally();
  tally.record(...walkAt("compute", 1));
  const [one] = tally.take().tallies;
  for (const calls of [1e-200, 0.5]) {
    hear(1e-300, [{ ...one!, sums: one!.sums.map((sum, at) => (at === 0 ? calls : sum)) }], 0);
  }
  runFor(500, () => 100);
  const { compute, storage } = loop.constants;
  for (const us of [...Object.values(compute), ...Object.values(storage)]) expect(us).toBeGreaterThanOrEqual(0);
});

test("where storage can run nothing it has no cores, and what was there leaves", () => {
  const { loop, walkFor } = loopOf(1);
  walkFor(2_000, [MACHINE]);
  expect(loop.state.get("f0")).toMatchObject({ share: 1 });
  walkFor(1_000, [MACHINE], { isOpen: false });
  // A thousandth of a core stands for none, and a call in a hundred would fit on it.
  expect(loop.state.get("f0")!.share).toBeLessThan(0.02);
});

test("the cores of a machine are counted once, however many nodes are on it", () => {
  const busyOn = (...machines: readonly Machine[]): number => {
    const { loop, walkFor } = loopOf(1);
    walkFor(500, machines, { isOpen: false });
    return loop.step!.outlook.utilisation.compute;
  };
  const apart = busyOn(MACHINE, { ...MACHINE, id: "other" });
  expect(apart).toBeGreaterThan(0);
  // Each node keeps a little of them busy itself.
  expect(busyOn(MACHINE, MACHINE) / apart).toBeCloseTo(2, 1);
  // Other cores of the same machine are more of them, and a quota may leave less than all.
  expect(busyOn(MACHINE, { ...MACHINE, cpus: [2, 3] }) / apart).toBeCloseTo(1);
  const [half, otherHalf] = [MACHINE, { ...MACHINE, id: "other" }].map((one) => ({ ...one, cores: 1 }));
  expect(busyOn(half!, otherHalf!) / apart).toBeCloseTo(2, 1);
});

test("storage has the cores that its quota leaves it, and computes with as many as it has threads for functions", () => {
  const busyWith = (cores: number, isolatesMax: number) => {
    const { loop, walkFor } = loopOf(1);
    walkFor(2_000, [MACHINE], { machine: { id: "storage", cpus: [0, 1, 2, 3], cores }, isolatesMax });
    expect(loop.state.get("f0")).toMatchObject({ share: 1 });
    const { storage, storageMachine } = loop.step!.outlook.utilisation;
    return { storage, storageMachine };
  };
  const all = busyWith(4, 16);
  const held = busyWith(2, 16);
  expect(held.storage / all.storage).toBeCloseTo(2);
  expect(held.storageMachine / all.storageMachine).toBeCloseTo(2);
  const single = busyWith(4, 1);
  expect(single.storage / all.storage).toBeCloseTo(4);
  expect(single.storageMachine / all.storageMachine).toBeCloseTo(1);
});

test("what plain clients take of Redis' thread is taken from the machine that it shares", () => {
  const busyWith = (storage: Machine, plainCores: number) => {
    const { loop, walkFor } = loopOf(1);
    const clocks = { atMs: 0, redisUs: 0, hostsUs: 0, commands: 0, commandsUs: 0 };
    for (let second = 0; second < 12; second++) {
      loop.learnRedis({ ...clocks, atMs: 1e3 * second, redisUs: 1e6 * second * plainCores });
    }
    walkFor(500, [MACHINE], { machine: storage });
    const { storageMachine, shared } = loop.step!.outlook.utilisation;
    return { storageMachine, shared };
  };
  const one = { id: "storage", cpus: [0], cores: 1 };
  expect(busyWith(one, 0.5).storageMachine / busyWith(one, 0).storageMachine).toBeCloseTo(2, 1);
  const two = { ...one, cpus: [0, 1], cores: 2 };
  expect(busyWith(two, 0.5).storageMachine / busyWith(two, 0).storageMachine).toBeCloseTo(2 / 1.5, 1);
  expect(busyWith(MACHINE, 0.5).shared / busyWith(MACHINE, 0).shared).toBeGreaterThan(1.2);
  expect(busyWith(one, 1).storageMachine / busyWith(one, 0).storageMachine, "something is left").toBeCloseTo(10, 0);
});

test("hosts beside Redis have the cores that others let them get, unless nodes that are there may be these others", () => {
  const busyWith = (hostCores: number, node = MACHINE) => {
    const { loop, walkFor } = loopOf(1);
    walkFor(2_000, [node], { machine: { id: "storage", cpus: [0, 1], cores: 2 }, hostCores });
    const { storage, storageMachine } = loop.step!.outlook.utilisation;
    return { share: loop.state.get("f0")!.share, hostCores: loop.hostCores, storage, storageMachine };
  };
  const calm = busyWith(Infinity);
  expect(calm).toMatchObject({ share: 1, hostCores: Infinity });
  const kept = busyWith(0.5);
  expect(kept).toMatchObject({ share: 1, hostCores: 0.5 });
  expect(kept.storage / calm.storage).toBeCloseTo(4);
  expect(kept.storageMachine, "Redis gives way to nobody").toBeCloseTo(calm.storageMachine);
  expect(busyWith(5), "they have no more than there are").toEqual(calm);
  const beside = { ...MACHINE, id: "storage", cpus: [1, 2] };
  expect(busyWith(0.5, beside)).toEqual(busyWith(Infinity, beside));
  expect(busyWith(0).hostCores, "a plan has to put functions somewhere").toBeCloseTo(0.2);
});

test("reads that nobody has called for at storage are predicted to be found there, where the read cache is in use", () => {
  const rounds = (findsReads: boolean): number => {
    const { loop, readFor } = loopOf(1);
    readFor(500, { findsReads });
    const costs = functionCosts(loop.profiles.get("f0")!.estimates(500), loop.constants, 500)!;
    return costs.sides.storage.cost.terms.rounds;
  };
  expect(rounds(true) / rounds(false)).toBeCloseTo(1 - DEFAULT_CONSTANTS.storage.found);
});

test("nodes that share cores with Redis share one pool with it, those beside it do not", () => {
  const sharedWith = (machine: Machine | null, ...nodes: readonly Machine[]): number => {
    const { loop, walkFor } = loopOf(1);
    walkFor(500, nodes, { machine, isOpen: false });
    return loop.step!.outlook.utilisation.shared;
  };
  expect(sharedWith(MACHINE, MACHINE)).toBeGreaterThan(0);
  expect(sharedWith(null, MACHINE)).toBe(0);
  expect(sharedWith({ ...MACHINE, cpus: [2, 3] }, MACHINE)).toBe(0);
  expect(sharedWith({ ...MACHINE, id: "other" }, MACHINE)).toBe(0);
  expect(sharedWith(MACHINE, MACHINE, { ...MACHINE, id: "other" })).toBe(0);
});

test("a trial is told with the share from before, from where whoever controls next goes on, and is counted", () => {
  const { loop, plans, crowdFor } = loopOf(1);
  crowdFor(4_000);
  const begun = loop.transitionsOf("f0").filter(({ why }) => why.kind === "trying");
  expect(begun.length).toBeGreaterThan(0);
  expect(loop.state.get("f0")).toMatchObject({ trialsBegun: begun.length });
  const tried = plans.map((plan) => plan.get("f0")!).filter(({ fromShare }) => fromShare !== undefined);
  expect(tried.map(({ share, fromShare }) => [fromShare, share])).toEqual(
    begun.map(({ fromShare, toShare }) => [fromShare, toShare]),
  );
  for (const placement of tried) {
    expect(readPlacement(JSON.stringify(placement))).toEqual(placement);
    const { state } = resumed(new Map([["f0", placement]]), new Map(), 0);
    expect(state.get("f0")).toMatchObject({ share: placement.fromShare });
  }
  expect([...loop.placements.values()].every((one) => readPlacement(JSON.stringify(one)) !== null)).toBe(true);
});

test("a trial ends within two seconds though all callers stop and no window comes any more", () => {
  vi.useFakeTimers();
  try {
    const { loop, plans, crowdFor, passFor } = loopOf(1);
    const isTried = (): boolean => loop.state.get("f0")?.trials.running !== null;
    do crowdFor(WINDOW_MS);
    while (!isTried());
    const { fromShare } = loop.transitionsOf("f0").at(-1)!;
    passFor(1_500);
    expect(isTried()).toBe(true);
    passFor(500);
    expect(isTried()).toBe(false);
    expect(plans.at(-1)!.get("f0")).toMatchObject({ share: fromShare });
    expect(loop.transitionsOf("f0").at(-1)!.why).toMatchObject({ kind: "tried", isKept: false });
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("ten seconds after the last call nothing is told to be busy, and nothing else has changed", () => {
  vi.useFakeTimers();
  try {
    const { loop, plans, crowdFor, passFor } = loopOf(1);
    crowdFor(1_000);
    while (loop.state.get("f0")!.trials.running !== null) crowdFor(WINDOW_MS);
    const { outlook, step, state } = loop;
    const planned = plans.length;
    expect(outlook!.busiest).toBeGreaterThan(0.75);
    passFor(10_000);
    expect([loop.outlook, loop.regret]).toEqual([outlook, regretAfter(step!)]);
    passFor(25);
    expect(Object.values(loop.outlook!.utilisation).every((part) => part === 0)).toBe(true);
    expect([loop.outlook!.crowded, loop.regret]).toEqual([false, 0]);
    expect([loop.state, plans.length]).toEqual([state, planned]);
  } finally {
    vi.useRealTimers();
  }
});

/** What a window may say of one call at most, in the order of TALLY_TERMS; `isPlausible` is asked about more. */
const MOST = [
  1, 0, 1e10, 1e10, 1e20, 1e10, 1e10, 1e10, 1e7, 1e7, 1e14, 1e10, 23, 500, 23, 500, 0, 1, 1e7, 1e7, 1e7, 1e7, 1e10,
];
/** Of it `slowedUs` is no more than `cpuUs`. */
const [CPU_AT, SLOWED_AT] = [6, 22];
const written = fc.record({
  function: fc.constantFrom("f0", "f1", "f2"),
  version: fc.constantFrom("1", "2"),
  side: fc.constantFrom("compute" as const, "storage" as const),
  sums: fc.oneof(
    fc.array(fc.double({ min: 0, max: 1e30, noNaN: true }), { minLength: MOST.length, maxLength: MOST.length }),
    fc
      .tuple(
        fc.constantFrom(1, 1e3, 1e9),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: MOST.length }),
      )
      .map(([calls, parts]) =>
        MOST.map((most, at) => {
          const part = at === SLOWED_AT ? parts[CPU_AT]! * parts[at]! : parts[at]!;
          return at === 0 ? calls : calls * most * part;
        }),
      ),
  ),
  // A fraction is no bucket, and the last one has others' numbers behind it.
  elapsed: fc.oneof(
    fc.constant([5, 1e15]),
    fc.array(fc.oneof(fc.constant(199.99999999999997), fc.double({ min: 0, max: 1e15, noNaN: true })), {
      maxLength: 8,
    }),
  ),
});

test("no profile is made of what no calls can have come to, whoever tells it", () => {
  const sums = MOST.map((most, at) => (at === 0 ? 0.5 : most));
  const forged = { function: "f0", version: "1", side: "compute", sums, elapsed: [] } as const;
  const { loop, hear } = loopOf(1);
  hear(WINDOW_MS, [forged]);
  loop.takeDirect({ stretchMs: WINDOW_MS, tallies: [forged], untracked: 0, inFlight: 1 });
  expect(loop.profiles.get("f0")).toBeUndefined();
  hear(WINDOW_MS, [{ ...forged, sums: MOST }]);
  expect(loop.profiles.get("f0")?.estimates(WINDOW_MS).compute).toMatchObject({ callsInAll: 1 });
});

test("who says that more calls are in flight than any node has is not heard", () => {
  const window = { node: "n", machine: MACHINE, stretchMs: WINDOW_MS, tallies: [], untracked: 0 };
  const told = (inFlight: number) => readWindow(JSON.stringify({ ...window, inFlight, nodeCores: 1, hostCores: null }));
  expect(told(1e6)).not.toBeNull();
  expect(told(1e6 + 1)).toBeNull();
});

test("whatever is written into windows, by whom ever, plans can be followed", () => {
  const inFlight = fc.constantFrom(0, 1, 16, 1e6);
  const stretch = fc.tuple(fc.constantFrom(0, 1e-9, 25, 1e15), fc.array(written, { maxLength: 4 }), inFlight);
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 40 }), (windows) => {
      const { loop, hear } = loopOf(3);
      for (const [stretchMs, tallies, calls] of windows) hear(stretchMs, tallies, 4_096, calls);
      for (const state of loop.state.values()) {
        expect(readPlacement(JSON.stringify(placeOf(state)))).not.toBeNull();
      }
    }),
    { numRuns: 200 },
  );
});

test("a function that is not what it was does not wait for the others", () => {
  const { loop, steps, runFor } = loopOf(2_000);
  runFor(4_000, () => 100);
  const before = steps.length;
  runFor(200, (name) => (name === "f7" ? 5_000 : 100));
  const shifted = loop.transitionsOf("f7").find(({ why }) => why.kind === "shifted");
  expect(steps.slice(before)).toContain(shifted?.atMs);
  const at = steps.indexOf(shifted!.atMs);
  expect(steps[at]! - steps[at - 1]!).toBeLessThan(1_475);
});

test("what its calls are now is looked at within half a second, and may be known by then", () => {
  const { loop, steps, runFor } = loopOf(1_000);
  const run = (ms: number, cpuUs: number): void => runFor(ms, (name) => (name === "f7" ? cpuUs : 100));
  run(6_000, 100);
  run(3_000, 5_000);
  const before = steps.length;
  run(3_000, 100);
  const [{ atMs } = { atMs: Number.NaN }] = loop
    .transitionsOf("f7")
    .filter(({ why }) => why.kind === "shifted")
    .slice(-1);
  const at = steps.indexOf(atMs);
  expect(at).toBeGreaterThanOrEqual(before);
  expect(steps[at + 1]! - atMs).toBeLessThanOrEqual(500);
  expect(loop.state.get("f7")!.regimes.recalled).toHaveLength(1);
});

test("nor do more callers than usual, and what comes next does for half a second at most", () => {
  const { steps, runFor } = loopOf(2_000);
  const runWith = (inFlight: number, ms: number): void => runFor(ms, () => 100, 0.5, null, inFlight);
  const gapsWith = (inFlight: number, ms: number): readonly number[] => {
    const known = steps.length;
    runWith(inFlight, ms);
    return gapsOf(steps.slice(known - 1));
  };
  runWith(100, 4_000);
  expect(new Set(gapsWith(100, 6_000))).toEqual(new Set([1_500]));
  const [first, next] = gapsWith(1_000, 2_000);
  expect(first).toBeLessThan(1_500);
  expect(next).toBe(500);
});

test("where one after the other is not what it was, the first comes at once and all others within half a second", () => {
  const { loop, steps, runFor } = loopOf(1_000);
  runFor(3_000, () => 100);
  const before = steps.length;
  for (let shifted = 0; shifted < 80; shifted++) {
    runFor(WINDOW_MS, (name) => (Number(name.slice(1)) < shifted ? 5_000 : 100));
  }
  const isShifted = (name: string): boolean => loop.transitionsOf(name).some(({ why }) => why.kind === "shifted");
  expect([...loop.state.keys()].filter(isShifted).length).toBeGreaterThan(40);
  const [first, ...others] = gapsOf(steps.slice(before - 1));
  expect(first).toBeLessThan(1_500);
  expect(others.length).toBeGreaterThan(2);
  expect(others).toEqual(others.map(() => 500));
});

describe("where many functions are called", () => {
  /** In a window, beside 200 that have a call each, which take about half of the cores there are. */
  const afterSurge = (calls: number, cores: number): readonly number[] => {
    const { steps, callFor } = loopOf(200);
    const machine = { ...MACHINE, cpus: Array.from({ length: cores }, (_core, at) => at), cores };
    callFor(3_000, { f0: 20 }, machine);
    // A step has just been made then.
    const before = steps.length;
    while (steps.length === before) callFor(WINDOW_MS, { f0: 20 }, machine);
    const known = steps.length;
    callFor(600, { f0: calls }, machine);
    return gapsOf(steps.slice(known - 1));
  };

  test("a surge that would fill a pool is not left waiting for the next step", () => {
    expect(Math.min(...afterSurge(320, 2))).toBeLessThan(100);
  });

  test.each([
    ["one that leaves all pools with room", 320, 16],
    ["one of little work", 35, 2],
  ])("%s waits for it", (_, calls, cores) => {
    expect(new Set(afterSurge(calls, cores))).toEqual(new Set([300]));
  });

  test("a surge one after the other hurries few steps, and the others come when it is time for them", () => {
    const { steps, callFor } = loopOf(200);
    callFor(3_000);
    const known = steps.length;
    for (let at = 0; at < 30; at++) callFor(300, { [`f${at}`]: 320 });
    const gaps = gapsOf(steps.slice(known - 1));
    const hurried = gaps.filter((ms) => ms < 300).length;
    expect(hurried).toBeGreaterThanOrEqual(3);
    expect(hurried).toBeLessThanOrEqual(3 + 9_000 / 3_000);
  });

  describe("as time passes", () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    test("a step that is due comes with a window, and by itself where none comes any more", () => {
      const { loop, callFor } = loopOf(200);
      let byItself = 0;
      for (let ms = 0; ms < 3_000; ms += WINDOW_MS) {
        callFor(WINDOW_MS);
        const { step } = loop;
        vi.advanceTimersByTime(WINDOW_MS);
        if (loop.step !== step) byItself += 1;
      }
      expect(byItself).toBe(0);
      const { step } = loop;
      vi.advanceTimersByTime(400);
      expect(loop.step).not.toBe(step);
    });
  });
});

test("while it is to be seen what has come of a move or a trial a step comes within half a second", () => {
  const { loop, runFor, crowdFor } = loopOf(1_000);
  runFor(1_000, () => 100);
  const gaps = { awaited: new Set<number>(), other: new Set<number>() };
  for (let [ms, last] = [0, loop.step]; ms < 12_000; ms += WINDOW_MS) {
    let sinceMs = 0;
    for (; loop.step === last && sinceMs < 2_000; sinceMs += WINDOW_MS) crowdFor(WINDOW_MS);
    gaps[last?.isAwaited === true ? "awaited" : "other"].add(sinceMs);
    [ms, last] = [ms + sinceMs, loop.step];
  }
  expect(gaps.awaited.size).toBeGreaterThan(0);
  expect(Math.max(...gaps.awaited)).toBeLessThanOrEqual(500);
  expect(gaps.other).toContain(1_500);
});

test.each([250, 275, 300, 325, 350])(
  "a trial that is not clear at the first look comes to a verdict all the same in windows of %i ms",
  (windowMs) => {
    const { loop, crowdFor } = loopOf(windowMs / 0.25);
    const others = Array.from({ length: windowMs / 0.25 - 1 }, (_, at) => `f${at + 1}`);
    for (let ms = 0; ms < 40_000; ms += windowMs)
      crowdFor(windowMs, { windowMs, others, differing: 0.8, triedTimes: 0.9 });
    const ends = loop.transitionsOf("f0").flatMap(({ why }) => (why.kind === "tried" ? [why] : []));
    expect(ends.length).toBeGreaterThan(0);
    expect(ends).toEqual(ends.map((end) => ({ ...end, ratio: expect.any(Number), brokenOff: null })));
  },
);
