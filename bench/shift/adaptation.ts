// How soon a load runs as well as it can after it has changed.

import { clamp } from "#runtime/clamp.ts";
import type { Calls } from "../placement/load.ts";

/** What counts as well: this part of what it can come to. */
const WELL = 0.85;
/**
 * A machine that others share may be slower while one run has it than while the other had: single cores of one did the same hash in 18 ms and in 41, for
 * seconds each. So what a stage comes to in the end may be less than what the best fixed shares did, down to this part of it, if its calls go
 * where those have them. Chosen.
 */
const AS_FAST_MIN = 0.75;
/** A rate is taken over so many calls, and no shorter than this. */
const CALLS = 50;
const WINDOW_MS_MIN = 100;
/** So many windows in a row, or it was luck. */
const WINDOWS = 3;
const STEP_MS = 5;
/** Of a hundred calls and fewer, and of some that overflow, a share is known to this. Chosen. */
const SHARE_NEAR = 0.15;
/** The best shares are known to this where many do nearly as well. Chosen: whoever does not follow a flip is off by half. */
const BEST_NEAR = 0.25;

/** Of calls, in any order: when each began, and 1 where it ran at storage. */
export interface Begun {
  readonly atMs: number;
  readonly atStorage: number;
}

export const begunOf = ({
  endMs,
  elapsedUs,
  atStorage,
}: Pick<Calls, "endMs" | "elapsedUs" | "atStorage">): readonly Begun[] =>
  Array.from(endMs, (ms, call) => ({ atMs: ms - elapsedUs[call]! / 1e3, atStorage: atStorage[call]! }));

/** Of those that began from … until, the part at storage; null: none did. */
export function storageShare(calls: readonly Begun[], fromMs: number, untilMs: number): number | null {
  const some = begunWithin(calls, fromMs, untilMs);
  return some.length === 0 ? null : some.reduce((sum, { atStorage }) => sum + atStorage, 0) / some.length;
}

/** Whether calls go where the best fixed shares have them, or nearly. */
export const isNearBest = (share: number | null, bestShare: number | null): boolean =>
  share !== null && bestShare !== null && Math.abs(share - bestShare) <= BEST_NEAR;

/**
 * What a stage can come to, by what the best fixed shares did in such stages and what it came to itself when it was half over, if calls went where
 * those have them then.
 */
export const attainable = (bestPerSecond: number, atLastPerSecond: number, isPlaced: boolean): number =>
  isPlaced ? clamp(atLastPerSecond, AS_FAST_MIN * bestPerSecond, bestPerSecond) : bestPerSecond;

/**
 * From the change to the beginning of the first windows that do as well, s; the whole time up to the next change where there are
 * none. `endMs`: ends of the calls that began after the change, in order; those that were on their way when it came say nothing
 * about what is after it. `perSecond`: what it can come to.
 */
export function secondsToAdapt(endMs: ArrayLike<number>, fromMs: number, untilMs: number, perSecond: number): number {
  const windowMs = Math.max(WINDOW_MS_MIN, (CALLS * 1e3) / perSecond);
  const wanted = (WELL * perSecond * windowMs) / 1e3;
  const isWell = (startMs: number): boolean => endsBetween(endMs, startMs, startMs + windowMs) >= wanted;
  return secondsUntil(isWell, windowMs, fromMs, untilMs);
}

/**
 * From the change until calls go where they go in the second half of the stretch, s, whatever the machine does meanwhile; all of it where that is not
 * where the best fixed shares have them. By the storage share of those that begin in each of three windows in a row, fewer at the end.
 */
export function secondsToPlace(
  calls: readonly Begun[],
  fromMs: number,
  untilMs: number,
  bestShare: number | null,
): number {
  const here = begunWithin(calls, fromMs, untilMs);
  const atLast = storageShare(here, (fromMs + untilMs) / 2, untilMs);
  if (atLast === null || !isNearBest(atLast, bestShare)) return (untilMs - fromMs) / 1e3;
  const isPlaced = (startMs: number): boolean => {
    const share = storageShare(here, startMs, startMs + WINDOW_MS_MIN);
    return share !== null && Math.abs(share - atLast) <= SHARE_NEAR;
  };
  return secondsUntil(isPlaced, WINDOW_MS_MIN, fromMs, untilMs);
}

/** To the beginning of the first windows in a row of which that is so, s: fewer of them at the end of the stretch; all of it where there are none. */
function secondsUntil(isSo: (startMs: number) => boolean, windowMs: number, fromMs: number, untilMs: number): number {
  for (let startMs = fromMs; startMs + windowMs <= untilMs; startMs += STEP_MS) {
    const windows = Math.min(WINDOWS, Math.floor((untilMs - startMs) / windowMs));
    const starts = Array.from({ length: windows }, (_, window) => startMs + window * windowMs);
    if (starts.every(isSo)) return (startMs - fromMs) / 1e3;
  }
  return (untilMs - fromMs) / 1e3;
}

export const begunWithin = (calls: readonly Begun[], fromMs: number, untilMs: number): readonly Begun[] =>
  calls.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);

export const rateBetween = (endMs: ArrayLike<number>, fromMs: number, untilMs: number): number =>
  endsBetween(endMs, fromMs, untilMs) / ((untilMs - fromMs) / 1e3);

export function endsBetween(endMs: ArrayLike<number>, fromMs: number, untilMs: number): number {
  return firstFrom(endMs, untilMs) - firstFrom(endMs, fromMs);
}

/** Index of the first that is not before. */
function firstFrom(endMs: ArrayLike<number>, ms: number): number {
  let [low, high] = [0, endMs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endMs[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
