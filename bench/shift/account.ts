// What became of calls that count themselves: each that was answered has to have run to its end once, and no call twice.

import type { Calls } from "../placement/load.ts";

/** By the number of the call. */
export type Counts = ReadonlyMap<number, number>;

export interface Account {
  /** Answered well, and never run to their ends. */
  readonly lost: number;
  /** Run to their ends more than once, whatever was answered. */
  readonly doubled: number;
}

/** Of the calls of one part. What became of one that failed may be unknown: it counts where it was done twice. */
export function accountOf(
  { part, number, ok }: Pick<Calls, "part" | "number" | "ok">,
  of: number,
  counts: Counts,
): Account {
  const isLost = (index: number): boolean => part[index] === of && ok[index] === 1 && !counts.has(number[index]!);
  return {
    lost: [...part.keys()].filter(isLost).length,
    doubled: [...counts.values()].filter((times) => times > 1).length,
  };
}
