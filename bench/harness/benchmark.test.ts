import { expect, test } from "vitest";
import { runBenchmark } from "./benchmark.ts";

const effort = (repetitions: number) => ({ warmUps: 0, repetitions });

test.each(["standard", "full"] as const)(
  "four repetitions are too few for a %s run, which is not begun",
  async (mode) => {
    const prepared: string[] = [];
    const run = runBenchmark({
      name: "some",
      question: "What is it?",
      efforts: { smoke: effort(1), standard: effort(5), full: effort(5), [mode]: effort(4) },
      ratios: {},
      layout: () => {
        prepared.push("layout");
        throw new Error("not asked for");
      },
      prepare: () => Promise.reject(new Error("not asked for")),
    });
    await expect(run).rejects.toThrow(`some: 4 repetitions are too few for ${mode}`);
    expect(prepared).toEqual([]);
  },
);
