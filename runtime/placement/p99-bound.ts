// A bound on the 99th percentile of a function's calls. A side that exceeds it is closed to the function,
// unless both do. A side that was left for that stays closed for a back-off: once only probes run there,
// its percentile has no queues in it and says little.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import { KNOWN_CALLS_MIN, type FunctionCosts } from "./function-costs.ts";
import { backOff, HOLD_MS, isBackedOff, type Memory } from "./memory.ts";

export type BySide<Value> = Readonly<Record<Side, Value>>;

export interface BoundedSides {
  readonly closed: BySide<boolean>;
  /** 99th percentile, µs; of a side with few calls it is scaled from the other side's. */
  readonly p99Us: BySide<number>;
  readonly memory: Memory;
}

export const OPEN: BySide<boolean> = { compute: false, storage: false };

/** `share`: where the function's calls run now. */
export function boundedSides(
  boundUs: number,
  share: number,
  memory: Memory,
  { profile, costs }: { readonly profile: FunctionProfile; readonly costs: FunctionCosts },
): BoundedSides {
  const p99Us = tailsOf(profile, costs);
  let now = memory;
  const isClosed = (side: Side): boolean => {
    const key = `${side} bound` as const;
    const isUsed = side === "storage" ? share > 0 : share < 1;
    const isKnown = costs.sides[side].calls >= KNOWN_CALLS_MIN && profile.sides[side].warmMs !== null;
    // A few calls on the side in use may be those that compiled its code.
    const isOver = p99Us[side] > boundUs && (isKnown || !isUsed);
    if (isOver && isUsed && !isBackedOff(now, key)) now = backOff(now, key, HOLD_MS);
    return isOver || isBackedOff(now, key);
  };
  const closed = { compute: isClosed("compute"), storage: isClosed("storage") };
  return { closed: closed.compute && closed.storage ? OPEN : closed, p99Us, memory: now };
}

function tailsOf(profile: FunctionProfile, { sides }: FunctionCosts): BySide<number> {
  const measured = (side: Side): number | null =>
    sides[side].calls < KNOWN_CALLS_MIN ? null : profile.sides[side].percentileUs(99);
  const tailOf = (side: Side): number => {
    const other = sides[otherSide(side)].cost.latencyUs;
    const tailPerMean = (measured(otherSide(side)) ?? other) / other;
    return measured(side) ?? tailPerMean * sides[side].cost.latencyUs;
  };
  return { compute: tailOf("compute"), storage: tailOf("storage") };
}
