// How fast calls of one function come: as fast as a plan follows them, and whether many more have come all at once.

import { HalfLife, weightOf } from "#runtime/decay.ts";
import type { Layout, Values } from "./layout.ts";
import type { Side } from "./sample.ts";
import { TERM_AT, type Tally } from "./tally.ts";
import { WINDOW_MS } from "./window-length.ts";

/** Of the rate of calls, which a plan has to follow faster than what a call costs. Chosen; bench `shift`. */
export const RATE_HALF_LIFE = new HalfLife(250);
/** Where many more come all at once, that is known faster still: a side that is full has queues before long. Chosen … */
const SURGE_HALF_LIFE = new HalfLife(35);
/** … and so many standard deviations beyond what came until now are no chance, … */
const SURGE_DEVIATIONS = 3;
/**
 * … and as little what callers make who wait for each other whenever calls take a little less, or after a moment in which nothing moved: so many times as many as have been
 * usual lately, the most of which is forgotten by half in this time. Chosen; in bench `placement` a third of all steps had a surge without it, though callers were always sixteen.
 */
const SURGE_TIMES = 1.25;
const MOST_HALF_LIFE = new HalfLife(1_000);
/** A surge is one that nobody planned for where twice as many come as have been usual before, … */
const NEW_TIMES = 2;
/** … the most of which is forgotten by half in this time, and so is how many came before a pause. Chosen: pauses of some seconds are no news, nor is what callers make who wait for each other when a core is quicker. */
const KNOWN_HALF_LIFE = new HalfLife(60_000);
/** A stream that began longer ago counts in full: what is left to it is lost in rounding. */
const FULL_HALF_LIVES = 60;
/** From how long the rate of a surge is known: the integral of its decay, s. */
const SURGE_SECONDS = SURGE_HALF_LIFE.ms / Math.LN2 / 1e3;

/** A pause is so long, … */
const PAUSE_MS_MIN = 500;
/** … after as long in which it was called without one, or what is known of a load that comes in bursts would never grow old; … */
const CALLED_MS_MIN = PAUSE_MS_MIN;
/** … and so many calls would have come in it, had it been none: of seldom calls each is followed by one. Chosen. */
const CALLS_MISSED_MIN = 100;

/** After a pause sixteen callers made 0.26 and 0.72 of what they usually do in the first two tenths of a second, … */
const BACK_MS = 200;
/** … and after so long hardly anything is left of what came before it: eight half-lives of a rate. */
const BACK_KNOWN_MS = 8 * RATE_HALF_LIFE.ms;

/** A stretch without calls, after one with many. */
export interface Pause {
  /** Since when no half second had gone by without one. */
  readonly sinceMs: number;
  readonly fromMs: number;
  /** When calls came again. */
  readonly toMs: number;
}

/** What failed has to be served as well, and what was turned away comes again. */
type Came = Pick<Tally, "side" | "sums" | "begunMore">;

/** Calls a second. */
export interface Rates {
  readonly all: number;
  /** Of all, those that run on a side whatever the plan says. */
  readonly fixed: Readonly<Record<Side, number>>;
}

/** Many more than usual, all at once. */
export interface Surge extends Rates {
  /** Nor did half as many end within the last minute or two: no plan was made for them. Not of those that have only begun: whoever makes some at once, again and again, would be new each time. */
  readonly isNew: boolean;
}

/** The most, and when that was. */
const [MOST, MOST_AT_MS, MOST_SIZE] = [0, 1, 2] as const;

/** The most of something, as it is forgotten: by half in some time. */
class FadingMost {
  readonly #at: number;
  readonly #halfLife: HalfLife;

  constructor(layout: Layout, halfLife: HalfLife) {
    this.#at = layout.take(MOST_SIZE);
    this.#halfLife = halfLife;
  }

  add(values: Values, value: number, nowMs: number): void {
    this.#put(values, Math.max(value, this.valueAt(values, nowMs)), nowMs);
  }

