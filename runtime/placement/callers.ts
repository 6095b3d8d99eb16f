// How many calls are in flight, by what each node tells with its windows: of one moment each, so averaged, and how many more they are in these moments than
// have been usual. Callers who wait for each other's answers are as many from one window to the next, whatever they call.

import { decayOf } from "#runtime/decay.ts";

/** Averaged over about this time: a window sees those of one moment. Chosen. */
const HALF_LIFE_MS = 250;
/** … and over this, as surges are told (runtime/profile/rates.ts). Chosen. */
const NOW_HALF_LIFE_MS = 35;

/** Windows come a little later than they are long: each begins with a call that ends. Where none comes for longer than this nothing was in flight. Chosen. */
const GAP_MS_MIN = 75;

/** Of one node. */
export interface Callers {
  /** Calls in flight, averaged over the windows that told them. */
  readonly averaged: number;
  /** The same over these moments only. */
  readonly now: number;
  /** What has been usual, with none in flight where no window came: whoever was away is more than that when he comes back. */
  readonly usual: number;
  /** How long its last window was, and when that came, ms. */
  readonly windowMs: number;
  readonly atMs: number;
}

/** `before`: undefined: the node has told nothing until now. `inFlight`: at the end of a window of `windowMs`. */
export function callersAfter(
  before: Callers | undefined,
  { inFlight, windowMs }: { readonly inFlight: number; readonly windowMs: number },
  atMs: number,
): Callers {
  const { averaged, now, usual } = before ?? NONE;
  const passedMs = atMs - (before?.atMs ?? -Infinity);
  const gapMs = passedMs - windowMs;
  const isBack = gapMs >= GAP_MS_MIN;
  const towards = (known: number, ms: number, halfLifeMs: number): number =>
    inFlight + (known - inFlight) * decayOf(ms, halfLifeMs);
  return {
    averaged: towards(averaged, passedMs, HALF_LIFE_MS),
    now: towards(now, passedMs, NOW_HALF_LIFE_MS),
    usual: isBack
      ? towards(usual * decayOf(gapMs, HALF_LIFE_MS), windowMs, HALF_LIFE_MS)
      : towards(usual, passedMs, HALF_LIFE_MS),
    windowMs,
    atMs,
  };
}

const NONE = { averaged: 0, now: 0, usual: 0 } as const;

/** Of nodes that may have told nothing for a while. */
export const inFlightAt = (all: Iterable<Callers>, nowMs: number): number => {
  let sum = 0;
  for (const { averaged, atMs } of all) sum += averaged * decayOf(nowMs - atMs, HALF_LIFE_MS);
  return sum;
};

/** Calls in flight in these moments, to those that have been usual; 1 where there were none. Of a node whose next window does not come none are any more. */
export const callersGrown = (all: Iterable<Callers>, nowMs: number): number => {
  let [sumNow, sumUsual] = [0, 0];
  for (const { now, usual, windowMs, atMs } of all) {
    const overdueMs = nowMs - atMs - windowMs;
    sumNow += now * decayOf(overdueMs, NOW_HALF_LIFE_MS);
    sumUsual += usual * decayOf(overdueMs, HALF_LIFE_MS);
  }
  return sumUsual > 0 ? sumNow / sumUsual : 1;
};
