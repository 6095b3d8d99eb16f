// What is known of one function: on each side what its calls took, lately, and how fast they come. Means are decayed by time,
// so that a slow drift is followed; a change that the detector sees throws away what was before it. Bounded: two sides of a few
// KiB each, whatever the number of calls.

import { clamp } from "../clamp.ts";
import { ChangeDetector } from "./change-detector.ts";
import { BUCKETS, percentileUs } from "./histogram.ts";
import { CallsByTime } from "./calls-by-time.ts";
import { RecentCalls } from "./recent-calls.ts";
import { otherSide, type Side } from "./sample.ts";
import { OPERATION_WORK_US, TALLY_TERMS, TERM_AT, type Tally } from "./tally.ts";
import { CpuTimes, isInEarnest, Residence, WarmUp, type CpuEstimate } from "./warm-up.ts";
import { WorkByBytes } from "./work-by-bytes.ts";

/** A call counts half as much after this time. Long against the noise of stretches, short against how loads change. Chosen; bench `shift`. */
const HALF_LIFE_MS = 2_000;
/** So many calls are kept however old they are: of a side that is visited now and then there would be nothing otherwise. */
const CALLS_KEPT = 16;
/** Of the rate of calls, which a plan has to follow faster than what a call costs. Chosen; bench `shift`. */
const RATE_HALF_LIFE_MS = 250;
/** Where many more come all at once, that is known faster still: a side that is full has queues before long. Chosen … */
const SURGE_HALF_LIFE_MS = 35;
/** … and so many standard deviations beyond what came until now are no chance, … */
const SURGE_DEVIATIONS = 3;
/**
 * … and as little what callers make who wait for each other whenever calls take a little less, or after a moment in which nothing moved: so many times as many as have been
 * usual lately, the most of which is forgotten by half in this time. Chosen; in bench `placement` a third of all steps had a surge without it, though callers were always sixteen.
 */
const SURGE_TIMES = 1.25;
const MOST_HALF_LIFE_MS = 1_000;
/** From how long a rate is known: the integral of its decay, s. */
export const RATE_SECONDS = RATE_HALF_LIFE_MS / Math.LN2 / 1e3;
export const SURGE_SECONDS = SURGE_HALF_LIFE_MS / Math.LN2 / 1e3;

/**
 * Calls that were under way when others came end within about this: what they left among these is forgotten, if enough come at once soon after that to
 * take their place. Chosen; bench `shift`.
 */
const STRAYS_MS = 75;
const STRAYS_LATE_MS = 75;

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

/** null: nothing is known of that side. */
export type Estimates = Readonly<Record<Side, SideEstimate | null>>;

/** Calls a second. */
export interface Rates {
  readonly all: number;
  /** Of all, those that run on a side whatever the plan says. */
  readonly fixed: Readonly<Record<Side, number>>;
}

/** Calls that are so many times the work of others are believed to be no more. */
const WORK_TIMES_MAX = 1_000;
/** The histogram is scaled back when its new calls weigh so much. */
const WEIGHT_MAX = 1e12;

