// The work of `batch`: sends a workload in groups through a node's gateway, as AutoLoc's program of that name did.

import type { Side } from "#runtime/profile/sample.ts";
import type { BatchReply, NodeClient } from "./node-client.ts";
import { CallTally, type CallRecord } from "./summary.ts";
import { callOf, type Workload } from "./workload.ts";

/** Calls of one request. AutoLoc's number. */
export const GROUP_LENGTH = 64;

export interface BatchOptions {
  readonly side: Side | null;
  /** Calls in flight, 1 to GROUP_LENGTH. */
  readonly concurrency: number;
}

/**
 * Runs to the end, or until `signal`, which is the node client's own: what was done by then is in the tally. Rejects where
 * the node fails as a whole.
 */
export const runBatch = async (
  node: NodeClient,
  workload: Workload,
  { side, concurrency }: BatchOptions,
  onCall: (tally: CallTally) => void,
  signal: AbortSignal,
): Promise<CallTally> => {
  const tally = new CallTally(true);
  const wishes = { side, inFlight: concurrency, logs: false, deadlineMs: null };
  for (let repeat = 0; repeat < workload.repeats && !signal.aborted; repeat += 1) {
    const startedMs = performance.now();
    try {
      for (let first = 1; first <= workload.count; first += GROUP_LENGTH) {
        const length = Math.min(GROUP_LENGTH, workload.count - first + 1);
        const calls = Array.from({ length }, (_, index) => callOf(workload, first + index));
        for await (const reply of node.batch(workload.function, calls, wishes)) {
          tally.add(recordOf(reply, workload.function));
          tally.addBytes((reply.usage?.bytesIn ?? 0) + (reply.usage?.bytesOut ?? 0));
          onCall(tally);
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    tally.endRepeat((performance.now() - startedMs) / 1e3);
  }
  return tally;
};

const recordOf = ({ elapsedUs = 0, error, side = null, usage }: BatchReply, name: string): CallRecord => ({
  elapsedUs,
  error: error === undefined ? null : { ...error, message: error.message + addedText(error, name) },
  side,
  operations: usage?.operations ?? 0,
  rounds: usage?.rounds ?? 0,
});

/** Who wrote a schema without it has not asked for it either. */
const addedText = ({ code, message }: { readonly code: string; readonly message: string }, name: string): string =>
  code === "ARGS_INVALID" && message.includes("nodeId")
    ? ` (batch adds nodeId to each call's args; POST /v1/functions/${name}/batch takes args of your own)`
    : "";
