// The 2020 contest's APIServer: for each call a container from a scheduler, the call in it on whichever node it is, and the container back.

import { isErrorCode, LocusError } from "#runtime/errors.ts";
import type { FunctionCall, FunctionDoor } from "../grpc/api-server-service.ts";
import type { ContainerNode, NodeCallResult } from "../grpc/node-service.ts";
import type { ContainerScheduler, FunctionTerms } from "../grpc/scheduler-service.ts";

export interface ListedFunction extends FunctionTerms {
  readonly functionName: string;
}

export interface DoorOptions {
  readonly scheduler: ContainerScheduler;
  /** A node by where it is. Kept by whoever gives it, since many calls go to one. */
  readonly node: (address: string, port: number) => Pick<ContainerNode, "invoke">;
  readonly functions: {
    get(functionName: string): ListedFunction | undefined;
    list(): readonly ListedFunction[];
  };
}

export class SchedulerDoor implements FunctionDoor {
  readonly #options: DoorOptions;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  async invoke({ requestId, accountId, functionName, event }: FunctionCall, signal: AbortSignal): Promise<Uint8Array> {
    const { scheduler, node, functions } = this.#options;
    const terms = functions.get(functionName);
    if (terms === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `there is no function ${functionName}`);
    const { containerId, nodeAddress, nodePort } = await scheduler.acquire(
      { requestId, accountId, functionName, terms },
      signal,
    );
    let used = { durationNanos: 0, memoryBytesMax: 0, errorCode: "", errorMessage: "" };
    try {
      signal.throwIfAborted();
      const result = await node(nodeAddress, nodePort).invoke({ requestId, containerId, event, meta: terms }, signal);
      used = { ...used, durationNanos: result.durationNanos, memoryBytesMax: result.memoryBytesMax };
      return bodyOf(result, functionName);
    } catch (error) {
      const code = error instanceof LocusError ? error.code : "INTERNAL";
      used = { ...used, errorCode: code, errorMessage: (error as Error).message };
      throw error;
    } finally {
      // The container comes back however the call ended, its caller waiting or not.
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
