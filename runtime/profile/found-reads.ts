// What the read cache answers of a function's reads at storage, from calls of a side where the function runs, and has for a while. Visits tell nothing of it,
// nor do the first calls after a move or a pause: what one call in a hundred reads, nobody has read a moment before.

import type { HalfLife } from "#runtime/decay.ts";
import type { Layout, Values } from "./layout.ts";
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

/** Sums over calls, and when the last of them were heard of. */
const CALLS = 0;
const [FINDABLE_OPERATIONS, FINDABLE_ROUNDS, FOUND_OPERATIONS, FOUND_ROUNDS] = [1, 2, 3, 4] as const;
const [LAST_MS, SIZE] = [5, 6] as const;

export class FoundReadsLately {
  readonly #at: number;
  readonly #halfLife: HalfLife;

  constructor(layout: Layout, halfLife: HalfLife) {
    this.#at = layout.take(SIZE);
    this.#halfLife = halfLife;
  }

  add(values: Values, { sums }: Tally, nowMs: number): void {
    const at = this.#at;
    // Of most functions there is nothing to say.
    if (sums[TERM_AT.findableOperations]! <= 0 && values[at + CALLS] === 0) return;
    const kept = this.#halfLife.partAfter(nowMs - values[at + LAST_MS]!);
    values[at + CALLS] = kept * values[at + CALLS]! + sums[TERM_AT.calls]!;
    values[at + FINDABLE_OPERATIONS] = kept * values[at + FINDABLE_OPERATIONS]! + sums[TERM_AT.findableOperations]!;
    values[at + FINDABLE_ROUNDS] = kept * values[at + FINDABLE_ROUNDS]! + sums[TERM_AT.findableRounds]!;
    values[at + FOUND_OPERATIONS] = kept * values[at + FOUND_OPERATIONS]! + sums[TERM_AT.foundOperations]!;
    values[at + FOUND_ROUNDS] = kept * values[at + FOUND_ROUNDS]! + sums[TERM_AT.foundRounds]!;
    values[at + LAST_MS] = nowMs;
  }

  /** null: there were none. */
  estimate(values: Values, nowMs: number): FoundReads | null {
    const at = this.#at;
    const calls = values[at + CALLS]!;
    if (calls <= 0) return null;
    const lastMs = values[at + LAST_MS]!;
    return {
      calls: calls * this.#halfLife.partAfter(nowMs - lastMs),
      lastMs,
      findableOperations: values[at + FINDABLE_OPERATIONS]! / calls,
      findableRounds: values[at + FINDABLE_ROUNDS]! / calls,
      foundOperations: values[at + FOUND_OPERATIONS]! / calls,
      foundRounds: values[at + FOUND_ROUNDS]! / calls,
    };
  }

  forget(values: Values): void {
    values.fill(0, this.#at, this.#at + LAST_MS);
  }
}
