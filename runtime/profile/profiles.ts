// The profiles of all functions, as the controller keeps them: fed with what nodes send, asked by placement. Bounded: the function
// that was called least recently makes room.

import { FunctionProfile } from "./function-profile.ts";
import { TALLIED_FUNCTIONS_MAX, type Tally } from "./tally.ts";
import { windowMsOf } from "./window-length.ts";

/** At most 12 KiB each, of which two sides are 2 KiB each and what calls took by time is 7 KiB: 48 MiB in all. */
export const PROFILES_MAX = TALLIED_FUNCTIONS_MAX;

/** What a window tells of functions, by their names. */
export interface Changed {
  /** They are not what they were. */
  readonly shifted: readonly string[];
  /** Many more calls of them come than usual. */
  readonly surging: readonly string[];
}

export class Profiles {
  readonly #functions = new Map<string, FunctionProfile>();

  /**
   * What one node, or the storage side, saw in the last `stretchMs`; each is plausible. `isDirect`: of calls that came straight to Redis. A new version is a new
   * function.
   */
  fold(tallies: readonly Tally[], nowMs: number, stretchMs: number, isDirect = false): Changed {
    const [shifted, surging]: [string[], string[]] = [[], []];
    const lastedMs = Math.min(stretchMs, windowMsOf(tallies.length));
    for (const tally of tallies) {
      const { function: name, version } = tally;
      let profile = this.#functions.get(name);
      if (profile?.version !== version) {
        profile = new FunctionProfile(version);
        this.#functions.set(name, profile);
      }
      if (profile.fold(tally, nowMs, stretchMs, lastedMs, isDirect)) shifted.push(name);
      if (profile.hasSurged) surging.push(name);
    }
    if (this.#functions.size > PROFILES_MAX) this.#makeRoom();
    return { shifted, surging };
  }

  get(name: string): FunctionProfile | undefined {
    return this.#functions.get(name);
  }

  /** Of the functions that are deployed; the others are forgotten. */
  keepOnly(names: { has(name: string): boolean }): void {
    for (const name of this.#functions.keys()) if (!names.has(name)) this.#functions.delete(name);
  }

  #makeRoom(): void {
    const oldestFirst = [...this.#functions].toSorted(([, one], [, other]) => one.lastMs - other.lastMs);
    for (const [name] of oldestFirst.slice(0, this.#functions.size - PROFILES_MAX)) this.#functions.delete(name);
  }

  entries(): IterableIterator<[string, FunctionProfile]> {
    return this.#functions.entries();
  }
}
