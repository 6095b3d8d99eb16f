// Who is to be measured once more: those of which it is undecided whether a ratio reaches its bound.

import { among, compared, type Comparison, type Measures } from "./contest.ts";
import type { Ratios } from "./result.ts";
import { medianErrorOf, medianOf } from "./statistics.ts";

/** A ratio is settled that is so many standard errors from its bound. Chosen: with more, the time that there is settles fewer of them. */
const ERRORS = 2;

/** Peers of comparisons that are not settled. Those that compare others than the measured ones are left alone. */
export function undecidedPeers(ratios: Ratios, measures: Measures): ReadonlySet<string> {
  const undecided = Object.entries(ratios).flatMap(([name, ratio]) => {
    if (!("of" in ratio)) return [];
    const { values, peers, missing } = compared(ratio, measures);
    if (missing !== null) return [];
    return boundsOf(name, ratio, ratios).some((bound) => isNear(values, bound)) ? [...peers] : [];
  });
  return new Set(undecided);
}

/** Its own, and those of what it may decide. */
function boundsOf(name: string, { must }: Comparison, ratios: Ratios): readonly number[] {
  const decided = Object.values(ratios).filter((ratio) => !("of" in ratio) && among(ratio).includes(name));
  return [must, ...decided.map((ratio) => ratio.must)].filter((bound) => bound !== undefined);
}

const isNear = (values: readonly number[], bound: number): boolean =>
  Math.abs(medianOf(values) - bound) < ERRORS * medianErrorOf(values);
