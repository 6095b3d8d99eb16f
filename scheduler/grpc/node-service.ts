// nodeservoceproto.NodeService, the contest's of 2020, over a port: instances (there: containers) of one node, and calls in them.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { ARGS_BYTES_MAX } from "#runtime/function/description.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { integerIn, messageIn, nameIn, textIn } from "./field.ts";
import { serverStreaming, unary } from "./handler.ts";
import type { AllowedWrites } from "./node-calls-service.ts";
import { type FunctionTerms, termsIn } from "./scheduler-service.ts";

export interface FunctionMeta extends FunctionTerms {
  readonly functionName: string;
}

export interface NodeCall {
  readonly requestId: string;
  readonly containerId: string;
  readonly event: Buffer;
  readonly meta: FunctionMeta;
  /** Of a node of ours, which knows more of a call than the contest's. */
  readonly own?: OwnCall;
}

interface OwnCall {
  readonly keys: readonly string[];
  readonly logs: boolean;
  /** Asked before the call sends anything but reads: it waits for the answer. Where its caller has gone it ends. */
  readonly mayWrite: () => Promise<boolean>;
}

/** What a call in a container came to. A function that failed has `error` and is no failure of the node. */
export interface NodeCallResult {
  readonly body: Uint8Array;
  /** What the function failed with; empty where it did not. */
  readonly error: Uint8Array;
  /** Whether it failed in its own words, rather than died. */
  readonly handled: boolean;
  /** "200", or a code of ours. */
  readonly statusCode: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** The most that the container used, 0 where that is not known. */
  readonly memoryBytesMax: number;
  readonly log: string;
  readonly durationNanos: number;
  /** For a node of ours, in place of all else. */
  readonly outcome?: Outcome;
}

interface NodeUse {
  readonly totalMemoryBytes: number;
  readonly usedMemoryBytes: number;
  readonly availableMemoryBytes: number;
  /** Percent of one core: 200 is two. */
  readonly cpuPercent: number;
  readonly diskTotalBytes: number;
  readonly diskAvailableBytes: number;
  readonly diskTotalInodes: number;
  readonly diskFreeInodes: number;
}

export interface ContainerUse {
  readonly containerId: string;
  /** Its limit. */
  readonly totalMemoryBytes: number;
  /** 0: not known now. */
  readonly usedMemoryBytes: number;
  /** Percent of one core, on the average since it was told last; 0: none, or not known now. */
  readonly cpuPercent: number;
}

/** Of its node: what is not known may be all that it may have. */
export const usedOf = ({ usedMemoryBytes, totalMemoryBytes }: ContainerUse): number =>
  usedMemoryBytes > 0 ? usedMemoryBytes : totalMemoryBytes;

export interface NodeStats {
  readonly node: NodeUse;
  readonly containers: readonly ContainerUse[];
  /** Another one after each start of the node. */
  readonly liveId: string;
  readonly ownerAccountId: string;
}

export interface ContainerNode {
  /** Rejects with PERMISSION_DENIED where another account has it. */
  reserve(
    request: { readonly requestId: string; readonly ownerAccountId: string },
    signal?: AbortSignal,
  ): Promise<void>;
  /**
   * Resolves with the container's id when it is ready. Rejects with FUNCTION_NOT_FOUND, VERSION_NOT_FOUND, REQUEST_INVALID (no container can be as `meta`
   * says), NODES_EXHAUSTED; CANCELLED: then there is none.
   */
  createContainer(
    request: { readonly requestId: string; readonly name: string; readonly meta: FunctionMeta },
    signal?: AbortSignal,
  ): Promise<string>;
  /** Rejects with INSTANCE_NOT_FOUND. */
  removeContainer(
    request: { readonly requestId: string; readonly containerId: string },
    signal?: AbortSignal,
  ): Promise<void>;
  /** Rejects with INSTANCE_NOT_FOUND, DEADLINE_EXCEEDED, CANCELLED. */
  invoke(call: NodeCall, signal?: AbortSignal): Promise<NodeCallResult>;
  stats(requestId: string, signal?: AbortSignal): Promise<NodeStats>;
}

