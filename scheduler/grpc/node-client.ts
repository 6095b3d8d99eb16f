// A NodeService of somebody else: a node of the contest's, or another of ours.

import { LocusError } from "#runtime/errors.ts";
import { RESULT_BYTES_MAX } from "#runtime/function/description.ts";
import type { Outcome } from "#runtime/sandbox/supervisor.ts";
import { integerIn, messageIn, nameIn } from "./field.ts";
import type {
  ContainerNode,
  CreateContainerReply,
  FunctionMeta,
  FunctionMetaMessage,
  GetStatsReply,
  InvokeFunctionReply,
  NodeCall,
  NodeCallResult,
  NodeStats,
} from "./node-service.ts";
import { Peer, type PeerOptions } from "./peer.ts";

/** That a call may write has to be said within; beyond, the call is given up. Its own deadline mostly comes first. */
const ALLOW_TIMEOUT_MS = 10_000;
/** Of a call's own time its node sees to it that it ends; it then says so, with what the call used. */
const ANSWER_TIMEOUT_MS = 1_000;
/** A node that has not been reached by then is not. Chosen. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Messages of one result; the largest body in chunks of some KiB, and a few. */
const MESSAGES_MAX = 4_096;

export class NodeClient implements ContainerNode {
  readonly #peer: Peer;
  readonly #calls: Peer;

  constructor(options: PeerOptions) {
    this.#peer = new Peer("nodeservoceproto.NodeService", options);
    this.#calls = new Peer("locus.NodeCalls", options);
  }

  /** Rejects with PEER_UNAVAILABLE where no connection comes about: nothing has been sent then. */
  connected(): Promise<void> {
    return this.#peer.reached(CONNECT_TIMEOUT_MS);
  }

  async reserve(
    { requestId, ownerAccountId }: Parameters<ContainerNode["reserve"]>[0],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#peer.unary("Reserve", { request_id: requestId, owner_account_id: ownerAccountId }, signal);
  }

  async createContainer(
    { requestId, name, meta }: Parameters<ContainerNode["createContainer"]>[0],
    signal?: AbortSignal,
  ): Promise<string> {
    const request = { request_id: requestId, name, function_meta: metaMessage(meta) };
    const reply = await this.#peer
      .unary<CreateContainerReply>("CreateContainer", request, signal)
      .catch(unknownFunction);
    return this.#peer.checked("CreateContainer", () => nameIn(reply.container_id, "container_id"));
  }

  async removeContainer(
    { requestId, containerId }: Parameters<ContainerNode["removeContainer"]>[0],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#peer.unary("RemoveContainer", { request_id: requestId, container_id: containerId }, signal);
  }

  /** The function's own time bounds the call as well, and a little more where the node is ours: it says what a call came to whose time was over. */
  async invoke({ requestId, containerId, event, meta, own }: NodeCall, signal?: AbortSignal): Promise<NodeCallResult> {
    const request = {
      request_id: requestId,
      container_id: containerId,
      event,
      function_meta: metaMessage(meta),
      ...(own === undefined ? {} : { own: { keys: own.keys, logs: own.logs } }),
    };
    const timeoutMs = meta.timeoutMs + (own === undefined ? 0 : ANSWER_TIMEOUT_MS);
    const unsaid = new AbortController();
    const until = signal === undefined ? unsaid.signal : AbortSignal.any([signal, unsaid.signal]);
    const messages = this.#peer.streaming<InvokeFunctionReply>("InvokeFunction", request, until, timeoutMs);
    return collect(messages, () => {
      // It would wait there for a word that does not come. Whether it came all the same cannot be known.
      this.#allowWrites(requestId, own).catch(() => unsaid.abort());
    });
  }

  /** Nothing is said where it may not: the call waits there until it is cancelled. */
  async #allowWrites(requestId: string, own: NodeCall["own"]): Promise<void> {
    if (own === undefined || !(await own.mayWrite())) return;
    await this.#calls.unary("AllowWrites", { request_id: requestId }, undefined, ALLOW_TIMEOUT_MS);
  }

  async stats(requestId: string, signal?: AbortSignal): Promise<NodeStats> {
    const reply: GetStatsReply = await this.#peer.unary("GetStats", { request_id: requestId }, signal);
    return this.#peer.checked("GetStats", () => statsIn(reply));
  }

  close(): void {
    this.#peer.close();
    this.#calls.close();
  }
}

