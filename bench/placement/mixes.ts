// The mixes that placement is measured with: functions that belong on different sides, or that no side does much better, side by
// side. Their calls are weighted so that each function, alone on its better side, takes the same time.

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
