// Tells when the calls of a function have become other calls: a two-sided CUSUM (Page, Continuous Inspection
// Schemes, Biometrika 1954) over means of pooled calls, on a logarithmic scale. Calls may differ a thousandfold
// by their input, like a hub and a leaf of a graph: on that scale they spread, and do not hide a change.

import { clamp } from "#runtime/clamp.ts";
import { FEW } from "./tally.ts";

/** Evidence at which the alarm is raised, in standard deviations. A pool adds less: a stutter is no change. */
const ALARM = 6;
/** Logarithm of a smaller change, which decay follows: the same calls take 1.4 times as long on busy cores. */
const DEAD_ZONE = 0.35;

export class ChangeDetector {
  /** The reference: calls, their mean, and the sum of their squared deviations. */
  #calls = 0;
  #mean = 0;
  #deviation = 0;
  /** Calls that were not compared yet. */
  #pool = { calls: 0, sum: 0, squares: 0 };
  /** Evidence for more and for less work. */
  #up = 0;
  #down = 0;
  /** Variance of the means of pools ÷ that of independent calls, from 1: calls in one window resemble each other. */
  #inflation = 1;
  #lastChange = 0;

  /** How far the mean was off at the last alarm; 0: there was none. */
  get lastChange(): number {
    return this.#lastChange;
  }

  /** Calls of a window: the sums of their values, and of the squares. True: they are not what they were. */
  observe(calls: number, sum: number, squares: number): boolean {
    const pool = this.#pool;
    pool.calls += calls;
    pool.sum += sum;
    pool.squares += squares;
    if (pool.calls < FEW) return false;
    this.#pool = { calls: 0, sum: 0, squares: 0 };
    if (this.#calls === 0) {
      this.#learn(pool);
      return false;
    }
    const difference = pool.sum / pool.calls - this.#mean;
    this.#weigh(difference, (this.#deviation / (this.#calls - 1)) * (1 / pool.calls + 1 / this.#calls));
    const evidence = Math.max(this.#up, this.#down);
    if (evidence > ALARM) {
      this.reset();
      this.#learn(pool);
      this.#lastChange = difference;
      return true;
    }
    // What looks like a change does not become the reference.
    if (evidence < ALARM / 2) this.#learn(pool);
    return false;
  }

  reset(): void {
    this.#calls = this.#mean = this.#deviation = this.#up = this.#down = 0;
    this.#inflation = 1;
    this.#pool = { calls: 0, sum: 0, squares: 0 };
  }

  /** Adds a difference of means to the evidence. The variance is that of independent calls. */
  #weigh(difference: number, variance: number): void {
    const beyond = Math.sign(difference) * Math.max(0, Math.abs(difference) - DEAD_ZONE);
    const z = clamp(beyond / (Math.sqrt(variance * this.#inflation) + Number.EPSILON), -ALARM, ALARM);
    // Over the last fifty pools or so; a change counts as three deviations.
    this.#inflation = Math.max(1, this.#inflation * (1 + (Math.min(z * z, 9) - 1) / 50));
    this.#up = Math.max(0, this.#up + z - 1);
    this.#down = Math.max(0, this.#down - z - 1);
  }

  /** Merges calls into the reference (Chan, Golub and LeVeque, 1979). */
  #learn({ calls, sum, squares }: { readonly calls: number; readonly sum: number; readonly squares: number }): void {
    const before = this.#calls;
    const total = before + calls;
    // It forgets by calls, so that it follows a slow drift.
    const kept = Math.min(1, 10_000 / total);
    const difference = sum / calls - this.#mean;
    const own = Math.max(0, squares - (sum * sum) / calls);
    this.#deviation = kept * (this.#deviation + own + (difference * difference * before * calls) / total);
    this.#mean += (difference * calls) / total;
    this.#calls = kept * total;
  }
}
