// Reads a node, then all nodes that it names at once, and folds them into a few numbers: two rounds however many there
// are, many bytes in and few out. The aggregate of ASFP (ATC'20): a key list, a multi-get, a fold.

import { defineFunction } from "locus/function";
import { nodeOf } from "./graph/node.ts";

export default defineFunction({
  name: "aggregate",
  input: { type: "object", required: ["nodeId"], properties: { nodeId: { type: "string" } } },
  async run({ redis, args: { nodeId } }) {
    const { neigh } = nodeOf(nodeId, await redis.get(nodeId));
    // MGET without a key is an error.
    const values = neigh.length === 0 ? [] : await redis.mget(neigh);
    const degrees = neigh.map((id, index) => nodeOf(id, values[index]).neigh.length);
    return {
      neighbours: degrees.length,
      edges: degrees.reduce((sum, degree) => sum + degree, 0),
      degreeMax: degrees.reduce((most, degree) => Math.max(most, degree), 0),
    };
  },
});
