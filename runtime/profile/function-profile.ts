// What is known of one function: what its calls took lately on each side, and how fast they come.

import { CallsByTime } from "./calls-by-time.ts";
import { CallRates } from "./rates.ts";
import { otherSide, type Side } from "./sample.ts";
import { SideProfile, type SideEstimate } from "./side-profile.ts";
import type { Tally } from "./tally.ts";

/** null: nothing is known of that side. */
export type Estimates = Readonly<Record<Side, SideEstimate | null>>;

export class FunctionProfile {
  readonly version: string;
  /** On both sides. */
  readonly byTime = new CallsByTime();
  readonly rates = new CallRates();
  readonly sides: Readonly<Record<Side, SideProfile>> = { compute: new SideProfile(), storage: new SideProfile() };
  #shiftedTimes = 1;

  constructor(version: string) {
    this.version = version;
  }

  /**
   * `stretchMs`: since the window before. `lastedMs`: since the first call of this one. `isDirect`: its calls came
   * straight to Redis. True: the function shifted. Both sides forget what was known.
   */
  fold(tally: Tally, nowMs: number, stretchMs: number, lastedMs: number, isDirect = false): boolean {
    const own = this.sides[tally.side];
    const other = this.sides[otherSide(tally.side)];
    this.rates.fold(tally, stretchMs, nowMs);
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
    return Math.max(this.sides.compute.lastMs, this.sides.storage.lastMs);
  }

  /** Work of a call after ÷ before the last shift, by geometric means; 1: there was none. */
  get shiftedTimes(): number {
    return this.#shiftedTimes;
  }

  estimates(nowMs: number): Estimates {
    return { compute: this.sides.compute.estimate(nowMs), storage: this.sides.storage.estimate(nowMs) };
  }
}
