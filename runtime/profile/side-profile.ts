// What is known of a function on one side: what its calls took, lately. Means are decayed by time, so that a slow drift is followed; a change that the
// detector sees throws away what was before it. Bounded: 3 KiB, whatever the number of calls.

import { decayOf } from "#runtime/decay.ts";
import { FoundReadsLately, type FoundReads } from "./found-reads.ts";
import { CallsLately } from "./calls-lately.ts";
import { ChangeDetector } from "./change-detector.ts";
import { RATE_HALF_LIFE_MS } from "./coming-calls.ts";
import { BUCKETS, percentileUs } from "./histogram.ts";
import { OPERATION_WORK_US, TALLY_TERMS, TERM_AT, type Tally } from "./tally.ts";
import { CpuTimes, isInEarnest, isResident, Residence, WarmUp, type CpuEstimate } from "./warm-up.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

/** A call counts half as much after this time. Long against the noise of stretches, short against how loads change. Chosen; bench `shift`. */
const HALF_LIFE_MS = 2_000;
/** So many calls are kept however old they are: of a side that is visited now and then there would be nothing otherwise. */
export const CALLS_KEPT = 16;
/** The histogram is scaled back when its new calls weigh so much. */
const WEIGHT_MAX = 1e12;

/** Of the calls on one side, lately. */
export interface SideEstimate {
  /** Weighted number of calls behind the means: what is older counts less. */
  readonly calls: number;
  /** When the last of them were heard of, ms of the controller's clock. */
  readonly lastMs: number;
  /** How many there were in all, each counted once, since `sinceMs`: what was before that is forgotten. */
  readonly callsInAll: number;
  readonly sinceMs: number;
  /** Means of a call. */
  readonly elapsedUs: number;
  readonly serviceUs: number;
  readonly queueUs: number;
  readonly cpuUs: number;
  readonly waitUs: number;
  readonly operations: number;
  readonly rounds: number;
  readonly bytes: number;
  readonly findableOperations: number;
  readonly findableRounds: number;
  readonly foundOperations: number;
  readonly foundRounds: number;
  /** What of their reads is found while it runs here; null: it has not, lately. */
  readonly foundReads: FoundReads | null;
  readonly lockUs: number;
  /** Of all that came, those that do not say what the function costs included. */
  readonly failedShare: number;
  /** Mean of the logarithm of 1 + CPU time in µs, and its standard error. */
  readonly logCpu: number;
  readonly logCpuError: number;
  /** Of one call's. */
  readonly logCpuDeviation: number;
  /** Standard error of `serviceUs`, as a share of it. */
  readonly serviceError: number;
  /** What calls compute here where they run in earnest; of none where they never have, lately. */
  readonly inEarnest: CpuEstimate;
  /** Where CPU time goes with bytes: what a call takes besides, as what so many of these take; null: it does not, as far as is known here. */
  readonly cpuBesidesBytes: number | null;
}

export class SideProfile {
  readonly #sums = new Float64Array(TALLY_TERMS.length);
  /** In units of `#weight`, which grows as the sums decay: two hundred products less for every fold. */
  readonly #elapsed = new Float64Array(BUCKETS);
  #weight = 1;
  readonly #detector = new ChangeDetector();
  readonly #warmUp = new WarmUp();
  readonly #residence = new Residence();
  readonly #inEarnest = new CpuTimes();
  readonly #foundReads = new FoundReadsLately(HALF_LIFE_MS);
  readonly workByBytes = new WorkByBytes();
  #lastMs = 0;
  #callsInAll = 0;
  #sinceMs = 0;
  /** Of whatever kind they were. */
  readonly #lately = new CallsLately(RATE_HALF_LIFE_MS);

  get lastMs(): number {
    return this.#lastMs;
  }

  /** When the function's code was compiled here; null: it is not yet. */
  get warmMs(): number | null {
    return this.#warmUp.warmMs;
  }

