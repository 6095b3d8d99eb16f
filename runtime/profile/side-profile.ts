// What is known of a function on one side: what its calls took lately. A slow drift is followed by decay;
// a change that the detector sees makes the profile forget what was before it.

import { ChangeDetector } from "./change-detector.ts";
import { DecayedSums, keptAfter, type Means } from "./decayed-sums.ts";
import { DecayedHistogram } from "./histogram.ts";
import { Fading, RATE_HALF_LIFE } from "./rates.ts";
import { callUsOf, FEW, TERM_AT, type Tally } from "./tally.ts";
import { WARM_CALLS, WarmUp } from "./warm-up.ts";

export interface SideEstimate extends Means {
  /** Calls since `sinceMs`, each counted once: what was before is forgotten. */
  readonly callsInAll: number;
  readonly sinceMs: number;
  /** What callers of nodes waited outside the sandbox, queues aside; null: all calls came straight to Redis. */
  readonly callUs: number | null;
  /** Of all calls that came. */
  readonly failedShare: number;
  readonly logCpuError: number;
  readonly logCpuDeviation: number;
  /** Standard error of `serviceUs`, as a fraction of it. */
  readonly serviceError: number;
  /** Calls of warm code while the function runs here. `calls` is 0: there were none. */
  readonly inEarnest: Means;
  /** Calls whose reads the read cache could know: the function has run here for a while. null: none. */
  readonly foundReads: Means | null;
}

export class SideProfile {
  readonly #sums = new DecayedSums();
  readonly #inEarnest = new DecayedSums();
  readonly #foundReads = new DecayedSums();
  readonly #elapsed = new DecayedHistogram();
  readonly #warmUp = new WarmUp();
  readonly #detector = new ChangeDetector();
  readonly #lately = new Fading(RATE_HALF_LIFE);
  /** As old as the sums: calls whose entrance was a node. */
  #nodeCalls = 0;
  #callUs = 0;
  #callsInAll = 0;
  #sinceMs = 0;
  /** Many ask for it at the same time; null: it is outdated. */
  #estimated: { readonly nowMs: number; readonly estimate: SideEstimate | null } | null = null;
  /** Calls since the function runs here; null: it is only visited. */
  #callsSinceRun: number | null = null;

  get lastMs(): number {
    return this.#sums.lastMs;
  }

  get warmMs(): number | null {
    return this.#warmUp.warmMs;
  }

