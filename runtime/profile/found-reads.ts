// What the read cache answers of a function's reads at storage, from calls of a side where the function runs. Visits tell nothing of it: what one call
// in a hundred reads, nobody has read a moment before.

import { decayOf } from "#runtime/decay.ts";
import { TERM_AT, type Tally } from "./tally.ts";

/** Of such calls, lately. Means of a call. */
export interface FoundReads {
  /** Weighted: what is older counts less. */
  readonly calls: number;
  /** When the last of them were heard of, ms of the controller's clock. */
  readonly lastMs: number;
  readonly findableOperations: number;
  readonly findableRounds: number;
  readonly foundOperations: number;
  readonly foundRounds: number;
}

export class FoundReadsLately {
  readonly #halfLifeMs: number;
  #lastMs = 0;
  #calls = 0;
  #findableOperations = 0;
  #findableRounds = 0;
  #foundOperations = 0;
  #foundRounds = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  add({ sums }: Tally, nowMs: number): void {
    // Of most functions there is nothing to say.
    if (sums[TERM_AT.findableOperations]! <= 0 && this.#calls === 0) return;
    const kept = decayOf(nowMs - this.#lastMs, this.#halfLifeMs);
    this.#calls = kept * this.#calls + sums[TERM_AT.calls]!;
    this.#findableOperations = kept * this.#findableOperations + sums[TERM_AT.findableOperations]!;
    this.#findableRounds = kept * this.#findableRounds + sums[TERM_AT.findableRounds]!;
    this.#foundOperations = kept * this.#foundOperations + sums[TERM_AT.foundOperations]!;
    this.#foundRounds = kept * this.#foundRounds + sums[TERM_AT.foundRounds]!;
    this.#lastMs = nowMs;
  }

  /** null: there were none. */
  estimate(nowMs: number): FoundReads | null {
    const calls = this.#calls;
    if (calls <= 0) return null;
    return {
      calls: calls * decayOf(nowMs - this.#lastMs, this.#halfLifeMs),
      lastMs: this.#lastMs,
      findableOperations: this.#findableOperations / calls,
      findableRounds: this.#findableRounds / calls,
      foundOperations: this.#foundOperations / calls,
      foundRounds: this.#foundRounds / calls,
    };
  }

  forget(): void {
    this.#calls = 0;
    this.#findableOperations = 0;
    this.#findableRounds = 0;
    this.#foundOperations = 0;
    this.#foundRounds = 0;
  }
}
