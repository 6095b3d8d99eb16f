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
/** Sum at which the alarm is given: after no fewer than three, since one says Z_MAX − ALLOWANCE at most. */
const DECISION = 10;
/** What one stretch may say at most, in standard deviations: a stutter of the machine is no change of a function. */
const Z_MAX = 6;
/** … and what a single call may: it is a hub, as likely as not. */
const Z_MAX_ALONE = 3;
/** Stretches with fewer calls are looked at for themselves, and again together with those that follow, as soon as these are so many. Chosen. */
const POOL_CALLS_MIN = 16;
/** A change of less than this (on the logarithmic scale: a tenth) is followed by the decay of what is known. A crowd makes as much … */
const DEAD_ZONE = 0.1;
/**
 * … and a machine whose other core, or whose neighbours, begin to work makes the same calls take four tenths more CPU time: seen where calls are as alike as
 * this, and no change of theirs.
 */
const DEAD_ZONE_ALIKE = 0.35;
const ALIKE_VARIANCE = 0.25;
/** Calls that a reference needs before anything is compared with it. */
const REFERENCE_CALLS_MIN = 16;
/** How many stretches the measured noise of stretches is averaged over. */
const NOISE_STRETCHES = 50;
/** The reference forgets by calls, so that a slow drift is followed and not reported. */
const REFERENCE_CALLS_MAX = 10_000;

/** Of so many values' squared deviations from their mean. */
const deviationOf = (calls: number, sum: number, sumOfSquares: number): number =>
  Math.max(0, sumOfSquares - (sum * sum) / calls);

/** What was said up to now for either change. */
class Evidence {
  #up = 0;
  #down = 0;
  /** Variance of the means beside what independent calls would give: calls of a stretch resemble each other. */
  #inflation = 1;

  /** How far a mean is from what it is held against, and how far it may be by chance. In standard deviations, `most` at most. */
  weigh(difference: number, variance: number, deadZone: number, most: number): number {
    const error = Math.sqrt(variance * this.#inflation) + Number.EPSILON;
    const z = (Math.sign(difference) * Math.max(0, Math.abs(difference) - deadZone)) / error;
    const capped = clamp(z, -most, most);
    this.#inflation += (Math.min(capped * capped, 9) * this.#inflation - this.#inflation) / NOISE_STRETCHES;
    this.#inflation = Math.max(1, this.#inflation);
    this.#up = Math.max(0, this.#up + capped - ALLOWANCE);
    this.#down = Math.max(0, this.#down - capped - ALLOWANCE);
    return capped;
  }

  get isEnough(): boolean {
    return Math.max(this.#up, this.#down) > DECISION;
  }
}

export class ChangeDetector {
  /** The reference. */
  #calls = 0;
  #mean = 0;
  /** Sum of squared deviations. */
  #deviation = 0;
  /** Not in the reference yet: as for a stretch. */
  #poolCalls = 0;
  #poolSum = 0;
  #poolSquares = 0;
  #ofPools = new Evidence();
  #ofStretches = new Evidence();

  /** A stretch's calls: how many, and the sums of their values and of the squares. True: they are not what they were. */
  observe(calls: number, sum: number, sumOfSquares: number): boolean {
    if (calls <= 0) return false;
    if (this.#calls < REFERENCE_CALLS_MIN) {
      this.#learn(calls, sum, sumOfSquares);
      return false;
    }
    this.#poolCalls += calls;
    this.#poolSum += sum;
    this.#poolSquares += sumOfSquares;
    if (calls < POOL_CALLS_MIN) this.#look(calls, sum, sumOfSquares);
    if (this.#poolCalls >= POOL_CALLS_MIN) this.#lookAtPool();
    if (!this.#ofStretches.isEnough && !this.#ofPools.isEnough) return false;
    this.reset();
    this.#learn(calls, sum, sumOfSquares);
    return true;
  }

  reset(): void {
    this.#calls = this.#mean = this.#deviation = 0;
    this.#emptyPool();
    this.#ofPools = new Evidence();
    this.#ofStretches = new Evidence();
  }

  /** Of one call's value. */
  get #variance(): number {
    return this.#deviation / (this.#calls - 1);
  }

  get #deadZone(): number {
    return this.#variance < ALIKE_VARIANCE ? DEAD_ZONE_ALIKE : DEAD_ZONE;
  }

  /** One hub among few leaves has their mean far off, and them far apart; where all have changed they are as alike as before (Welch's test). */
  #look(calls: number, sum: number, sumOfSquares: number): void {
    const own = calls > 1 ? deviationOf(calls, sum, sumOfSquares) / (calls - 1) : 0;
    const variance = Math.max(this.#variance, own) / calls + this.#variance / this.#calls;
    this.#ofStretches.weigh(sum / calls - this.#mean, variance, this.#deadZone, calls > 1 ? Z_MAX : Z_MAX_ALONE);
  }

  /** Of so many calls a hub is no great part: that there are more of them than there were is seen here. */
  #lookAtPool(): void {
    const [calls, sum, sumOfSquares] = [this.#poolCalls, this.#poolSum, this.#poolSquares];
    this.#emptyPool();
    const variance = this.#variance * (1 / calls + 1 / this.#calls);
    const z = this.#ofPools.weigh(sum / calls - this.#mean, variance, this.#deadZone, Z_MAX);
    // What looks like a change does not become what it is compared with.
    if (Math.abs(z) < Z_MAX) this.#learn(calls, sum, sumOfSquares);
  }

  #emptyPool(): void {
    this.#poolCalls = this.#poolSum = this.#poolSquares = 0;
  }

  /** Merges them into the reference (Chan, Golub and LeVeque, 1979). */
  #learn(calls: number, sum: number, sumOfSquares: number): void {
    const total = this.#calls + calls;
    const difference = sum / calls - this.#mean;
    this.#deviation += deviationOf(calls, sum, sumOfSquares) + (difference * difference * this.#calls * calls) / total;
    this.#mean += (difference * calls) / total;
    this.#calls = total;
    if (this.#calls > REFERENCE_CALLS_MAX) {
      this.#deviation *= REFERENCE_CALLS_MAX / this.#calls;
      this.#calls = REFERENCE_CALLS_MAX;
    }
  }
}
