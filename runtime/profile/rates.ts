// How fast calls of one function come: the rate that a plan follows, and surges: many more calls all at once.

import { HalfLife, weightOf } from "#runtime/decay.ts";
import { SLOW_HALF_LIFE } from "./decayed-sums.ts";
import type { Side } from "./sample.ts";
import { TERM_AT, type Tally } from "./tally.ts";

/** Of the rate that a plan follows. Rates change faster than what a call costs. */
export const RATE_HALF_LIFE = new HalfLife(250);
/** Of the rate of this moment: a side that is full soon has queues. */
export const SURGE_HALF_LIFE = new HalfLife(35);
/**
 * A surge is so many times the usual rate. If a side is half busy, no more than twice as many calls can end there, and the
 * usual rate grows meanwhile: 1.5 is never reached. Callers who wait for answers call faster if calls get shorter.
 */
const SURGE_TIMES = 1.3;

/** Calls per second. */
export interface Rates {
  readonly all: number;
  /** Calls that run on a side whatever the plan is. */
  readonly fixed: Readonly<Record<Side, number>>;
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
    this.#value = this.at(nowMs) + value;
    this.#atMs = nowMs;
  }
}

/** Rates of calls, all and fixed, that fade by half in some time. */
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

  /** The rate of a stream that began `forMs` ago. A young stream is scaled up, or its rate would be too low. */
  at(forMs: number, nowMs: number): Rates {
    const each = 1e3 / Math.max(1, weightOf(forMs, this.#halfLife.ms));
    const { compute, storage } = this.#fixed;
    return {
      all: each * this.#all.at(nowMs),
      fixed: { compute: each * compute.at(nowMs), storage: each * storage.at(nowMs) },
    };
  }
}

/** Standard deviations between two rates. A count of calls by chance is Poisson: its root has a deviation of one half. */
const deviationsOf = (more: number, less: number): number =>
  2 * (Math.sqrt(more) - Math.sqrt(less)) * Math.sqrt((2 * SURGE_HALF_LIFE.ms) / Math.LN2 / 1e3);

export class CallRates {
  readonly #usual = new FadingRates(RATE_HALF_LIFE);
  readonly #moment = new FadingRates(SURGE_HALF_LIFE);
  readonly #lately = new FadingRates(SLOW_HALF_LIFE);
  #firstMs: number | null = null;
  #lastMs = 0;

  /** When the last calls ended, whatever their outcome; 0: none did. */
  get lastMs(): number {
    return this.#lastMs;
  }

  fold(tally: Pick<Tally, "side" | "sums">, stretchMs: number, nowMs: number): void {
    this.#firstMs ??= nowMs - stretchMs;
    this.#lastMs = nowMs;
    this.#usual.add(tally, stretchMs, nowMs);
    this.#moment.add(tally, stretchMs, nowMs);
    this.#lately.add(tally, stretchMs, nowMs);
  }

  /** As a plan follows them. */
  at(nowMs: number): Rates {
    return this.#usual.at(this.#forMs(nowMs), nowMs);
  }

  /** Over about ten seconds, for people. */
  perSecondLately(nowMs: number): number {
    return this.#lately.at(Math.max(10_000, this.#forMs(nowMs)), nowMs).all;
  }

  /** The rates of this moment, if they are far above the usual ones and not by chance; else null. */
  surge(nowMs: number): Rates | null {
    return this.#hasSurge(nowMs) ? this.#moment.at(this.#forMs(nowMs), nowMs) : null;
  }

  #hasSurge(nowMs: number): boolean {
    const forMs = this.#forMs(nowMs);
    const [usual, now] = [this.#usual.at(forMs, nowMs).all, this.#moment.at(forMs, nowMs).all];
    return usual > 0 && now > SURGE_TIMES * usual && deviationsOf(now, usual) > 3;
  }

  #forMs(nowMs: number): number {
    return this.#firstMs === null ? 0 : nowMs - this.#firstMs;
  }
}
