// The profiles of all functions, as the controller keeps them: fed with windows, read by placement.

import { FunctionProfile } from "./function-profile.ts";
import { TALLIED_FUNCTIONS_MAX, type Tally } from "./tally.ts";
import { windowMsOf } from "./window-length.ts";

/** At most TALLIED_FUNCTIONS_MAX profiles of 12 KiB. The function that was called least recently makes room. */
export class Profiles {
  readonly #functions = new Map<string, FunctionProfile>();

  /**
   * `stretchMs`: since the window before. `isDirect`: calls came straight to Redis. A new version is a new function.
   * Returns the names of functions whose calls are other calls than before.
   */
  fold(tallies: readonly Tally[], nowMs: number, stretchMs: number, isDirect = false): readonly string[] {
    const shifted: string[] = [];
    const lastedMs = Math.min(stretchMs, windowMsOf(tallies.length));
    for (const tally of tallies) {
      const { function: name, version } = tally;
      let profile = this.#functions.get(name);
      if (profile?.version !== version) {
        profile = new FunctionProfile(version);
        this.#functions.set(name, profile);
      }
      if (profile.fold(tally, nowMs, stretchMs, lastedMs, isDirect)) shifted.push(name);
    }
    if (this.#functions.size > TALLIED_FUNCTIONS_MAX) this.#makeRoom();
    return shifted;
  }

  get(name: string): FunctionProfile | undefined {
    return this.#functions.get(name);
  }

  entries(): IterableIterator<[string, FunctionProfile]> {
    return this.#functions.entries();
  }

  /** Forgets functions that are not deployed any more. */
  keepOnly(names: { has(name: string): boolean }): void {
    for (const name of this.#functions.keys()) if (!names.has(name)) this.#functions.delete(name);
  }

  #makeRoom(): void {
    const oldestFirst = [...this.#functions].toSorted(([, one], [, other]) => one.lastMs - other.lastMs);
    const surplus = this.#functions.size - TALLIED_FUNCTIONS_MAX;
    for (const [name] of oldestFirst.slice(0, surplus)) this.#functions.delete(name);
  }
}
