import { expect, test } from "vitest";
import type { Ratios, Result } from "./result.ts";
import { resultText } from "./table.ts";

const ratios: Ratios = {
  slower: { better: "less", must: 4, aim: 2, of: () => 1 },
  faster: { better: "more", must: 8, of: () => 1 },
};
const result: Result = {
  bench: "access",
  commit: "0123456789abcdef0123-dirty",
  machine: {
    cpu: "a processor",
    cores: 2,
    memoryBytes: 1,
    kernel: "6",
    versions: { redis: "7.0.15", node: "26.0.0" },
    loadAverage: 0.251,
  },
  config: { mode: "standard", sharing: "all share all" },
  rows: [
    { name: "one", unit: "GETs/s", median: 123_456, min: 100_000, max: 200_000, repetitions: [] },
    {
      name: "the other",
      unit: "calls/s",
      median: 3.1444,
      min: 3,
      max: 4,
      repetitions: [],
      p50Us: 1_234,
      p99Us: 5_000,
      details: { cpuUsPerCall: 12.345 },
    },
    { name: "slower", unit: "ratio", median: 2.5, min: 2, max: 3, repetitions: [] },
    { name: "faster", unit: "ratio", median: 7, min: 6, max: 9, repetitions: [] },
  ],
  ratios: { slower: 2.5, faster: 7 },
};
test("ratios stand beside what they must reach and aim at, and say whether they do", () => {
  expect(resultText(result, ratios).split("\n")).toEqual([
    "access (standard), commit 0123456789ab and changes",
    "2 cores of a processor, load 0.251; Redis 7.0.15, Node 26.0.0",
    "all share all",
    "",
    "             median           min – max                 p50    p99   beside",
    "one         123,456   100,000 – 200,000   GETs/s",
    "the other      3.14               3 – 4   calls/s   1.23 ms   5 ms   cpuUsPerCall 12.3",
    "",
    "         ratio   min – max   must             aim",
    "slower     2.5       2 – 3    ≤ 4   reached   ≤ 2   short",
    "faster       7       6 – 9    ≥ 8   short",
  ]);
});

test("of some parts of a benchmark it says so", () => {
  const some = { ...result, config: { ...result.config, only: ["walks", "reads"] } };
  expect(resultText(some, ratios)).toContain("(standard, only walks, reads), commit");
});

test("a smoke run is held against nothing", () => {
  const smoke = { ...result, config: { ...result.config, mode: "smoke" } };
  expect(resultText(smoke, ratios).split("\n").slice(-6)).toEqual([
    "",
    "         ratio   min – max",
    "slower     2.5   2 – 3",
    "faster       7   6 – 9",
    "",
    "A smoke run shows that the benchmark runs: its figures mean nothing.",
  ]);
});
