// How soon a load runs as well as it can after it has changed.

/** What counts as well: this part of what the best fixed shares do. */
const WELL = 0.85;
/** A rate is taken over so many calls, and no shorter than this. */
const CALLS = 50;
const WINDOW_MS_MIN = 100;
/** So many windows in a row, or it was luck. */
const WINDOWS = 3;
const STEP_MS = 5;

/**
 * From the change to the beginning of the first windows that do as well, s; the whole time up to the next change where there are
 * none. `endMs`: ends of the calls that began after the change, in order; those that were on their way when it came say nothing
 * about what is after it.
 */
export function secondsToAdapt(
  endMs: ArrayLike<number>,
  fromMs: number,
  untilMs: number,
  bestPerSecond: number,
): number {
  const windowMs = Math.max(WINDOW_MS_MIN, (CALLS * 1e3) / bestPerSecond);
  const wanted = (WELL * bestPerSecond * windowMs) / 1e3;
  for (let startMs = fromMs; startMs + windowMs <= untilMs; startMs += STEP_MS) {
    // Fewer at the end of the stretch.
    const windows = Math.min(WINDOWS, Math.floor((untilMs - startMs) / windowMs));
    const areWell = Array.from({ length: windows }, (_, window) => startMs + window * windowMs).every(
      (windowStartMs) => endsBetween(endMs, windowStartMs, windowStartMs + windowMs) >= wanted,
    );
    if (areWell) return (startMs - fromMs) / 1e3;
  }
  return (untilMs - fromMs) / 1e3;
}

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
