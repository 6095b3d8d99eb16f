// The 2020 contest's APIServer: for each call a container from a scheduler, the call in it on whichever node it is, and the container back. A call that
// never ran, since its node has no such container, or cannot be reached, has another one.

import { type ErrorCode, isErrorCode, LocusError } from "#runtime/errors.ts";
import type { FunctionCall, FunctionDoor } from "../grpc/api-server-service.ts";
import type { ContainerNode, NodeCallResult } from "../grpc/node-service.ts";
import type { AcquiredContainer, ContainerScheduler, FunctionTerms } from "../grpc/scheduler-service.ts";

/** Containers that one call is given, one after another, while none of them takes it. Chosen. */
const CONTAINERS_MAX = 4;

export interface ListedFunction extends FunctionTerms {
  readonly functionName: string;
}

export interface DoorOptions {
  readonly scheduler: ContainerScheduler;
  /** A node by where it is. Kept by whoever gives it, since many calls go to one. */
  readonly node: (address: string, port: number) => DoorNode;
  readonly functions: {
    get(functionName: string): ListedFunction | undefined;
    list(): readonly ListedFunction[];
  };
}

interface DoorNode extends Pick<ContainerNode, "invoke"> {
  /** Rejects with PEER_UNAVAILABLE where no connection comes about: nothing has been sent then. */
  connected(): Promise<void>;
}

/** What a call in one container came to; `neverRan`: the call has not run, and another container may have it. */
type Attempt = { readonly body: Uint8Array } | { readonly neverRan: LocusError };

export class SchedulerDoor implements FunctionDoor {
  readonly #options: DoorOptions;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  async invoke(call: FunctionCall, signal: AbortSignal): Promise<Uint8Array> {
    const { scheduler, functions } = this.#options;
    const { requestId, accountId, functionName } = call;
    const terms = functions.get(functionName);
    if (terms === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `there is no function ${functionName}`);
    for (let containers = 1; ; containers++) {
      const container = await scheduler.acquire({ requestId, accountId, functionName, terms }, signal);
      const attempt = await this.#callIn(container, call, terms, signal);
      if ("body" in attempt) return attempt.body;
      if (containers === CONTAINERS_MAX) throw attempt.neverRan;
    }
  }

  /** The container comes back however the call ended, its caller waiting or not. */
  async #callIn(
    { containerId, nodeAddress, nodePort }: AcquiredContainer,
    { requestId, functionName, event }: FunctionCall,
    terms: ListedFunction,
    signal: AbortSignal,
  ): Promise<Attempt> {
    const { scheduler, node } = this.#options;
    let used = { durationNanos: 0, memoryBytesMax: 0, errorCode: "", errorMessage: "" };
    /** The failure that says, as far as the call has come, that it has not run. */
    let unmet: ErrorCode | null = "PEER_UNAVAILABLE";
    try {
      signal.throwIfAborted();
      const there = node(nodeAddress, nodePort);
      await there.connected();
      unmet = "INSTANCE_NOT_FOUND";
      const result = await there.invoke({ requestId, containerId, event, meta: terms }, signal);
      unmet = null;
      used = { ...used, durationNanos: result.durationNanos, memoryBytesMax: result.memoryBytesMax };
      return { body: bodyOf(result, functionName) };
    } catch (error) {
      const code = error instanceof LocusError ? error.code : "INTERNAL";
      used = { ...used, errorCode: code, errorMessage: (error as Error).message };
      if (error instanceof LocusError && code === unmet) return { neverRan: error };
      throw error;
    } finally {
      await scheduler.giveBack({ requestId, containerId, ...used }).catch(() => {});
    }
  }

  async list(): Promise<readonly ListedFunction[]> {
    return this.#options.functions.list();
  }
}

function bodyOf({ body, error, statusCode }: NodeCallResult, functionName: string): Uint8Array {
  if (error.length === 0) return body;
  const code = isErrorCode(statusCode) ? statusCode : "FUNCTION_FAILED";
  throw new LocusError(code, `${functionName}: ${Buffer.from(error).toString()}`);
}
