import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { SampleTally, TERM_AT, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { costOf, sandboxUsOf } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NO_WAITS, waitsWith, withWaits, type ToldWaits, type Waits } from "./waits.ts";

const CALL = { operations: 8, rounds: 2, bytes: 800, cpuUs: 20 };

interface Told {
  readonly function?: string;
  readonly side: Side;
  readonly calls: number;
  /** What they wait for in the sandbox, to what the constants say. */
  readonly times: number;
  /** The same beside it. */
  readonly callTimes?: number;
  readonly usage?: Partial<Usage>;
}

/** What one window says of such calls. */
function talliesOf(...all: readonly Told[]): readonly Tally[] {
  const tally = new SampleTally();
  for (const { function: name = "f", side, calls, times, callTimes = 1, usage = {} } of all) {
    const { bytes, ...moved } = CALL;
    const used = { ...NO_USAGE, ...moved, bytesIn: bytes, ...usage };
    const waitedUs = times * sandboxUsOf(side, { ...CALL, ...usage, cpuUs: 0 }, DEFAULT_CONSTANTS, 1);
    const sample = {
      ...used,
      function: name,
      version: "1",
      side,
      outcome: "ok",
      wallUs: waitedUs + used.cpuUs,
    } as const;
    const elapsedUs = sample.wallUs + callTimes * DEFAULT_CONSTANTS[side].callWaitUs;
    for (let call = 0; call < calls; call++) tally.record(sample, elapsedUs);
  }
  return tally.take().tallies;
}

/** Functions named so are at storage, all others at compute. */
const shareOf = (name: string): number => (name.startsWith("stored") ? 1 : 0);
const ALONE = { windowMs: WINDOW_MS, inFlight: 1, shareOf };

/** After so many such windows. */
function waitsAfter(
  windows: number,
  told: readonly Told[],
  around: Partial<Omit<ToldWaits, "tallies">> = {},
  before: Waits = NO_WAITS,
): Waits {
  let waits = before;
  let nowMs = Math.max(0, before.atMs);
  for (let window = 0; window < windows; window++) {
    nowMs += WINDOW_MS;
    waits = waitsWith(waits, { ...ALONE, ...around, tallies: talliesOf(...told) }, DEFAULT_CONSTANTS, nowMs);
  }
  return waits;
}

/** What is waited for at a round of a side, to what was calibrated. */
const timesOf = (side: Side, waits: Waits, nowMs = waits.atMs): number =>
  withWaits(DEFAULT_CONSTANTS, waits, nowMs)[side].roundWaitUs / DEFAULT_CONSTANTS[side].roundWaitUs;
/** The same beside the sandbox. */
const callTimesOf = (side: Side, waits: Waits, nowMs = waits.atMs): number =>
  withWaits(DEFAULT_CONSTANTS, waits, nowMs)[side].callWaitUs / DEFAULT_CONSTANTS[side].callWaitUs;

const AT_COMPUTE = { side: "compute", calls: 20 } as const;
const AT_STORAGE = { side: "storage", calls: 20, function: "stored" } as const;

