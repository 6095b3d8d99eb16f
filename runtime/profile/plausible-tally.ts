// Whether calls of a function can have had the sums of a tally. Whoever may write to the channel of
// windows could otherwise spoil every mean.

import { TALLY_TERMS, TERM_AT, type Tally, type TallyTerm } from "./tally.ts";

/** Calls in a window, and µs, bytes or operations of one call: far more than any that ran. */
const VALUE_MAX = 1e10;

/** Of one call. Counts of calls and `slowedUs` are checked by themselves. */
function mostOf(term: TallyTerm): number {
  if (["calls", "failed", "untold", "fixed", "slowedUs"].includes(term)) return Infinity;
  const most = term.startsWith("log") ? Math.log1p(2 * VALUE_MAX) : VALUE_MAX;
  return term.endsWith("Squared") ? most ** 2 : most;
}

const MOST = TALLY_TERMS.map(mostOf);

const isCount = (value: number | undefined): value is number => Number.isSafeInteger(value) && value! <= VALUE_MAX;

/** Expects sums of at least 0. */
export function isPlausible({ sums }: Tally): boolean {
  const calls = sums[TERM_AT.calls];
  const failed = sums[TERM_AT.failed];
  const untold = sums[TERM_AT.untold];
  const fixed = sums[TERM_AT.fixed];
  if (!isCount(calls) || !isCount(failed) || !isCount(untold) || !isCount(fixed)) return false;
  if (Math.max(failed, fixed) > calls + untold || !(sums[TERM_AT.slowedUs]! <= sums[TERM_AT.cpuUs]!)) return false;
  return MOST.every((most, term) => most === Infinity || sums[term]! <= calls * most);
}
