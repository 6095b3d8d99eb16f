// What is known of one function: on each side what its calls took, lately, and how fast they come. Bounded: two sides of a few
// KiB each, whatever the number of calls.

import { clamp } from "#runtime/clamp.ts";
import { CallsByTime } from "./calls-by-time.ts";
import { ComingCalls, type Pause, type Rates, type Surge } from "./coming-calls.ts";
import { Layout } from "./layout.ts";
import { RecentCalls } from "./recent-calls.ts";
import { otherSide, type Side } from "./sample.ts";
import type { SideEstimate } from "./side-estimate.ts";
import { CALLS_KEPT, SideProfile } from "./side-profile.ts";
import { TERM_AT, type Tally } from "./tally.ts";

/**
 * Calls that were under way when others came end within about this: what they left among these is forgotten, if enough come at once soon after that to
 * take their place. Chosen; bench `shift`.
 */
const STRAYS_MS = 75;
const STRAYS_LATE_MS = 75;

/** Calls that are so many times the work of others are believed to be no more. */
const WORK_TIMES_MAX = 1_000;

/** null: nothing is known of that side. */
export type Estimates = Readonly<Record<Side, SideEstimate | null>>;
/** After a pause. Chosen: `placement`'s functions, that are called for a second now and then, had other CPU times for so long. */
const COLD_MS = 300;

/** Of all profiles. What each fold writes lies together. */
const LAYOUT = new Layout();
const COMING = new ComingCalls(LAYOUT);
const RECENT = new RecentCalls(LAYOUT);
const SIDES: Readonly<Record<Side, SideProfile>> = {
  compute: new SideProfile(LAYOUT),
  storage: new SideProfile(LAYOUT),
};
const BY_TIME_AT = CallsByTime.placeIn(LAYOUT);

export class FunctionProfile {
  readonly version: string;
  readonly #values = LAYOUT.values();
  /** On both sides. */
  readonly byTime = new CallsByTime(BY_TIME_AT, this.#values);
  /** Until then calls of before the last shift may come; null: they are forgotten. */
  #straysUntilMs: number | null = null;
  #shiftedTimes = 1;
  #hasSurged = false;

  constructor(version: string) {
    this.version = version;
  }

  /**
   * `stretchMs`: since the window before, and `lastedMs`: from the first call of this one; `isDirect`: its calls came straight to Redis. True: the function is not what it was; its other side is
   * forgotten as well. Only the side that has most of its calls can say so: what changes on the other was known from a few visits, with
   * everything cold.
   */
  fold(tally: Tally, nowMs: number, stretchMs: number, lastedMs: number, isDirect = false): boolean {
    const values = this.#values;
    const { side, sums } = tally;
    const calls = sums[TERM_AT.calls]!;
    this.#hasSurged = COMING.addStretch(values, tally, stretchMs, lastedMs, nowMs);
    RECENT.count(values, calls + sums[TERM_AT.untold]!, nowMs);
    this.byTime.fold(tally, nowMs, lastedMs);
    const own = SIDES[side];
    const other = SIDES[otherSide(side)];
    if (this.#straysUntilMs !== null) this.#forgetStrays(own, other, calls, nowMs);
    const callsElsewhere = other.callsLatelyAt(values, nowMs);
    const isCold = nowMs - COMING.pausedUntilMs(values) < COLD_MS;
    const isOther = own.fold(values, tally, isDirect, callsElsewhere, isCold, nowMs);
    const shifted = isOther && own.callsLatelyAt(values, nowMs) >= callsElsewhere;
    if (shifted) {
      other.reset(values);
      COMING.forgetMost(values, nowMs);
      this.#shiftedTimes = own.shiftedTimes(values);
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
    own.forget(this.#values);
    if (other.lastMs(this.#values) < overMs) other.forget(this.#values);
  }

  /** When the last call was heard of, ms of the controller's clock; 0: none was. */
  get lastMs(): number {
    return Math.max(SIDES.compute.lastMs(this.#values), SIDES.storage.lastMs(this.#values));
  }

  /** The same of all calls, also those that tell nothing of what it costs. */
  get calledMs(): number {
    return COMING.lastMs(this.#values);
  }

  /** How many times as much work, by the geometric means, calls were as those before when they last were not what they had been; 1: they always were. */
  get shiftedTimes(): number {
    return this.#shiftedTimes;
  }

  estimates(nowMs: number): Estimates {
    const values = this.#values;
    return { compute: SIDES.compute.estimate(values, nowMs), storage: SIDES.storage.estimate(values, nowMs) };
  }

  /** How many times the work of a call of `thanBytes` one of `bytes` is; 1 where work does not go with bytes, or nobody knows. */
  workTimes(bytes: number, thanBytes: number): number {
    const besides = this.#workBesidesBytes;
    return besides === null
      ? 1
      : clamp((1 + besides + bytes) / (1 + besides + thanBytes), 1 / WORK_TIMES_MAX, WORK_TIMES_MAX);
  }

  /** By the side that knows, and if both do by that which has more calls. */
  get #workBesidesBytes(): number | null {
    const values = this.#values;
    const [one, other] = [SIDES.compute.workByBytes, SIDES.storage.workByBytes];
    const [ofOne, ofOther] = [one.workBesidesBytes(values), other.workBesidesBytes(values)];
    return ofOne === null || (ofOther !== null && other.calls(values) > one.calls(values)) ? ofOther : ofOne;
  }

  /** When the function's code was compiled on that side, ms of the controller's clock; null: it is not yet. */
  warmMs(side: Side): number | null {
    return SIDES[side].warmMs(this.#values);
  }

  /** Of the calls on that side: those that failed and tell nothing of what it costs there. */
  untold(side: Side): number {
    return SIDES[side].untold(this.#values);
  }

  /** Of the whole time of a call on that side; null: nothing is known. */
  percentileUs(side: Side, percent: number): number | null {
    return SIDES[side].percentileUs(this.#values, percent);
  }

  /** Over the last ten seconds, for people; failures included. */
  callsPerSecondLately(nowMs: number): number {
    return RECENT.perSecond(this.#values, nowMs);
  }

  /** As fast as a plan follows them. */
  rates(nowMs: number): Rates {
    return COMING.rates(this.#values, nowMs);
  }

  /** Whether many more calls came than usual when it was last heard of. */
  get hasSurged(): boolean {
    return this.#hasSurged;
  }

  /** Since when no half second has gone by without a call; 0: none has come. */
  get comingSinceMs(): number {
    return COMING.sinceMs(this.#values);
  }

  /** The last stretch without calls; null: there was none. */
  get pause(): Pause | null {
    return COMING.pause(this.#values);
  }

  /** As they come in these moments, where those are many more than usual and no chance; null: they are not. */
  surge(usual: Rates, nowMs: number): Surge | null {
    return COMING.surge(this.#values, usual, nowMs);
  }

  /** As they come in these moments, where those are far fewer than usual and no chance; null: they are not. */
  ebb(usual: Rates, nowMs: number): Rates | null {
    return COMING.ebb(this.#values, usual, nowMs);
  }
}
