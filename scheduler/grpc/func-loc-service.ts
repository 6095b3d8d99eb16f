// funcloc.FuncLoc, AutoLoc's, over a port: calls of functions as JSON texts, one or many. A reply is "success" and nothing else, or
// says what went wrong: AutoLoc's clients take any other text for a call that has to be run again elsewhere.

import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { LocusError } from "#runtime/errors.ts";
import { noteIn } from "./field.ts";
import { unary } from "./handler.ts";

export interface FunctionRunner {
  /** `args`: what the request holds beside the function's name. Rejects with what the call came to. */
  run(functionName: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void>;
}

/** Requests of one Batch; AutoLoc's client sends 64. */
const BATCH_LENGTH_MAX = 1_024;
/** Of one Batch, run at once: as AutoLoc's executors did it. */
const PARALLEL_MAX = 128;
/** Batches under way; one more is refused. Each may hold a whole message, and one alone keeps a node busy. Chosen. */
const BATCHES_MAX = 64;
const REQUEST_LENGTH_MAX = 64 * 1024;

interface InvokeRequest {
  readonly request: string;
}
interface InvokeReply {
  readonly result: string;
}

interface BatchRequest {
  readonly request: readonly InvokeRequest[];
}
interface BatchReply {
  readonly result: readonly InvokeReply[];
}

export function funcLocService(runner: FunctionRunner): UntypedServiceImplementation {
  let batches = 0;
  return {
    Invoke: unary<InvokeRequest, InvokeReply>(({ request }, signal) => resultOf(runner, request, signal)),
    Batch: unary<BatchRequest, BatchReply>(async ({ request: requests }, signal) => {
      if (requests.length > BATCH_LENGTH_MAX) {
        const many = `a batch of ${requests.length} requests, at most ${BATCH_LENGTH_MAX} are allowed`;
        throw new LocusError("REQUEST_INVALID", many);
      }
      if (batches >= BATCHES_MAX) throw new LocusError("OVERLOADED", `${BATCHES_MAX} batches are under way already`);
      batches++;
      try {
        return { result: await resultsOf(runner, requests, signal) };
      } finally {
        batches--;
      }
    }),
  };
}

/** In the order of the requests. None is begun when nobody waits any more. */
async function resultsOf(
  runner: FunctionRunner,
  requests: readonly InvokeRequest[],
  signal: AbortSignal,
): Promise<readonly InvokeReply[]> {
  const results: InvokeReply[] = Array.from({ length: requests.length }, () => ({ result: "" }));
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < requests.length && !signal.aborted; at = next++) {
      results[at] = await resultOf(runner, requests[at]?.request ?? "", signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_MAX, requests.length) }, work));
  return results;
}

/** Never rejects for what one request came to: the others of a batch have their own. */
async function resultOf(runner: FunctionRunner, request: string, signal: AbortSignal): Promise<InvokeReply> {
  try {
    const { f, ...args } = requestIn(request);
    await runner.run(f, args, signal);
    return { result: "success" };
  } catch (error) {
    // A function's own words may be long, and a batch has many.
    if (error instanceof LocusError) return { result: noteIn(`${error.code}: ${error.message}`).toWellFormed() };
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
