// How fast calls of one function come: the rate that a plan follows, and surges: many more calls all at once.

import { HalfLife, weightOf } from "#runtime/decay.ts";
import type { Side } from "./sample.ts";
import { TERM_AT, type Tally } from "./tally.ts";

/** Of the rate that a plan follows. Rates change faster than what a call costs. */
export const RATE_HALF_LIFE = new HalfLife(250);
/** Of the rate of this moment: a side that is full soon has queues. */
const SURGE_HALF_LIFE = new HalfLife(35);
/** Of the peak: a load that comes again within a minute is no surge. */
const PEAK_HALF_LIFE = new HalfLife(60_000);
/** Of the rate that people see. */
const LATELY_HALF_LIFE = new HalfLife(5_000);
/** A surge is so many standard deviations above the usual rate, so that chance makes none … */
const SURGE_DEVIATIONS = 3;
/** … and so many times the peak: callers who wait for answers call more often whenever calls get shorter. */
const SURGE_TIMES = 1.25;
/** Nobody planned for a surge of so many times the peak. */
const NEW_TIMES = 2;

/** Calls per second. */
export interface Rates {
  readonly all: number;
  /** Calls that run on a side whatever the plan is. */
  readonly fixed: Readonly<Record<Side, number>>;
}

export interface Surge extends Rates {
  /** No plan was made for so many. */
  readonly isNew: boolean;
}

/** A number that fades by half in some time. */
export class Fading {
  readonly #halfLife: HalfLife;
  #value = 0;
  #atMs = 0;

  constructor(halfLife: HalfLife) {
    this.#halfLife = halfLife;
  }

  at(nowMs: number): number {
    return this.#value * this.#halfLife.partAfter(nowMs - this.#atMs);
  }

  add(value: number, nowMs: number): void {
    this.set(this.at(nowMs) + value, nowMs);
  }

  set(value: number, nowMs: number): void {
    this.#value = value;
    this.#atMs = nowMs;
  }
}

/** Rates that fade by half in some time. */
class FadingRates {
  readonly #halfLife: HalfLife;
  readonly #all: Fading;
  readonly #fixed: Readonly<Record<Side, Fading>>;

  constructor(halfLife: HalfLife) {
    this.#halfLife = halfLife;
    this.#all = new Fading(halfLife);
    this.#fixed = { compute: new Fading(halfLife), storage: new Fading(halfLife) };
  }

  /** Calls came evenly over the stretch that ends now. Those that failed have to be served too. */
  add({ side, sums }: Pick<Tally, "side" | "sums">, stretchMs: number, nowMs: number): void {
    const counted = stretchMs > 0 ? this.#halfLife.weightOf(stretchMs) / stretchMs : 1;
    this.#all.add(counted * (sums[TERM_AT.calls]! + sums[TERM_AT.untold]!), nowMs);
    this.#fixed[side].add(counted * sums[TERM_AT.fixed]!, nowMs);
  }

  /** Of a stream that began so long ago: compared with a steady one, or a young rate would be too low. */
  at(forMs: number, nowMs: number): Rates {
    const weightMs = Math.max(1, weightOf(forMs, this.#halfLife.ms));
    const rateOf = (calls: Fading): number => (1e3 * calls.at(nowMs)) / weightMs;
    return {
      all: rateOf(this.#all),
      fixed: { compute: rateOf(this.#fixed.compute), storage: rateOf(this.#fixed.storage) },
    };
  }
}

/** A decayed mean is known as well as that of all calls in twice its time, and the root of a count to half a call. */
const deviationsOf = (more: number, less: number): number =>
  2 * (Math.sqrt(more) - Math.sqrt(less)) * Math.sqrt((2 * SURGE_HALF_LIFE.ms) / Math.LN2 / 1e3);

export class CallRates {
  readonly #usual = new FadingRates(RATE_HALF_LIFE);
  readonly #moment = new FadingRates(SURGE_HALF_LIFE);
  readonly #lately = new FadingRates(LATELY_HALF_LIFE);
  /** The greatest usual rate. */
  readonly #peak = new Fading(PEAK_HALF_LIFE);
  #firstMs: number | null = null;
  #lastMs = 0;

  /** When the last calls ended, whatever their outcome; 0: none did. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /** True: many more calls come than usual. */
  fold(tally: Pick<Tally, "side" | "sums">, stretchMs: number, nowMs: number): boolean {
    this.#firstMs ??= nowMs - stretchMs;
    this.#lastMs = nowMs;
    for (const rates of [this.#usual, this.#moment, this.#lately]) rates.add(tally, stretchMs, nowMs);
    const usual = this.rates(nowMs);
    const surge = this.surge(usual, nowMs);
    // A surge is compared with what was before it.
    if (surge === null) this.#peak.set(Math.max(usual.all, this.#peak.at(nowMs)), nowMs);
    return surge !== null;
  }

  /** As a plan follows them. */
  rates(nowMs: number): Rates {
    return this.#usual.at(this.#forMs(nowMs), nowMs);
  }

  /** Over about ten seconds, for people. */
  perSecondLately(nowMs: number): number {
    return this.#lately.at(Math.max(10_000, this.#forMs(nowMs)), nowMs).all;
  }

  /** The rates of this moment, if they are far above the usual ones; else null. If nothing is usual, nothing is a surge. */
  surge(usual: Rates, nowMs: number): Surge | null {
    const now = this.#moment.at(this.#forMs(nowMs), nowMs);
    const peak = this.#peak.at(nowMs);
    if (usual.all <= 0 || deviationsOf(now.all, usual.all) <= SURGE_DEVIATIONS) return null;
    if (now.all <= SURGE_TIMES * Math.max(usual.all, peak)) return null;
    return { ...now, isNew: now.all > NEW_TIMES * peak };
  }

  /** Calls are other calls from now on: earlier rates are no yardstick. */
  forgetPeak(nowMs: number): void {
    this.#peak.set(0, nowMs);
  }

  #forMs(nowMs: number): number {
    return this.#firstMs === null ? 0 : nowMs - this.#firstMs;
  }
}
