// Sums over calls of one function on one side, and their means. A call counts half as much after the half-life.

import { HalfLife } from "#runtime/decay.ts";
import { TALLY_TERMS, TERM_AT } from "./tally.ts";

/** Long against the noise of windows, short against the time in which loads change. */
const HALF_LIFE = new HalfLife(2_000);

/** For what hardly changes. Not sensitive. */
export const SLOW_HALF_LIFE = new HalfLife(10_000);

/** The part of what was known that still counts after this time. */
export const keptAfter = (ms: number): number => HALF_LIFE.partAfter(ms);

/**
 * Means of a call, of terms as in TERM_AT. `calls`: weighted number of calls behind them, older ones count less.
 * `lastMs`: when the last of these was reported, ms of the controller's clock.
 */
export type Means = Readonly<ReturnType<DecayedSums["means"]>>;

export class DecayedSums {
  readonly #sums = new Float64Array(TALLY_TERMS.length);
  #lastMs = 0;

  /** 0: none was reported. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** `kept`: the part of earlier calls that still counts. */
  add(sums: readonly number[], nowMs: number, kept = keptAfter(nowMs - this.#lastMs)): void {
    for (let term = 0; term < this.#sums.length; term++) this.#sums[term] = kept * this.#sums[term]! + sums[term]!;
    this.#lastMs = nowMs;
  }

  forget(): void {
    this.#sums.fill(0);
  }

  /** `term`: as in TERM_AT. */
  sum(term: number): number {
    return this.#sums[term]!;
  }

  mean(term: number): number {
    return this.#sums[term]! / Math.max(Number.MIN_VALUE, this.#sums[TERM_AT.calls]!);
  }

  /** `kept`: the part of the calls that still counts now. */
  means(kept: number) {
    return {
      calls: kept * this.#sums[TERM_AT.calls]!,
      lastMs: this.#lastMs,
      serviceUs: this.mean(TERM_AT.serviceUs),
      queueUs: this.mean(TERM_AT.queueUs),
      openingUs: this.mean(TERM_AT.openingUs),
      cpuUs: this.mean(TERM_AT.cpuUs),
      waitUs: this.mean(TERM_AT.waitUs),
      operations: this.mean(TERM_AT.operations),
      rounds: this.mean(TERM_AT.rounds),
      bytes: this.mean(TERM_AT.bytes),
      findableOperations: this.mean(TERM_AT.findableOperations),
      findableRounds: this.mean(TERM_AT.findableRounds),
      foundOperations: this.mean(TERM_AT.foundOperations),
      foundRounds: this.mean(TERM_AT.foundRounds),
      lockUs: this.mean(TERM_AT.lockUs),
      logCpu: this.mean(TERM_AT.logCpu),
    };
  }
}
