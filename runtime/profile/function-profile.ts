// What is known of one function: what its calls took lately on each side, and how fast they come.

import { CallsByTime } from "./calls-by-time.ts";
import { CallRates, type Rates } from "./rates.ts";
import { otherSide, type Side } from "./sample.ts";
import { SideProfile, type SideEstimate } from "./side-profile.ts";
import type { Tally } from "./tally.ts";

/** null: nothing is known of that side. */
export type Estimates = Readonly<Record<Side, SideEstimate | null>>;

export class FunctionProfile {
  readonly version: string;
  /** On both sides. */
  readonly byTime = new CallsByTime();
  readonly #rates = new CallRates();
  readonly #sides = { compute: new SideProfile(), storage: new SideProfile() };
  #shiftedTimes = 1;

  constructor(version: string) {
    this.version = version;
  }

  /**
   * `stretchMs`: since the window before. `lastedMs`: since the first call of this one. `isDirect`: its calls came
   * straight to Redis. True: the function shifted. Both sides forget what was known.
   */
  fold(tally: Tally, nowMs: number, stretchMs: number, lastedMs: number, isDirect = false): boolean {
    const own = this.#sides[tally.side];
    const other = this.#sides[otherSide(tally.side)];
    this.#rates.fold(tally, stretchMs, nowMs);
    this.byTime.fold(tally, nowMs, lastedMs);
    const callsElsewhere = other.callsLatelyAt(nowMs);
    const isOther = own.fold(tally, isDirect, callsElsewhere, nowMs);
    // A few visits prove nothing of the function: everything was cold when they were profiled.
    const shifted = isOther && own.callsLatelyAt(nowMs) >= callsElsewhere;
    if (shifted) {
      other.reset();
      this.#shiftedTimes = own.shiftedTimes;
    }
    return shifted;
  }

  /** When the last call with known costs was reported, ms of the controller's clock; 0: none was. */
  get lastMs(): number {
    return Math.max(this.#sides.compute.lastMs, this.#sides.storage.lastMs);
  }

  /** When the last call was reported, also one that tells nothing of its costs. */
  get calledMs(): number {
    return this.#rates.lastMs;
  }

  /** Work of a call after ÷ before the last shift, by geometric means; 1: there was none. */
  get shiftedTimes(): number {
    return this.#shiftedTimes;
  }

  estimates(nowMs: number): Estimates {
    return { compute: this.#sides.compute.estimate(nowMs), storage: this.#sides.storage.estimate(nowMs) };
  }

  /** When the function's code got warm on that side, ms of the controller's clock; null: it is cold. */
  warmMs(side: Side): number | null {
    return this.#sides[side].warmMs;
  }

  /** Weighted calls on that side that failed and tell nothing of their costs. */
  untold(side: Side): number {
    return this.#sides[side].untold;
  }

  /** Of the whole time of a call on that side; null: nothing is known. */
  percentileUs(side: Side, percent: number): number | null {
    return this.#sides[side].percentileUs(percent);
  }

  /** Over about ten seconds, for people. It counts failures too. */
  callsPerSecondLately(nowMs: number): number {
    return this.#rates.perSecondLately(nowMs);
  }

  /** As a plan follows them. */
  rates(nowMs: number): Rates {
    return this.#rates.rates(nowMs);
  }

  /** The rates of this moment, if many more calls come than usual; else null. */
  surge(nowMs: number): Rates | null {
    return this.#rates.surge(nowMs);
  }
}
