// A Scheduler of somebody else: what an API server asks for containers.

import { PORT_MAX } from "#runtime/setting.ts";
import { integerIn, nameIn } from "./field.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import type {
  AcquireContainerReply,
  AcquiredContainer,
  ContainerScheduler,
  ContainerUsed,
  ContainerWanted,
} from "./scheduler-service.ts";

export class SchedulerClient implements ContainerScheduler {
  readonly #peer: Peer;

  constructor(options: PeerOptions) {
    this.#peer = new Peer("schedulerproto.Scheduler", options);
  }

  async acquire(wanted: ContainerWanted, signal?: AbortSignal): Promise<AcquiredContainer> {
    const { requestId, accountId, functionName, terms } = wanted;
    const request = {
      request_id: requestId,
      account_id: accountId,
      function_name: functionName,
      function_config: { timeout_in_ms: terms.timeoutMs, memory_in_bytes: terms.memoryBytes, handler: terms.handler },
    };
    const reply: AcquireContainerReply = await this.#peer.unary("AcquireContainer", request, signal);
    return this.#peer.checked("AcquireContainer", () => ({
      nodeId: nameIn(reply.node_id, "node_id"),
      nodeAddress: nameIn(reply.node_address, "node_address"),
      nodePort: integerIn(reply.node_service_port, "node_service_port", 1, PORT_MAX),
      containerId: nameIn(reply.container_id, "container_id"),
    }));
  }

  async giveBack(used: ContainerUsed, signal?: AbortSignal): Promise<void> {
    const request = {
      request_id: used.requestId,
      container_id: used.containerId,
      duration_in_nanos: used.durationNanos,
      max_memory_usage_in_bytes: used.memoryBytesMax,
      error_code: used.errorCode,
      error_message: used.errorMessage,
    };
    await this.#peer.unary("ReturnContainer", request, signal);
  }

  close(): void {
    this.#peer.close();
  }
}
