import { expect, test } from "vitest";
import { NO_USAGE, type Sample } from "./sample.ts";
import { SampleTally, TALLIED_FUNCTIONS_MAX, TALLY_TERMS, termOf } from "./tally.ts";

const sample = (change: Partial<Sample> = {}): Sample => ({
  ...NO_USAGE,
  function: "khop",
  version: "1",
  side: "compute",
  outcome: "ok",
  ...change,
});

test("a tally is the sum of what was recorded since it was last taken, by function and side", () => {
  const tally = new SampleTally();
  tally.record(sample({ wallUs: 30, queueUs: 10, cpuUs: 8, operations: 2, rounds: 1, bytesOut: 5, bytesIn: 7 }), 40);
  tally.record(sample({ wallUs: 50, cpuUs: 4, lockUs: 3, outcome: "DEADLINE_EXCEEDED" }), 60);
  tally.record(sample({ side: "storage" }), 1);
  const { tallies, untracked } = tally.take();
  expect(untracked).toBe(0);
  expect(tallies.map(({ function: name, version, side }) => [name, version, side])).toEqual([
    ["khop", "1", "compute"],
    ["khop", "1", "storage"],
  ]);
  const [{ sums, elapsed } = { sums: [], elapsed: [] }] = tallies;
  const named = Object.fromEntries(TALLY_TERMS.map((term) => [term, termOf(sums, term)]));
  expect(named).toMatchObject({
    calls: 2,
    failed: 1,
    elapsedUs: 100,
    serviceUs: 70,
    serviceUsSquared: 20 ** 2 + 50 ** 2,
    queueUs: 10,
    cpuUs: 12,
    waitUs: 0,
    operations: 2,
    rounds: 1,
    bytes: 12,
    lockUs: 3,
  });
  expect(named["logWork"]).toBeCloseTo(Math.log(1 + 8 + 10) + Math.log(1 + 4));
  expect(elapsed.filter((_, index) => index % 2 === 1)).toEqual([1, 1]);
  expect(tally.take()).toEqual({ tallies: [], untracked: 0 });
});

test("a new version begins anew", () => {
  const tally = new SampleTally();
  tally.record(sample({ cpuUs: 100 }), 100);
  tally.record(sample({ cpuUs: 1, version: "2" }), 1);
  const { tallies } = tally.take();
  expect(tallies).toHaveLength(1);
  expect(tallies[0]).toMatchObject({ version: "2" });
  expect(termOf(tallies[0]!.sums, "calls")).toBe(1);
});

test("calls of more functions than there is room for are counted, and change nothing for the others", () => {
  const tally = new SampleTally();
  for (let index = 0; index < TALLIED_FUNCTIONS_MAX + 3; index++) tally.record(sample({ function: `f${index}` }), 1);
  tally.record(sample({ function: "f0" }), 1);
  const { tallies, untracked } = tally.take();
  expect([tallies.length, untracked]).toEqual([TALLIED_FUNCTIONS_MAX, 3]);
  expect(termOf(tallies[0]!.sums, "calls")).toBe(2);
});
