import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_USAGE, type Side, type Usage } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";
import { arePlausible } from "./calibration.ts";
import { costOf, sandboxUsOf } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NO_WAITS, waitsWith, withWaits, type Waits } from "./waits.ts";

const CALL = { operations: 8, rounds: 2, bytes: 800, cpuUs: 40 };

interface Told {
  readonly function?: string;
  readonly side: Side;
  readonly calls: number;
  /** What they wait for, to what the constants say. */
  readonly times: number;
  readonly usage?: Partial<Usage>;
}

/** What one window says of such calls. */
function talliesOf(...all: readonly Told[]): readonly Tally[] {
  const tally = new SampleTally();
  for (const { function: name = "f", side, calls, times, usage = {} } of all) {
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
    for (let call = 0; call < calls; call++) tally.record(sample, sample.wallUs + 20);
  }
  return tally.take().tallies;
}

/** After so many such windows. */
function waitsAfter(windows: number, ...told: readonly Told[]): Waits & { readonly nowMs: number } {
  let [waits, nowMs] = [NO_WAITS, 0];
  for (let window = 0; window < windows; window++) {
    nowMs += WINDOW_MS;
    waits = waitsWith(waits, talliesOf(...told), WINDOW_MS, DEFAULT_CONSTANTS, nowMs);
  }
  return { ...waits, nowMs };
}

/** What is waited for at a round of a side, to what was calibrated. */
const timesOf = (side: Side, waits: Waits, nowMs: number): number =>
  withWaits(DEFAULT_CONSTANTS, waits, nowMs)[side].roundWaitUs / DEFAULT_CONSTANTS[side].roundWaitUs;

describe("what callers wait for", () => {
  test.each(["compute", "storage"] as const)("at %s is what calls that are alone wait for there", (side) => {
    const { nowMs, ...waits } = waitsAfter(80, { side, calls: 20, times: 1.6 });
    expect(timesOf(side, waits, nowMs)).toBeGreaterThan(1.5);
    expect(timesOf(side, waits, nowMs)).toBeLessThan(1.6);
    const other = side === "compute" ? "storage" : "compute";
    expect(withWaits(DEFAULT_CONSTANTS, waits, nowMs)[other]).toEqual(DEFAULT_CONSTANTS[other]);
    // What is worked is told by CPU times (calls-work.ts), and what functions compute by themselves.
    const [before, after] = [DEFAULT_CONSTANTS, withWaits(DEFAULT_CONSTANTS, waits, nowMs)];
    const [usual, now] = [costOf(side, CALL, before), costOf(side, CALL, after)];
    expect({ ...now, latencyUs: 0, aloneUs: 0, terms: {} }).toEqual({ ...usual, latencyUs: 0, aloneUs: 0, terms: {} });
    expect(now.terms.cpu).toBe(usual.terms.cpu);
  });

  test("is as it was calibrated where nothing has told of it, or nothing for long", () => {
    expect(withWaits(DEFAULT_CONSTANTS, NO_WAITS, 1_000)).toEqual(DEFAULT_CONSTANTS);
    const { nowMs, ...waits } = waitsAfter(80, { side: "compute", calls: 20, times: 3 });
    expect(timesOf("compute", waits, nowMs + 300_000)).toBeCloseTo(1, 2);
  });

  test("is not told by calls that are together: they wait for each other", () => {
    expect(waitsAfter(80, { side: "compute", calls: 400, times: 1.6 })).toMatchObject(NO_WAITS);
    const two = [{ side: "compute", calls: 60, times: 1.6, function: "a" } as const].flatMap((one) => [
      one,
      { ...one, function: "b" },
      { ...one, function: "c" },
    ]);
    expect(waitsAfter(80, ...two)).toMatchObject(NO_WAITS);
  });

  test("is not told by visits, nor by calls that mostly compute", () => {
    const { nowMs, ...waits } = waitsAfter(
      80,
      { side: "compute", calls: 20, times: 1 },
      { side: "storage", calls: 1, times: 8 },
      { function: "g", side: "storage", calls: 1, times: 8, usage: { cpuUs: 5_000 } },
    );
    expect(timesOf("storage", waits, nowMs)).toBe(1);
  });

  test("at storage is that of the reads that go to Redis", () => {
    const usage = { findableOperations: 8, findableRounds: 2, foundOperations: 8, foundRounds: 2 };
    const found = { operations: 8, rounds: 0, bytes: 0, cpuUs: 0 };
    const enteredUs = sandboxUsOf("storage", found, DEFAULT_CONSTANTS, 1);
    const allUs = sandboxUsOf("storage", { ...CALL, cpuUs: 0 }, DEFAULT_CONSTANTS, 1);
    const told = { side: "storage", calls: 20, times: enteredUs / allUs, usage } as const;
    const { nowMs, ...waits } = waitsAfter(80, told);
    expect(timesOf("storage", waits, nowMs)).toBeCloseTo(1, 1);
  });

  test("comes to constants that can be, whatever windows say", () => {
    const sum = fc.double({ min: 0, max: 1e12, noNaN: true });
    const tally = fc.record({
      function: fc.constantFrom("a", "b"),
      version: fc.constant("1"),
      side: fc.constantFrom<Side>("compute", "storage"),
      sums: fc.array(sum, { minLength: 22, maxLength: 22 }),
      elapsed: fc.constant([]),
    });
    fc.assert(
      fc.property(
        fc.array(tally, { maxLength: 4 }),
        fc.double({ min: 1, max: 1e3, noNaN: true }),
        (tallies, windowMs) => {
          const waits = waitsWith(NO_WAITS, tallies, windowMs, DEFAULT_CONSTANTS, 1_000);
          expect(arePlausible(withWaits(DEFAULT_CONSTANTS, waits, 1_000))).toBe(true);
        },
      ),
    );
  });
});
