// Push-back: a call at storage that computes far longer than its function's calls do is ended, and begins anew at
// compute, where its computing keeps nobody else from the data (docs/placement.md).

import { clamp } from "#runtime/clamp.ts";
import type { Estimates } from "#runtime/profile/function-profile.ts";
import type { SideEstimate } from "#runtime/profile/side-profile.ts";
import { KNOWN_CALLS_MIN } from "./function-costs.ts";
import { BACK_CPU_US_MAX } from "./plan.ts";

/** The threshold of a function of which nothing is known, µs: as long as ten thousand reads take there. */
export const BACK_UNKNOWN_US = 50_000;
/** Ending a call while it computes costs its isolate, some ms. A lower threshold is not worth that. */
const BACK_MIN_US = 10_000;
/** A call is far from the others if it is beyond so many standard deviations of the logarithm, and so many times the mean. */
const DEVIATIONS = 3;
const TIMES = 8;
/** A threshold that changes by less than this factor stays, so that nodes do not follow every change. */
const STEP = 2;

/**
 * CPU time after which a call is pushed back, µs. While few calls at storage are known, those at compute count
 * as well. `beforeUs`: the threshold until now.
 */
export function backCpuUs({ compute, storage }: Estimates, beforeUs: number): number {
  const isKnown = storage !== null && storage.calls >= KNOWN_CALLS_MIN;
  const usualUs = Math.max(usualUsOf(storage), isKnown ? 0 : usualUsOf(compute));
  if (usualUs === 0) return BACK_UNKNOWN_US;
  const wantedUs = clamp(Math.ceil(usualUs), BACK_MIN_US, BACK_CPU_US_MAX);
  return beforeUs >= wantedUs / STEP && beforeUs <= wantedUs * STEP ? beforeUs : wantedUs;
}

/** Hardly any of these calls computes for longer; 0: none is known. */
const usualUsOf = (calls: SideEstimate | null): number =>
  calls === null ? 0 : Math.max(TIMES * calls.cpuUs, Math.expm1(calls.logCpu + DEVIATIONS * calls.logCpuDeviation));

/** Push-backs may waste this part of what a function's calls compute. */
const PART = 0.05;
/** What may be wasted at once: ten calls of a function of which nothing is known. */
const BURST_US = 10 * BACK_UNKNOWN_US;
/** Calls under way may exceed the budget. They are repaid first, up to this debt. */
const DEBT_MAX_US = 60_000_000;

/**
 * What the push-backs of one function may waste, in µs of CPU time: a token bucket. The module keeps the same for
 * the calls that come to it (storage-module/src/push_back_budget.h).
 */
export class PushBackBudget {
  #leftUs = BURST_US;
  #stayed = 0;

  /** Calls that come now are not pushed back. */
  get isSpent(): boolean {
    return this.#leftUs <= 0;
  }

  /** Calls beyond the threshold that stayed because the budget was spent. */
  get stayed(): number {
    return this.#stayed;
  }

  /** A call has ended, on either side. */
  ended(cpuUs: number): void {
    this.#leftUs = Math.min(BURST_US, this.#leftUs + PART * Math.max(0, cpuUs));
  }

  /** A call has computed for so long in vain. */
  pushedBack(cpuUs: number): void {
    this.#leftUs = Math.max(-DEBT_MAX_US, this.#leftUs - Math.max(0, cpuUs));
  }

  letStay(): void {
    this.#stayed += 1;
  }
}
