// The 2020 contest's score (protocols 1.5), lower is better: response times by function and node time, each relative to a reference scheduler's
// on the same load, weighed. The reference scores 1.

export interface Weights2020 {
  readonly responseTime: number;
  readonly nodeDuration: number;
}

/** What the score compares: response time of all calls of each function, and the time that nodes were reserved, in one unit each. */
export interface Totals2020 {
  readonly response: readonly number[];
  readonly nodeDuration: number;
  /** Of all calls. */
  readonly errorRate: number;
}

const ERROR_RATE_MAX = 0.001;
const ERROR_POINTS = 10;

export function score2020(totals: Totals2020, reference: Totals2020, weights: Weights2020): number {
  const { response } = totals;
  const ratios = response.map((one, index) => one / reference.response[index]!);
  const responses = ratios.reduce((sum, ratio) => sum + ratio, 0) / response.length;
  const nodes = totals.nodeDuration / reference.nodeDuration;
  const penalty = totals.errorRate > ERROR_RATE_MAX ? ERROR_POINTS : 0;
  return responses * weights.responseTime + nodes * weights.nodeDuration + penalty;
}

/**
 * What a second of waiting is worth in GB·s of instances, were the reference known: what one adds to the score, over what a node's second does,
 * times a node's memory.
 */
export function waitingPrice2020(reference: Totals2020, weights: Weights2020, nodeGb: number): number {
  const { response, nodeDuration } = reference;
  const perSecond = response.reduce((sum, one) => sum + 1 / one, 0) / response.length ** 2;
  return ((weights.responseTime * perSecond) / (weights.nodeDuration / nodeDuration)) * nodeGb;
}
