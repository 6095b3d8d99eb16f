// Scores a stored row of features with a forest of decision trees: one small read and some computing. The forest itself is read once
// and kept in the isolate; each call asks, in the same round, whether it is still the one. ASFP's `analysis` (ATC'20).

import { defineFunction } from "locus/function";

/** As it stands under its key, as JSON. */
interface Forest {
  readonly version: string;
  /** Decisions from a tree's root to a leaf. */
  readonly depth: number;
  readonly trees: readonly Tree[];
}

/** A full binary tree, its nodes from the root on, level by level: those behind node n are 2n + 1 (less) and 2n + 2. */
interface Tree {
  readonly features: readonly number[];
  readonly thresholds: readonly number[];
  readonly leaves: readonly number[];
}

/** Rows that `locus load` writes; the nodes of a graph share them. */
const ROWS = 256;

let kept: Forest | undefined;

export default defineFunction({
  name: "score",
  input: { type: "object", required: ["nodeId"], properties: { nodeId: { type: "string", pattern: "^[0-9]+$" } } },
  async run({ redis, args: { nodeId } }) {
    const [version, row] = await redis.mget(["forest:version", `features:${Number(nodeId) % ROWS}`]);
    if (typeof version !== "string" || typeof row !== "string")
      throw new Error("there is no forest, or no row: locus load writes both");
    if (kept?.version !== version) kept = JSON.parse((await redis.get("forest")) ?? "") as Forest;
    return { score: scoreOf(kept, JSON.parse(row) as readonly number[]), version: kept.version };
  },
});

/** The mean of the leaves that the row falls into. */
function scoreOf({ depth, trees }: Forest, row: readonly number[]): number {
  let sum = 0;
  for (const { features, thresholds, leaves } of trees) {
    let node = 0;
    for (let level = 0; level < depth; level++) node = 2 * node + (row[features[node]!]! < thresholds[node]! ? 1 : 2);
    // The leaves follow the inner nodes.
    sum += leaves[node - features.length]!;
  }
  return sum / trees.length;
}