/** Of a call, since each has a byte at least. */
const KEYS_MAX = ARGS_BYTES_MAX;
/** Of one message of a result; a larger one comes in several. */
const CHUNK_BYTES = 256 * 1024;

export interface FunctionMetaMessage {
  readonly function_name: string;
  readonly handler: string;
  readonly timeout_in_ms: number;
  readonly memory_in_bytes: number;
}
interface NodeRequest {
  readonly request_id: string;
  readonly container_id: string;
}
interface CreateContainerRequest {
  readonly request_id: string;
  readonly name: string;
  readonly function_meta: FunctionMetaMessage | null;
}
export interface CreateContainerReply {
  readonly container_id: string;
}
interface InvokeFunctionRequest extends NodeRequest {
  readonly event: Buffer;
  readonly function_meta: FunctionMetaMessage | null;
  readonly own: { readonly keys: readonly string[]; readonly logs: boolean } | null;
}
/** To a node of ours: first, where it comes to that, that the call wants to write; last what it came to, the result apart, which is the body. */
interface OwnMessage {
  readonly wants_to_write?: boolean;
  readonly outcome_json?: string;
}
export interface InvokeFunctionReply {
  readonly body?: Uint8Array;
  readonly own?: OwnMessage | null;
  readonly header?: {
    readonly error: Uint8Array;
    readonly handled: boolean;
    readonly status_code: string;
    readonly headers: Readonly<Record<string, { readonly items: readonly string[] }>>;
    readonly max_mem_usage_in_bytes: number;
    readonly function_log: string;
  } | null;
  readonly footer?: {
    readonly duration_in_nanos: number;
    readonly invoke_exception: string;
    readonly error: string;
  } | null;
}
export interface GetStatsReply {
  readonly node_stats: {
    readonly total_memory_in_bytes: number;
    readonly memory_usage_in_bytes: number;
    readonly available_memory_in_bytes: number;
    readonly cpu_usage_pct: number;
    readonly disk_total_in_bytes: number;
    readonly disk_avail_in_bytes: number;
    readonly disk_total_inodes: number;
    readonly disk_free_inodes: number;
  } | null;
  readonly container_stats_list: readonly {
    readonly container_id: string;
    readonly total_memory_in_bytes: number;
    readonly memory_usage_in_bytes: number;
    readonly cpu_usage_pct: number;
  }[];
  readonly live_id: string;
  readonly owner_account_id: string;
}

/** `writes`: where callers of ours say that calls may write; null: there are none. */
export const nodeService = (
  node: ContainerNode,
  writes: AllowedWrites | null = null,
): UntypedServiceImplementation => ({
  Reserve: unary<{ readonly request_id: string; readonly owner_account_id: string }, object>(
    async ({ request_id, owner_account_id }, signal) => {
      const ownerAccountId = textIn(owner_account_id, "owner_account_id");
      await node.reserve({ requestId: textIn(request_id, "request_id"), ownerAccountId }, signal);
      return {};
    },
  ),
  CreateContainer: unary<CreateContainerRequest, CreateContainerReply>(
    async ({ request_id, name, function_meta }, signal) => {
      const meta = metaIn(messageIn(function_meta, "function_meta"));
      const request = { requestId: textIn(request_id, "request_id"), name: textIn(name, "name"), meta };
      return { container_id: await node.createContainer(request, signal) };
    },
    ({ request_id }, { container_id }) => {
      // Nobody has it. Where it is gone already, all the better.
      node.removeContainer({ requestId: request_id, containerId: container_id }).catch(() => {});
    },
  ),
  RemoveContainer: unary<NodeRequest, object>(async ({ request_id, container_id }, signal) => {
    const containerId = nameIn(container_id, "container_id");
    await node.removeContainer({ requestId: textIn(request_id, "request_id"), containerId }, signal);
    return {};
  }),
  InvokeFunction: serverStreaming<InvokeFunctionRequest, InvokeFunctionReply>(async (request, signal, send) => {
    const requestId = textIn(request.request_id, "request_id");
    const call = {
      requestId,
      containerId: nameIn(request.container_id, "container_id"),
      event: request.event,
      meta: metaIn(messageIn(request.function_meta, "function_meta")),
    };
    if (request.own === null || writes === null) return messagesOf(await node.invoke(call, signal));
    const { keys, logs } = request.own;
    integerIn(keys.length, "the number of keys", 0, KEYS_MAX);
    const mayWrite = (): Promise<boolean> => {
      const allowed = writes.wait(requestId, signal);
      send({ own: { wants_to_write: true } });
      return allowed;
    };
    const { outcome } = await node.invoke({ ...call, own: { keys, logs, mayWrite } }, signal);
    return ownMessagesOf(outcome!);
  }),
  GetStats: unary<{ readonly request_id: string }, GetStatsReply>(async ({ request_id }, signal) =>
    statsMessage(await node.stats(textIn(request_id, "request_id"), signal)),
  ),
});

