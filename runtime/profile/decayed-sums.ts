// Sums over calls of one function on one side, and their means. A call counts half as much after the half-life.

import { HalfLife } from "#runtime/decay.ts";
import { TALLY_TERMS, TERM_AT, type TallyTerm } from "./tally.ts";

/** Long against the noise of windows, short against the time in which loads change. */
const HALF_LIFE = new HalfLife(2_000);

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

  sum(term: TallyTerm): number {
    return this.#sums[TERM_AT[term]]!;
  }

  mean(term: TallyTerm): number {
    return this.sum(term) / Math.max(Number.MIN_VALUE, this.sum("calls"));
  }

  /** `kept`: the part of the calls that still counts now. */
  means(kept: number): Means {
    return {
      calls: kept * this.sum("calls"),
      lastMs: this.#lastMs,
      serviceUs: this.mean("serviceUs"),
      queueUs: this.mean("queueUs"),
      cpuUs: this.mean("cpuUs"),
      waitUs: this.mean("waitUs"),
      operations: this.mean("operations"),
      rounds: this.mean("rounds"),
      bytes: this.mean("bytes"),
      findableOperations: this.mean("findableOperations"),
      findableRounds: this.mean("findableRounds"),
      foundOperations: this.mean("foundOperations"),
      foundRounds: this.mean("foundRounds"),
      lockUs: this.mean("lockUs"),
      logCpu: this.mean("logCpu"),
    };
  }
}
