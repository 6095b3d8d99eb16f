// How far the code of a function is compiled on one side. V8 compiles code that runs often: the first calls
// of a function take 2 to 20 times the CPU time of later ones. A new side would look dear for that alone.

import { TERM_AT } from "./tally.ts";

/** Code is warm after so many calls of a side, or so much computing. Not sensitive. */
export const WARM_CALLS = 128;
const WARM_CPU_US = 200_000;

export class WarmUp {
  #calls = 0;
  #cpuUs = 0;
  /** 1: the code is warm. */
  #progress = 0;
  /** What is known is of slower code, once the progress is so large. */
  #outdatedAt = 1 / 8;
  #warmMs: number | null = null;

  /** When the code got warm, ms of the controller's clock; null: it is cold. */
  get warmMs(): number | null {
    return this.#warmMs;
  }

  /** Calls that have ended. True: what was known is of slower code: they have doubled, or made the code warm. */
  add(sums: readonly number[], nowMs: number): boolean {
    if (this.#progress > 1) return false;
    // The window that made the code warm was partly of cold code: the next one replaces it too.
    if (this.#progress === 1) {
      this.#progress = Infinity;
      return true;
    }
    this.#calls += sums[TERM_AT.calls]!;
    this.#cpuUs += sums[TERM_AT.cpuUs]!;
    this.#progress = Math.min(1, Math.max(this.#calls / WARM_CALLS, this.#cpuUs / WARM_CPU_US));
    if (this.#progress < this.#outdatedAt) return false;
    this.#outdatedAt = Math.min(1, 2 * this.#progress);
    if (this.#progress === 1) this.#warmMs = nowMs;
    return true;
  }
}
