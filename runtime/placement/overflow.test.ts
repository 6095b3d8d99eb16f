import { describe, expect, test } from "vitest";
import { otherSide } from "#runtime/profile/sample.ts";
import { costOf, type Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { NO_OVERFLOW, overflowBetween, type Overflow } from "./overflow.ts";
import { ONE_CORE_EACH } from "./played-calls.fake.ts";
import { homeOf, OVERFLOW_MAX } from "./plan.ts";
import type { Capacity } from "./pool-use.ts";

const HASH: Demand = { operations: 1, rounds: 1, bytes: 100, cpuUs: 2_000 };
const CHAIN: Demand = { operations: 64, rounds: 64, bytes: 6_000, cpuUs: 200 };
/** Passing it on takes half as long. */
const LIGHT: Demand = { operations: 0, rounds: 0, bytes: 100, cpuUs: 80 };

interface Of {
  readonly demand?: Demand;
  readonly share?: number;
  readonly capacity?: Partial<Capacity>;
  readonly before?: Overflow;
  /** A call takes so many times as long on the other side. */
  readonly longer?: number;
}

function overflow({ demand = HASH, share = 0, capacity = {}, before = NO_OVERFLOW, longer = 1 }: Of): Overflow {
  const costs = {
    compute: costOf("compute", demand, DEFAULT_CONSTANTS),
    storage: costOf("storage", demand, DEFAULT_CONSTANTS),
  };
  const medianUs = { compute: 8_000, storage: 8_000 };
  medianUs[otherSide(homeOf({ share }))] *= longer;
  const { cpuUs } = demand;
  return overflowBetween({
    share,
    costs,
    cpuUs,
    medianUs: (side) => medianUs[side],
    capacity: { ...ONE_CORE_EACH, ...capacity },
    before,
  });
}

const ONE_TO_ONE: Overflow = { overflowMin: 3, overflowTimes: 4 };

describe("calls overflow", () => {
  test.each([0, 0.3, 0.5, 1])("where they work for long on both sides, wherever they are (%d at storage)", (share) => {
    expect(overflow({ share })).toEqual(ONE_TO_ONE);
  });

  test("not where passing them on is much of what they cost", () => {
    expect(overflow({ demand: LIGHT })).toEqual(NO_OVERFLOW);
    expect(overflow({ demand: { ...LIGHT, cpuUs: 400 } })).toEqual(ONE_TO_ONE);
  });

  test("not where most of their work is rounds, which are served together where they are together", () => {
    expect(overflow({ demand: CHAIN, share: 1 })).toEqual(NO_OVERFLOW);
    expect(overflow({ demand: { ...CHAIN, cpuUs: 2_000 }, share: 1 })).toEqual(ONE_TO_ONE);
  });

  test("later from a side that has more cores, and where several nodes have calls there each counts its own", () => {
    expect(overflow({ capacity: { computeCores: 8 } })).toEqual({ overflowMin: 24, overflowTimes: 32 });
    expect(overflow({ capacity: { computeCores: 8 }, share: 1 })).toEqual({ overflowMin: 3, overflowTimes: 0.5 });
  });

  test("of several nodes, each of which knows its own calls alone, as of one that has them all", () => {
    // At 24 in flight there, and 32 for each that one of the others may be sending: three quarters of a call for each of its own.
    expect(overflow({ capacity: { computeCores: 8, nodes: 4 } })).toEqual({ overflowMin: 30, overflowTimes: 32 });
    expect(overflow({ capacity: { computeCores: 8, nodes: 4 }, share: 1 })).toEqual({
      overflowMin: 3,
      overflowTimes: 0.5,
    });
  });

  test.each([0, 1])(
    "not where they clearly take longer on the other side (%d at storage): it is far away, or busy",
    (share) => {
      expect(overflow({ share, longer: 1.2 })).toEqual(ONE_TO_ONE);
      expect(overflow({ share, longer: 1.3 })).toEqual(NO_OVERFLOW);
      expect(overflow({ share, longer: 1.3, before: ONE_TO_ONE })).toEqual(ONE_TO_ONE);
      expect(overflow({ share, longer: 1.6, before: ONE_TO_ONE })).toEqual(NO_OVERFLOW);
    },
  );

  test("as before where nodes are busy with something besides", () => {
    const before = overflow({ capacity: { computeCores: 2 } });
    for (const computeCores of [1.7, 1.97, 2.03]) expect(overflow({ capacity: { computeCores }, before })).toBe(before);
    expect(overflow({ capacity: { computeCores: 4 }, before })).toEqual({ overflowMin: 12, overflowTimes: 16 });
  });

  test("from no more calls on than a plan may say, however many cores somebody claims to have", () => {
    const huge = overflow({ capacity: { computeCores: 1e9 } });
    expect(huge).toEqual({ overflowMin: OVERFLOW_MAX, overflowTimes: OVERFLOW_MAX });
  });

  test("not with so many calls in flight that no core stands idle", () => {
    expect(overflow({ capacity: { callers: 24 } })).toEqual(ONE_TO_ONE);
    expect(overflow({ capacity: { callers: 25 } })).toEqual(NO_OVERFLOW);
    expect(overflow({ capacity: { callers: 30 }, before: ONE_TO_ONE })).toEqual(ONE_TO_ONE);
    expect(overflow({ capacity: { callers: 31 }, before: ONE_TO_ONE })).toEqual(NO_OVERFLOW);
  });

  test("not between two sides that have the same cores, nor to a storage that runs nothing", () => {
    expect(overflow({ capacity: { sharedCores: 2 } })).toEqual(NO_OVERFLOW);
    expect(overflow({ capacity: { storageCores: 0 } })).toEqual(NO_OVERFLOW);
  });
});
