// When a call at storage is far dearer than its function's calls are, so that it is better ended and begun anew at compute, where its
// computing keeps nobody else from the data (docs/placement.md, Push-back).

import { clamp } from "#runtime/clamp.ts";
import type { Estimates } from "#runtime/profile/function-profile.ts";
import type { SideEstimate } from "#runtime/profile/side-profile.ts";
import { KNOWN_CALLS_MIN } from "./function-costs.ts";
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

/** What calls compute: µs, and the logarithm of 1 + µs. */
type Spread = Pick<SideEstimate, "calls" | "cpuUs" | "logCpu" | "logCpuDeviation">;

/**
 * µs of computing after which a call is pushed back: what is far from the calls at storage, and while few of these are known from those of both sides together. Those at
 * compute may be just the ones that were pushed back. `beforeUs`: what held until now.
 */
export function backCpuUs({ compute, storage }: Estimates, beforeUs: number): number {
  const isKnown = storage !== null && storage.calls >= KNOWN_CALLS_MIN;
  const usualUs = Math.max(usualUsOf(storage), isKnown ? 0 : usualUsOf(together(compute, storage)));
  if (usualUs === 0) return BACK_UNKNOWN_US;
  const wantedUs = clamp(Math.ceil(usualUs), BACK_MIN_US, BACK_CPU_US_MAX);
  return beforeUs >= wantedUs / STEP && beforeUs <= wantedUs * STEP ? beforeUs : wantedUs;
}

/** None of such calls computes for much longer; 0: nothing is known. */
const usualUsOf = (spread: Spread | null): number =>
  spread === null ? 0 : Math.max(TIMES * spread.cpuUs, Math.expm1(spread.logCpu + DEVIATIONS * spread.logCpuDeviation));

/** The calls of both sides, each as one. */
function together(one: Spread | null, other: Spread | null): Spread | null {
  if (one === null || other === null) return one ?? other;
  const calls = one.calls + other.calls;
  const mean = (of: (spread: Spread) => number): number => (one.calls * of(one) + other.calls * of(other)) / calls;
  const logCpu = mean((spread) => spread.logCpu);
  const variance = mean((spread) => spread.logCpuDeviation ** 2 + (spread.logCpu - logCpu) ** 2);
  return { calls, cpuUs: mean((spread) => spread.cpuUs), logCpu, logCpuDeviation: Math.sqrt(variance) };
}
