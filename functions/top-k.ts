// Counts a visit to a node and returns the nodes most visited: a write and a read of one sorted set, in one round.

import { defineFunction } from "locus/function";

export default defineFunction({
  name: "top-k",
  input: {
    type: "object",
    required: ["nodeId"],
    properties: {
      nodeId: { type: "string" },
      points: { type: "number" },
      k: { type: "integer", minimum: 1, maximum: 1_000 },
    },
  },
  async run({ redis, args: { nodeId, points = 1, k = 10 }, keys: [key = "top-k"] }) {
    // Issued together they share a round, and Redis runs them in this order: the list has this visit in it.
    const [score, flat] = await Promise.all([
      redis.zincrby(key, points, nodeId),
      redis.zrevrange(key, 0, k - 1, "WITHSCORES"),
    ]);
    const top = [];
    for (let at = 0; at < flat.length; at += 2) top.push({ nodeId: flat[at], points: Number(flat[at + 1]) });
    return { points: Number(score), top };
  },
});
