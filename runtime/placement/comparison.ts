// How long calls of all functions take in one stretch of time, compared with another stretch.
//
// Callers have the last word on a change, so it is measured by what they wait for. Each function is
// weighted by its calls in the first stretch (the index of Laspeyres): otherwise a change would look
// good because it lets many short calls through.

import { CALLS_KEPT_MS } from "#runtime/profile/calls-by-time.ts";
import { VISITS_MIN } from "./function-costs.ts";
import type { FunctionView } from "./view.ts";

/** From … to, ms of the controller's clock. */
export type Stretch = readonly [fromMs: number, toMs: number];

/** Fewer calls say nothing. */
export const CALLS_MIN = 32;
/** A change is looked at for this long at least. The noise of the machine is learnt from blocks of this length. */
export const LOOK_MS = 100;

export interface Comparison {
  /** Calls of all functions in the later stretch. */
  readonly calls: number;
  /** Time that the same calls take, later ÷ before. Below 1 is better. */
  readonly ratio: number;
  /** Calls per time, before ÷ later. Below 1 is better. */
  readonly slowdown: number;
  /** Standard error of `ratio`, from how much calls differ. */
  readonly error: number;
}

/** null: no function was called before. */
export function compare(views: readonly FunctionView[], before: Stretch, later: Stretch): Comparison | null {
  const times = lengthOf(later) / lengthOf(before);
  let [callsInAll, usBefore, usLater, usSlower, squares] = [0, 0, 0, 0, 0];
  for (const { profile, load, costs } of views) {
    const one = profile.byTime.between(...before);
    const other = profile.byTime.between(...later);
    callsInAll += other.calls;
    const expected = one.calls * times;
    // If few are expected, none may come by chance.
    const isUnknown = other.calls <= 0 && expected < VISITS_MIN;
    const eachUs = other.calls > 0 ? other.elapsedUs / other.calls : 1e3 * lengthOf(later);
    const us = isUnknown ? one.elapsedUs : one.calls * eachUs;
    usBefore += load.weight * one.elapsedUs;
    usLater += load.weight * us;
    usSlower += load.weight * one.elapsedUs * (isUnknown ? 1 : expected / Math.max(1, other.calls));
    const deviation = load.weight * costs.variation * Math.max(one.elapsedUs, us);
    squares += deviation ** 2 * (1 / Math.max(1, one.calls) + 1 / Math.max(1, other.calls));
  }
  if (usBefore <= 0) return null;
  return {
    calls: callsInAll,
    ratio: usLater / usBefore,
    slowdown: usSlower / usBefore,
    error: Math.sqrt(squares) / usBefore,
  };
}

/**
 * Whether many calls of a function came in only one of two stretches: then they cannot be compared. If none of a
 * function's calls has ended since it was `changed`, they take long.
 */
export function isOtherLoad(
  views: readonly FunctionView[],
  before: Stretch,
  later: Stretch,
  changed: readonly { readonly name: string }[],
): boolean {
  return views.some(({ name, profile }) => {
    const one = profile.byTime.between(...before).calls / lengthOf(before);
    const other = profile.byTime.between(...later).calls / lengthOf(later);
    if (other <= 0 && changed.some((change) => change.name === name)) return false;
    const most = Math.max(one, other) * lengthOf(later);
    return Math.min(one, other) <= 0 && most >= CALLS_MIN;
  });
}

/**
 * How much the time of a call varies by itself from one block of 100 ms to the next, as a fraction:
 * by neighbours on the machine, clocks and caches. `sinceMs`: nothing was changed since then.
 * null: that is too short ago to tell.
 */
export function machineNoise(views: readonly FunctionView[], sinceMs: number, heardMs: number): number | null {
  const blocks = Math.floor(Math.min(CALLS_KEPT_MS, heardMs - sinceMs) / LOOK_MS);
  if (blocks < 5) return null;
  const firstMs = heardMs - blocks * LOOK_MS;
  const whole: Stretch = [firstMs, heardMs];
  let [sum, squares] = [0, 0];
  for (let block = 0; block < blocks; block++) {
    const stretch: Stretch = [firstMs + block * LOOK_MS, firstMs + (block + 1) * LOOK_MS];
    const ratio = compare(views, whole, stretch)?.ratio ?? 1;
    sum += ratio;
    squares += ratio * ratio;
  }
  const mean = sum / blocks;
  return mean <= 0 ? null : Math.sqrt(Math.max(0, squares / blocks - mean * mean)) / mean;
}

/** Standard error of a ratio of two stretches, given the noise of blocks. */
export const noiseOfRatio = (noise: number, before: Stretch, later: Stretch): number =>
  noise * Math.sqrt(LOOK_MS / lengthOf(before) + LOOK_MS / Math.max(1, lengthOf(later)));

const lengthOf = ([fromMs, toMs]: Stretch): number => toMs - fromMs;
