import { expect, test } from "vitest";

import { fixedKeepAlive } from "../policy/fixed.ts";
import type { Load2020 } from "./load-2020.ts";
import { run2020, type Run2020 } from "./run-2020.ts";

const KEEP_ALL = fixedKeepAlive("nothing released", { keepAliveMs: Infinity, lookEveryMs: 0 });

/** Of one function; as it is, a node has room for one container of it. */
const loadOf = (calls: readonly (readonly [atMs: number, durationMs: number])[], memoryMb = 2_048): Load2020 => ({
  functions: [
    {
      key: "f",
      kind: "sleep",
      memoryMb,
      usedMb: 5,
      cpus: 0.01,
      executionMs: 100,
      pattern: "dense",
      activeFrom: 0,
      activeTo: 1,
    },
  ],
  functionOf: new Int32Array(calls.length),
  startMs: Float64Array.from(calls, ([atMs]) => atMs),
  durationMs: Float64Array.from(calls, ([, durationMs]) => durationMs),
});
const run = (load: Load2020, seed = 1): Run2020 =>
  run2020(load, KEEP_ALL, { seed, learnsNeed: false, settings: { nodeIdleMs: 1e12 } });

test("a call takes its node, a start of 3 to 4 s, its execution, and what AcquireContainer and ReturnContainer take", () => {
  const startsMs = Array.from({ length: 50 }, (_, seed) => {
    const { responseMs, starts } = run(loadOf([[0, 100]]), seed);
    expect(starts).toBe(1);
    // Half a millisecond for each of the two, one for the node.
    return responseMs[0]! - 100 - 2 * 0.5 - 1;
  });
  expect(Math.min(...startsMs)).toBeGreaterThan(3_000 - 1e-6);
  expect(Math.max(...startsMs)).toBeLessThan(4_000 + 1e-6);
  expect(Math.max(...startsMs) - Math.min(...startsMs)).toBeGreaterThan(500);
});

test("a warm call takes its execution and both questions", () => {
  const [first] = run(loadOf([[0, 100]])).responseMs;
  const { responseMs, calls } = run(
    loadOf([
      [0, 100],
      [10_000, 250],
    ]),
  );
  expect(responseMs[0]! - first!).toBeCloseTo(250 + 2 * 0.5, 6);
  expect(calls).toEqual([2]);
});

test("ten nodes are ready, and for each that is taken one more in up to half a minute", () => {
  // Each outlasts the wait for one more node.
  const together = (count: number, seed: number): Run2020 =>
    run(loadOf(Array.from({ length: count }, () => [0, 60_000] as const)), seed);
  expect(together(10, 1)).toMatchObject({ nodesMost: 10, errors: 0 });
  const beyondMs = (count: number): readonly number[] =>
    Array.from({ length: 40 }, (_, seed) => together(count, seed))
      .filter(({ errors }) => errors === 0)
      .map(({ responseMs }) => responseMs[0]! - count * (60_000 + 2 * 0.5));
  // Ten waited for a node that is ready and a start; the eleventh for the first of ten that come, asking once a second.
  const eleven = beyondMs(11);
  expect(Math.min(...eleven)).toBeGreaterThan(11 * 3_000);
  expect(Math.max(...eleven)).toBeLessThan(11 * 4_001 + 20_000);
  const fifteen = beyondMs(15);
  expect(Math.max(...fifteen)).toBeGreaterThan(15 * 4_001 + 5 * 5_000);
  expect(Math.max(...fifteen)).toBeLessThanOrEqual(15 * 4_001 + 5 * 31_000);
});

test("CPU is learned by what the nodes say of containers, at each look: by what they use over time, and not while a call runs", () => {
  const bursts = (count: number, from: number, to: number): (readonly [number, number])[] =>
    Array.from({ length: to - from }, (_, at) => at + from).flatMap((at) =>
      Array.from({ length: count }, () => [at * 2_000, 100] as const),
    );
  const load = loadOf([...bursts(5, 0, 20), ...bursts(40, 20, 25)], 512);
  const heavy = { ...load, functions: load.functions.map((one) => ({ ...one, cpus: 0.33 })) };
  const learning = run2020(heavy, KEEP_ALL, { seed: 1, learnsNeed: true });
  // As configured, ten containers that were started before the first was there.
  expect(learning.nodesMost).toBe(2);
  expect(run(heavy).nodesMost).toBeGreaterThan(5);
});

test("there are twenty nodes at most, and a call that waits for half a minute is an error", () => {
  const { nodesMost, errors, calls } = run(loadOf(Array.from({ length: 40 }, () => [0, 60_000] as const)));
  expect(nodesMost).toBeLessThanOrEqual(20);
  expect(nodesMost).toBeGreaterThan(10);
  expect(errors).toBeGreaterThanOrEqual(20);
  expect(errors + calls[0]!).toBe(40);
});

test("a node's time is from its reservation to its release, or the end", () => {
  // A container, and its node, until the call's end: nothing is released.
  const { nodeMs, responseMs } = run(loadOf([[0, 100]]));
  expect(nodeMs).toBeCloseTo(responseMs[0]! - 2 * 0.5 - 1, 6);
  // Empty for a second after its only instance ended at once, and a last call that needs another.
  const endsAtOnce = fixedKeepAlive("0", { keepAliveMs: 0, lookEveryMs: 0 });
  const twice = loadOf([
    [0, 100],
    [100_000, 100],
  ]);
  const released = run2020(twice, endsAtOnce, { seed: 1, learnsNeed: false });
  expect(released.starts).toBe(2);
  // Both responses without questions and reservations, and one second empty.
  expect(released.nodeMs).toBeCloseTo(released.responseMs[0]! - 2 * (2 * 0.5 + 1) + 1_000, 6);
});

test("calls that want more CPU than their node has take longer by as much", () => {
  const load = loadOf(
    Array.from({ length: 4 }, () => [0, 1_000] as const),
    512,
  );
  const heavy = { ...load, functions: load.functions.map((one) => ({ ...one, cpus: 1 })) };
  const [light, crowded] = [run(load), run(heavy)];
  expect(light.nodesMost).toBe(1);
  // Four starts on one node of two CPUs, one after another: the third finds two there, the fourth three.
  expect(crowded.responseMs[0]! - light.responseMs[0]!).toBeCloseTo(1_000 * (3 / 2 - 1) + 1_000 * (4 / 2 - 1), 6);
});