  /** Mean of the logarithm of work: after ÷ before the last shift, as a factor. */
  get shiftedTimes(): number {
    return Math.exp(this.#detector.lastChange);
  }

  /** Weighted calls that failed and tell nothing of their costs. */
  get untold(): number {
    return this.#sums.sum(TERM_AT.untold);
  }

  callsLatelyAt(nowMs: number): number {
    return this.#lately.at(nowMs);
  }

  percentileUs(percent: number): number | null {
    return this.#elapsed.percentileUs(percent);
  }

  /**
   * `isDirect`: calls came straight to Redis. `callsElsewhere`: on the other side, lately.
   * True: the function shifted, and what was known is forgotten.
   */
  fold({ sums, elapsed }: Tally, isDirect: boolean, callsElsewhere: number, nowMs: number): boolean {
    this.#estimated = null;
    const calls = sums[TERM_AT.calls]!;
    if (calls <= 0) {
      // Failures alone make what is known neither younger nor older.
      this.#addSums(sums, isDirect, 1, this.lastMs);
      return false;
    }
    this.#lately.add(calls, nowMs);
    const callsHere = this.callsLatelyAt(nowMs);
    // A side with fewer calls is only visited: it finds caches as others left them.
    const runs = 2 * callsHere >= callsElsewhere;
    const wasWarm = this.warmMs !== null;
    if (this.#warmUp.add(sums, nowMs)) this.reset();
    // The reference of the detector would be visits.
    else if (runs && this.#callsSinceRun === null) this.#detector.reset();
    const shifted = this.#detector.observe(calls, sums[TERM_AT.logWork]!, sums[TERM_AT.logWorkSquared]!);
    if (shifted) this.forget();
    if (wasWarm && runs) this.#inEarnest.add(sums, nowMs);
    const isUsed = runs && this.#callsSinceRun! >= WARM_CALLS;
    // Most functions read nothing that a cache may answer.
    if (isUsed && (sums[TERM_AT.findableOperations]! > 0 || this.#foundReads.lastMs > 0))
      this.#foundReads.add(sums, nowMs);
    this.#callsSinceRun = runs ? (this.#callsSinceRun ?? 0) + calls : null;
    const kept = this.#keptAt(nowMs, calls);
    this.#elapsed.add(elapsed, kept);
    this.#addSums(sums, isDirect, kept, nowMs);
    if (this.#callsInAll === 0) this.#sinceMs = nowMs;
    this.#callsInAll += calls;
    return shifted;
  }

  /** null: nothing is known. */
  estimate(nowMs: number): SideEstimate | null {
    if (this.#estimated?.nowMs !== nowMs) this.#estimated = { nowMs, estimate: this.#estimateAt(nowMs) };
    return this.#estimated.estimate;
  }

  #estimateAt(nowMs: number): SideEstimate | null {
    const sums = this.#sums;
    const means = sums.means(this.#keptAt(nowMs, 0));
    if (means.calls <= 0) return null;
    const [inEarnest, foundReads] = [this.#inEarnest, this.#foundReads].map((one) =>
      one.means(keptAfter(nowMs - one.lastMs)),
    ) as [Means, Means];
    return {
      ...means,
      callsInAll: this.#callsInAll,
      sinceMs: this.#sinceMs,
      callUs: this.#nodeCalls > 0 ? this.#callUs / this.#nodeCalls : null,
      failedShare: sums.sum(TERM_AT.failed) / (sums.sum(TERM_AT.calls) + sums.sum(TERM_AT.untold)),
      logCpuError: this.#standardError(TERM_AT.logCpu, TERM_AT.logCpuSquared, means.calls),
      logCpuDeviation: Math.sqrt(Math.max(0, sums.mean(TERM_AT.logCpuSquared) - means.logCpu ** 2)),
      serviceError:
        this.#standardError(TERM_AT.serviceUs, TERM_AT.serviceUsSquared, means.calls) / Math.max(1, means.serviceUs),
      inEarnest,
      foundReads: foundReads.calls > 0 ? foundReads : null,
    };
  }

  /** Calls are other calls from now on. */
  forget(): void {
    this.#estimated = null;
    for (const part of [this.#sums, this.#inEarnest, this.#foundReads, this.#elapsed]) part.forget();
    this.#nodeCalls = this.#callUs = this.#callsInAll = 0;
    if (this.#callsSinceRun !== null) this.#callsSinceRun = 0;
  }

  /** The detector forgets as well. */
  reset(): void {
    this.forget();
    this.#detector.reset();
  }

  #addSums(sums: readonly number[], isDirect: boolean, kept: number, nowMs: number): void {
    this.#sums.add(sums, nowMs, kept);
    this.#nodeCalls = kept * this.#nodeCalls + (isDirect ? 0 : sums[TERM_AT.calls]!);
    this.#callUs = kept * this.#callUs + (isDirect ? 0 : callUsOf(sums));
  }

  /**
   * The part of earlier calls that still counts. A few count however old they are, or a rarely visited side would be
   * unknown. `coming`: calls that take their place.
   */
  #keptAt(nowMs: number, coming: number): number {
    const left = keptAfter(nowMs - this.lastMs);
    const calls = this.#sums.sum(TERM_AT.calls);
    return calls <= 0 ? left : Math.max(left, Math.min(1, Math.max(0, FEW - coming) / calls));
  }

  /** One call does not tell how calls differ: then the error is as large as the mean. */
  #standardError(term: number, squared: number, calls: number): number {
    const mean = this.#sums.mean(term);
    if (calls <= 1) return Math.abs(mean);
    return Math.sqrt(Math.max(0, this.#sums.mean(squared) - mean ** 2) / (calls - 1));
  }
}