const metaIn = (meta: FunctionMetaMessage): FunctionMeta => ({
  functionName: nameIn(meta.function_name, "function_meta.function_name"),
  ...termsIn(meta, "function_meta"),
});

/** What it came to first, then the body, last how long it took. */
function* messagesOf(result: NodeCallResult): Generator<InvokeFunctionReply, void> {
  const { body, error, handled, statusCode, headers, memoryBytesMax, log, durationNanos } = result;
  const items = Object.entries(headers).map(([name, values]) => [name, { items: values }] as const);
  yield {
    header: {
      error,
      handled,
      status_code: statusCode,
      headers: Object.fromEntries(items),
      max_mem_usage_in_bytes: memoryBytesMax,
      function_log: log.toWellFormed(),
    },
  };
  for (let at = 0; at < body.length; at += CHUNK_BYTES) yield { body: body.subarray(at, at + CHUNK_BYTES) };
  const exception = error.length > 0 && !handled ? Buffer.from(error).toString() : "";
  yield { footer: { duration_in_nanos: durationNanos, invoke_exception: exception, error: "" } };
}

/** The result in pieces, then all the rest. */
function* ownMessagesOf(outcome: Outcome): Generator<InvokeFunctionReply, void> {
  const body = outcome.ok ? Buffer.from(outcome.resultJson) : Buffer.alloc(0);
  for (let at = 0; at < body.length; at += CHUNK_BYTES) yield { body: body.subarray(at, at + CHUNK_BYTES) };
  yield { own: { outcome_json: JSON.stringify(outcome.ok ? { ...outcome, resultJson: "" } : outcome) } };
}

const statsMessage = ({ node, containers, liveId, ownerAccountId }: NodeStats): GetStatsReply => ({
  node_stats: {
    total_memory_in_bytes: node.totalMemoryBytes,
    memory_usage_in_bytes: node.usedMemoryBytes,
    available_memory_in_bytes: node.availableMemoryBytes,
    cpu_usage_pct: node.cpuPercent,
    disk_total_in_bytes: node.diskTotalBytes,
    disk_avail_in_bytes: node.diskAvailableBytes,
    disk_total_inodes: node.diskTotalInodes,
    disk_free_inodes: node.diskFreeInodes,
  },
  container_stats_list: containers.map(({ containerId, totalMemoryBytes, usedMemoryBytes, cpuPercent }) => ({
    container_id: containerId,
    total_memory_in_bytes: totalMemoryBytes,
    memory_usage_in_bytes: usedMemoryBytes,
    cpu_usage_pct: cpuPercent,
  })),
  live_id: liveId,
  owner_account_id: ownerAccountId,
});
