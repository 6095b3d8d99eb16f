// How fast calls of one function come: as fast as a plan follows them, and whether many more have come all at once.

import { decayOf } from "#runtime/decay.ts";
import { CallsLately } from "./calls-lately.ts";
import type { Side } from "./sample.ts";

/** Of the rate of calls, which a plan has to follow faster than what a call costs. Chosen; bench `shift`. */
export const RATE_HALF_LIFE_MS = 250;
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
/** A surge is one that nobody planned for where twice as many come as have been usual before, … */
const NEW_TIMES = 2;
/** … the most of which is forgotten by half in this time. Chosen: pauses of some seconds are no news, nor is what callers make who wait for each other when a core is quicker. */
const KNOWN_HALF_LIFE_MS = 60_000;
/** From how long a rate is known: the integral of its decay, s. */
export const RATE_SECONDS = RATE_HALF_LIFE_MS / Math.LN2 / 1e3;
export const SURGE_SECONDS = SURGE_HALF_LIFE_MS / Math.LN2 / 1e3;

/** A pause is so long, … */
const PAUSE_MS_MIN = 500;
/** … after as long in which it was called without one, or what is known of a load that comes in bursts would never grow old; … */
const CALLED_MS_MIN = PAUSE_MS_MIN;
/** … and so many calls would have come in it, had it been none: of seldom calls each is followed by one. Chosen. */
const CALLS_MISSED_MIN = 100;

/** A stretch without calls, after one with many. */
interface Pause {
  readonly fromMs: number;
  /** When calls came again. */
  readonly toMs: number;
}

/** Calls a second. */
export interface Rates {
  readonly all: number;
  /** Of all, those that run on a side whatever the plan says. */
  readonly fixed: Readonly<Record<Side, number>>;
}

/** Many more than usual, all at once. */
export interface Surge extends Rates {
  /** Nor were there half as many within the last minute or two: no plan was made for them. */
  readonly isNew: boolean;
}

/** The most of something, as it is forgotten: by half in some time. */
class FadingMost {
  readonly #halfLifeMs: number;
  #most = 0;
  #atMs = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  add(value: number, nowMs: number): void {
    this.#most = Math.max(value, this.at(nowMs));
    this.#atMs = nowMs;
  }

  at(nowMs: number): number {
    return this.#most * decayOf(nowMs - this.#atMs, this.#halfLifeMs);
  }

  forget(nowMs: number): void {
    this.#most = 0;
    this.#atMs = nowMs;
  }
}

/** All calls of a function, and those of them that run on a side whatever the plan says, as they fade. */
class FadingCalls {
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

/**
 * By how many standard deviations one rate is above another. A mean that decays is known as well as that of all calls of twice its time, and the root of
 * a count to half a call, whatever it is (Anscombe, 1948).
 */
const deviationsOf = (more: number, less: number): number =>
  2 * (Math.sqrt(more) - Math.sqrt(less)) * Math.sqrt(2 * SURGE_SECONDS);

/** Of one function. */
export class ComingCalls {
  readonly #usual = new FadingCalls(RATE_HALF_LIFE_MS);
  readonly #surging = new FadingCalls(SURGE_HALF_LIFE_MS);
  /** The most calls a second that were usual lately, … */
  readonly #most = new FadingMost(MOST_HALF_LIFE_MS);
  /** … and before a pause. */
  readonly #known = new FadingMost(KNOWN_HALF_LIFE_MS);
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  /** Since when no half second has gone by without a call. */
  #sinceMs = 0;
  #pause: Pause | null = null;

  /** `calls`: all that came on a side over a stretch that ends now; `fixed`: those of them that run there whatever the plan says. */
  addStretch(side: Side, calls: number, fixed: number, stretchMs: number, nowMs: number): void {
    if (this.#firstMs === null) this.#firstMs = this.#sinceMs = nowMs - stretchMs;
    this.#noteGap(this.#lastMs ?? nowMs, nowMs - stretchMs, nowMs);
    this.#lastMs = nowMs;
    this.#usual.addStretch(side, calls, fixed, stretchMs, nowMs);
    this.#surging.addStretch(side, calls, fixed, stretchMs, nowMs);
    const usual = this.#usual.all(this.#forMs(nowMs), nowMs);
    this.#most.add(usual, nowMs);
    // What surges is held against what was before.
    if (!this.#isSurge(usual, nowMs)) this.#known.add(usual, nowMs);
  }

  #noteGap(fromMs: number, untilMs: number, nowMs: number): void {
    if (untilMs - fromMs < PAUSE_MS_MIN) return;
    const missed = ((untilMs - fromMs) / 1e3) * this.#known.at(fromMs);
    const wasCalled = fromMs - this.#sinceMs >= CALLED_MS_MIN;
    if (wasCalled && missed >= CALLS_MISSED_MIN) this.#pause = { fromMs, toMs: nowMs };
    this.#sinceMs = untilMs;
  }

  /** As fast as a plan follows them. */
  rates(nowMs: number): Rates {
    return this.#usual.rates(this.#forMs(nowMs), nowMs);
  }

  /** When the last call was heard of, whatever became of it; null: none was. */
  get lastMs(): number | null {
    return this.#lastMs;
  }

  /** The last one; null: there was none. */
  get pause(): Pause | null {
    return this.#pause;
  }

  /** As they come in these moments, where those are many more than usual and no chance; null: they are not. */
  surge(usual: Rates, nowMs: number): Surge | null {
    if (!this.#isSurge(usual.all, nowMs)) return null;
    const now = this.#surging.rates(this.#forMs(nowMs), nowMs);
    return { ...now, isNew: now.all > NEW_TIMES * this.#known.at(nowMs) };
  }

  /** As they come in these moments, where those are far fewer than usual and no chance; null: they are not. */
  ebb(usual: Rates, nowMs: number): Rates | null {
    const forMs = this.#forMs(nowMs);
    const now = this.#surging.all(forMs, nowMs);
    const isEbb = SURGE_TIMES * now < usual.all && deviationsOf(usual.all, now) > SURGE_DEVIATIONS;
    return isEbb ? this.#surging.rates(forMs, nowMs) : null;
  }

  /** They are other calls from now on: how many came of those before is nothing to hold them against. */
  forgetMost(nowMs: number): void {
    this.#most.forget(nowMs);
    this.#known.forget(nowMs);
  }

  #isSurge(usual: number, nowMs: number): boolean {
    const now = this.#surging.all(this.#forMs(nowMs), nowMs);
    const most = Math.max(usual, this.#most.at(nowMs));
    return usual > 0 && deviationsOf(now, usual) > SURGE_DEVIATIONS && now > SURGE_TIMES * most;
  }

  /** Since the first of them. */
  #forMs(nowMs: number): number {
    return this.#firstMs === null ? 0 : nowMs - this.#firstMs;
  }
}
