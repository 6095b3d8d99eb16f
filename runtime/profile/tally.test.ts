import { expect, test } from "vitest";
import { isPlausible } from "./plausible-tally.ts";
import { NO_USAGE, type Sample } from "./sample.ts";
import { SampleTally, TALLIED_FUNCTIONS_MAX, TALLY_TERMS, termOf, type TallyTerm } from "./tally.ts";

const sample = (change: Partial<Sample> = {}): Sample => ({
  ...NO_USAGE,
  function: "khop",
  version: "1",
  side: "compute",
  outcome: "ok",
  ...change,
});

/** The sums by name, and the buckets, of samples that each took 100 µs. */
const tallied = (...samples: readonly Sample[]) => {
  const tally = new SampleTally();
  for (const one of samples) tally.record(one, 100);
  const [{ sums, elapsed } = { sums: [], elapsed: [] }] = tally.take().tallies;
  return {
    ...(Object.fromEntries(TALLY_TERMS.map((term) => [term, termOf(sums, term)])) as Record<TallyTerm, number>),
    elapsed,
  };
};

test("a tally is the sum of samples since it was last taken, by function and side", () => {
  const tally = new SampleTally();
  tally.record(sample(), 40);
  tally.record(sample({ side: "storage" }), 1);
  const { tallies } = tally.take();
  expect(tallies.map(({ function: name, version, side }) => [name, version, side])).toEqual([
    ["khop", "1", "compute"],
    ["khop", "1", "storage"],
  ]);
  expect(tally.take()).toEqual({ tallies: [] });
});

test("each term of the usage is summed", () => {
  const { elapsed, ...sums } = tallied(
    sample({ wallUs: 30, queueUs: 10, cpuUs: 8, waitUs: 7, operations: 2, rounds: 1, bytesOut: 5, bytesIn: 7 }),
    sample({ wallUs: 50, cpuUs: 4, lockUs: 3, outcome: "DEADLINE_EXCEEDED", isFixed: true }),
  );
  expect(sums).toMatchObject({
    calls: 2,
    failed: 1,
    elapsedUs: 200,
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
    logWork: expect.closeTo(Math.log(1 + 8 + 10) + Math.log(1 + 4)),
  });
  expect(elapsed).toEqual([expect.any(Number), 2]);
});

test.each([
  // outcome, usage → whether its costs are in the sums, whether it counts as one that came
  ["ok", {}, 1, 0],
  ["RESULT_INVALID", { cpuUs: 5 }, 1, 0],
  ["DEADLINE_EXCEEDED", { cpuUs: 5 }, 1, 0],
  ["DEADLINE_EXCEEDED", { wallUs: 9, queueUs: 9 }, 0, 1],
  ["FUNCTION_FAILED", { cpuUs: 5 }, 0, 1],
  ["CALL_REFUSED", { cpuUs: 5 }, 0, 1],
  ["OVERLOADED", {}, 0, 1],
] as const)("a call that ended as %s and used %j tells what its function costs: %i", (outcome, used, calls, untold) => {
  const failed = outcome === "ok" || outcome === "CALL_REFUSED" ? 0 : 1;
  const { elapsed, ...sums } = tallied(sample({ ...used, outcome }));
  expect(sums).toMatchObject({ calls, untold, failed, elapsedUs: 100 * calls });
  expect(elapsed).toHaveLength(2 * calls);
});

test("work is counted at the usual pace of cores, and CPU time as it was", () => {
  const { logWork } = tallied(sample({ cpuUs: 10 }));
  const { logCpu } = tallied(sample({ cpuUs: 40 }));
  const slowed = tallied(sample({ cpuUs: 40, slowedUs: 30 }));
  expect(slowed).toMatchObject({ cpuUs: 40, slowedUs: 30, logWork, logCpu });
  // A host cannot claim more than the whole.
  expect(tallied(sample({ cpuUs: 10, slowedUs: 1e9 }))).toMatchObject({ cpuUs: 10, slowedUs: 10, logWork: 0 });
});

test("opening an isolate is a part of the wait for it", () => {
  expect(tallied(sample({ wallUs: 50, queueUs: 40, startUs: 30 }))).toMatchObject({ queueUs: 40, openingUs: 30 });
});

test("a mistake of the caller is no call of the function", () => {
  const tally = new SampleTally();
  for (const outcome of ["ARGS_INVALID", "ARGS_TOO_LARGE", "PERMISSION_DENIED"]) tally.record(sample({ outcome }), 1);
  expect(tally.take()).toEqual({ tallies: [] });
});

test("a new version begins anew", () => {
  expect(tallied(sample({ cpuUs: 100 }), sample({ cpuUs: 1, version: "2" }))).toMatchObject({ calls: 1, cpuUs: 1 });
});

test("the least recently called functions make room for others", () => {
  const tally = new SampleTally();
  for (let index = 0; index < TALLIED_FUNCTIONS_MAX; index++) tally.record(sample({ function: `f${index}` }), 1);
  for (const name of ["f0", "other"]) tally.record(sample({ function: name }), 1);
  const { tallies } = tally.take();
  const names = tallies.map(({ function: name }) => name);
  expect(names.length).toBeLessThanOrEqual(TALLIED_FUNCTIONS_MAX);
  expect(names).toEqual(expect.arrayContaining(["f0", "other", `f${TALLIED_FUNCTIONS_MAX - 1}`]));
  expect(names).not.toContain("f1");
  expect(termOf(tallies[0]!.sums, "calls")).toBe(2);
});

test.each([
  { calls: 0.5, cpuUs: 1 },
  { calls: 1e-300, cpuUs: 1e30 },
  { calls: 2e10 },
  { calls: 1, cpuUs: 1.8e16 },
  { calls: 1, logCpu: 1e3 },
  { calls: 1, operations: 1e18 },
  { calls: 1, cpuUs: 2, slowedUs: 3 },
  { calls: 1, cpuUs: 2, slowedUs: Number.NaN },
  { calls: 1, failed: 3, untold: 1 },
  { calls: 1, fixed: 3, untold: 1 },
  { cpuUs: 1 },
])("sums that no calls can have are not plausible: %j", (change) => {
  const isPlausibleWith = (named: Partial<Record<TallyTerm, number>>): boolean =>
    isPlausible({ ...sample(), sums: TALLY_TERMS.map((term) => named[term] ?? 0), elapsed: [] });
  expect(isPlausibleWith(change)).toBe(false);
  expect(isPlausibleWith({ calls: 1, cpuUs: 1e9, operations: 1e6, failed: 2, untold: 1 })).toBe(true);
});

test("sums are told to the ns", () => {
  const sums = tallied(...Array.from({ length: 3 }, () => sample({ wallUs: 1 / 3 + 1e3, cpuUs: 1 / 7 })));
  expect(sums).toMatchObject({ serviceUs: 3_001, cpuUs: 0.429, logCpu: 0.400594 });
});
