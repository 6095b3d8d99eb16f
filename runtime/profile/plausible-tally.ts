// Whether calls of a function can have had the sums of a tally. Whoever may write to the channel of
// windows could otherwise spoil every mean.

import { TALLY_TERMS, TERM_AT, type Tally, type TallyTerm } from "./tally.ts";

/** Times and work of one call, µs: far beyond any deadline, for a node that was stopped for a while. */
const US_MAX = 1e10;
/** Operations and rounds of one call, as the greatest limit of a function. */
const OPERATIONS_MAX = 1e7;
const BYTES_MAX = 1e15;
/** Calls of one function in one window. */
const CALLS_MAX = 1e9;

/** Of one call. Counts and `slowedUs` are checked by themselves. */
function mostOf(term: TallyTerm): number {
  if (["calls", "failed", "untold", "fixed", "slowedUs"].includes(term)) return Infinity;
  const most = term.startsWith("log") ? Math.log1p(2 * US_MAX) : term === "bytes" ? BYTES_MAX : US_MAX;
  if (term.endsWith("Squared")) return most ** 2;
  return /operations|rounds/i.test(term) ? OPERATIONS_MAX : most;
}

const MOST = TALLY_TERMS.map(mostOf);

const isCount = (value: number | undefined): value is number => Number.isSafeInteger(value) && value! <= CALLS_MAX;

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
