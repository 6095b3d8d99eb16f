// The 2020 contest's score, lower is better: response times by function and node time, each relative to a reference scheduler's on the same
// load, weighed. The reference scores 1.

import type { Weights2020 } from "../policy/weights-2020.ts";

/** What the score compares: response time of all calls of each function, and the time that nodes were reserved, in one unit each. */
export interface Totals2020 {
  readonly response: readonly number[];
  readonly nodeDuration: number;
  /** Of all calls. */
  readonly errorRate: number;
}

export interface Score2020 {
  readonly score: number;
  /** Its parts before they are weighed, each ÷ the reference's: the mean over functions, and the nodes'. */
  readonly responseTime: number;
  readonly nodeDuration: number;
}

const ERROR_RATE_MAX = 0.001;
const ERROR_POINTS = 10;

export function score2020(totals: Totals2020, reference: Totals2020, weights: Weights2020): Score2020 {
  const { response } = totals;
  const ratios = response.map((one, index) => one / reference.response[index]!);
  const responseTime = ratios.reduce((sum, ratio) => sum + ratio, 0) / response.length;
  const nodeDuration = totals.nodeDuration / reference.nodeDuration;
  const penalty = totals.errorRate > ERROR_RATE_MAX ? ERROR_POINTS : 0;
  const score = responseTime * weights.responseTime + nodeDuration * weights.nodeDuration + penalty;
  return { score, responseTime, nodeDuration };
}
