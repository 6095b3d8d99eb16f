// funcloc.FuncLoc, AutoLoc's, over a port: calls of functions as JSON texts, one or many. A reply is "success" and nothing else, or
// says what went wrong: AutoLoc's clients take any other text for a call that has to be run again elsewhere.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { LocusError } from "#runtime/errors.ts";
import { unary } from "./handler.ts";

export interface FunctionRunner {
  /** `args`: what the request holds beside the function's name. Rejects with what the call came to. */
  run(functionName: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void>;
}

/** Requests of one Batch; AutoLoc's client sends 64. */
const BATCH_LENGTH_MAX = 1_024;
/** Of one Batch, run at once: as AutoLoc's executors did it. */
const PARALLEL_MAX = 128;
const REQUEST_LENGTH_MAX = 64 * 1024;

interface InvokeRequest {
  readonly request: string;
}
interface InvokeReply {
  readonly result: string;
}

export const funcLocService = (runner: FunctionRunner): UntypedServiceImplementation => ({
  Invoke: unary<InvokeRequest, InvokeReply>(({ request }, signal) => resultOf(runner, request, signal)),
  Batch: unary<{ readonly request: readonly InvokeRequest[] }, { readonly result: readonly InvokeReply[] }>(
    async ({ request: requests }, signal) => {
      if (requests.length > BATCH_LENGTH_MAX) {
        throw new LocusError(
          "REQUEST_INVALID",
          `a batch of ${requests.length} requests, at most ${BATCH_LENGTH_MAX} are allowed`,
        );
      }
      const results: InvokeReply[] = Array.from({ length: requests.length }, () => ({ result: "" }));
      let next = 0;
      const work = async (): Promise<void> => {
        for (let at = next++; at < requests.length && !signal.aborted; at = next++) {
          results[at] = await resultOf(runner, requests[at]?.request ?? "", signal);
        }
      };
      await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, requests.length) }, work));
      return { result: results };
    },
  ),
});

/** Never rejects for what one request came to: the others of a batch have their own. */
async function resultOf(runner: FunctionRunner, request: string, signal: AbortSignal): Promise<InvokeReply> {
  try {
    const { f, ...args } = requestIn(request);
    await runner.run(f, args, signal);
    return { result: "success" };
  } catch (error) {
    if (error instanceof LocusError) return { result: `${error.code}: ${error.message}`.toWellFormed() };
    throw error;
  }
}

function requestIn(text: string): { readonly f: string } & Record<string, unknown> {
  const value = text.length > REQUEST_LENGTH_MAX ? undefined : parsed(text);
  if (typeof value === "object" && value !== null && "f" in value && typeof value.f === "string") {
    return value as { readonly f: string };
  }
  throw new LocusError("REQUEST_INVALID", 'a request is JSON such as {"f": "khop", "nodeId": "7"}, of at most 64 KiB');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
