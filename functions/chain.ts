// Reads one node after the other, each named by the one before, then computes: the two costs that placement weighs, each
// with its own knob. The benchmark of ASFP (ATC'20) and Kayak (NSDI'21), which chain 100-byte records; here nodes.

import { defineFunction } from "locus/function";
import { nodeOf } from "./graph/node.ts";

/**
 * Steps of `spin` in a microsecond, measured on one core of an AMD EPYC of 2.6 GHz. An amount of work, not of time: a slower
 * or shared core takes longer, as it does for any function.
 */
const STEPS_PER_US = 870;

export default defineFunction({
  name: "chain",
  input: {
    type: "object",
    required: ["nodeId"],
    properties: {
      nodeId: { type: "string" },
      reads: { type: "integer", minimum: 0, maximum: 100_000 },
      computeUs: { type: "integer", minimum: 0, maximum: 10_000_000 },
    },
  },
  async run({ redis, args: { nodeId, reads = 4, computeUs = 0 } }) {
    let id = nodeId;
    for (let read = 0; read < reads; read++) {
      const { neigh } = nodeOf(id, await redis.get(id));
      // At a dead end the chain begins again, so that it always has the length that was asked for.
      id = neigh[0] ?? nodeId;
    }
    return { last: id, spun: spin(computeUs * STEPS_PER_US) };
  },
});

/** Steps of a linear congruential generator (Numerical Recipes' constants): each needs the one before, so none can be left out. */
function spin(steps: number): number {
  let state = 1;
  for (let step = 0; step < steps; step++) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return state;
}
