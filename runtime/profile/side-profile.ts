// What is known of a function on one side: what its calls took lately. A slow drift is followed by decay;
// a change that the detector sees makes the profile forget what was before it.

import { ChangeDetector } from "./change-detector.ts";
import { DecayedSums, keptAfter, type Means } from "./decayed-sums.ts";
import { DecayedHistogram } from "./histogram.ts";
import { Fading, RATE_HALF_LIFE } from "./rates.ts";
import { callUsOf, TERM_AT, type Tally } from "./tally.ts";
import { WARM_CALLS, WarmUp } from "./warm-up.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

/** So many calls count however old they are: a side that is rarely visited would be unknown otherwise. */
const CALLS_KEPT = 16;
/** A function runs on a side with this fraction of its calls. A side with fewer is only visited. */
const RUN_PART = 0.4;
/** A call that computes so long is not much dearer for caches that others have used, µs. */
const LONG_CALL_US = 500;

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
  /** Calls of warm code in earnest: where the function runs, or that are long. No `calls`: there were none. */
  readonly inEarnest: Means;
  /** Calls whose reads the read cache could know: the function has run here for a while. null: none. */
  readonly foundReads: Means | null;
  /** CPU time beside that for bytes, as so many bytes; null: CPU time does not go with bytes. */
  readonly cpuBesidesBytes: number | null;
}

export class SideProfile {
  readonly workByBytes = new WorkByBytes();
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
    const calls = sums[TERM_AT.calls]!;
    if (calls <= 0) {
      // Failures alone make what is known neither younger nor older.
      this.#addSums(sums, isDirect, 1, this.lastMs);
      return false;
    }
    this.#lately.add(calls, nowMs);
    const callsHere = this.callsLatelyAt(nowMs);
    const runs = callsHere >= RUN_PART * (callsHere + callsElsewhere);
    const wasWarm = this.warmMs !== null;
    const isInEarnest = wasWarm && (runs || this.#sums.mean(TERM_AT.cpuUs) >= LONG_CALL_US);
    if (this.#warmUp.add(sums, nowMs)) this.reset();
    // The reference of the detector would be visits.
    else if (runs && this.#callsSinceRun === null) this.#detector.reset();
    const shifted = this.#detector.observe(calls, sums[TERM_AT.logWork]!, sums[TERM_AT.logWorkSquared]!);
    if (shifted) this.forget();
    if (isInEarnest) this.#inEarnest.add(sums, nowMs);
    if (runs && this.#callsSinceRun! >= WARM_CALLS) this.#foundReads.add(sums, nowMs);
    this.#callsSinceRun = runs ? (this.#callsSinceRun ?? 0) + calls : null;
    if (wasWarm) this.workByBytes.add(calls, sums[TERM_AT.bytes]!, sums[TERM_AT.cpuUs]!, nowMs);
    const kept = this.#keptAt(nowMs, calls);
    this.#elapsed.add(elapsed, kept);
    this.#addSums(sums, isDirect, kept, nowMs);
    if (this.#callsInAll === 0) this.#sinceMs = nowMs;
    this.#callsInAll += calls;
    return shifted;
  }

  /** null: nothing is known. */
  estimate(nowMs: number): SideEstimate | null {
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
      cpuBesidesBytes: this.workByBytes.besidesBytes,
    };
  }

  /** Calls are other calls from now on. */
  forget(): void {
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

  /** The part of earlier calls that still counts. `coming`: calls that take the place of old ones. */
  #keptAt(nowMs: number, coming: number): number {
    const left = keptAfter(nowMs - this.lastMs);
    const calls = this.#sums.sum(TERM_AT.calls);
    return calls <= 0 ? left : Math.max(left, Math.min(1, Math.max(0, CALLS_KEPT - coming) / calls));
  }

  /** One call does not tell how calls differ: then the error is as large as the mean. */
  #standardError(term: number, squared: number, calls: number): number {
    const mean = this.#sums.mean(term);
    if (calls <= 1) return Math.abs(mean);
    return Math.sqrt(Math.max(0, this.#sums.mean(squared) - mean ** 2) / (calls - 1));
  }
}
