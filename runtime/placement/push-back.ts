// When a call at storage is far dearer than its function's calls are, so that it is better ended and begun anew at compute, where its
// computing keeps nobody else from the data (docs/placement.md, Push-back).

import { clamp } from "#runtime/clamp.ts";
import type { Estimates } from "#runtime/profile/function-profile.ts";
import type { SideEstimate } from "#runtime/profile/side-estimate.ts";
import { BACK_CPU_US_MAX } from "./plan.ts";

/** A call of a function of which nothing is known may compute for so long, µs. Chosen: as long as ten thousand reads take there. */
export const BACK_UNKNOWN_US = 50_000;
/** Ending a call in the midst of its computing costs its isolate, some ms: nothing shorter is worth that. */
const BACK_MIN_US = 10_000;
/** Standard deviations of the logarithm of what calls compute: of log-normal ones, one in a thousand is beyond. */
const DEVIATIONS = 3;
/** Of calls that are all alike: how many times as much as they one computes that is not of their kind. */
const TIMES = 8;
/** A threshold that has grown or shrunk by less stays: who follows the plan need not hear of it. */
const STEP = 2;

/** µs of computing after which a call is pushed back. `beforeUs`: what held until now. */
export function backCpuUs({ compute, storage }: Estimates, beforeUs: number): number {
  const usualUs = Math.max(usualUsOf(compute), usualUsOf(storage));
  if (usualUs === 0) return BACK_UNKNOWN_US;
  const wantedUs = clamp(Math.ceil(usualUs), BACK_MIN_US, BACK_CPU_US_MAX);
  return beforeUs >= wantedUs / STEP && beforeUs <= wantedUs * STEP ? beforeUs : wantedUs;
}

/** Of the calls on one side: none computes for much longer; 0: nothing is known. */
const usualUsOf = (estimate: SideEstimate | null): number =>
  estimate === null
    ? 0
    : Math.max(TIMES * estimate.cpuUs, Math.expm1(estimate.logCpu + DEVIATIONS * estimate.logCpuDeviation));
