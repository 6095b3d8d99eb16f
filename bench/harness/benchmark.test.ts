import { expect, onTestFinished, test, vi } from "vitest";
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

test.each([
  [[], "this benchmark has none"],
  [["walks"], "its parts are named above"],
])("of parts %j another one is asked for in vain, which says so and begins nothing", async (parts, are) => {
  const [argv, { exitCode }] = [process.argv, process];
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  onTestFinished(() => {
    process.argv = argv;
    process.exitCode = exitCode;
    told.mockRestore();
  });
  process.argv = [...argv.slice(0, 2), "--only", "reads"];
  await runBenchmark({
    name: "some",
    question: "What is it?",
    efforts: { smoke: effort(1), standard: effort(5), full: effort(5) },
    parts,
    ratios: {},
    layout: () => {
      throw new Error("not asked for");
    },
    prepare: () => Promise.reject(new Error("not asked for")),
  });
  expect(process.exitCode).toBe(2);
  expect(told.mock.lastCall?.[0]).toMatch(new RegExp(`--only names "reads", must be a part: ${are}$`));
});
