import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { CallTally, percentile, summaryText, type CallRecord } from "./summary.ts";

const call = (record: Partial<CallRecord>): CallRecord => ({
  elapsedUs: 1_000,
  error: null,
  side: "storage",
  operations: 4,
  rounds: 2,
  ...record,
});

describe("percentile", () => {
  it("is exact: the smallest value that so many do not exceed", () => {
    const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0, 1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 1, 50, 99, 100]);
    expect(percentile(Float64Array.of(7), 99)).toBe(7);
    expect(percentile(new Float64Array(0), 50)).toBeNull();
  });

  it("is a value of the list that enough values do not exceed and too few do", () => {
    const values = fc.array(fc.integer(), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (list, percent) => {
        const sorted = Float64Array.from(list).toSorted();
        const value = percentile(sorted, percent) ?? NaN;
        expect(list).toContain(value);
        const needed = (percent / 100) * list.length;
        expect(list.filter((one) => one <= value).length).toBeGreaterThanOrEqual(needed);
        expect(list.filter((one) => one < value).length).toBeLessThan(needed);
      }),
    );
  });
});

describe("CallTally", () => {
  it("sums up calls, errors, sides and what a call needed on average", () => {
    const tally = new CallTally(true);
    tally.add(call({ elapsedUs: 3_000 }));
    tally.add(call({ elapsedUs: 1_000, side: "compute", rounds: 4 }));
    tally.add(
      call({ elapsedUs: 2_000, error: { code: "FUNCTION_FAILED", message: "first" }, operations: 1, rounds: 0 }),
    );
    tally.add(call({ elapsedUs: 4_000, error: { code: "FUNCTION_FAILED", message: "second" }, side: null }));
    tally.addBytes(400);
    tally.endRepeat(0.5);
    tally.endRepeat(1.5);
    expect(tally.summary()).toEqual({
      calls: 4,
      ok: 2,
      errors: { FUNCTION_FAILED: 2 },
      firstError: "first",
      sides: { compute: 1, storage: 2 },
      seconds: 2,
      secondsPerRepeat: [0.5, 1.5],
      callsPerSecond: 2,
      p50Us: 2_000,
      p99Us: 4_000,
      operationsPerCall: 3.25,
      roundsPerCall: 2,
      bytesPerCall: 100,
    });
  });

  it("says nothing of sides where there are none", () => {
    const tally = new CallTally(false);
    tally.add(call({ side: null }));
    expect(tally.summary()).not.toHaveProperty("sides");
  });

  it("says nothing of rounds where one call's cannot be told, and divides nothing by no calls", () => {
    const tally = new CallTally(true);
    expect(tally.summary()).toMatchObject({ calls: 0, callsPerSecond: 0, p50Us: null, bytesPerCall: 0 });
    tally.add(call({ rounds: null, operations: null }));
    tally.add(call({}));
    expect(tally.summary()).toMatchObject({ roundsPerCall: null, operationsPerCall: null });
  });
});

describe("summaryText", () => {
  it("is short and aligned, and leaves out what there is nothing to say of", () => {
    const tally = new CallTally(true);
    tally.add(call({ elapsedUs: 1_234.5 }));
    tally.addBytes(123_456);
    tally.endRepeat(0.012_345);
    expect(summaryText("batch khop 1 1", tally.summary())).toBe(
      [
        "batch khop 1 1",
        "  calls     1",
        "  time      0.0123 s",
        "  rate      81 calls/s",
        "  latency   p50 1.23 ms, p99 1.23 ms",
        "  per call  2 rounds, 4 operations, 123456 bytes",
        "  sides     storage 1",
      ].join("\n"),
    );
  });

  it("tells what failed, and what the first failure said", () => {
    const tally = new CallTally(true);
    tally.add(call({ error: { code: "OVERLOADED", message: "full" }, side: null }));
    expect(summaryText("batch", tally.summary())).toContain("  errors    OVERLOADED 1; the first: full");
  });
});
