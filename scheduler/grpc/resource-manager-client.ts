// A ResourceManager of somebody else: where a scheduler gets its nodes from.

import { PORT_MAX } from "#runtime/setting.ts";
import { integerIn, messageIn, nameIn } from "./field.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import type {
  GetNodesUsageReply,
  NodeDescMessage,
  NodePool,
  PooledNode,
  ReserveNodeReply,
} from "./resource-manager-service.ts";

export class ResourceManagerClient implements NodePool {
  readonly #peer: Peer;

  constructor(options: PeerOptions) {
    this.#peer = new Peer("resourcemanagerproto.ResourceManager", options);
  }

  async reserve(request: Parameters<NodePool["reserve"]>[0], signal?: AbortSignal): Promise<PooledNode> {
    const { requestId, accountId } = request;
    const message = { request_id: requestId, account_id: accountId };
    const reply: ReserveNodeReply = await this.#peer.unary("ReserveNode", message, signal);
    return this.#peer.checked("ReserveNode", () => nodeIn(messageIn(reply.node, "node")));
  }

  async release({ requestId, nodeId }: Parameters<NodePool["release"]>[0], signal?: AbortSignal): Promise<void> {
    await this.#peer.unary("ReleaseNode", { request_id: requestId, id: nodeId }, signal);
  }

  async usage(requestId: string, signal?: AbortSignal): Promise<readonly PooledNode[]> {
    const { nodes }: GetNodesUsageReply = await this.#peer.unary("GetNodesUsage", { request_id: requestId }, signal);
    return this.#peer.checked("GetNodesUsage", () => nodes.map(nodeIn));
  }

  close(): void {
    this.#peer.close();
  }
}

const nodeIn = (node: NodeDescMessage): PooledNode => ({
  id: nameIn(node.id, "node.id"),
  address: nameIn(node.address, "node.address"),
  port: integerIn(node.node_service_port, "node.node_service_port", 1, PORT_MAX),
  memoryBytes: integerIn(node.memory_in_bytes, "node.memory_in_bytes"),
  reservedAtMs: integerIn(node.reserved_time_timestamp_ms, "node.reserved_time_timestamp_ms"),
  releasedAtMs: integerIn(node.released_time_timestamp_ms, "node.released_time_timestamp_ms"),
});
