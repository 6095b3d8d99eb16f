// How many more calls of a function have begun than ended, from one window of samples to the next: where more come than can be served, that tells it before those that
// end do.

import type { Tally } from "./tally.ts";

export class BegunMore {
  /** At the end of the window before, of the functions that it told of. */
  #before: ReadonlyMap<string, number> = new Map();

  /**
   * With `begunMore`, once for each function that the window before told of as well: of others it is not known since when it came to what is in flight. By what is in flight more than before:
   * that is right whatever became of a call and wherever it went. `inFlightOf`: of a function at the end of the window, on both sides, those whose side was chosen for them. `isNext`: no rest
   * was between the two windows.
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
