// How long a window of samples lasts. Nodes and the module (SampleWindowNs in storage-module/src/sample_tally.h)
// end their windows by it.

import { clamp } from "#runtime/clamp.ts";

/** The shortest window. A change of the load is known after a few of these. */
export const WINDOW_MS = 25;
/** To read and fold a tally takes some 5 µs: with so much time for each, a node's tallies take 2 % of a core. */
const WINDOW_MS_PER_TALLY = 0.25;
/** The longest window. */
export const WINDOW_MS_MAX = 350;
/** The controller takes the calls of a window for no older than this, however long the node was idle. */
export const STRETCH_MS_MAX = WINDOW_MS_MAX + 4 * WINDOW_MS;

/** From the first call of a window to its end, if it has so many tallies by then. */
export const windowMsOf = (tallies: number): number => clamp(WINDOW_MS_PER_TALLY * tallies, WINDOW_MS, WINDOW_MS_MAX);
