// A Scaler of somebody else, or ours: what a simulator drives.

import { messageIn, nameIn } from "./field.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { metaMessage, type SlotAssignment, type SlotResult, type SlotScaler } from "./scaler-service.ts";
import { expectOk } from "./slot-status.ts";

interface StatusReply {
  readonly status: number;
  readonly error_message?: string;
}
interface AssignReply extends StatusReply {
  readonly assigment: { readonly request_id: string; readonly meta_key: string; readonly instance_id: string } | null;
}

export class ScalerClient implements SlotScaler {
  readonly #peer: Peer;

  constructor(options: PeerOptions) {
    this.#peer = new Peer("serverless.simulator.Scaler", options);
  }

  /** Resolves when somebody listens there. Rejects with PEER_UNAVAILABLE where that takes longer. */
  connected(timeoutMs: number): Promise<void> {
    return this.#peer.connected(timeoutMs);
  }

  async assign(
    { requestId, startedAtMs, meta }: Parameters<SlotScaler["assign"]>[0],
    signal?: AbortSignal,
  ): Promise<SlotAssignment> {
    const request = { request_id: requestId, timestamp: startedAtMs, meta_data: metaMessage(meta) };
    const reply: AssignReply = await this.#peer.unary("Assign", request, signal);
    expectOk("Assign", reply);
    return this.#peer.checked("Assign", () => {
      const { request_id, meta_key, instance_id } = messageIn(reply.assigment, "assigment");
      return { requestId: request_id, metaKey: meta_key, instanceId: nameIn(instance_id, "assigment.instance_id") };
    });
  }

  async idle(
    { requestId, metaKey, instanceId }: SlotAssignment,
    result: SlotResult,
    signal?: AbortSignal,
  ): Promise<void> {
    const request = {
      assigment: { request_id: requestId, meta_key: metaKey, instance_id: instanceId },
      result: {
        status_code: result.statusCode,
        duration_in_ms: result.durationMs,
        need_destroy: result.needDestroy,
        reason: result.reason,
      },
    };
    const reply: StatusReply = await this.#peer.unary("Idle", request, signal);
    expectOk("Idle", reply);
  }

  close(): void {
    this.#peer.close();
  }
}