/** How many there were, decayed as fast as a rate is followed. */
class CallsLately {
  readonly #halfLifeMs: number;
  #calls = 0;
  #atMs = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  /** They came all over a stretch that ends now: the first of them have decayed by then. */
  addStretch(calls: number, stretchMs: number, nowMs: number): void {
    this.add(stretchMs > 0 ? (calls * this.#weightOf(stretchMs)) / stretchMs : calls, nowMs);
  }

  add(calls: number, nowMs: number): void {
    this.#calls = this.at(nowMs) + calls;
    this.#atMs = nowMs;
  }

  at(nowMs: number): number {
    return this.#calls * decayOf(nowMs - this.#atMs, this.#halfLifeMs);
  }

  /** Of a stream that began so long ago: held against what a steady one would have by now, or a young rate would be too low. */
  perSecond(forMs: number, nowMs: number): number {
    if (this.#calls === 0) return 0;
    const weightMs = this.#weightOf(forMs);
    return weightMs <= 0 ? 0 : (this.at(nowMs) * 1e3) / weightMs;
  }

  /** Of a steady stream that began so long ago, in ms of it that count in full: the integral of its decay. */
  #weightOf(ms: number): number {
    return (this.#halfLifeMs / Math.LN2) * (1 - decayOf(ms, this.#halfLifeMs));
  }
}

/** All calls of a function, and those of them that run on a side whatever the plan says. */
class Coming {
  readonly #all: CallsLately;
  readonly #fixed: Readonly<Record<Side, CallsLately>>;

  constructor(halfLifeMs: number) {
    this.#all = new CallsLately(halfLifeMs);
    this.#fixed = { compute: new CallsLately(halfLifeMs), storage: new CallsLately(halfLifeMs) };
  }

  addStretch(side: Side, calls: number, fixed: number, stretchMs: number, nowMs: number): void {
    this.#all.addStretch(calls, stretchMs, nowMs);
    if (fixed > 0) this.#fixed[side].addStretch(fixed, stretchMs, nowMs);
  }

  all(forMs: number, nowMs: number): number {
    return this.#all.perSecond(forMs, nowMs);
  }

  /** Of a stream that began so long ago. */
  rates(forMs: number, nowMs: number): Rates {
    const { compute, storage } = this.#fixed;
    const fixed = { compute: compute.perSecond(forMs, nowMs), storage: storage.perSecond(forMs, nowMs) };
    return { all: this.all(forMs, nowMs), fixed };
  }
}

class SideProfile {
  readonly #sums = new Float64Array(TALLY_TERMS.length);
  /** In units of `#weight`, which grows as the sums decay: two hundred products less for every fold. */
  readonly #elapsed = new Float64Array(BUCKETS);
  #weight = 1;
  readonly #detector = new ChangeDetector();
  readonly #warmUp = new WarmUp();
  readonly #residence = new Residence();
  readonly #inEarnest = new CpuTimes();
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

  /** `callsElsewhere`: on the other side, lately. True: the calls are not what they were, and what was known of them is gone. */
  fold(tally: Tally, callsElsewhere: number, nowMs: number): boolean {
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
    const shifted = this.#detector.observe(calls, sums[TERM_AT.logWork]!, sums[TERM_AT.logWorkSquared]!);
    if (shifted) this.forget();
    if (inEarnest) this.#inEarnest.add(tally);
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

export class FunctionProfile {
  readonly version: string;
  /** On both sides. */
  readonly byTime = new CallsByTime();
  readonly #sides: Readonly<Record<Side, SideProfile>> = { compute: new SideProfile(), storage: new SideProfile() };
  readonly #recent = new RecentCalls();
  readonly #coming = new Coming(RATE_HALF_LIFE_MS);
  readonly #surging = new Coming(SURGE_HALF_LIFE_MS);
  /** The most calls a second that were usual lately, and when it was so. */
  #most = { perSecond: 0, atMs: 0 };
  #firstMs: number | null = null;
  /** Until then calls of before the last shift may come; null: they are forgotten. */
  #straysUntilMs: number | null = null;

  constructor(version: string) {
    this.version = version;
  }

  /**
   * `stretchMs`: since the window before, and `lastedMs`: from the first call of this one. True: the function is not what it was; its other side is
   * forgotten as well. Only the side that has most of its calls can say so: what changes on the other was known from a few visits, with
   * everything cold.
   */
  fold(tally: Tally, nowMs: number, stretchMs: number, lastedMs: number): boolean {
    // What failed has to be served as well, and what was turned away comes again.
    const [calls, untold] = [tally.sums[TERM_AT.calls]!, tally.sums[TERM_AT.untold]!];
    this.#firstMs ??= nowMs - stretchMs;
    const fixed = tally.sums[TERM_AT.fixed]!;
    this.#coming.addStretch(tally.side, calls + untold, fixed, stretchMs, nowMs);
    this.#surging.addStretch(tally.side, calls + untold, fixed, stretchMs, nowMs);
    const most = Math.max(this.#coming.all(this.#forMs(nowMs), nowMs), this.#mostAt(nowMs));
    this.#most = { perSecond: most, atMs: nowMs };
    this.#recent.count(calls + untold, nowMs);
    const [elapsedUs, bytes] = [tally.sums[TERM_AT.elapsedUs]!, tally.sums[TERM_AT.bytes]!];
    this.byTime.fold(tally.side, { calls, elapsedUs, untold, bytes }, nowMs, lastedMs);
    const own = this.#sides[tally.side];
    const other = this.#sides[otherSide(tally.side)];
    this.#forgetStrays(own, other, calls, nowMs);
    const callsElsewhere = other.callsLatelyAt(nowMs);
    const shifted = own.fold(tally, callsElsewhere, nowMs) && own.callsLatelyAt(nowMs) >= callsElsewhere;
    if (shifted) {
      other.reset();
      this.#most = { perSecond: 0, atMs: nowMs };
      this.#straysUntilMs = nowMs + STRAYS_MS;
    }
    return shifted;
  }

  /** `calls`: that are about to be folded. Of a side where none came since, nothing but strays is known. */
  #forgetStrays(own: SideProfile, other: SideProfile, calls: number, nowMs: number): void {
    const overMs = this.#straysUntilMs;
    if (overMs === null || nowMs < overMs || calls < CALLS_KEPT) return;
    this.#straysUntilMs = null;
    if (nowMs >= overMs + STRAYS_LATE_MS) return;
    own.forget();
    if (other.lastMs < overMs) other.forget();
  }

  /** When the last call was heard of, ms of the controller's clock; 0: none was. */
  get lastMs(): number {
    return Math.max(this.#sides.compute.lastMs, this.#sides.storage.lastMs);
  }

  estimates(nowMs: number): Estimates {
    const { compute, storage } = this.#sides;
    return { compute: compute.estimate(nowMs), storage: storage.estimate(nowMs) };
  }

  /** How many times the work of a call of `thanBytes` one of `bytes` is; 1 where work does not go with bytes, or nobody knows. */
  workTimes(bytes: number, thanBytes: number): number {
    const besides = this.#workByBytes.workBesidesBytes;
    return besides === null
      ? 1
      : clamp((1 + besides + bytes) / (1 + besides + thanBytes), 1 / WORK_TIMES_MAX, WORK_TIMES_MAX);
  }

  /** By the side that knows, and if both do by that which has more calls. */
  get #workByBytes(): WorkByBytes {
    const [one, other] = [this.#sides.compute.workByBytes, this.#sides.storage.workByBytes];
    const isOther = one.workBesidesBytes === null || other.calls > one.calls;
    return other.workBesidesBytes !== null && isOther ? other : one;
  }

  /** When the function's code was compiled on that side, ms of the controller's clock; null: it is not yet. */
  warmMs(side: Side): number | null {
    return this.#sides[side].warmMs;
  }

  /** Of the calls on that side: those that failed and tell nothing of what it costs there. */
  untold(side: Side): number {
    return this.#sides[side].untold;
  }

  /** Of the whole time of a call on that side; null: nothing is known. */
  percentileUs(side: Side, percent: number): number | null {
    return this.#sides[side].percentileUs(percent);
  }

  /** Over the last ten seconds, for people; failures included. */
  callsPerSecondLately(nowMs: number): number {
    return this.#recent.perSecond(nowMs);
  }

  /** As fast as a plan follows them. */
  rates(nowMs: number): Rates {
    return this.#coming.rates(this.#forMs(nowMs), nowMs);
  }

  /** As they come in these moments, where those are many more than usual and no chance; null: they are not. */
  surge(usual: Rates, nowMs: number): Rates | null {
    const forMs = this.#forMs(nowMs);
    const now = this.#surging.all(forMs, nowMs);
    // A mean that decays is known as well as that of all calls of twice its time, and the root of a count to half a call, whatever it is (Anscombe, 1948).
    const deviations = 2 * (Math.sqrt(now) - Math.sqrt(usual.all)) * Math.sqrt(2 * SURGE_SECONDS);
    const most = Math.max(usual.all, this.#mostAt(nowMs));
    const isSurge = usual.all > 0 && deviations > SURGE_DEVIATIONS && now > SURGE_TIMES * most;
    return isSurge ? this.#surging.rates(forMs, nowMs) : null;
  }

  #mostAt(nowMs: number): number {
    return this.#most.perSecond * decayOf(nowMs - this.#most.atMs, MOST_HALF_LIFE_MS);
  }

  /** Since the first of them. */
  #forMs(nowMs: number): number {
    return this.#firstMs === null ? 0 : nowMs - this.#firstMs;
  }
}

/** A clock that jumps back decays nothing. */
const decayOf = (ms: number, halfLifeMs: number): number => Math.exp((-Math.LN2 * Math.max(0, ms)) / halfLifeMs);

/** Of a mean of so many values. One call says nothing about how calls differ: as much as the mean itself. */
function standardError(mean: number, meanOfSquares: number, calls: number): number {
  if (calls <= 1) return Math.abs(mean);
  const variance = Math.max(0, meanOfSquares - mean * mean) * (calls / (calls - 1));
  return Math.sqrt(variance / calls);
}
