// What is known of the calls of a function on one side, for whoever decides by it.

import type { FoundReads } from "./found-reads.ts";
import type { Values } from "./layout.ts";
import { TALLY_TERMS, TERM_AT } from "./tally.ts";
import type { CpuEstimate } from "./warm-up.ts";

/** Of the sums of tallies, each at its term, so many. */
export const TERMS = TALLY_TERMS.length;

/** After the sums, and as old as they are: of the calls those of nodes, and what their callers waited beside the sandbox, queues aside. */
export const [NODE_CALLS, CALL_US] = [TERMS, TERMS + 1] as const;
/** What there is of all that. */
export const DECAYED = TERMS + 2;
/** After that: what a call that is new counts in the histogram (0 is 1), when the last calls were heard of, how many there were in all, and since when. */
export const [WEIGHT, LAST_MS, CALLS_IN_ALL, SINCE_MS] = [DECAYED, DECAYED + 1, DECAYED + 2, DECAYED + 3] as const;
export const OWN_SIZE = DECAYED + 4;

/**
 * Of the calls on one side, lately: read off the profile's own numbers whenever it is asked, so it holds until the next calls are folded. Made for
 * every function in every step, where most of it is asked for by nobody.
 */
export class SideEstimate {
  /** Weighted number of calls behind the means: what is older counts less. */
  readonly calls: number;
  /** What calls compute here where they run in earnest; of none where they never have, lately. */
  readonly inEarnest: CpuEstimate;
  /** What of their reads is found while it runs here; null: it has not, lately. */
  readonly foundReads: FoundReads | null;
  /** Where CPU time goes with bytes: what a call takes besides, as what so many of these take; null: it does not, as far as is known here. */
  readonly cpuBesidesBytes: number | null;
  readonly #values: Values;
  readonly #at: number;

  /** `at`: where the sums of the side begin. */
  constructor(
    values: Values,
    at: number,
    own: Pick<SideEstimate, "calls" | "inEarnest" | "foundReads" | "cpuBesidesBytes">,
  ) {
    this.calls = own.calls;
    this.inEarnest = own.inEarnest;
    this.foundReads = own.foundReads;
    this.cpuBesidesBytes = own.cpuBesidesBytes;
    this.#values = values;
    this.#at = at;
  }

  /** When the last of them were heard of, ms of the controller's clock. */
  get lastMs(): number {
    return this.#own(LAST_MS);
  }

  /** How many there were in all, each counted once, since `sinceMs`: what was before that is forgotten. */
  get callsInAll(): number {
    return this.#own(CALLS_IN_ALL);
  }

  get sinceMs(): number {
    return this.#own(SINCE_MS);
  }

  // Means of a call.

  get serviceUs(): number {
    return this.#mean(TERM_AT.serviceUs);
  }

  /** What callers of nodes waited beside the sandbox, queues aside; null: all came straight to Redis, where nobody sees that. */
  get callUs(): number | null {
    const calls = this.#own(NODE_CALLS);
    return calls > 0 ? this.#own(CALL_US) / calls : null;
  }

  /** Waiting for an isolate, which is no part of `serviceUs`. */
  get queueUs(): number {
    return this.#mean(TERM_AT.queueUs);
  }

  get cpuUs(): number {
    return this.#mean(TERM_AT.cpuUs);
  }

  /** Of `serviceUs`: waiting for replies or timers. */
  get waitUs(): number {
    return this.#mean(TERM_AT.waitUs);
  }

  get operations(): number {
    return this.#mean(TERM_AT.operations);
  }

  get rounds(): number {
    return this.#mean(TERM_AT.rounds);
  }

  get bytes(): number {
    return this.#mean(TERM_AT.bytes);
  }

  get findableOperations(): number {
    return this.#mean(TERM_AT.findableOperations);
  }

  get findableRounds(): number {
    return this.#mean(TERM_AT.findableRounds);
  }

  get foundOperations(): number {
    return this.#mean(TERM_AT.foundOperations);
  }

  get foundRounds(): number {
    return this.#mean(TERM_AT.foundRounds);
  }

  get lockUs(): number {
    return this.#mean(TERM_AT.lockUs);
  }

  /** Of all that came, those that do not say what the function costs included. */
  get failedShare(): number {
    return this.#own(TERM_AT.failed) / (this.#own(TERM_AT.calls) + this.#own(TERM_AT.untold));
  }

  /** Mean of the logarithm of 1 + CPU time in µs, … */
  get logCpu(): number {
    return this.#mean(TERM_AT.logCpu);
  }

  /** … its standard error, … */
  get logCpuError(): number {
    return standardError(this.logCpu, this.#mean(TERM_AT.logCpuSquared), this.calls);
  }

  /** … and its standard deviation. */
  get logCpuDeviation(): number {
    return Math.sqrt(Math.max(0, this.#mean(TERM_AT.logCpuSquared) - this.logCpu ** 2));
  }

  /** Standard error of `serviceUs`, as a share of it. */
  get serviceError(): number {
    const { serviceUs, calls } = this;
    return standardError(serviceUs, this.#mean(TERM_AT.serviceUsSquared), calls) / Math.max(1, serviceUs);
  }

  #mean(term: number): number {
    return this.#own(term) / this.#own(TERM_AT.calls);
  }

  #own(index: number): number {
    return this.#values[this.#at + index]!;
  }
}

/** Of a mean of so many values. One call says nothing about how calls differ: as much as the mean itself. */
function standardError(mean: number, meanOfSquares: number, calls: number): number {
  if (calls <= 1) return Math.abs(mean);
  const variance = Math.max(0, meanOfSquares - mean * mean) * (calls / (calls - 1));
  return Math.sqrt(variance / calls);
}
