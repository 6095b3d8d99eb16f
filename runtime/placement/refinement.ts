// What a call makes a node work beside what is known of it: the gateway, the client's part of the socket, collecting garbage. No
// calibration sees it, since it depends on what calls are and on who sends them. So what nodes have worked themselves, their sandbox hosts
// apart, is held against what the model says of the same time, and the difference is laid on each call, wherever it runs. While there
// are calls that no node has passed on (LOCUS.CALL) nobody knows whose work was whose.

import { clamp } from "#runtime/clamp.ts";
import type { CostConstants } from "./cost-model.ts";

/** The difference is halved in this time: plans change meanwhile, and a window's CPU time is not that of its calls to the µs. Chosen. */
const HALF_LIFE_MS = 500;
/** One look is not believed for longer than this, however long ago the last was: it may have been an odd one. */
const PASSED_MS_MAX = 250;
/** No node spends more on a call's way than this, µs; what is beyond is somebody else's work. */
const MORE_US_MAX = 500;
/** What is left of a constant, at least. */
const LEAST = 0.2;

/** Of a stretch of time in which the shares did not change. */
export interface Worked {
  readonly passedMs: number;
  /** Compute cores that nodes have kept busy themselves, and how many the model says. */
  readonly measuredCores: number;
  readonly modelledCores: number;
  readonly callsPerSecond: number;
}

/** `moreUs`: of each call, as believed so far; it is part of what the model says. */
export function refined(
  moreUs: number,
  { passedMs, measuredCores, modelledCores, callsPerSecond }: Worked,
  constants: CostConstants,
): number {
  if (callsPerSecond <= 0) return moreUs;
  const step = 1 - 2 ** (-Math.min(passedMs, PASSED_MS_MAX) / HALF_LIFE_MS);
  const missingUs = clamp(((measuredCores - modelledCores) * 1e6) / callsPerSecond, -MORE_US_MAX, MORE_US_MAX);
  return clamp(moreUs + step * missingUs, leastOf(constants), MORE_US_MAX);
}

/** Constants that were calibrated since may be smaller than those that `moreUs` was found for. */
export function withMore(constants: CostConstants, moreUs: number): CostConstants {
  const { compute, storage } = constants;
  const more = Math.max(moreUs, leastOf(constants));
  return {
    compute: { ...compute, callUs: compute.callUs + more },
    storage: { ...storage, nodeCallUs: storage.nodeCallUs + more },
  };
}

const leastOf = ({ compute, storage }: CostConstants): number =>
  (LEAST - 1) * Math.min(compute.callUs, storage.nodeCallUs);
