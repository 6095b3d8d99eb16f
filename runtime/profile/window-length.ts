// How long a window of samples lasts: nodes and the module (SampleWindowNs in storage-module/src/sample_tally.h) end theirs by it, and
// whoever reads one knows by it from what time its calls are.

import { clamp } from "#runtime/clamp.ts";

/** A change of the load is a few of these old when it is known. Chosen; bench `controller` tells what a thousand functions cost. */
export const WINDOW_MS = 25;
/** What comes in a window came in this time at most: nobody waits for the first window of a node that was idle. */
export const STRETCH_MS_MAX = 450;
/** Reading and folding a tally takes some 5 µs, whatever its calls: with so much time for each, a node's take 2 % of a core … */
const WINDOW_MS_PER_TALLY = 0.25;
/** … but nobody's calls are kept back for longer: a quarter of what is between two steps where so many functions are called. */
export const WINDOW_MS_MAX = 350;

/** From its first call to its end, if it has come to so many tallies. */
export const windowMsOf = (tallies: number): number => clamp(WINDOW_MS_PER_TALLY * tallies, WINDOW_MS, WINDOW_MS_MAX);
