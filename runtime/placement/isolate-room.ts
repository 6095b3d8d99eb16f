// Memory for isolates: each side has room for those of so many functions. Beyond that a side closes isolates while
// their functions are called, and calls wait until one is opened again.

import type { PoolUse, Room } from "./pool-use.ts";

/** Functions that each side still has room for: one with calls on both sides counts on both. Below 0: too many. */
export const freeRoom = ({ compute, storage }: Room, shares: Float64Array): Room => ({
  compute: shares.reduce((free, share) => free - Number(share < 1), compute),
  storage: shares.reduce((free, share) => free - Number(share > 0), storage),
});

/** After one function has moved. */
const roomAfter = ({ compute, storage }: Room, from: number, to: number): Room => ({
  compute: compute + Number(from < 1) - Number(to < 1),
  storage: storage + Number(from > 0) - Number(to > 0),
});

/** No side gets what it has no room for. */
const isWithin = (before: Room, after: Room): boolean =>
  after.compute >= Math.min(0, before.compute) && after.storage >= Math.min(0, before.storage);

export const fitsRoom = (room: Room, shares: Float64Array, plan: Float64Array): boolean =>
  isWithin(freeRoom(room, shares), freeRoom(room, plan));

/**
 * The plan without the moves that a side has no room for. The moves that save callers the most come first. For one
 * without room the function leaves that loses the least by it, if that is less than half of what is saved.
 */
export function withinRoom(use: PoolUse, shares: Float64Array, plan: Float64Array): Float64Array {
  const { room, waiting, lowest, highest } = use;
  const within = shares.slice();
  let free = freeRoom(room, shares);
  const move = (index: number, to: number): boolean => {
    const left = roomAfter(free, within[index]!, to);
    if (!isWithin(free, left)) return false;
    [free, within[index]] = [left, to];
    return true;
  };
  const savedUs = (index: number, to: number): number => (shares[index]! - to) * waiting.added[index]!;
  const moves = [...shares.keys()]
    .filter((index) => plan[index] !== shares[index])
    .toSorted((one, other) => savedUs(other, plan[other]!) - savedUs(one, plan[one]!));
  // What leaves a side makes room there: a second look finds it.
  const isRefused = (index: number): boolean => !move(index, plan[index]!);
  const refused = moves.filter(isRefused).filter(isRefused);
  if (refused.length === 0) return within;
  const leavingUs = (index: number): number => savedUs(index, 1 - shares[index]!);
  const mayLeave = (index: number): boolean => plan[index] === shares[index] && highest[index] === lowest[index]! + 1;
  const leavers = [...shares.keys()].filter(mayLeave).toSorted((one, other) => leavingUs(other) - leavingUs(one));
  for (const side of [0, 1]) {
    const coming = refused.filter((index) => side === Number(plan[index]! > shares[index]!));
    const staying = leavers.filter((index) => shares[index] === side);
    for (const [at, leaver] of staying.slice(0, coming.length).entries()) {
      if (savedUs(coming[at]!, plan[coming[at]!]!) <= -2 * leavingUs(leaver)) break;
      move(leaver, 1 - side);
    }
  }
  return within;
}
