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
/** From how long a rate is known: the integral of its decay, s. */
export const RATE_SECONDS = RATE_HALF_LIFE_MS / Math.LN2 / 1e3;
export const SURGE_SECONDS = SURGE_HALF_LIFE_MS / Math.LN2 / 1e3;

/** Calls a second. */
export interface Rates {
  readonly all: number;
  /** Of all, those that run on a side whatever the plan says. */
  readonly fixed: Readonly<Record<Side, number>>;
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

/** Of one function. */
export class ComingCalls {
  readonly #usual = new FadingCalls(RATE_HALF_LIFE_MS);
  readonly #surging = new FadingCalls(SURGE_HALF_LIFE_MS);
  /** The most calls a second that were usual lately, and when it was so. */
  #most = { perSecond: 0, atMs: 0 };
  #firstMs: number | null = null;

  /** `calls`: all that came on a side over a stretch that ends now; `fixed`: those of them that run there whatever the plan says. */
  addStretch(side: Side, calls: number, fixed: number, stretchMs: number, nowMs: number): void {
    this.#firstMs ??= nowMs - stretchMs;
    this.#usual.addStretch(side, calls, fixed, stretchMs, nowMs);
    this.#surging.addStretch(side, calls, fixed, stretchMs, nowMs);
    const most = Math.max(this.#usual.all(this.#forMs(nowMs), nowMs), this.#mostAt(nowMs));
    this.#most = { perSecond: most, atMs: nowMs };
  }

  /** As fast as a plan follows them. */
  rates(nowMs: number): Rates {
    return this.#usual.rates(this.#forMs(nowMs), nowMs);
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

  /** They are other calls from now on: how many came of those before is nothing to hold them against. */
  forgetMost(nowMs: number): void {
    this.#most = { perSecond: 0, atMs: nowMs };
  }

  #mostAt(nowMs: number): number {
    return this.#most.perSecond * decayOf(nowMs - this.#most.atMs, MOST_HALF_LIFE_MS);
  }

  /** Since the first of them. */
  #forMs(nowMs: number): number {
    return this.#firstMs === null ? 0 : nowMs - this.#firstMs;
  }
}
