// schedulerproto.Scheduler, the contest's of 2020, over a port: acquire an instance (there: a container), give it back.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { integerIn, messageIn, nameIn, noteIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";

/** A function as the 2020 contest's messages describe it. */
export interface FunctionTerms {
  readonly timeoutMs: number;
  /** Configured: the most that one of its containers may use. */
  readonly memoryBytes: number;
  readonly handler: string;
}

/** The bounds within which terms make sense; chosen. */
const TIMEOUT_MS_MAX = 24 * 3_600_000;
const MEMORY_BYTES_MAX = 2 ** 40;

export interface ContainerWanted {
  readonly requestId: string;
  /** The same for a whole evaluation; a resource manager is told it. */
  readonly accountId: string;
  readonly functionName: string;
  readonly terms: FunctionTerms;
}

export interface AcquiredContainer {
  readonly nodeId: string;
  readonly nodeAddress: string;
  readonly nodePort: number;
  readonly containerId: string;
}

export interface ContainerUsed {
  /** Of the call that acquired it. */
  readonly requestId: string;
  readonly containerId: string;
  readonly durationNanos: number;
  /** The most that the container used. */
  readonly memoryBytesMax: number;
  readonly errorCode: string;
  readonly errorMessage: string;
}

export interface ContainerScheduler {
  /**
   * For a request that waits, or holds one, it is the same one. Rejects with FUNCTION_NOT_FOUND, VERSION_NOT_FOUND, REQUEST_INVALID (no container can have
   * such terms), NODES_EXHAUSTED, OVERLOADED, DEADLINE_EXCEEDED; CANCELLED where `signal` aborts first: then nothing is held, but where the request was asked
   * for by others as well.
   */
  acquire(wanted: ContainerWanted, signal: AbortSignal): Promise<AcquiredContainer>;
  /** Rejects with INSTANCE_NOT_FOUND for a container, or a request, that holds none. */
  giveBack(used: ContainerUsed, signal?: AbortSignal): Promise<void>;
}

interface FunctionConfigMessage {
  readonly timeout_in_ms: number;
  readonly memory_in_bytes: number;
  readonly handler: string;
}
interface AcquireContainerRequest {
  readonly request_id: string;
  readonly account_id: string;
  readonly function_name: string;
  readonly function_config: FunctionConfigMessage | null;
}
export interface AcquireContainerReply {
  readonly node_id: string;
  readonly node_address: string;
  readonly node_service_port: number;
  readonly container_id: string;
}
interface ReturnContainerRequest {
  readonly request_id: string;
  readonly container_id: string;
  readonly duration_in_nanos: number;
  readonly max_memory_usage_in_bytes: number;
  readonly error_code: string;
  readonly error_message: string;
}

export const schedulerService = (scheduler: ContainerScheduler): UntypedServiceImplementation => ({
  AcquireContainer: unary<AcquireContainerRequest, AcquireContainerReply>(
    async (request, signal) => {
      const { nodeId, nodeAddress, nodePort, containerId } = await scheduler.acquire(wantedIn(request), signal);
      return { node_id: nodeId, node_address: nodeAddress, node_service_port: nodePort, container_id: containerId };
    },
    ({ request_id }, { container_id }) => {
      // Nobody has it. Where it is gone already, all the better.
      scheduler.giveBack(unused(request_id, container_id)).catch(() => {});
    },
  ),
  ReturnContainer: unary<ReturnContainerRequest, object>(async (request, signal) => {
    await scheduler.giveBack(usedIn(request), signal);
    return {};
  }),
});

const wantedIn = (request: AcquireContainerRequest): ContainerWanted => {
  const config = messageIn(request.function_config, "function_config");
  return {
    requestId: nameIn(request.request_id, "request_id"),
    accountId: textIn(request.account_id, "account_id"),
    functionName: nameIn(request.function_name, "function_name"),
    terms: termsIn(config, "function_config"),
  };
};

/** Of messages that carry the terms under these names. */
export const termsIn = (config: FunctionConfigMessage, field: string): FunctionTerms => ({
  timeoutMs: integerIn(config.timeout_in_ms, `${field}.timeout_in_ms`, 1, TIMEOUT_MS_MAX),
  memoryBytes: integerIn(config.memory_in_bytes, `${field}.memory_in_bytes`, 1, MEMORY_BYTES_MAX),
  handler: textIn(config.handler, `${field}.handler`),
});

const usedIn = (request: ReturnContainerRequest): ContainerUsed => ({
  requestId: nameIn(request.request_id, "request_id"),
  containerId: nameIn(request.container_id, "container_id"),
  durationNanos: integerIn(request.duration_in_nanos, "duration_in_nanos"),
  memoryBytesMax: integerIn(request.max_memory_usage_in_bytes, "max_memory_usage_in_bytes"),
  errorCode: noteIn(request.error_code),
  errorMessage: noteIn(request.error_message),
});

const unused = (requestId: string, containerId: string): ContainerUsed => ({
  requestId,
  containerId,
  durationNanos: 0,
  memoryBytesMax: 0,
  errorCode: "",
  errorMessage: "",
});
