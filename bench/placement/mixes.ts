// The mixes that placement is measured with: functions that belong on different sides, or that no side does much better, side by
// side. Their calls are weighted so that each function, alone on its better side, takes the same time.

import { CALLERS, type Workload } from "./suite.ts";

export interface Mix {
  readonly name: string;
  /** Of workloads of the suite. */
  readonly functions: readonly string[];
}

/** The first is the reference: what walks and what computes. */
export const MIXES: readonly Mix[] = [
  { name: "walkAndHash", functions: ["khop", "hash-password"] },
  { name: "twoChains", functions: ["chain-64x0", "chain-4x500"] },
  { name: "serveAndScore", functions: ["tao", "score", "hash-password"] },
  { name: "foldAndDigest", functions: ["aggregate", "sha256"] },
  { name: "cutAndSieve", functions: ["project", "sieve"] },
  { name: "walkRankAndChain", functions: ["khop", "pagerank", "chain-16x500"] },
];

export const MIX_NAMES: readonly string[] = MIXES.map(({ name }) => name);

/**
 * Of each function: as many calls a second as it makes alone on its better side, so that there it takes the same time as each other one. `rateAlone`: calls a second with
 * that share at storage, of so many callers: as many as a mix has, or fewer where the function is to have fewer.
 */
export async function weightsOf<Some extends Pick<Workload, "callers">>(
  workloads: readonly Some[],
  rateAlone: (workload: Some, callers: number, share: number) => Promise<number>,
): Promise<readonly number[]> {
  const weights: number[] = [];
  for (const workload of workloads) {
    const callers = Math.min(CALLERS, workload.callers);
    const atCompute = await rateAlone(workload, callers, 0);
    weights.push(Math.max(atCompute, await rateAlone(workload, callers, 1)));
  }
  return weights;
}
