// Reads a social graph as TAO serves it (USENIX ATC 2013): an object, one of its links, how many it has, or the first few
// with the objects at their ends. One or two rounds and hardly any computing: what is left is the way to the data.

import { defineFunction } from "locus/function";
import { nodeOf } from "./graph/node.ts";

export default defineFunction({
  name: "tao",
  input: {
    type: "object",
    required: ["nodeId"],
    properties: {
      nodeId: { type: "string" },
      // TAO's obj_get, assoc_get, assoc_count and assoc_range.
      read: { enum: ["object", "link", "count", "range"] },
      to: { type: "string" },
      limit: { type: "integer", minimum: 1, maximum: 1_000 },
    },
  },
  async run({ redis, args: { nodeId, read = "range", to = "", limit = 4 } }) {
    const { neigh } = nodeOf(nodeId, await redis.get(nodeId));
    if (read === "object") return { object: { id: nodeId, links: neigh.length } };
    if (read === "link") return { linked: neigh.includes(to) };
    if (read === "count") return { count: neigh.length };
    const ends = neigh.slice(0, limit);
    // MGET without a key is an error.
    const values = ends.length === 0 ? [] : await redis.mget(ends);
    return { range: ends.map((id, index) => ({ id, links: nodeOf(id, values[index]).neigh.length })) };
  },
});
