// Windows of samples: how long one lasts, and how many calls are in flight at its end. Nodes and the module
// (SampleWindowNs in storage-module/src/sample_tally.h) end their windows by it.

import { clamp } from "#runtime/clamp.ts";
import type { Tally } from "./tally.ts";

/** The shortest window. A change of the load is known after a few of these. */
export const WINDOW_MS = 25;
/** The controller takes the calls of a window for no older than this, however long the node was idle. */
export const STRETCH_MS_MAX = 450;
/** To read and fold a tally takes some 5 µs: with so much time for each, a node's tallies take 2 % of a core. */
const WINDOW_MS_PER_TALLY = 0.25;
/** The longest window. */
export const WINDOW_MS_MAX = 350;

/** From the first call of a window to its end, if it has so many tallies by then. */
export const windowMsOf = (tallies: number): number => clamp(WINDOW_MS_PER_TALLY * tallies, WINDOW_MS, WINDOW_MS_MAX);

/** How many more calls of a function have begun than ended in a window. A surge is seen there before its calls end. */
export class BegunMore {
  /** In flight at the end of the window before, for each function in it. */
  #before: ReadonlyMap<string, number> = new Map();

  /**
   * Adds `begunMore` to the first tally of each function that the window before had too. `inFlightOf`: calls of a
   * function in flight on both sides now, if their side was chosen. `isNext`: no rest was between the windows.
   */
  told(tallies: readonly Tally[], inFlightOf: (name: string) => number, isNext: boolean): readonly Tally[] {
    const before = this.#before;
    const now = new Map<string, number>();
    this.#before = now;
    return tallies.map((tally) => {
      const { function: name } = tally;
      if (now.has(name)) return tally;
      const inFlight = inFlightOf(name);
      now.set(name, inFlight);
      const begunMore = isNext ? inFlight - (before.get(name) ?? inFlight) : 0;
      return begunMore === 0 ? tally : { ...tally, begunMore };
    });
  }
}
