// The profiles of all functions, as the controller keeps them: fed with what nodes send, asked by placement. Bounded: the function
// that was called least recently makes room.

import { FunctionProfile } from "./function-profile.ts";
import { TALLIED_FUNCTIONS_MAX, type Tally } from "./tally.ts";
import { windowMsOf } from "./window-length.ts";

/** At most 9 KiB each, of which two sides are 2 KiB each and what calls took by time is 3 KiB: 36 MiB in all. */
export const PROFILES_MAX = TALLIED_FUNCTIONS_MAX;

/** A version that was replaced is the current one again if it is called and the one that replaced it was not for so long. Chosen. */
const REPLACED_MS = 1_000;

export class Profiles {
  readonly #functions = new Map<string, FunctionProfile>();

  /**
   * What one node, or the storage side, saw in the last `stretchMs`; each is plausible. The names of the functions that are not what they were. A new
   * version is a new function, and calls of the one before it that end after its first ones are of none.
   */
  fold(tallies: readonly Tally[], nowMs: number, stretchMs: number): readonly string[] {
    const shifted: string[] = [];
    const lastedMs = Math.min(stretchMs, windowMsOf(tallies.length));
    for (const tally of tallies) {
      const { function: name, version } = tally;
      let profile = this.#functions.get(name);
      if (profile?.replaces === version && nowMs - profile.calledMs < REPLACED_MS) continue;
      if (profile?.version !== version) {
        profile = new FunctionProfile(version, profile?.version ?? null);
        this.#functions.set(name, profile);
      }
      if (profile.fold(tally, nowMs, stretchMs, lastedMs)) shifted.push(name);
    }
    if (this.#functions.size > PROFILES_MAX) this.#makeRoom();
    return shifted;
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
