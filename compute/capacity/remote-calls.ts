// Calls on instances that are on other nodes. A node that is lost under a call is not the call's end: where it had not been about to write it is run
// again elsewhere, and nobody sees it.

import { LocusError } from "#runtime/errors.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import type { AdmittedCall } from "../node/side-runner.ts";
import type { BookedInstance } from "./booked-instance.ts";
import type { NodePeers } from "#scheduler/grpc/node-peers.ts";

const MIB = 2 ** 20;

/** The call has not run, or nothing of it is left: another instance may have it. The one that it had is not to be asked again. */
export const RUN_AGAIN = Symbol("run again");
/** The same, and its node says that it has no such instance. */
export const NOT_THERE = Symbol("not there");

/** What it came to. Rejects with SANDBOX_DIED where its node was lost and it may have written; with CANCELLED, and what stands in the way. */
export async function callAt(
  peers: NodePeers,
  instance: BookedInstance,
  { id, call }: AdmittedCall,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<Outcome | typeof RUN_AGAIN | typeof NOT_THERE> {
  const { leased, lost } = instance;
  const { key, memoryMb } = instance.function.shape;
  let mayHaveWritten = false;
  const own = {
    keys: call.keys,
    logs: call.logs,
    mayWrite: async (): Promise<boolean> => {
      if (signal?.aborted === true || lost.aborted) return false;
      mayHaveWritten = true;
      return true;
    },
  };
  const meta = {
    functionName: key,
    handler: "",
    timeoutMs: Math.max(1, Math.ceil(deadlineMs)),
    memoryBytes: memoryMb * MIB,
  };
  const nodeCall = { requestId: id, containerId: leased.id, event: Buffer.from(call.argsJson), meta, own };
  const until = signal === undefined ? lost : AbortSignal.any([signal, lost]);
  try {
    const { outcome } = await peers.at(leased).invoke(nodeCall, until);
    if (outcome === undefined) throw new LocusError("INTERNAL", `node ${leased.nodeId} answered as none of ours does`);
    if (!outcome.ok && outcome.error.code === "CANCELLED" && signal?.aborted !== true) {
      // Nobody did so here: it took this node for gone, which may merely have been stopped for a while.
      throw new LocusError("CANCELLED", outcome.error.message);
    }
    return wasRefused(outcome) ? RUN_AGAIN : outcome;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const code = error instanceof LocusError ? error.code : "INTERNAL";
    if (code === "INSTANCE_NOT_FOUND") return NOT_THERE;
    if (code === "UNAUTHENTICATED") return RUN_AGAIN;
    if (!LOST.has(code)) throw error;
    if (!mayHaveWritten) return RUN_AGAIN;
    const why = (error as Error).message;
    const text = `node ${leased.nodeId} was lost while the call ran there, which may have written: ${why}`;
    throw new LocusError("SANDBOX_DIED", text, { cause: error });
  }
}

/** Nobody cancelled it here: the connection or the node is gone, or the scheduler says that the node is. */
const LOST: ReadonlySet<string> = new Set(["PEER_UNAVAILABLE", "CANCELLED"]);

/** Somebody else has calls there, more than this node knows of; or the node is about to end. */
export const wasRefused = (outcome: Outcome): boolean =>
  !outcome.ok &&
  (outcome.error.code === "OVERLOADED" || outcome.error.code === "SIDE_UNAVAILABLE") &&
  outcome.usage.wallUs === 0;
