// resourcemanagerproto.ResourceManager, the contest's of 2020, over a port: a pool of nodes to reserve and release.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { nameIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";

export interface PooledNode {
  readonly id: string;
  readonly address: string;
  /** Of its NodeService. */
  readonly port: number;
  readonly memoryBytes: number;
  /** Unix time; 0 where it has not happened. */
  readonly reservedAtMs: number;
  readonly releasedAtMs: number;
}

export interface NodePool {
  /** Rejects with NODES_EXHAUSTED. */
  reserve(
    request: { readonly requestId: string; readonly accountId: string },
    signal?: AbortSignal,
  ): Promise<PooledNode>;
  /** Rejects with NODE_NOT_FOUND for a node that is not reserved. */
  release(request: { readonly requestId: string; readonly nodeId: string }, signal?: AbortSignal): Promise<void>;
  /** Those that are reserved. */
  usage(requestId: string, signal?: AbortSignal): Promise<readonly PooledNode[]>;
}

export interface NodeDescMessage {
  readonly id: string;
  readonly address: string;
  readonly node_service_port: number;
  readonly memory_in_bytes: number;
  readonly reserved_time_timestamp_ms: number;
  readonly released_time_timestamp_ms: number;
}
export interface ReserveNodeReply {
  readonly node: NodeDescMessage | null;
}
export interface GetNodesUsageReply {
  readonly nodes: readonly NodeDescMessage[];
}
interface NodeRequest {
  /** Optional. */
  readonly request_id: string;
  readonly account_id: string;
  readonly id: string;
}

export const resourceManagerService = (pool: NodePool): UntypedServiceImplementation => ({
  ReserveNode: unary<NodeRequest, ReserveNodeReply>(
    async ({ request_id, account_id }, signal) => {
      const request = { requestId: textIn(request_id, "request_id"), accountId: textIn(account_id, "account_id") };
      return { node: messageOf(await pool.reserve(request, signal)) };
    },
    ({ request_id }, { node }) => {
      // Nobody has it. Where it is gone already, all the better.
      if (node !== null) pool.release({ requestId: request_id, nodeId: node.id }).catch(() => {});
    },
  ),
  ReleaseNode: unary<NodeRequest, object>(async ({ request_id, id }, signal) => {
    await pool.release({ requestId: textIn(request_id, "request_id"), nodeId: nameIn(id, "id") }, signal);
    return {};
  }),
  GetNodesUsage: unary<NodeRequest, GetNodesUsageReply>(async ({ request_id }, signal) => {
    const nodes = await pool.usage(textIn(request_id, "request_id"), signal);
    return { nodes: nodes.map(messageOf) };
  }),
});

const messageOf = (node: PooledNode): NodeDescMessage => ({
  id: node.id,
  address: node.address,
  node_service_port: node.port,
  memory_in_bytes: node.memoryBytes,
  reserved_time_timestamp_ms: node.reservedAtMs,
  released_time_timestamp_ms: node.releasedAtMs,
});
