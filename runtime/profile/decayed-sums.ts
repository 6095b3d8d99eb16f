// Sums over calls of one function on one side, and their means. A call counts half as much after the half-life.

import { HalfLife } from "#runtime/decay.ts";
import { TALLY_TERMS, TERM_AT } from "./tally.ts";

/** Long against the noise of windows, short against the time in which loads change. */
const HALF_LIFE = new HalfLife(2_000);

/** For what hardly changes. Not sensitive. */
export const SLOW_HALF_LIFE = new HalfLife(10_000);

/** The part of what was known that still counts after this time. */
export const keptAfter = (ms: number): number => HALF_LIFE.partAfter(ms);

/** Means of a call. */
export interface Means {
  /** Weighted number of calls behind the means: older ones count less. */
  readonly calls: number;
  /** When the last of them was reported, ms of the controller's clock. */
  readonly lastMs: number;
  /** In the sandbox, without waiting for an isolate. */
  readonly serviceUs: number;
  /** Waiting for an isolate. */
  readonly queueUs: number;
  /** The part of `queueUs` in which the isolate was opened. */
  readonly openingUs: number;
  readonly cpuUs: number;
  /** The part of `serviceUs` that waits for replies or timers. */
  readonly waitUs: number;
  readonly operations: number;
  readonly rounds: number;
  readonly bytes: number;
  readonly findableOperations: number;
  readonly findableRounds: number;
  readonly foundOperations: number;
  readonly foundRounds: number;
  readonly lockUs: number;
  /** Mean of the logarithm of 1 + CPU time in µs. */
  readonly logCpu: number;
}

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
  means(kept: number): Means {
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
