import { describe, expect, test } from "vitest";

import { drawnFunctions, FUNCTIONS_2020 } from "./functions-2020.ts";
import { load2020 } from "./load-2020.ts";

const SEEDS = Array.from({ length: 50 }, (_, seed) => seed + 1);
const RUN_MS = 20 * 60e3;

/** What is chosen of one anywhere. */
const checkKind = ({ kind, memoryMb, usedMb, cpus, executionMs }: (typeof FUNCTIONS_2020)[number]): void => {
  expect(usedMb).toBeLessThan(memoryMb);
  if (kind !== "memory") expect(usedMb).toBeLessThan(10);
  if (kind === "hello") expect(executionMs).toBeLessThan(5);
  if (kind === "hello" || kind === "sleep") expect(cpus).toBeLessThan(0.1);
  if (kind === "sleep") expect(executionMs).toBeGreaterThanOrEqual(50);
  if (kind === "memory") expect(usedMb / memoryMb).toBeGreaterThanOrEqual(0.3);
  // Nearly all that its container may use: 0.67 CPUs for each GiB.
  if (kind === "cpu") expect(cpus / ((memoryMb / 1_024) * 0.67)).toBeGreaterThanOrEqual(0.9);
};

describe("functions of the 2020 contest's load", () => {
  test("greet, compute, fill memory and sleep, each kind as it was measured", () => {
    for (const functions of [FUNCTIONS_2020, ...SEEDS.map(drawnFunctions)]) {
      functions.forEach(checkKind);
      expect(new Set(functions.map(({ kind }) => kind)).size).toBe(4);
      expect(new Set(functions.map(({ pattern }) => pattern)).size).toBe(3);
      expect(new Set(functions.map(({ key }) => key)).size).toBe(functions.length);
    }
  });

  test("that are drawn are the same for the same seed, and others for another", () => {
    const drawn = SEEDS.map(drawnFunctions);
    expect(SEEDS.map(drawnFunctions)).toEqual(drawn);
    expect(new Set(drawn.map((functions) => JSON.stringify(functions))).size).toBe(SEEDS.length);
    const counts = new Set(drawn.map(({ length }) => length));
    expect([...counts].toSorted((one, other) => one - other)).toEqual([8, 9, 10, 11, 12, 13, 14]);
    const first = new Set(drawn.map(([one]) => `${one!.kind} of ${one!.memoryMb}`));
    expect(first.size).toBeGreaterThan(10);
  });

  test("that are drawn are called while they are active, and at no other time", () => {
    for (const seed of SEEDS.slice(0, 5)) {
      const functions = drawnFunctions(seed);
      const { functionOf, startMs } = load2020(seed, functions);
      expect(startMs).toHaveLength(73_300);
      const calls = functions.map(() => 0);
      let misplaced = 0;
      for (const [call, index] of functionOf.entries()) {
        const { activeFrom, activeTo } = functions[index]!;
        calls[index]!++;
        // Up to a millisecond after its round.
        if (startMs[call]! < activeFrom * RUN_MS || startMs[call]! > activeTo * RUN_MS + 1) misplaced++;
      }
      expect(misplaced).toBe(0);
      expect(Math.min(...calls)).toBeGreaterThan(0);
      expect(functions[0]).toMatchObject({ pattern: "dense", activeFrom: 0, activeTo: 1 });
    }
  });
});