  valueAt(values: Values, nowMs: number): number {
    return values[this.#at + MOST]! * this.#halfLife.partAfter(nowMs - values[this.#at + MOST_AT_MS]!);
  }

  forget(values: Values, nowMs: number): void {
    this.#put(values, 0, nowMs);
  }

  /** After a pause: so much is left of what it was before, which has not faded meanwhile. */
  resume(values: Values, left: number, nowMs: number): void {
    this.#put(values, left * values[this.#at + MOST]!, nowMs);
  }

  #put(values: Values, most: number, nowMs: number): void {
    values[this.#at + MOST] = most;
    values[this.#at + MOST_AT_MS] = nowMs;
  }
}

/** How many calls, how many of them run on either side whatever the plan says, and when that was. */
const [ALL, FIXED, CALLS_AT_MS, CALLS_SIZE] = [0, { compute: 1, storage: 2 }, 3, 4] as const;

/** All calls of a function, and those of them that run on a side whatever the plan says, as they fade. */
class FadingCalls {
  readonly #at: number;
  readonly #halfLife: HalfLife;

  constructor(layout: Layout, halfLife: HalfLife) {
    this.#at = layout.take(CALLS_SIZE);
    this.#halfLife = halfLife;
  }

  /** They came all over a stretch that ends now: the first of them have decayed by then. */
  addStretch(values: Values, side: Side, calls: number, fixed: number, stretchMs: number, nowMs: number): void {
    const at = this.#at;
    const kept = this.#keptAt(values, nowMs);
    const counted = stretchMs > 0 ? this.#halfLife.weightOf(stretchMs) / stretchMs : 1;
    values[at + ALL] = kept * values[at + ALL]! + counted * calls;
    values[at + FIXED.compute]! *= kept;
    values[at + FIXED.storage]! *= kept;
    values[at + FIXED[side]]! += counted * fixed;
    values[at + CALLS_AT_MS] = nowMs;
  }

  /** The same. */
  resume(values: Values, left: number, nowMs: number): void {
    const at = this.#at;
    for (const index of [ALL, FIXED.compute, FIXED.storage]) values[at + index]! *= left;
    values[at + CALLS_AT_MS] = nowMs;
  }

  /** A second, of a stream that began so long ago: held against what a steady one would have by now, or a young rate would be too low. */
  all(values: Values, forMs: number, nowMs: number): number {
    const all = values[this.#at + ALL]!;
    return all === 0 ? 0 : all * this.#rateOfOne(values, forMs, nowMs);
  }

  rates(values: Values, forMs: number, nowMs: number): Rates {
    const rate = this.#rateOfOne(values, forMs, nowMs);
    const of = (one: number): number => rate * values[this.#at + one]!;
    return { all: of(ALL), fixed: { compute: of(FIXED.compute), storage: of(FIXED.storage) } };
  }

  /** Of one call that is counted in full. Each stream began at another time: its own exponential is spared where it is none. */
  #rateOfOne(values: Values, forMs: number, nowMs: number): number {
    const { ms } = this.#halfLife;
    const weightMs = forMs > FULL_HALF_LIVES * ms ? ms / Math.LN2 : weightOf(forMs, ms);
    return weightMs <= 0 ? 0 : (this.#keptAt(values, nowMs) * 1e3) / weightMs;
  }

  #keptAt(values: Values, nowMs: number): number {
    return this.#halfLife.partAfter(nowMs - values[this.#at + CALLS_AT_MS]!);
  }
}

/**
 * By how many standard deviations one rate is above another. A mean that decays is known as well as that of all calls of twice its time, and the root of
 * a count to half a call, whatever it is (Anscombe, 1948).
 */
const deviationsOf = (more: number, less: number): number =>
  2 * (Math.sqrt(more) - Math.sqrt(less)) * Math.sqrt(2 * SURGE_SECONDS);

/** `most`: that was usual lately. Where nothing was usual nothing is more. */
const isBeyond = (now: number, usual: number, most: number): boolean =>
  usual > 0 && deviationsOf(now, usual) > SURGE_DEVIATIONS && now > SURGE_TIMES * Math.max(usual, most);

/**
 * Since when there is a rate, 0 until then; when the last call was heard of; since when no half second has gone by without one; the last stretch without, from … to, 0 where there was
 * none, and since when none had gone by before it.
 */
const [FIRST_MS, LAST_MS, SINCE_MS, PAUSE_FROM_MS, PAUSE_TO_MS, PAUSE_SINCE_MS, IS_CALLED, OWN_SIZE] = [
  0, 1, 2, 3, 4, 5, 6, 7,
] as const;

/** Of one function. */
export class ComingCalls {
  readonly #at: number;
  readonly #usual: FadingCalls;
  readonly #surging: FadingCalls;
  /** How many more have begun than ended, in the same times. */
  readonly #usualMore: FadingCalls;
  readonly #surgingMore: FadingCalls;
  /** Since the last pause, without what came before it. */
  readonly #back: FadingCalls;
  /** The most calls a second that were usual lately, of those that ended and of those that began, … */
  readonly #most: FadingMost;
  readonly #mostBegun: FadingMost;
  /** … and before a pause. */
  readonly #known: FadingMost;

  constructor(layout: Layout) {
    this.#at = layout.take(OWN_SIZE);
    this.#usual = new FadingCalls(layout, RATE_HALF_LIFE);
    this.#surging = new FadingCalls(layout, SURGE_HALF_LIFE);
    this.#usualMore = new FadingCalls(layout, RATE_HALF_LIFE);
    this.#surgingMore = new FadingCalls(layout, SURGE_HALF_LIFE);
    this.#back = new FadingCalls(layout, RATE_HALF_LIFE);
    this.#most = new FadingMost(layout, MOST_HALF_LIFE);
    this.#mostBegun = new FadingMost(layout, MOST_HALF_LIFE);
    this.#known = new FadingMost(layout, KNOWN_HALF_LIFE);
  }

  /**
   * All that came on a side over a stretch that ends now, and those of them that run there whatever the plan says; `lastedMs`: since the first of them. What comes
   * back after a pause is taken for what it was before it until it is known: a rate that began anew would have a full pool half empty for some tenths of a second. True: many more come in
   * these moments than usual.
   */
  addStretch(values: Values, tally: Came, stretchMs: number, lastedMs: number, nowMs: number): boolean {
    const { side, sums, begunMore = 0 } = tally;
    const calls = sums[TERM_AT.calls]! + sums[TERM_AT.untold]!;
    const fixed = sums[TERM_AT.fixed]!;
    const at = this.#at;
    // By the first call and not by the stretch, which may be the most of a pause.
    const firstMs = nowMs - lastedMs;
    if (values[at + IS_CALLED] === 0) values[at + FIRST_MS] = values[at + SINCE_MS] = nowMs - stretchMs;
    else if (firstMs - values[at + LAST_MS]! >= PAUSE_MS_MIN) this.#noteGap(values, firstMs, nowMs);
    values[at + IS_CALLED] = 1;
    values[at + LAST_MS] = nowMs;
    // Nothing came in what of the stretch was the end of a pause.
    const backForMs = nowMs - this.pausedUntilMs(values);
    const cameMs = Math.min(stretchMs, backForMs + lastedMs);
    if (backForMs < BACK_KNOWN_MS) this.#back.addStretch(values, side, calls, fixed, cameMs, nowMs);
    this.#usual.addStretch(values, side, calls, fixed, cameMs, nowMs);
    this.#surging.addStretch(values, side, calls, fixed, cameMs, nowMs);
    // Whoever comes back begins many before any has ended, which may be no more than came before.
    if (begunMore !== 0 && nowMs - values[at + SINCE_MS]! >= BACK_MS) {
      this.#usualMore.addStretch(values, side, begunMore, 0, cameMs, nowMs);
      this.#surgingMore.addStretch(values, side, begunMore, 0, cameMs, nowMs);
    }
    const usual = this.#usual.all(values, this.#forMs(values, nowMs), nowMs);
    this.#most.add(values, usual, nowMs);
    this.#mostBegun.add(values, this.#usualBegun(values, usual, nowMs), nowMs);
    const { ended, begun } = this.#surges(values, usual, nowMs);
    // What surges is held against what was before.
    if (ended === null) this.#known.add(values, usual, nowMs);
    return ended !== null || begun !== null;
  }

  /** Since the last call. `backMs`: when calls came again. */
  #noteGap(values: Values, backMs: number, nowMs: number): void {
    const at = this.#at;
    const fromMs = values[at + LAST_MS]!;
    const missed = ((backMs - fromMs) / 1e3) * this.#known.valueAt(values, fromMs);
    const wasCalled = fromMs - values[at + SINCE_MS]! >= CALLED_MS_MIN;
    if (wasCalled && missed >= CALLS_MISSED_MIN) {
      values[at + PAUSE_SINCE_MS] = values[at + SINCE_MS]!;
      values[at + PAUSE_FROM_MS] = fromMs;
      values[at + PAUSE_TO_MS] = nowMs;
      const left = KNOWN_HALF_LIFE.partAfter(backMs - fromMs);
      this.#usual.resume(values, left, backMs);
      this.#usualMore.resume(values, 0, backMs);
      this.#back.resume(values, 0, backMs);
      this.#most.resume(values, left, backMs);
      this.#mostBegun.resume(values, left, backMs);
    }
    values[at + SINCE_MS] = backMs;
  }

  /** As fast as a plan follows them. Where far fewer have come back after a pause than came before it, and have had the time to, as fast as these have come. */
  rates(values: Values, nowMs: number): Rates {
    const usual = this.#usual.rates(values, this.#forMs(values, nowMs), nowMs);
    const backForMs = nowMs - this.pausedUntilMs(values);
    if (backForMs < BACK_MS || backForMs >= BACK_KNOWN_MS) return usual;
    const back = this.#back.rates(values, backForMs + WINDOW_MS, nowMs);
    return SURGE_TIMES * back.all < usual.all ? back : usual;
  }

  /** When the last call was heard of, whatever became of it; 0: none was. */
  lastMs(values: Values): number {
    return values[this.#at + LAST_MS]!;
  }

  /** Since when no half second has gone by without one; 0: none was. */
  sinceMs(values: Values): number {
    return values[this.#at + SINCE_MS]!;
  }

  /** When calls came again after the last pause. Long ago: there was none. */
  pausedUntilMs(values: Values): number {
    const fromMs = values[this.#at + PAUSE_FROM_MS]!;
    const toMs = values[this.#at + PAUSE_TO_MS]!;
    return fromMs === toMs ? -Infinity : toMs;
  }

  /** The last one; null: there was none. */
  pause(values: Values): Pause | null {
    const fromMs = values[this.#at + PAUSE_FROM_MS]!;
    const toMs = values[this.#at + PAUSE_TO_MS]!;
    return fromMs === toMs ? null : { sinceMs: values[this.#at + PAUSE_SINCE_MS]!, fromMs, toMs };
  }

  /** As they come in these moments, where those are many more than usual and no chance; null: they are not. */
  surge(values: Values, usual: Rates, nowMs: number): Surge | null {
    const { ended, begun } = this.#surges(values, usual.all, nowMs);
    if (ended === null && begun === null) return null;
    const now = this.#surging.rates(values, this.#forMs(values, nowMs), nowMs);
    const isNew = ended !== null && ended > NEW_TIMES * this.#known.valueAt(values, nowMs);
    return { all: Math.max(now.all, begun ?? 0), fixed: now.fixed, isNew };
  }

  /** As they come in these moments, where those are far fewer than usual and no chance; null: they are not. */
  ebb(values: Values, usual: Rates, nowMs: number): Rates | null {
    const forMs = this.#forMs(values, nowMs);
    const now = this.#surging.all(values, forMs, nowMs);
    const isEbb = SURGE_TIMES * now < usual.all && deviationsOf(usual.all, now) > SURGE_DEVIATIONS;
    return isEbb ? this.#surging.rates(values, forMs, nowMs) : null;
  }

  /** They are other calls from now on: how many came of those before is nothing to hold them against. */
  forgetMost(values: Values, nowMs: number): void {
    this.#most.forget(values, nowMs);
    this.#mostBegun.forget(values, nowMs);
    this.#known.forget(values, nowMs);
  }

  /**
   * Those that end in these moments, and those that begin, a second, where they are many more than usual and no chance; null: they are not. Of what comes all at once only so much ends as can
   * be served. Each is held against its own: by chance either is beyond what is usual of the other thirty times as often, where calls take long. What begins is none either where as many end,
   * as when a queue runs dry.
   */
  #surges(values: Values, usual: number, nowMs: number): Readonly<Record<"ended" | "begun", number | null>> {
    const forMs = this.#forMs(values, nowMs);
    const ended = this.#surging.all(values, forMs, nowMs);
    const begun = Math.max(0, ended + this.#surgingMore.all(values, forMs, nowMs));
    const usualBegun = this.#usualBegun(values, usual, nowMs);
    return {
      ended: isBeyond(ended, usual, this.#most.valueAt(values, nowMs)) ? ended : null,
      begun: isBeyond(begun, usualBegun, Math.max(usual, this.#mostBegun.valueAt(values, nowMs))) ? begun : null,
    };
  }

  /** Of those that begin. */
  #usualBegun(values: Values, usual: number, nowMs: number): number {
    return Math.max(0, usual + this.#usualMore.all(values, this.#forMs(values, nowMs), nowMs));
  }

  /** Since the first of them. */
  #forMs(values: Values, nowMs: number): number {
    return values[this.#at + IS_CALLED] === 0 ? 0 : nowMs - values[this.#at + FIRST_MS]!;
  }
}
