// Tells when the calls of a function have become other calls: a two-sided CUSUM (Page, Continuous Inspection Schemes, Biometrika
// 1954) over the means of short stretches of time, on a logarithmic scale. Calls of one function may differ a thousandfold by
// their input (a hub and a leaf of a graph): on that scale they spread, and do not drown what is looked for.

import { clamp } from "#runtime/clamp.ts";

/**
 * Half of the shift that is looked for, in standard deviations of a stretch's mean (Montgomery, Statistical Quality Control, ch. 9).
 * Shifts of two: stretches have many calls, so a change that matters is many standard deviations, and means of skewed values
 * wander by one.
 */
const ALLOWANCE = 1;
/** Sum at which the alarm is given: after no fewer than three stretches, since one says Z_MAX − ALLOWANCE at most. */
const DECISION = 10;
/** What one stretch may say at most, in standard deviations: a stutter of the machine is no change of a function. */
const Z_MAX = 6;
/** … and what a single call may: it is a hub, as likely as not. */
const Z_MAX_ALONE = 3;
const zMaxOf = (calls: number): number => (calls > 1 ? Z_MAX : Z_MAX_ALONE);
/** A change of less than this (on the logarithmic scale: a tenth) is followed by the decay of what is known. A crowd makes as much. */
const DEAD_ZONE = 0.1;
/** Calls that a reference needs before anything is compared with it. */
const REFERENCE_CALLS_MIN = 16;
/** How many stretches the measured noise of stretches is averaged over. */
const NOISE_STRETCHES = 50;
/** The reference forgets by calls, so that a slow drift is followed and not reported. */
const REFERENCE_CALLS_MAX = 10_000;

export class ChangeDetector {
  #calls = 0;
  #mean = 0;
  /** Sum of squared deviations. */
  #deviation = 0;
  /** Variance of the stretches' means beside what independent calls would give: calls of a stretch resemble each other. */
  #inflation = 1;
  #up = 0;
  #down = 0;

  /** A stretch's calls: how many, and the sums of their values and of the squares. True: they are not what they were. */
  observe(calls: number, sum: number, sumOfSquares: number): boolean {
    if (calls <= 0) return false;
    const mean = sum / calls;
    if (this.#calls >= REFERENCE_CALLS_MIN) {
      const z = this.#surprise(mean, calls, Math.max(0, sumOfSquares - sum * mean));
      this.#up = Math.max(0, this.#up + z - ALLOWANCE);
      this.#down = Math.max(0, this.#down - z - ALLOWANCE);
      if (Math.max(this.#up, this.#down) > DECISION) {
        this.reset();
        this.#learn(calls, mean, sum, sumOfSquares);
        return true;
      }
      // What looks like a change does not become what it is compared with.
      if (Math.abs(z) >= zMaxOf(calls)) return false;
    }
    this.#learn(calls, mean, sum, sumOfSquares);
    return false;
  }

  reset(): void {
    this.#calls = this.#mean = this.#deviation = this.#up = this.#down = 0;
    this.#inflation = 1;
  }

  /** In standard deviations of what a stretch of so many calls may differ by, capped. `deviation`: sum of their squared deviations. */
  #surprise(mean: number, calls: number, deviation: number): number {
    const usual = this.#deviation / (this.#calls - 1);
    // One hub among leaves has their mean far off, and them far apart; where all have changed they are as alike as before (Welch's test).
    const own = Math.max(usual, calls > 1 ? deviation / (calls - 1) : 0);
    const error = Math.sqrt((own / calls + usual / this.#calls) * this.#inflation) + Number.EPSILON;
    const difference = mean - this.#mean;
    const z = (Math.sign(difference) * Math.max(0, Math.abs(difference) - DEAD_ZONE)) / error;
    const most = zMaxOf(calls);
    const capped = clamp(z, -most, most);
    this.#inflation += (Math.min(capped * capped, 9) * this.#inflation - this.#inflation) / NOISE_STRETCHES;
    this.#inflation = Math.max(1, this.#inflation);
    return capped;
  }

  /** Merges the stretch into the reference (Chan, Golub and LeVeque, 1979). */
  #learn(calls: number, mean: number, sum: number, sumOfSquares: number): void {
    const total = this.#calls + calls;
    const difference = mean - this.#mean;
    this.#deviation +=
      Math.max(0, sumOfSquares - (sum * sum) / calls) + (difference * difference * this.#calls * calls) / total;
    this.#mean += (difference * calls) / total;
    this.#calls = total;
    if (this.#calls > REFERENCE_CALLS_MAX) {
      this.#deviation *= REFERENCE_CALLS_MAX / this.#calls;
      this.#calls = REFERENCE_CALLS_MAX;
    }
  }
}
