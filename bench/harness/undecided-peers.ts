// Who is to be measured once more: those of which it is undecided whether a ratio reaches its bound.

import { among, compared, type Comparison, type Measures } from "./contest.ts";
import type { Ratios } from "./result.ts";
import { mayComeTo } from "./statistics.ts";

/**
 * Peers of comparisons that are not settled, and those that may yet turn out to be the most or the least of some. Those that compare others than the measured ones are
 * left alone.
 */
export function undecidedPeers(ratios: Ratios, measures: Measures): ReadonlySet<string> {
  const undecided = Object.entries(ratios).flatMap(([name, ratio]) => {
    // The worst of more turns only gets worse: it is that of however many there are.
    if (!("of" in ratio) || ratio.counts === "worst") return [];
    const { values, peers, contenders, missing } = compared(ratio, measures);
    if (missing !== null) return [];
    const isOpen = (bound: number): boolean => mayComeTo(values, bound, ratio.together);
    return boundsOf(name, ratio, ratios).some(isOpen) ? [...peers, ...contenders] : [];
  });
  return new Set(undecided);
}

/** Its own, and those of what it may decide. */
function boundsOf(name: string, { must }: Comparison, ratios: Ratios): readonly number[] {
  const decided = Object.values(ratios).filter((ratio) => !("of" in ratio) && among(ratio).includes(name));
  return [must, ...decided.map((ratio) => ratio.must)].filter((bound) => bound !== undefined);
}