const metaMessage = ({ functionName, handler, timeoutMs, memoryBytes }: FunctionMeta): FunctionMetaMessage => ({
  function_name: functionName,
  handler,
  timeout_in_ms: timeoutMs,
  memory_in_bytes: memoryBytes,
});

/** What a node that knows no codes of ours may have not found: there is no container yet. */
function unknownFunction(error: LocusError): never {
  if (error.code !== "INSTANCE_NOT_FOUND") throw error;
  throw new LocusError("FUNCTION_NOT_FOUND", error.message, { cause: error });
}

/** Header, body and footer may come in one message or in many. */
async function collect(
  messages: AsyncIterable<InvokeFunctionReply>,
  onWantsToWrite: () => void,
): Promise<NodeCallResult> {
  const chunks: Uint8Array[] = [];
  let [bytes, count] = [0, 0];
  let header: InvokeFunctionReply["header"];
  let footer: InvokeFunctionReply["footer"];
  let outcomeJson = "";
  for await (const message of messages) {
    header ??= message.header;
    footer ??= message.footer;
    if (message.own?.wants_to_write) onWantsToWrite();
    outcomeJson ||= message.own?.outcome_json ?? "";
    const chunk = message.body ?? new Uint8Array();
    bytes += chunk.length;
    if (bytes > RESULT_BYTES_MAX || ++count > MESSAGES_MAX) {
      throw new LocusError(
        "RESULT_TOO_LARGE",
        `a result of more than ${RESULT_BYTES_MAX} bytes, or of more than ${MESSAGES_MAX} messages`,
      );
    }
    if (chunk.length > 0) chunks.push(chunk);
  }
  const failure = footer?.error || footer?.invoke_exception || "";
  const outcome = outcomeJson === "" ? {} : { outcome: outcomeIn(outcomeJson, chunks) };
  return {
    ...outcome,
    body: Buffer.concat(chunks),
    error: header?.error?.length ? header.error : Buffer.from(failure),
    handled: header?.handled ?? failure === "",
    statusCode: header?.status_code ?? "",
    headers: Object.fromEntries(Object.entries(header?.headers ?? {}).map(([name, { items }]) => [name, items])),
    memoryBytesMax: integerIn(header?.max_mem_usage_in_bytes ?? 0, "header.max_mem_usage_in_bytes"),
    log: header?.function_log ?? "",
    durationNanos: integerIn(footer?.duration_in_nanos ?? 0, "footer.duration_in_nanos"),
  };
}

/** Of a node that has our secret: it is trusted to say what it is asked. */
function outcomeIn(json: string, chunks: readonly Uint8Array[]): Outcome {
  const outcome = JSON.parse(json) as Outcome;
  return outcome.ok ? { ...outcome, resultJson: Buffer.concat(chunks).toString() } : outcome;
}

function statsIn({ node_stats, container_stats_list, live_id, owner_account_id }: GetStatsReply): NodeStats {
  const node = messageIn(node_stats, "node_stats");
  return {
    node: {
      totalMemoryBytes: integerIn(node.total_memory_in_bytes, "node_stats.total_memory_in_bytes"),
      usedMemoryBytes: integerIn(node.memory_usage_in_bytes, "node_stats.memory_usage_in_bytes"),
      availableMemoryBytes: integerIn(node.available_memory_in_bytes, "node_stats.available_memory_in_bytes"),
      cpuPercent: node.cpu_usage_pct,
      diskTotalBytes: integerIn(node.disk_total_in_bytes, "node_stats.disk_total_in_bytes"),
      diskAvailableBytes: integerIn(node.disk_avail_in_bytes, "node_stats.disk_avail_in_bytes"),
      diskTotalInodes: integerIn(node.disk_total_inodes, "node_stats.disk_total_inodes"),
      diskFreeInodes: integerIn(node.disk_free_inodes, "node_stats.disk_free_inodes"),
    },
    containers: container_stats_list.map((container) => ({
      containerId: nameIn(container.container_id, "container_id"),
      totalMemoryBytes: integerIn(container.total_memory_in_bytes, "container.total_memory_in_bytes"),
      usedMemoryBytes: integerIn(container.memory_usage_in_bytes, "container.memory_usage_in_bytes"),
      cpuPercent: container.cpu_usage_pct,
    })),
    liveId: live_id,
    ownerAccountId: owner_account_id,
  };
}
