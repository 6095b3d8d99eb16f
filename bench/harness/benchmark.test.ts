import { expect, test } from "vitest";
import { runBenchmark } from "./benchmark.ts";

const effort = (repetitions: number) => ({ warmUps: 0, repetitions });

test.each([
  ["standard", 4],
  ["full", 4],
] as const)("for a %s run %i repetitions are too few, and it is not begun", async (mode, repetitions) => {
  const prepared: string[] = [];
  const run = runBenchmark({
    name: "some",
    question: "What is it?",
    efforts: { smoke: effort(1), standard: effort(5), full: effort(5), [mode]: effort(repetitions) },
    ratios: {},
    layout: () => {
      prepared.push("layout");
      throw new Error("not asked for");
    },
    prepare: () => Promise.reject(new Error("not asked for")),
  });
  await expect(run).rejects.toThrow(`some: ${repetitions} repetitions are too few for ${mode}`);
  expect(prepared).toEqual([]);
});
