// Tells when the calls of a function have become other calls: a two-sided CUSUM (Page, Continuous Inspection Schemes, Biometrika
// 1954) over the means of short stretches of time, on a logarithmic scale. Calls of one function may differ a thousandfold by
// their input (a hub and a leaf of a graph): on that scale they spread, and do not drown what is looked for.

import { clamp } from "#runtime/clamp.ts";
import type { Layout, Values } from "./layout.ts";

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
 * … and where a machine's other core begins to work, or its neighbours do, the same calls take four tenths more CPU time. That is no change of theirs where they are as alike as this.
 * Chosen: folds of a graph's records (0.31) were taken for others every seven seconds by the smaller zone, on cores that went between two paces; one hub in a hundred leaves makes 0.57.
 */
const DEAD_ZONE_ALIKE = 0.35;
const ALIKE_VARIANCE = 0.45;
/** Calls that a reference needs before anything is compared with it. */
const REFERENCE_CALLS_MIN = 16;
/** How many stretches the measured noise of stretches is averaged over. */
const NOISE_STRETCHES = 50;
/** The reference forgets by calls, so that a slow drift is followed and not reported. */
const REFERENCE_CALLS_MAX = 10_000;

/** Of so many values' squared deviations from their mean. */
const deviationOf = (calls: number, sum: number, sumOfSquares: number): number =>
  Math.max(0, sumOfSquares - (sum * sum) / calls);

/** For either change; and the variance of the means beside what independent calls would give, less 1: calls of a stretch resemble each other. */
const [UP, DOWN, INFLATION, EVIDENCE_SIZE] = [0, 1, 2, 3] as const;

/** What was said up to now for either change. */
class Evidence {
  readonly #at: number;

  constructor(layout: Layout) {
    this.#at = layout.take(EVIDENCE_SIZE);
  }

