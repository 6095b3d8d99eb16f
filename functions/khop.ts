// Walks a graph from one node, breadth first: many small reads, each level named by the one before. Next to Redis a level
// costs microseconds; from afar it costs a round trip, and a client that sends one command at a time pays one per node.
// The walk of AutoLoc and Shredder.

import { defineFunction } from "locus/function";
import { nodeOf } from "./graph/node.ts";

export default defineFunction({
  name: "khop",
  input: {
    type: "object",
    required: ["nodeId"],
    properties: { nodeId: { type: "string" }, depth: { type: "integer", minimum: 0, maximum: 100 } },
  },
  // One operation per node: a walk over more of them ends with OPERATIONS_LIMIT.
  limits: { operations: 200_000, memoryMb: 256 },
  async run({ redis, args: { nodeId, depth = 2 } }) {
    const visited = new Set([nodeId]);
    let level = [nodeId];
    let edges = 0;
    for (let hop = 0; level.length > 0; hop++) {
      const values = await Promise.all(level.map((id) => redis.get(id)));
      const nodes = level.map((id, index) => nodeOf(id, values[index]));
      level = [];
      for (const { neigh } of nodes) {
        edges += neigh.length;
        if (hop === depth) continue;
        for (const id of neigh) {
          if (visited.has(id)) continue;
          visited.add(id);
          level.push(id);
        }
      }
    }
    return { visited: visited.size, edges };
  },
});
