// Memory for isolates: each side has room for those of so many functions. Beyond that a side closes isolates while
// their functions are called, and calls wait until one is opened again.

import type { PoolUse, Room } from "./pool-use.ts";

/** After a change of one share. A function with calls on a side takes a place there. */
const roomAfter = ({ compute, storage }: Room, from: number, to: number): Room => ({
  compute: compute + Number(from < 1) - Number(to < 1),
  storage: storage + Number(from > 0) - Number(to > 0),
});

/** No side gets what it has no room for. */
const fits = (before: Room, after: Room): boolean =>
  after.compute >= Math.min(0, before.compute) && after.storage >= Math.min(0, before.storage);

/** Functions that each side still has room for. Below 0: it has more than that. */
export function freeRoom({ compute, storage }: Room, shares: Float64Array): Room {
  for (const share of shares) {
    if (share < 1) compute -= 1;
    if (share > 0) storage -= 1;
  }
  return { compute, storage };
}

export const fitsRoom = (room: Room, shares: Float64Array, plan: Float64Array): boolean =>
  fits(freeRoom(room, shares), freeRoom(room, plan));

/**
 * The plan without the moves that a side has no room for. The moves that save callers the most come first. If one has
 * no room, the function that loses the least by leaving makes room: by so much that it does not soon return.
 */
export function withinRoom(use: PoolUse, shares: Float64Array, plan: Float64Array): Float64Array {
  const { room, waiting, lowest, highest } = use;
  let free = freeRoom(room, shares);
  const within = shares.slice();
  const savedUs = (index: number, to: number): number => (shares[index]! - to) * waiting.added[index]!;
  const moved = [...plan.keys()]
    .filter((index) => plan[index] !== shares[index])
    .toSorted((one, other) => savedUs(other, plan[other]!) - savedUs(one, plan[one]!));
  const move = (index: number, to: number): boolean => {
    const after = roomAfter(free, within[index]!, to);
    if (!fits(free, after)) return false;
    [free, within[index]] = [after, to];
    return true;
  };
  // What leaves a side makes room there: a second look finds it.
  const refused = moved.filter((index) => !move(index, plan[index]!)).filter((index) => !move(index, plan[index]!));
  if (refused.length === 0) return within;
  const leavers = [...shares.keys()]
    .filter((index) => plan[index] === shares[index] && lowest[index] === 0 && highest[index] === 1)
    .toSorted((one, other) => savedUs(other, 1 - shares[other]!) - savedUs(one, 1 - shares[one]!));
  for (const side of [0, 1]) {
    const staying = leavers.filter((index) => shares[index] === side);
    const coming = refused.filter((index) => side === Number(plan[index]! > shares[index]!));
    for (const [at, index] of coming.entries()) {
      const leaver = staying[at];
      if (leaver === undefined || savedUs(index, plan[index]!) <= -2 * savedUs(leaver, 1 - side)) break;
      move(leaver, 1 - side);
    }
  }
  return within;
}
