// AutoLoc's FuncLoc over a node: each request is a call as any other, and goes where the plan says.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionRunner } from "#scheduler/grpc/func-loc-service.ts";
import type { Invoker } from "./invoker.ts";

/**
 * A request declares no keys, since AutoLoc's has no place for them: khop has its node in `nodeId`, and md5 and pagerank read what they read there, the
 * keys by which they are named.
 */
const NO_KEYS: readonly string[] = [];

export const funcLocRunner = (invoker: Invoker): FunctionRunner => ({
  run: async (name, args, signal) => {
    const call = {
      function: name,
      version: null,
      keys: NO_KEYS,
      argsJson: JSON.stringify(args),
      side: null,
      deadlineMs: null,
      logs: false,
    };
    const reply = await invoker.invoke(call, signal);
    if (!reply.ok) throw new LocusError(reply.error.code, reply.error.message);
  },
});
