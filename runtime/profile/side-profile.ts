// What is known of a function on one side: what its calls took, lately. Means are decayed by time, so that a slow drift is followed; a change that the
// detector sees throws away what was before it. Bounded: 2 KiB, whatever the number of calls.

import { HalfLife } from "#runtime/decay.ts";
import { FoundReadsLately } from "./found-reads.ts";
import { CallsLately } from "./calls-lately.ts";
import { ChangeDetector } from "./change-detector.ts";
import { RATE_HALF_LIFE } from "./coming-calls.ts";
import { BUCKETS, percentileUs } from "./histogram.ts";
import type { Layout, Values } from "./layout.ts";
import {
  CALL_US,
  CALLS_IN_ALL,
  DECAYED,
  LAST_MS,
  NODE_CALLS,
  OWN_SIZE,
  SideEstimate,
  SINCE_MS,
  TERMS,
  WEIGHT,
} from "./side-estimate.ts";
import { callUsOf, OPERATION_WORK_US, TERM_AT, type Tally } from "./tally.ts";
import { CpuTimes, isInEarnest, isResident, Residence, WarmUp } from "./warm-up.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

/** A call counts half as much after this time. Long against the noise of stretches, short against how loads change. Chosen; bench `shift`. */
const HALF_LIFE = new HalfLife(2_000);
/** So many calls are kept however old they are: of a side that is visited now and then there would be nothing otherwise. */
export const CALLS_KEPT = 16;
/** The histogram is scaled back when its new calls weigh so much. */
const WEIGHT_MAX = 1e12;

export class SideProfile {
  readonly #at: number;
  readonly #warmUp: WarmUp;
  readonly #residence: Residence;
  /** Of whatever kind they were. */
  readonly #lately: CallsLately;
  readonly #detector: ChangeDetector;
  readonly #inEarnest: CpuTimes;
  readonly workByBytes: WorkByBytes;
  readonly #foundReads: FoundReadsLately;
  /** Of a histogram in units that grow as the sums decay: two hundred products less for every fold. */
  readonly #elapsedAt: number;

  constructor(layout: Layout) {
    this.#at = layout.take(OWN_SIZE);
    this.#warmUp = new WarmUp(layout);
    this.#residence = new Residence(layout);
    this.#lately = new CallsLately(layout, RATE_HALF_LIFE);
    this.#detector = new ChangeDetector(layout);
    this.#inEarnest = new CpuTimes(layout);
    this.workByBytes = new WorkByBytes(layout);
    this.#foundReads = new FoundReadsLately(layout, HALF_LIFE);
    this.#elapsedAt = layout.take(BUCKETS);
  }