describe("what callers wait for", () => {
  test.each([AT_COMPUTE, AT_STORAGE])("at $side is what calls that are alone wait for there", (calls) => {
    const { side } = calls;
    const waits = waitsAfter(400, [{ ...calls, times: 1.6 }]);
    expect(timesOf(side, waits)).toBeGreaterThan(1.5);
    expect(timesOf(side, waits)).toBeLessThan(1.6);
    const other = side === "compute" ? "storage" : "compute";
    const after = withWaits(DEFAULT_CONSTANTS, waits, waits.atMs);
    expect(after[other]).toEqual(DEFAULT_CONSTANTS[other]);
    // What is worked is told by CPU times (calls-work.ts), and what functions compute by themselves.
    const [usual, now] = [costOf(side, CALL, DEFAULT_CONSTANTS), costOf(side, CALL, after)];
    expect({ ...now, latencyUs: 0, aloneUs: 0, terms: {} }).toEqual({ ...usual, latencyUs: 0, aloneUs: 0, terms: {} });
    expect(now.terms.cpu).toBe(usual.terms.cpu);
  });

  test("is as it was calibrated where nothing has told of it, or nothing for long", () => {
    expect(withWaits(DEFAULT_CONSTANTS, NO_WAITS, 1_000)).toEqual(DEFAULT_CONSTANTS);
    const waits = waitsAfter(400, [{ ...AT_COMPUTE, times: 1.6 }]);
    expect(timesOf("compute", waits, waits.atMs + 300_000)).toBeCloseTo(1, 2);
  });

  test("is not told by calls that are together, or beside others: they wait for each other", () => {
    expect(waitsAfter(80, [{ ...AT_COMPUTE, calls: 400, times: 1.6 }])).toBe(NO_WAITS);
    const three = ["a", "b", "c"].map((name) => ({ ...AT_COMPUTE, calls: 100, times: 1.6, function: name }));
    expect(waitsAfter(80, three)).toBe(NO_WAITS);
    // Long ones, none of which has ended yet, keep it busy.
    expect(waitsAfter(80, [{ ...AT_COMPUTE, times: 1.6 }], { inFlight: 8 })).toBe(NO_WAITS);
  });

  test("is not told where some fail: nobody knows how long these were at work", () => {
    const tallies = talliesOf({ ...AT_COMPUTE, times: 1.6 });
    const failing = tallies.map((one) => ({ ...one, sums: one.sums.with(TERM_AT.untold, 1) }));
    expect(waitsWith(NO_WAITS, { ...ALONE, tallies: failing }, DEFAULT_CONSTANTS, 1)).toBe(NO_WAITS);
  });

  test("is not told by a visit, though it is alone in its window, and is by calls whose callers ask for the side", () => {
    const visit = { side: "storage", calls: 1, times: 1.6 } as const;
    expect(waitsAfter(80, [visit])).toBe(NO_WAITS);
    const asked = talliesOf(visit).map((one) => ({ ...one, sums: one.sums.with(TERM_AT.fixed, 1) }));
    const waits = waitsWith(NO_WAITS, { ...ALONE, tallies: asked }, DEFAULT_CONSTANTS, 1);
    expect(timesOf("storage", waits)).toBeGreaterThan(1);
  });

  test("is not told by calls that mostly compute, that have timers of their own, or that stood still", () => {
    const computing = { ...AT_COMPUTE, calls: 1, times: 1.6, usage: { cpuUs: 5_000 } };
    expect(waitsAfter(80, [computing])).toBe(NO_WAITS);
    const withTimers = waitsAfter(80, [{ ...AT_COMPUTE, calls: 1, times: 60, callTimes: 2 }]);
    expect(timesOf("compute", withTimers)).toBe(1);
    // Their way to the sandbox is that of any.
    expect(callTimesOf("compute", withTimers)).toBeGreaterThan(1.2);
  });

  test("is told by calls that wait for far less than a disturbed calibration has found, to a bound", () => {
    expect(timesOf("compute", waitsAfter(400, [{ ...AT_COMPUTE, times: 0.1 }]))).toBeLessThan(0.15);
    expect(timesOf("compute", waitsAfter(400, [{ ...AT_COMPUTE, times: 0 }]))).toBeGreaterThan(1 / 20);
  });

  test("at storage is that of the reads that go to Redis", () => {
    const usage = { findableOperations: 8, findableRounds: 2, foundOperations: 8, foundRounds: 2, cpuUs: 5 };
    const found = { operations: 8, rounds: 0, bytes: 0, cpuUs: 0 };
    const enteredUs = sandboxUsOf("storage", found, DEFAULT_CONSTANTS, 1);
    const allUs = sandboxUsOf("storage", { ...CALL, cpuUs: 0 }, DEFAULT_CONSTANTS, 1);
    const waits = waitsAfter(80, [{ ...AT_STORAGE, times: enteredUs / allUs, usage }]);
    expect(waits.storage.sandbox.weightUs).toBeGreaterThan(0);
    expect(timesOf("storage", waits)).toBeCloseTo(1, 1);
  });

  test("is soon what calls wait for again, whatever one window that can be has said", () => {
    const odd = fc.record({
      times: fc.double({ min: 0, max: 100, noNaN: true }),
      callTimes: fc.double({ min: 0, max: 1e6, noNaN: true }),
      calls: fc.integer({ min: 1, max: 1e6 }),
    });
    fc.assert(
      fc.property(odd, fc.constantFrom(AT_COMPUTE, AT_STORAGE), ({ times, callTimes, calls }, usual) => {
        const [one] = talliesOf({ ...usual, calls: 1, times, callTimes });
        const tally = { ...one!, sums: one!.sums.map((sum) => sum * calls) };
        const told = { ...ALONE, windowMs: Infinity, tallies: [tally] };
        const waits = waitsWith(NO_WAITS, told, DEFAULT_CONSTANTS, WINDOW_MS);
        const after = waitsAfter(80, [{ ...usual, times: 1 }], {}, waits);
        expect(Math.abs(Math.log(timesOf(usual.side, after)))).toBeLessThan(0.1);
        expect(Math.abs(Math.log(callTimesOf(usual.side, after)))).toBeLessThan(0.1);
      }),
    );
  });

  describe("beside the sandbox", () => {
    test.each([AT_COMPUTE, AT_STORAGE])("at $side is what calls that are alone wait for there", (calls) => {
      const { side } = calls;
      const waits = waitsAfter(400, [{ ...calls, times: 1, callTimes: 2 }]);
      expect(callTimesOf(side, waits)).toBeGreaterThan(1.8);
      expect(callTimesOf(side, waits)).toBeLessThan(2);
      expect(timesOf(side, waits)).toBeCloseTo(1);
      const other = side === "compute" ? "storage" : "compute";
      expect(callTimesOf(other, waits)).toBe(1);
      expect(callTimesOf(side, waits, waits.atMs + 300_000)).toBeCloseTo(1, 2);
    });

    test("is told soon, whatever a call waits for in the sandbox", () => {
      const waits = waitsAfter(20, [{ ...AT_COMPUTE, calls: 10, times: 1, callTimes: 2 }]);
      expect(callTimesOf("compute", waits)).toBeGreaterThan(1.7);
    });

    test("is not told by calls that are together", () => {
      const two = { ...AT_STORAGE, calls: 400, times: 0.3, callTimes: 2 };
      // Most of their time is beside the sandbox, which is idle.
      expect(waitsAfter(80, [{ ...two, calls: 60 }])).not.toBe(NO_WAITS);
      expect(waitsAfter(80, [{ ...two, calls: 150 }])).toBe(NO_WAITS);
      expect(waitsAfter(80, [{ ...two, calls: 60 }], { inFlight: 2 })).toBe(NO_WAITS);
    });

    test("is not told by calls that compute for longer than they wait: whoever is to answer has fallen asleep", () => {
      const computing = { ...AT_STORAGE, calls: 4, times: 1, callTimes: 2, usage: { cpuUs: 1_000 } };
      expect(waitsAfter(80, [computing])).toBe(NO_WAITS);
      // But they may compute for as long as they wait on their way.
      const light = { ...computing, usage: { cpuUs: 120 } };
      expect(callTimesOf("storage", waitsAfter(80, [light]))).toBeGreaterThan(1.3);
    });

    test("is not told by what stood still, may be what no calibration had at compute, and is believed short to a bound", () => {
      const after = (side: Side, callTimes: number): number =>
        callTimesOf(
          side,
          waitsAfter(400, [{ ...(side === "compute" ? AT_COMPUTE : AT_STORAGE), times: 1, callTimes }]),
        );
      expect(after("storage", 3.9)).toBeGreaterThan(3);
      expect(after("storage", 4.1)).toBe(1);
      // Within four times 10 µs.
      expect(after("compute", 9.5)).toBeGreaterThan(7);
      expect(after("compute", 11)).toBe(1);
      expect(after("storage", 0.1)).toBeLessThan(0.15);
      expect(after("storage", 0)).toBeGreaterThan(1 / 20);
    });

    test("is no less than nothing where a calibration has found nothing", () => {
      const nothing = { ...DEFAULT_CONSTANTS, storage: { ...DEFAULT_CONSTANTS.storage, callWaitUs: 0 } };
      const tallies = talliesOf({ ...AT_STORAGE, times: 1, callTimes: 0.1 });
      const waits = waitsWith(NO_WAITS, { ...ALONE, tallies }, nothing, 1);
      expect(withWaits(nothing, waits, 1).storage.callWaitUs).toBe(0);
    });
  });
});
