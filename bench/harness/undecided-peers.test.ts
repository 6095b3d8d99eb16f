import { expect, test } from "vitest";
import type { Comparison, Measures } from "./contest.ts";
import type { Ratios } from "./result.ts";
import { undecidedPeers } from "./undecided-peers.ts";

const against = (peer: string, must?: number): Comparison => ({
  better: "more",
  of: (value, { mostOf }) => value("ours") / value(mostOf([peer, `another ${peer}`])),
  ...(must === undefined ? {} : { must }),
});
/** Ours came to about 1 and 0.95, A to 1. */
const MEASURES: Measures = new Map(
  Object.entries({ ours: [1, 0.9, 1, 0.9], A: [1, 1, 1, 1], "another A": [0.5, 0.5, 0.5, 0.5] }).map(
    ([name, values]) => [name, values.map((value) => ({ value }))],
  ),
);

const undecidedOf = (ratios: Ratios): readonly string[] => [...undecidedPeers(ratios, MEASURES)];

test.each([
  [0.8, []],
  [0.9, ["ours", "A"]],
  [0.95, ["ours", "A"]],
  [1, ["ours", "A"]],
  [1.1, []],
] as const)("a ratio that comes to 0.95 ± 0.03 leaves undecided whether it reaches %f: %j", (must, undecided) => {
  expect(undecidedOf({ ratio: against("A", must) })).toEqual(undecided);
});

test("a ratio has the bound of what it may decide, and without one nothing is undecided", () => {
  expect(undecidedOf({ ratio: against("A") })).toEqual([]);
  expect(undecidedOf({ ratio: against("A"), worst: { better: "more", must: 0.95, worstOf: ["ratio"] } })).toEqual([
    "ours",
    "A",
  ]);
  expect(undecidedOf({ ratio: against("A"), middle: { better: "more", must: 0.95, medianOf: ["ratio"] } })).toEqual([
    "ours",
    "A",
  ]);
  expect(undecidedOf({ ratio: against("A"), worst: { better: "more", must: 0.95, worstOf: ["other"] } })).toEqual([]);
});

test("of what counts by its worst repetition nothing is undecided", () => {
  expect(undecidedOf({ ratio: { ...against("A", 0.95), counts: "worst" } })).toEqual([]);
});

test("what compares others than the measured ones is left alone", () => {
  expect(undecidedOf({ ratio: against("B", 0.95) })).toEqual([]);
  const amongBoth: Comparison = {
    ...against("A", 0.95),
    of: (value, { mostOf }) => value("ours") / value(mostOf(["A", "B"])),
  };
  expect(undecidedOf({ ratio: amongBoth })).toEqual([]);
});

test("repetitions that share what was come to say once how far it is off", () => {
  const undecidedFor = (together: number) => undecidedOf({ ratio: { ...against("A", 0.8), together } });
  expect(undecidedFor(1)).toEqual([]);
  // In one life nobody knows of another.
  expect(undecidedFor(4)).toEqual(["ours", "A", "another A"]);
});

test("what is left open by repetitions stays so where lives agree by luck", () => {
  // In two lives it came to 0.95 both times, by repetitions of 1 and 0.9.
  const undecidedAt = (must: number) => undecidedOf({ ratio: { ...against("A", must), together: 2 } });
  expect(undecidedAt(0.9)).toEqual(["ours", "A"]);
  expect(undecidedAt(0.8)).toEqual([]);
});
