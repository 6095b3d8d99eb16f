// POST /v1/functions/{name}/batch: many calls over one request, newline-delimited JSON both ways, answered in the order
// of the lines while later ones still come in. A bad line gets an error line; a client that goes away cancels the rest.

import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";

import type { FastifyInstance } from "fastify";

import { LocusError } from "#runtime/errors.ts";
import type { Invoker } from "../node/invoker.ts";
import { errorLine, parseBatchLine, replyLine, type LineWishes } from "./batch-line.ts";
import { encodingOf } from "./body.ts";
import {
  callWishes,
  flagOf,
  integerOf,
  refuseUnknown,
  single,
  traceAsked,
  type CallWishes,
  type Query,
} from "./call-request.ts";
import { disconnectSignal } from "./disconnect.ts";
import { LineSplitter, type Line } from "./ndjson.ts";
import { OrderedWindow } from "./ordered-window.ts";

export const NDJSON_TYPE = "application/x-ndjson";

/** Lines of one batch in flight, at most and by default: as many as AutoLoc's batch. */
export const BATCH_IN_FLIGHT_MAX = 64;

const QUERY: ReadonlySet<string> = new Set(["side", "version", "logs", "usage", "trace", "in-flight"]);

interface BatchRequest {
  readonly Params: { readonly name: string };
  readonly Querystring: Query;
  readonly Body: Readable | undefined;
}

export const addBatchRoute = (app: FastifyInstance, invoker: Invoker, lineBytesMax: number): void => {
  app.addContentTypeParser(NDJSON_TYPE, (request, payload, done) => done(encodingOf(request), payload));
  app.post<BatchRequest>("/v1/functions/:name/batch", { config: { takes: [NDJSON_TYPE] } }, async (request, reply) => {
    const { query, body } = request;
    refuseUnknown(query, QUERY);
    const wishes = callWishes(request.params.name, request.headers, query);
    const told: LineWishes = {
      usage: flagOf("usage", single(query, "usage")),
      trace: traceAsked(request.headers, query),
      logs: wishes.logs,
    };
    const inFlightMax = integerOf(
      "in-flight",
      single(query, "in-flight") ?? `${BATCH_IN_FLIGHT_MAX}`,
      BATCH_IN_FLIGHT_MAX,
    );
    if (body === undefined) throw new LocusError("REQUEST_INVALID", "a batch has a body: one line of JSON per call");
    const signal = disconnectSignal(request.raw.socket);
    const call = (line: Line): Promise<string> => callLine(invoker, wishes, told, line, signal);
    // From here on the reply is written line by line, which is beside fastify's way of one payload.
    reply.hijack();
    await streamBatch(body, reply.raw, new LineSplitter(lineBytesMax), call, inFlightMax);
  });
};

const callLine = async (
  invoker: Invoker,
  wishes: CallWishes,
  told: LineWishes,
  line: Line,
  signal: AbortSignal,
): Promise<string> => {
  const parsed = parseBatchLine(line);
  if (!parsed.ok) return errorLine("REQUEST_INVALID", parsed.message);
  const { argsJson, keys } = parsed;
  return replyLine(await invoker.invoke({ ...wishes, argsJson, keys }, signal), told);
};

/** Ends when every line is answered, or the client is gone. */
const streamBatch = async (
  body: Readable,
  response: ServerResponse,
  splitter: LineSplitter,
  call: (line: Line) => Promise<string>,
  inFlightMax: number,
): Promise<void> => {
  const window = new OrderedWindow(response, inFlightMax);
  response.on("drain", () => window.drained());
  response.on("close", () => window.close());
  response.writeHead(200, { "content-type": NDJSON_TYPE });
  // A client may wait for the beginning of the reply before it sends its first line.
  response.flushHeaders();
  const start = async (lines: readonly Line[]): Promise<void> => {
    for (const line of lines) {
      await window.room();
      if (window.closed) return;
      window.add(call(line));
    }
  };
  try {
    for await (const chunk of body) {
      await start(splitter.push(chunk as Buffer));
      if (window.closed) return;
    }
    await start(splitter.end());
    await window.empty();
    if (!window.closed) {
      response.end();
      await once(response, "close");
    }
  } catch {
    // The client's connection broke in the middle of its body: its signal has cancelled what was in flight.
    response.destroy();
  }
};
