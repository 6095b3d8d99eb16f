// POST /v1/functions/{name}/invocations: one call. The hot path of the gateway: args pass through as text, the result
// goes out as the text that the sandbox made, nothing is parsed, validated by schema or logged here.

import type { FastifyInstance } from "fastify";

import type { Invoker, Reply } from "../node/invoker.ts";
import { textBody } from "./body.ts";
import { callWishes, keysOf, refuseUnknown, traceAsked, type Query } from "./call-request.ts";
import { disconnectSignal } from "./disconnect.ts";
import { problemOf, sendProblem } from "./problem.ts";
import { refusalIn } from "./refusal.ts";
import { setReplyHeaders, setTraceHeader } from "./reply-headers.ts";

interface InvocationRequest {
  readonly Params: { readonly name: string };
  readonly Querystring: Query;
  readonly Body: string | undefined;
}

const ARGS_TYPE = "application/json";
const QUERY: ReadonlySet<string> = new Set(["key", "side", "version", "logs", "trace"]);

export const addInvocationRoute = (app: FastifyInstance, invoker: Invoker, bodyBytesMax: number): void => {
  const parseBody = textBody({ bytesMax: bodyBytesMax, tooLarge: "ARGS_TOO_LARGE" });
  app.addContentTypeParser(ARGS_TYPE, parseBody);
  app.post<InvocationRequest>(
    "/v1/functions/:name/invocations",
    { config: { takes: [ARGS_TYPE] } },
    async (request, reply) => {
      const { query, body } = request;
      refuseUnknown(query, QUERY);
      const wishes = callWishes(request.params.name, request.headers, query);
      const isTraced = traceAsked(request.headers, query);
      const call = {
        ...wishes,
        keys: keysOf(query, request.url),
        argsJson: body === undefined || body === "" ? "null" : body,
      };
      const outcome = await invoker.invoke(call, disconnectSignal(request.raw.socket));
      await endOfTurn();
      setReplyHeaders(reply, outcome);
      if (isTraced) setTraceHeader(reply, outcome);
      if (!outcome.ok) return sendProblem(reply, problemOfReply(outcome, call.logs));
      return reply
        .header("content-type", "application/json; charset=utf-8")
        .send(call.logs ? withLogs(outcome.resultJson, outcome.logs) : outcome.resultJson);
    },
  );
};

let turn: Promise<void> | null = null;

/** Replies of one turn of the loop go out together: a client that is awake for the first need not be woken for the others. */
const endOfTurn = (): Promise<void> =>
  (turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = null;
      resolve();
    });
  }));

/** Who asks for the log lines gets them beside the result. */
const withLogs = (resultJson: string, logs: readonly string[]): string =>
  `{"result":${resultJson},"logs":${JSON.stringify(logs)}}`;

const problemOfReply = ({ error, logs }: Reply & { ok: false }, logsAsked: boolean) =>
  problemOf(error.code, error.message, {
    ...(error.stack === "" ? {} : { stack: error.stack }),
    ...refusalIn(error),
    ...(logsAsked ? { logs } : {}),
  });
