// Calls in flight, from what each node reports with its windows: the average, and whether they are more at this
// moment than usual. Callers who wait for answers are as many from one window to the next, whatever they call.

import { decayOf } from "#runtime/decay.ts";
import { RATE_HALF_LIFE, SURGE_HALF_LIFE } from "#runtime/profile/rates.ts";
import { WINDOW_MS } from "#runtime/profile/window-length.ts";

/** Of one node: calls in flight, averaged over half-lives. */
export interface Callers {
  readonly averaged: number;
  readonly now: number;
  /** With none in flight while no window came: after a pause there are more than that. */
  readonly usual: number;
  /** How long the last window was, and when it came, ms. */
  readonly windowMs: number;
  readonly atMs: number;
}

const towards = (before: number, inFlight: number, ms: number, halfLifeMs: number): number =>
  inFlight + (before - inFlight) * decayOf(ms, halfLifeMs);

/** `inFlight`: at the end of a window. `before` is undefined for the first one of a node. */
export function callersAfter(
  before: Callers | undefined,
  { inFlight, windowMs }: { readonly inFlight: number; readonly windowMs: number },
  atMs: number,
): Callers {
  const { averaged = 0, now = 0, usual = 0 } = before ?? {};
  const passedMs = atMs - (before?.atMs ?? -Infinity);
  const gapMs = passedMs - windowMs;
  // Windows come a little later than they are long: each begins with a call that ends.
  const isBack = gapMs >= 3 * WINDOW_MS;
  return {
    averaged: towards(averaged, inFlight, passedMs, RATE_HALF_LIFE.ms),
    now: towards(now, inFlight, passedMs, SURGE_HALF_LIFE.ms),
    usual: isBack
      ? towards(usual * decayOf(gapMs, RATE_HALF_LIFE.ms), inFlight, windowMs, RATE_HALF_LIFE.ms)
      : towards(usual, inFlight, passedMs, RATE_HALF_LIFE.ms),
    windowMs,
    atMs,
  };
}

/** On all nodes; a node that reports nothing has fewer and fewer. */
export const inFlightAt = (all: Iterable<Callers>, nowMs: number): number =>
  [...all].reduce((sum, { averaged, atMs }) => sum + averaged * decayOf(nowMs - atMs, RATE_HALF_LIFE.ms), 0);

/** Calls in flight at this moment ÷ as many as usual; 1: there were none. */
export function callersGrown(all: Iterable<Callers>, nowMs: number): number {
  let [sumNow, sumUsual] = [0, 0];
  for (const { now, usual, windowMs, atMs } of all) {
    const overdueMs = nowMs - atMs - windowMs;
    sumNow += now * decayOf(overdueMs, SURGE_HALF_LIFE.ms);
    sumUsual += usual * decayOf(overdueMs, RATE_HALF_LIFE.ms);
  }
  return sumUsual > 0 ? sumNow / sumUsual : 1;
}
