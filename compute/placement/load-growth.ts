// Whether a node suddenly has more to do: more work at one of the two sides than has been usual, or more calls in flight. Asked many times a
// second while a window of samples is long (sample-window.ts), since what a surge brings is not to wait for the end of that.

import { decayOf } from "#runtime/decay.ts";
import type { Sample, Side } from "#runtime/profile/sample.ts";
import { OPERATION_WORK_US } from "#runtime/profile/tally.ts";
import { STRETCH_MS_MAX, WINDOW_MS } from "#runtime/profile/window-length.ts";

/** What is usual is averaged over about this time. As rates are (runtime/profile/coming-calls.ts). */
const HALF_LIFE_MS = 250;
/** So many times as much as usual is more, as surges are told there, … */
const GROWN_TIMES = 1.25;
/** … and so many standard deviations, in two stretches in a row: a few calls more or less are chance, and whoever has stood still for a moment hears of all at once, and then of no more than usual. */
const GROWN_DEVIATIONS = 3;
/** Of a shorter stretch nothing can be told. */
const STRETCH_MS_MIN = WINDOW_MS / 2;

/** Of one side: what calls that ended have worked, µs, and the squares of that; since the last look, and usually in a ms. */
interface Worked {
  us: number;
  squared: number;
  usualUs: number;
  usualSquared: number;
}

export class LoadGrowth {
  readonly #sides: Readonly<Record<Side, Worked>> = { compute: nothingWorked(), storage: nothingWorked() };
  #usualInFlight = 0;
  #lookedMs = -Infinity;
  /** Since when it is known what is usual. */
  #sinceMs = -Infinity;
  /** Whether there was more in the stretch before. */
  #wasMore = false;

  /** A call that has ended. A handful of sums. */
  add({ side, cpuUs, operations }: Sample): void {
    const us = cpuUs + OPERATION_WORK_US * operations;
    const worked = this.#sides[side];
    worked.us += us;
    worked.squared += us * us;
  }

  /** In this stretch and the one before, each since it was asked last, to what has been usual until then. After a rest nothing is usual for a while. */
  isGrown(inFlight: number, nowMs: number): boolean {
    const passedMs = nowMs - this.#lookedMs;
    if (passedMs < STRETCH_MS_MIN) return false;
    const sides = Object.values(this.#sides);
    if (passedMs > STRETCH_MS_MAX) this.#sinceMs = nowMs;
    const isKnown = nowMs - this.#sinceMs >= HALF_LIFE_MS;
    const isMore =
      isKnown && (isMoreCalls(inFlight, this.#usualInFlight) || sides.some((worked) => isMoreWork(worked, passedMs)));
    // Of the first stretch nobody knows when it began.
    const kept = this.#lookedMs <= this.#sinceMs ? 0 : decayOf(passedMs, HALF_LIFE_MS);
    for (const worked of sides) {
      worked.usualUs = towards(worked.us / passedMs, worked.usualUs, kept);
      worked.usualSquared = towards(worked.squared / passedMs, worked.usualSquared, kept);
      worked.us = worked.squared = 0;
    }
    this.#usualInFlight = towards(inFlight, this.#usualInFlight, kept);
    this.#lookedMs = nowMs;
    const isGrown = isMore && this.#wasMore;
    this.#wasMore = isMore;
    // What has grown is what is usual from now on.
    if (isGrown) this.#sinceMs = nowMs;
    return isGrown;
  }
}

const nothingWorked = (): Worked => ({ us: 0, squared: 0, usualUs: 0, usualSquared: 0 });

const towards = (now: number, usual: number, kept: number): number => now + (usual - now) * kept;

/** In flight: the root of a count is known to half a call (Anscombe, 1948). */
const isMoreCalls = (now: number, usual: number): boolean =>
  now > GROWN_TIMES * usual && 2 * (Math.sqrt(now) - Math.sqrt(usual)) > GROWN_DEVIATIONS;

/** Of calls that come by chance the sum of their work varies by the sum of its squares. */
const isMoreWork = ({ us, usualUs, usualSquared }: Worked, passedMs: number): boolean =>
  us > GROWN_TIMES * usualUs * passedMs &&
  us - usualUs * passedMs > GROWN_DEVIATIONS * Math.sqrt(usualSquared * passedMs);