  reset(values: Values): void {
    values[this.#at + UP] = values[this.#at + DOWN] = values[this.#at + INFLATION] = 0;
  }

  /** How far a mean is from what it is held against, and how far it may be by chance. In standard deviations, `most` at most. */
  weigh(values: Values, difference: number, variance: number, deadZone: number, most: number): number {
    const at = this.#at;
    const inflation = 1 + values[at + INFLATION]!;
    const error = Math.sqrt(variance * inflation) + Number.EPSILON;
    const z = (Math.sign(difference) * Math.max(0, Math.abs(difference) - deadZone)) / error;
    const capped = clamp(z, -most, most);
    const seen = inflation + (Math.min(capped * capped, 9) * inflation - inflation) / NOISE_STRETCHES;
    values[at + INFLATION] = Math.max(0, seen - 1);
    values[at + UP] = Math.max(0, values[at + UP]! + capped - ALLOWANCE);
    values[at + DOWN] = Math.max(0, values[at + DOWN]! - capped - ALLOWANCE);
    return capped;
  }

  isEnough(values: Values): boolean {
    return Math.max(values[this.#at + UP]!, values[this.#at + DOWN]!) > DECISION;
  }
}

/** Of the reference, with the sum of squared deviations; and of what is not in it yet, as for a stretch. */
const [CALLS, MEAN, DEVIATION, POOL_CALLS, POOL_SUM, POOL_SQUARES, OWN_SIZE] = [0, 1, 2, 3, 4, 5, 6] as const;
/** Behind these, and kept when all else is forgotten: how far the mean was off at the last alarm. */
const CHANGE = OWN_SIZE;

export class ChangeDetector {
  readonly #at: number;
  readonly #ofPools: Evidence;
  readonly #ofStretches: Evidence;

  constructor(layout: Layout) {
    this.#at = layout.take(OWN_SIZE + 1);
    this.#ofPools = new Evidence(layout);
    this.#ofStretches = new Evidence(layout);
  }

  /** A stretch's calls: how many, and the sums of their values and of the squares. True: they are not what they were. */
  observe(values: Values, calls: number, sum: number, sumOfSquares: number): boolean {
    if (calls <= 0) return false;
    const at = this.#at;
    if (values[at + CALLS]! < REFERENCE_CALLS_MIN) {
      this.#learn(values, calls, sum, sumOfSquares);
      return false;
    }
    values[at + POOL_CALLS]! += calls;
    values[at + POOL_SUM]! += sum;
    values[at + POOL_SQUARES]! += sumOfSquares;
    const before = values[at + MEAN]!;
    const pool = values[at + POOL_SUM]! / values[at + POOL_CALLS]!;
    if (calls < POOL_CALLS_MIN) this.#look(values, calls, sum, sumOfSquares);
    if (values[at + POOL_CALLS]! >= POOL_CALLS_MIN) this.#lookAtPool(values);
    const isOfPools = this.#ofPools.isEnough(values);
    if (!this.#ofStretches.isEnough(values) && !isOfPools) return false;
    // Of a few calls none may be one of those that are more now.
    values[at + CHANGE] = (isOfPools ? pool : sum / calls) - before;
    this.reset(values);
    this.#learn(values, calls, sum, sumOfSquares);
    return true;
  }

  /** When it last said that calls are not what they were: by how much the mean of those that told was off. 0: it never did. */
  lastChange(values: Values): number {
    return values[this.#at + CHANGE]!;
  }

  reset(values: Values): void {
    values.fill(0, this.#at, this.#at + OWN_SIZE);
    this.#ofPools.reset(values);
    this.#ofStretches.reset(values);
  }

  /** Of one call's value. */
  #variance(values: Values): number {
    return values[this.#at + DEVIATION]! / (values[this.#at + CALLS]! - 1);
  }

  /** One hub among few leaves has their mean far off, and them far apart; where all have changed they are as alike as before (Welch's test). */
  #look(values: Values, calls: number, sum: number, sumOfSquares: number): void {
    const own = calls > 1 ? deviationOf(calls, sum, sumOfSquares) / (calls - 1) : 0;
    const usual = this.#variance(values);
    const variance = Math.max(usual, own) / calls + usual / values[this.#at + CALLS]!;
    const difference = sum / calls - values[this.#at + MEAN]!;
    this.#ofStretches.weigh(values, difference, variance, deadZoneOf(usual), calls > 1 ? Z_MAX : Z_MAX_ALONE);
  }

  /** Of so many calls a hub is no great part: that there are more of them than there were is seen here. */
  #lookAtPool(values: Values): void {
    const at = this.#at;
    const [calls, sum, sumOfSquares] = [values[at + POOL_CALLS]!, values[at + POOL_SUM]!, values[at + POOL_SQUARES]!];
    values[at + POOL_CALLS] = values[at + POOL_SUM] = values[at + POOL_SQUARES] = 0;
    const usual = this.#variance(values);
    const variance = usual * (1 / calls + 1 / values[at + CALLS]!);
    const z = this.#ofPools.weigh(values, sum / calls - values[at + MEAN]!, variance, deadZoneOf(usual), Z_MAX);
    // What looks like a change does not become what it is compared with.
    if (Math.abs(z) < Z_MAX) this.#learn(values, calls, sum, sumOfSquares);
  }

  /** Merges them into the reference (Chan, Golub and LeVeque, 1979). */
  #learn(values: Values, calls: number, sum: number, sumOfSquares: number): void {
    const at = this.#at;
    const before = values[at + CALLS]!;
    const total = before + calls;
    const kept = Math.min(1, REFERENCE_CALLS_MAX / total);
    const difference = sum / calls - values[at + MEAN]!;
    const more = deviationOf(calls, sum, sumOfSquares) + (difference * difference * before * calls) / total;
    values[at + DEVIATION] = kept * (values[at + DEVIATION]! + more);
    values[at + MEAN]! += (difference * calls) / total;
    values[at + CALLS] = kept * total;
  }
}

const deadZoneOf = (variance: number): number => (variance < ALIKE_VARIANCE ? DEAD_ZONE_ALIKE : DEAD_ZONE);
