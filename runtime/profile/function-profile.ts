// What is known of one function: on each side what its calls took, lately, and how fast they come. Bounded: two sides of a few
// KiB each, whatever the number of calls.

import { clamp } from "../clamp.ts";
import { CallsByTime } from "./calls-by-time.ts";
import { ComingCalls, type Rates, type Surge } from "./coming-calls.ts";
import { RecentCalls } from "./recent-calls.ts";
import { otherSide, type Side } from "./sample.ts";
import { CALLS_KEPT, SideProfile, type SideEstimate } from "./side-profile.ts";
import { TERM_AT, type Tally } from "./tally.ts";
import type { WorkByBytes } from "./work-by-bytes.ts";

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
/** After a pause. Chosen: `placement`'s functions, that are called for a second now and then, had other CPU times in the first three windows. */
const COLD_MS = 100;

export class FunctionProfile {
  readonly version: string;
  /** On both sides. */
  readonly byTime = new CallsByTime();
  readonly #sides: Readonly<Record<Side, SideProfile>> = { compute: new SideProfile(), storage: new SideProfile() };
  readonly #recent = new RecentCalls();
  readonly #coming = new ComingCalls();
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
    this.#coming.addStretch(tally.side, calls + untold, tally.sums[TERM_AT.fixed]!, stretchMs, nowMs);
    this.#recent.count(calls + untold, nowMs);
    const [elapsedUs, bytes] = [tally.sums[TERM_AT.elapsedUs]!, tally.sums[TERM_AT.bytes]!];
    this.byTime.fold(tally.side, { calls, elapsedUs, untold, bytes }, nowMs, lastedMs);
    const own = this.#sides[tally.side];
    const other = this.#sides[otherSide(tally.side)];
    this.#forgetStrays(own, other, calls, nowMs);
    const callsElsewhere = other.callsLatelyAt(nowMs);
    const isCold = nowMs - (this.pause?.toMs ?? -Infinity) < COLD_MS;
    const shifted = own.fold(tally, callsElsewhere, isCold, nowMs) && own.callsLatelyAt(nowMs) >= callsElsewhere;
    if (shifted) {
      other.reset();
      this.#coming.forgetMost(nowMs);
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

  /** The same of all calls, also those that tell nothing of what it costs. */
  get calledMs(): number {
    return this.#coming.lastMs ?? 0;
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
    return this.#coming.rates(nowMs);
  }

  /** The last stretch without calls; null: there was none. */
  get pause(): ComingCalls["pause"] {
    return this.#coming.pause;
  }

  /** As they come in these moments, where those are many more than usual and no chance; null: they are not. */
  surge(usual: Rates, nowMs: number): Surge | null {
    return this.#coming.surge(usual, nowMs);
  }

  /** As they come in these moments, where those are far fewer than usual and no chance; null: they are not. */
  ebb(usual: Rates, nowMs: number): Rates | null {
    return this.#coming.ebb(usual, nowMs);
  }
}
