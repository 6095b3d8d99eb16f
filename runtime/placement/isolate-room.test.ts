import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { freeRoom, withinRoom } from "./isolate-room.ts";
import type { PoolUse, Room } from "./pool-use.ts";

interface Function {
  readonly share: number;
  readonly plan: number;
  /** What its callers wait longer with all calls at storage. */
  readonly addedUs: number;
  readonly mayMove?: boolean;
}

function within(room: Partial<Room>, ...functions: readonly Function[]): readonly number[] {
  const arrayOf = (of: (one: Function) => number): Float64Array => Float64Array.from(functions, of);
  const use: PoolUse = {
    pools: [],
    waiting: { added: arrayOf(({ addedUs }) => addedUs) } as PoolUse["waiting"],
    lowest: arrayOf(({ share, mayMove = true }) => (mayMove ? 0 : share)),
    highest: arrayOf(({ share, mayMove = true }) => (mayMove ? 1 : share)),
    room: { compute: Infinity, storage: Infinity, ...room },
  };
  return [
    ...withinRoom(
      use,
      arrayOf(({ share }) => share),
      arrayOf(({ plan }) => plan),
    ),
  ];
}

const coming = (savedUs: number): Function => ({ share: 0, plan: 1, addedUs: -savedUs });
const staying = (savedUs: number): Function => ({ share: 1, plan: 1, addedUs: -savedUs });

describe("a plan within the memory for isolates", () => {
  it("has the moves that save callers the most, as many as there is room for", () => {
    expect(within({ storage: 2 }, coming(1), coming(3), coming(2))).toEqual([0, 1, 1]);
    expect(within({}, coming(1), coming(3), coming(2))).toEqual([1, 1, 1]);
  });

  it("moves functions to where others have left", () => {
    expect(within({ storage: 1, compute: 1 }, coming(2), { share: 1, plan: 0.5, addedUs: 1 })).toEqual([0, 1]);
    expect(within({ storage: 1 }, coming(2), { share: 1, plan: 0, addedUs: 1 })).toEqual([1, 0]);
  });

  it("counts a split function on both sides", () => {
    expect(within({ compute: 0 }, { share: 1, plan: 0.5, addedUs: 1 })).toEqual([1]);
    expect(within({ compute: 1, storage: 1 }, { share: 0.5, plan: 1, addedUs: -1 })).toEqual([1]);
  });

  it("sends away the function that loses least, for one that saves far more", () => {
    expect(within({ storage: 2 }, coming(9), staying(3), staying(2))).toEqual([0, 1, 0]);
    expect(within({ storage: 2 }, coming(3), staying(3), staying(2))).toEqual([0, 1, 1]);
    expect(within({ storage: 1 }, coming(9), { ...staying(1), mayMove: false })).toEqual([0, 1]);
  });

  it("leaves everything where it is if both sides are full", () => {
    expect(within({ compute: 1, storage: 1 }, coming(9), staying(1))).toEqual([0, 1]);
  });

  it("never gives a side more functions than it has room for", () => {
    const share = fc.constantFrom(0, 0.5, 1);
    const one = fc.record({ share, plan: share, addedUs: fc.integer({ min: -9, max: 9 }), mayMove: fc.boolean() });
    const room = fc.record({ compute: fc.integer({ min: 0, max: 9 }), storage: fc.integer({ min: 0, max: 9 }) });
    fc.assert(
      fc.property(room, fc.array(one, { maxLength: 12 }), (rooms, functions) => {
        const before = freeRoom(
          rooms,
          Float64Array.from(functions, (each) => each.share),
        );
        const after = freeRoom(rooms, Float64Array.from(within(rooms, ...functions)));
        expect(after.compute).toBeGreaterThanOrEqual(Math.min(0, before.compute));
        expect(after.storage).toBeGreaterThanOrEqual(Math.min(0, before.storage));
      }),
    );
  });
});