  lastMs(values: Values): number {
    return values[this.#at + LAST_MS]!;
  }

  /** When the function's code was compiled here; null: it is not yet. */
  warmMs(values: Values): number | null {
    return this.#warmUp.warmMs(values);
  }

  /**
   * `isDirect`: they came straight to Redis; `callsElsewhere`: on the other side, lately; `isCold`: they find what others have left of caches, and look like
   * other calls. True: the calls are not what they were, and what was known of them is gone.
   */
  fold(
    values: Values,
    tally: Tally,
    isDirect: boolean,
    callsElsewhere: number,
    isCold: boolean,
    nowMs: number,
  ): boolean {
    const { sums } = tally;
    const at = this.#at;
    const calls = sums[TERM_AT.calls]!;
    if (calls <= 0) {
      // Only failures: they are told beside what is known, which is as old as it was.
      this.#add(values, 1, sums, isDirect);
      return false;
    }
    this.#lately.add(values, calls, nowMs);
    const callsHere = this.#lately.countAt(values, nowMs);
    const part = callsHere / (callsHere + callsElsewhere);
    const wasWarm = this.warmMs(values) !== null;
    const inEarnest = wasWarm && isInEarnest(part, this.#cpuUs(values));
    if (this.#warmUp.add(values, tally, nowMs)) this.reset(values);
    // What it is held against would be visits.
    else if (this.#residence.isNew(values, part)) this.#detector.reset(values);
    const left = HALF_LIFE.partAfter(nowMs - values[at + LAST_MS]!);
    this.#inEarnest.decay(values, left);
    const shifted =
      !isCold && this.#detector.observe(values, calls, sums[TERM_AT.logWork]!, sums[TERM_AT.logWorkSquared]!);
    if (shifted) this.forget(values);
    if (inEarnest) this.#inEarnest.add(values, tally);
    const wasUsed = this.#residence.add(values, calls, nowMs);
    if (wasUsed && !isCold && isResident(part)) this.#foundReads.add(values, tally, nowMs);
    if (wasWarm) this.#addWork(values, sums, nowMs);
    const kept = this.#kept(values, left, calls);
    this.#addElapsed(values, kept, tally.elapsed);
    this.#add(values, kept, sums, isDirect);
    values[at + LAST_MS] = nowMs;
    if (values[at + CALLS_IN_ALL] === 0) values[at + SINCE_MS] = nowMs;
    values[at + CALLS_IN_ALL]! += calls;
    return shifted;
  }

  /** Of what was there before so much is kept. */
  #add(values: Values, kept: number, sums: readonly number[], isDirect: boolean): void {
    const at = this.#at;
    for (let term = 0; term < TERMS; term++) values[at + term] = kept * values[at + term]! + sums[term]!;
    const [calls, callUs] = [at + NODE_CALLS, at + CALL_US];
    values[calls] = kept * values[calls]! + (isDirect ? 0 : sums[TERM_AT.calls]!);
    values[callUs] = kept * values[callUs]! + (isDirect ? 0 : callUsOf(sums));
  }

  /** `elapsed`: bucket, count, bucket, count, … */
  #addElapsed(values: Values, kept: number, elapsed: readonly number[]): void {
    const at = this.#elapsedAt;
    let weight = (values[this.#at + WEIGHT]! || 1) / kept;
    if (weight >= WEIGHT_MAX) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) values[at + bucket]! /= weight;
      weight = 1;
    }
    values[this.#at + WEIGHT] = weight;
    for (let pair = 0; pair + 1 < elapsed.length; pair += 2) {
      const bucket = elapsed[pair]!;
      // What is no bucket would be somebody else's number.
      if (Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS)
        values[at + bucket]! += elapsed[pair + 1]! * weight;
    }
  }

  #addWork(values: Values, sums: readonly number[], nowMs: number): void {
    const cpuUs = sums[TERM_AT.cpuUs]!;
    const workUs = cpuUs + OPERATION_WORK_US * sums[TERM_AT.operations]!;
    this.workByBytes.add(values, sums[TERM_AT.calls]!, sums[TERM_AT.bytes]!, cpuUs, workUs, nowMs);
  }

  /** Of a call; 0: none is known. */
  #cpuUs(values: Values): number {
    return values[this.#at + TERM_AT.cpuUs]! / Math.max(1, values[this.#at + TERM_AT.calls]!);
  }

  callsLatelyAt(values: Values, nowMs: number): number {
    return this.#lately.countAt(values, nowMs);
  }

  /** Weighted like those that tell something; where none does, all that there were. */
  untold(values: Values): number {
    return values[this.#at + TERM_AT.untold]!;
  }

  /** null: nothing is known. */
  estimate(values: Values, nowMs: number): SideEstimate | null {
    const at = this.#at;
    const lastMs = values[at + LAST_MS]!;
    const left = HALF_LIFE.partAfter(nowMs - lastMs);
    // Weighted: what is older counts less.
    const calls = values[at + TERM_AT.calls]! * this.#kept(values, left, 0);
    if (calls <= 0) return null;
    return new SideEstimate(values, at, {
      calls,
      inEarnest: this.#inEarnest.estimate(values, left),
      foundReads: this.#foundReads.estimate(values, nowMs),
      cpuBesidesBytes: this.workByBytes.cpuBesidesBytes(values),
    });
  }

  /** How many times as much work, by the geometric means, its calls were as those before when they last turned out to be others; 1: they never did. */
  shiftedTimes(values: Values): number {
    return Math.exp(this.#detector.lastChange(values));
  }

  /** Of the whole time of a call; null: nothing is known. */
  percentileUs(values: Values, percent: number): number | null {
    return percentileUs(values, percent, this.#elapsedAt);
  }

  /** What comes from now on are other calls. */
  forget(values: Values): void {
    values.fill(0, this.#at, this.#at + DECAYED);
    values.fill(0, this.#elapsedAt, this.#elapsedAt + BUCKETS);
    values[this.#at + WEIGHT] = 1;
    values[this.#at + CALLS_IN_ALL] = 0;
    this.#inEarnest.forget(values);
    this.#foundReads.forget(values);
    this.#residence.restart(values);
  }

  /** As the calls on the other side are not what they were. */
  reset(values: Values): void {
    this.forget(values);
    this.#detector.reset(values);
  }

  /** Of what is known, if by its age alone `left` of it were. `coming`: calls that take the place of old ones. */
  #kept(values: Values, left: number, coming: number): number {
    const calls = values[this.#at + TERM_AT.calls]!;
    return calls <= 0 ? left : Math.max(left, Math.min(1, Math.max(0, CALLS_KEPT - coming) / calls));
  }
}