  /**
   * `callsElsewhere`: on the other side, lately; `isCold`: they find what others have left of caches, and look like other calls. True: the calls are not
   * what they were, and what was known of them is gone.
   */
  fold(tally: Tally, callsElsewhere: number, isCold: boolean, nowMs: number): boolean {
    const { sums, elapsed } = tally;
    const calls = sums[TERM_AT.calls]!;
    if (calls <= 0) {
      // Only failures: they are told beside what is known, which is as old as it was.
      for (let term = 0; term < this.#sums.length; term++) this.#sums[term]! += sums[term]!;
      return false;
    }
    this.#lately.add(calls, nowMs);
    const callsHere = this.#lately.at(nowMs);
    const part = callsHere / (callsHere + callsElsewhere);
    const wasWarm = this.warmMs !== null;
    const inEarnest = wasWarm && isInEarnest(part, this.#cpuUs);
    if (this.#warmUp.add(tally, nowMs)) this.reset();
    // What it is held against would be visits.
    else if (this.#residence.isNew(part)) this.#detector.reset();
    this.#inEarnest.decay(decayOf(nowMs - this.#lastMs, HALF_LIFE_MS));
    this.#decay(this.#decayFactor(nowMs, calls));
    const shifted = !isCold && this.#detector.observe(calls, sums[TERM_AT.logWork]!, sums[TERM_AT.logWorkSquared]!);
    if (shifted) this.forget();
    if (inEarnest) this.#inEarnest.add(tally);
    if (isResident(part)) this.#foundReads.add(tally, nowMs);
    if (wasWarm) this.#addWork(sums, nowMs);
    for (let term = 0; term < this.#sums.length; term++) this.#sums[term]! += sums[term]!;
    for (let pair = 0; pair + 1 < elapsed.length; pair += 2) {
      const bucket = elapsed[pair]!;
      if (bucket >= 0 && bucket < BUCKETS) this.#elapsed[bucket]! += elapsed[pair + 1]! * this.#weight;
    }
    this.#lastMs = nowMs;
    if (this.#callsInAll === 0) this.#sinceMs = nowMs;
    this.#callsInAll += calls;
    return shifted;
  }

  #addWork(sums: readonly number[], nowMs: number): void {
    const cpuUs = sums[TERM_AT.cpuUs]!;
    const workUs = cpuUs + OPERATION_WORK_US * sums[TERM_AT.operations]!;
    this.workByBytes.add(sums[TERM_AT.calls]!, sums[TERM_AT.bytes]!, cpuUs, workUs, nowMs);
  }

  /** Of a call; 0: none is known. */
  get #cpuUs(): number {
    return this.#sums[TERM_AT.cpuUs]! / Math.max(1, this.#sums[TERM_AT.calls]!);
  }

  /** Weighted: what is older counts less. */
  callsAt(nowMs: number): number {
    return this.#sums[TERM_AT.calls]! * this.#decayFactor(nowMs, 0);
  }

  callsLatelyAt(nowMs: number): number {
    return this.#lately.at(nowMs);
  }

  /** Weighted like those that tell something; where none does, all that there were. */
  get untold(): number {
    return this.#sums[TERM_AT.untold]!;
  }

  /** null: nothing is known. */
  estimate(nowMs: number): SideEstimate | null {
    const calls = this.callsAt(nowMs);
    if (calls <= 0) return null;
    const sums = this.#sums;
    const per = 1 / sums[TERM_AT.calls]!;
    const [serviceUs, logCpu] = [sums[TERM_AT.serviceUs]! * per, sums[TERM_AT.logCpu]! * per];
    return {
      calls,
      lastMs: this.#lastMs,
      callsInAll: this.#callsInAll,
      sinceMs: this.#sinceMs,
      elapsedUs: sums[TERM_AT.elapsedUs]! * per,
      serviceUs,
      queueUs: sums[TERM_AT.queueUs]! * per,
      cpuUs: sums[TERM_AT.cpuUs]! * per,
      waitUs: sums[TERM_AT.waitUs]! * per,
      operations: sums[TERM_AT.operations]! * per,
      rounds: sums[TERM_AT.rounds]! * per,
      bytes: sums[TERM_AT.bytes]! * per,
      findableOperations: sums[TERM_AT.findableOperations]! * per,
      findableRounds: sums[TERM_AT.findableRounds]! * per,
      foundOperations: sums[TERM_AT.foundOperations]! * per,
      foundRounds: sums[TERM_AT.foundRounds]! * per,
      foundReads: this.#foundReads.estimate(nowMs),
      lockUs: sums[TERM_AT.lockUs]! * per,
      failedShare: sums[TERM_AT.failed]! / (sums[TERM_AT.calls]! + sums[TERM_AT.untold]!),
      logCpu,
      logCpuDeviation: Math.sqrt(Math.max(0, sums[TERM_AT.logCpuSquared]! * per - logCpu ** 2)),
      logCpuError: standardError(logCpu, sums[TERM_AT.logCpuSquared]! * per, calls),
      serviceError: standardError(serviceUs, sums[TERM_AT.serviceUsSquared]! * per, calls) / Math.max(1, serviceUs),
      inEarnest: this.#inEarnest.estimate(decayOf(nowMs - this.#lastMs, HALF_LIFE_MS)),
      cpuBesidesBytes: this.workByBytes.cpuBesidesBytes,
    };
  }

  /** Of the whole time of a call; null: nothing is known. */
  percentileUs(percent: number): number | null {
    return percentileUs(this.#elapsed, percent);
  }

  /** What comes from now on are other calls. */
  forget(): void {
    this.#sums.fill(0);
    this.#elapsed.fill(0);
    this.#weight = 1;
    this.#callsInAll = 0;
    this.#inEarnest.forget();
    this.#foundReads.forget();
  }

  /** As the calls on the other side are not what they were. */
  reset(): void {
    this.forget();
    this.#detector.reset();
  }

  /** `coming`: calls that take the place of old ones. */
  #decayFactor(nowMs: number, coming: number): number {
    const calls = this.#sums[TERM_AT.calls]!;
    const kept = calls <= 0 ? 0 : Math.min(1, Math.max(0, CALLS_KEPT - coming) / calls);
    return kept === 1 ? 1 : Math.max(kept, decayOf(nowMs - this.#lastMs, HALF_LIFE_MS));
  }

  #decay(factor: number): void {
    for (let term = 0; term < this.#sums.length; term++) this.#sums[term]! *= factor;
    this.#weight /= factor;
    if (this.#weight < WEIGHT_MAX) return;
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#elapsed[bucket]! /= this.#weight;
    this.#weight = 1;
  }
}

/** Of a mean of so many values. One call says nothing about how calls differ: as much as the mean itself. */
function standardError(mean: number, meanOfSquares: number, calls: number): number {
  if (calls <= 1) return Math.abs(mean);
  const variance = Math.max(0, meanOfSquares - mean * mean) * (calls / (calls - 1));
  return Math.sqrt(variance / calls);
}
