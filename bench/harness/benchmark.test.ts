import { expect, test } from "vitest";
import { runBenchmark, withExtra } from "./benchmark.ts";

const effort = (repetitions: number, extraMs = 0) => ({ warmUps: 0, repetitions, extraMs });

test.each([
  ["standard", 4, 0],
  ["full", 4, 0],
  ["standard", 3, 60_000],
] as const)(
  "for a %s run %i repetitions are too few, with %i ms for more where they are needed, and it is not begun",
  async (mode, repetitions, extraMs) => {
    const prepared: string[] = [];
    const run = runBenchmark({
      name: "some",
      question: "What is it?",
      efforts: { smoke: effort(1), standard: effort(5), full: effort(5), [mode]: effort(repetitions, extraMs) },
      ratios: {},
      layout: () => {
        prepared.push("layout");
        throw new Error("not asked for");
      },
      prepare: () => Promise.reject(new Error("not asked for")),
    });
    await expect(run).rejects.toThrow(`some: ${repetitions} repetitions are too few for ${mode}`);
    expect(prepared).toEqual([]);
  },
);

test("what is asked for on top is more time for what is undecided, and a later end", () => {
  const own = { ...effort(4, 240_000), endsWithinMs: 1_200_000 };
  expect(withExtra(own, 60_000)).toEqual({ ...own, extraMs: 300_000, endsWithinMs: 1_260_000 });
  expect(withExtra(effort(5), 60_000)).toEqual(effort(5, 60_000));
});
