import { expect, test } from "vitest";
import { NO_USAGE, type Sample } from "./sample.ts";
import { isPlausible } from "./plausible-tally.ts";
import { SampleTally, TALLIED_FUNCTIONS_MAX, TALLY_TERMS, termOf, type TallyTerm } from "./tally.ts";

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
  tally.record(
    sample({ wallUs: 30, queueUs: 10, cpuUs: 8, waitUs: 7, operations: 2, rounds: 1, bytesOut: 5, bytesIn: 7 }),
    40,
  );
  tally.record(sample({ wallUs: 50, cpuUs: 4, lockUs: 3, outcome: "DEADLINE_EXCEEDED", isFixed: true }), 60);
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
    waitUs: 7,
    operations: 2,
    rounds: 1,
    bytes: 12,
    lockUs: 3,
    fixed: 1,
  });
  expect(named["logWork"]).toBeCloseTo(Math.log(1 + 8 + 10) + Math.log(1 + 4));
  expect(elapsed.filter((_, index) => index % 2 === 1)).toEqual([1, 1]);
  expect(tally.take()).toEqual({ tallies: [], untracked: 0 });
});

test.each([
  // outcome, what it used → whether its costs are in the sums, whether it counts as one that came
  ["ok", {}, 1, 0],
  ["RESULT_INVALID", { cpuUs: 5 }, 1, 0],
  ["DEADLINE_EXCEEDED", { cpuUs: 5 }, 1, 0],
  ["DEADLINE_EXCEEDED", { wallUs: 9, queueUs: 9 }, 0, 1],
  ["FUNCTION_FAILED", { cpuUs: 5 }, 0, 1],
  ["CANCELLED", { cpuUs: 5 }, 0, 1],
  ["OVERLOADED", {}, 0, 1],
] as const)("a call that ended as %s and used %j tells what its function costs: %i", (outcome, used, told, untold) => {
  const tally = new SampleTally();
  tally.record(sample({ ...used, outcome }), 100);
  const [{ sums, elapsed } = { sums: [], elapsed: [] }] = tally.take().tallies;
  expect([termOf(sums, "calls"), termOf(sums, "untold"), termOf(sums, "failed")]).toEqual([
    told,
    untold,
    outcome === "ok" ? 0 : 1,
  ]);
  expect(termOf(sums, "elapsedUs")).toBe(100 * told);
  expect(elapsed).toHaveLength(2 * told);
});

test("calls on a core that is slow are as dear to a detector as at its usual pace, and take what they take", () => {
  const tallyOf = (change: Partial<Sample>) => {
    const tally = new SampleTally();
    tally.record(sample({ operations: 2, ...change }), 100);
    const [{ sums } = { sums: [] }] = tally.take().tallies;
    return Object.fromEntries(TALLY_TERMS.map((term) => [term, termOf(sums, term)]));
  };
  const { logWork } = tallyOf({ cpuUs: 10 });
  const { logCpu } = tallyOf({ cpuUs: 40 });
  expect(tallyOf({ cpuUs: 40, slowedUs: 30 })).toMatchObject({ cpuUs: 40, slowedUs: 30, logWork, logCpu });
  // Whatever a host says of itself.
  const none = tallyOf({ cpuUs: 0 });
  expect(tallyOf({ cpuUs: 10, slowedUs: 1e9 })).toMatchObject({ cpuUs: 10, slowedUs: 10, logWork: none["logWork"] });
});

test("what its caller did wrong is no call of a function", () => {
  const tally = new SampleTally();
  for (const outcome of ["ARGS_INVALID", "ARGS_TOO_LARGE", "PERMISSION_DENIED"]) tally.record(sample({ outcome }), 1);
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

const isPlausibleWith = (change: Partial<Record<TallyTerm, number>>): boolean =>
  isPlausible({
    function: "khop",
    version: "1",
    side: "compute",
    sums: TALLY_TERMS.map((term) => change[term] ?? 0),
    elapsed: [],
  });

test.each([
  { calls: 0.5, cpuUs: 1 },
  { calls: 1e-300, cpuUs: 1e30 },
  { calls: 2e9 },
  { calls: 1, cpuUs: 1.8e16 },
  { calls: 1, logCpu: 1e3 },
  { calls: 1, operations: 1e8 },
  { calls: 1, cpuUs: 2, slowedUs: 3 },
  { calls: 1, cpuUs: 2, slowedUs: Number.NaN },
  { calls: 1, failed: 3, untold: 1 },
  { calls: 1, fixed: 3, untold: 1 },
  { calls: 1, fixed: 0.5 },
  { cpuUs: 1 },
])("no calls can have come to what somebody wrote who is no node: %j", (sums) => {
  expect(isPlausibleWith(sums)).toBe(false);
  expect(isPlausibleWith({ calls: 1, cpuUs: 1e9, operations: 1e6, failed: 2, untold: 1 })).toBe(true);
});

test("sums are told to the ns, and no finer", () => {
  const tally = new SampleTally();
  for (let call = 0; call < 3; call++) tally.record(sample({ wallUs: 1 / 3 + 1e3, cpuUs: 1 / 7 }), 1 / 3);
  const [{ sums } = { sums: [] }] = tally.take().tallies;
  expect(termOf(sums, "serviceUs")).toBe(3_001);
  expect(termOf(sums, "elapsedUs")).toBe(1);
  expect(termOf(sums, "cpuUs")).toBe(0.429);
  expect(termOf(sums, "logCpu")).toBe(0.400594);
  expect(sums.every((sum) => String(sum).length <= 16)).toBe(true);
});
