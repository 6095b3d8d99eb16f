// apiserverproto.APIServer, the contest's of 2020, over a port: call a function, list what there is.

import { randomUUID } from "node:crypto";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { nameIn, textIn } from "./field.ts";
import { unary } from "./handler.ts";
import type { FunctionTerms } from "./scheduler-service.ts";

export interface FunctionCall {
  readonly requestId: string;
  readonly accountId: string;
  readonly functionName: string;
  /** What the function is given; of a locus function its `args` as JSON, nothing meaning null. */
  readonly event: Buffer;
}

export interface FunctionDoor {
  /** The function's result. Rejects with what the call came to, DEADLINE_EXCEEDED and FUNCTION_NOT_FOUND among it. */
  invoke(call: FunctionCall, signal: AbortSignal): Promise<Uint8Array>;
  list(signal: AbortSignal): Promise<readonly ({ readonly functionName: string } & FunctionTerms)[]>;
}

interface InvokeFunctionRequest {
  readonly account_id: string;
  readonly function_name: string;
  readonly event: Buffer;
}
interface InvokeFunctionReply {
  readonly request_id: string;
  readonly body: Uint8Array;
  readonly server_side_latency_in_ms: number;
}
interface ListFunctionsReply {
  readonly request_id: string;
  readonly functions: readonly {
    readonly function_name: string;
    readonly timeout_in_ms: number;
    readonly memory_in_bytes: number;
    readonly handler: string;
  }[];
}

export const apiServerService = (door: FunctionDoor): UntypedServiceImplementation => ({
  InvokeFunction: unary<InvokeFunctionRequest, InvokeFunctionReply>(async (request, signal) => {
    const startedMs = performance.now();
    const requestId = randomUUID();
    const call = {
      requestId,
      accountId: textIn(request.account_id, "account_id"),
      functionName: nameIn(request.function_name, "function_name"),
      event: request.event,
    };
    const body = await door.invoke(call, signal);
    return { request_id: requestId, body, server_side_latency_in_ms: Math.round(performance.now() - startedMs) };
  }),
  ListFunctions: unary<object, ListFunctionsReply>(async (_request, signal) => {
    const functions = await door.list(signal);
    return {
      request_id: randomUUID(),
      functions: functions.map(({ functionName, timeoutMs, memoryBytes, handler }) => ({
        function_name: functionName,
        timeout_in_ms: timeoutMs,
        memory_in_bytes: memoryBytes,
        handler,
      })),
    };
  }),
});
