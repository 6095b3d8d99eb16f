import * as fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type Step } from "#runtime/placement/controller.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import { readPlacement, readWindow } from "./messages.ts";
import { PlacementLoop } from "./placement-loop.ts";
import { WINDOW_MS } from "./sample-window.ts";

const loops: PlacementLoop[] = [];
afterEach(() => {
  for (const loop of loops.splice(0)) loop.close();
});

/** A loop whose time passes with the windows it is given; `cpuUsOf` says what a call of each function computes. */
const loopOf = (functions: number) => {
  let nowMs = 0;
  const names = Array.from({ length: functions }, (_, at) => `f${at}`);
  const rules = new Map(names.map((name) => [name, FREE_RULES]));
  const loop = new PlacementLoop(
    {
      rules: () => rules,
      surroundings: () => ({
        constants: DEFAULT_CONSTANTS,
        storage: { machine: null, isOpen: true, redisThread: 1 },
      }),
      onPlacements: () => {},
      onTransition: () => {},
      nowMs: () => nowMs,
    },
    new Map(),
  );
  loops.push(loop);
  const steps: number[] = [];
  const runFor = (ms: number, cpuUsOf: (name: string) => number): void => {
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
      const machine = { id: "m", cpus: [0, 1], cores: 2 };
      loop.take({ node: "n", machine, stretchMs: WINDOW_MS, inFlight: 1, nodeCores: 0.5, ...tally.take() });
      if (loop.step !== last) steps.push(nowMs);
      last = loop.step;
    }
  };
  /** A window as anybody may have written it. */
  const hear = (stretchMs: number, tallies: readonly Tally[]): void => {
    nowMs += WINDOW_MS;
    const machine = { id: "m", cpus: [0, 1], cores: 2 };
    const text = JSON.stringify({
      node: "n",
      machine,
      stretchMs,
      tallies,
      untracked: 0,
      inFlight: 1,
      nodeCores: 4_096,
    });
    loop.take(readWindow(text)!);
  };
  return { loop, steps, runFor, hear };
};

test("a step follows every window while few functions are called", () => {
  const { steps, runFor } = loopOf(100);
  runFor(500, () => 100);
  expect(steps).toHaveLength(500 / WINDOW_MS);
});

test("steps are rarer with many functions, and never further apart than 100 ms", () => {
  const { steps, runFor } = loopOf(2_000);
  runFor(1_000, () => 100);
  const gaps = steps.slice(1).map((ms, at) => ms - steps[at]!);
  expect(new Set(gaps)).toEqual(new Set([100]));
});

/** What a window may say of one call at most, in the order of TALLY_TERMS; `isPlausible` is asked about more. */
const MOST = [1, 0, 1e10, 1e10, 1e20, 1e10, 1e10, 1e10, 1e7, 1e7, 1e14, 1e10, 23, 500, 23, 500, 0];
const written = fc.record({
  function: fc.constantFrom("f0", "f1", "f2"),
  version: fc.constantFrom("1", "2"),
  side: fc.constantFrom("compute" as const, "storage" as const),
  sums: fc.oneof(
    fc.array(fc.double({ min: 0, max: 1e30, noNaN: true }), { minLength: 17, maxLength: 17 }),
    fc
      .tuple(fc.constantFrom(1, 1e3, 1e9), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 17 }))
      .map(([calls, parts]) => MOST.map((most, at) => (at === 0 ? calls : calls * most * parts[at]!))),
  ),
  elapsed: fc.constant([5, 1e15]),
});

test("whatever is written into windows, by whom ever, plans can be followed", () => {
  const stretches = fc.array(fc.tuple(fc.constantFrom(0, 1e-9, 25, 1e15), fc.array(written, { maxLength: 4 })), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(stretches, (windows) => {
      const { loop, hear } = loopOf(3);
      for (const [stretchMs, tallies] of windows) hear(stretchMs, tallies);
      for (const { state, share, probeEvery, backCpuUs } of loop.state.values()) {
        expect(readPlacement(JSON.stringify({ state, share, probeEvery, backCpuUs }))).not.toBeNull();
      }
    }),
    { numRuns: 200 },
  );
});

test("a function that is not what it was does not wait for the others", () => {
  const { loop, steps, runFor } = loopOf(2_000);
  runFor(1_000, () => 100);
  const before = steps.length;
  runFor(200, (name) => (name === "f7" ? 5_000 : 100));
  const shifted = loop.transitions.find(({ function: name, why }) => name === "f7" && why.kind === "shifted");
  expect(steps.slice(before)).toContain(shifted?.atMs);
  const at = steps.indexOf(shifted!.atMs);
  expect(steps[at]! - steps[at - 1]!).toBeLessThan(100);
});
