// GET /v1/logs: the last lines of this node's functions and sandbox hosts as newline-delimited JSON, and with `follow`
// those that come, until the client goes. Who reads too slowly misses lines and is told how many. A source that is
// neither a function nor a part of locus is FUNCTION_NOT_FOUND: it would be silent for ever.

import type { ServerResponse } from "node:http";

import type { FastifyInstance } from "fastify";

import { counted } from "#runtime/counted.ts";
import type { FunctionCatalogue } from "../node/function-catalogue.ts";
import type { LogBuffer, LogLine } from "../node/log-buffer.ts";
import { NDJSON_TYPE } from "./batch-route.ts";
import { flagOf, refuseUnknown, single, type Query } from "./call-request.ts";

/** Bytes that wait for a slow reader, at most; lines beyond are dropped. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** An empty line this often shows that the connection lives, on both ends. */
const HEARTBEAT_MS = 15_000;

const QUERY: ReadonlySet<string> = new Set(["source", "follow"]);
/** What speaks beside functions. */
const PARTS: ReadonlySet<string> = new Set(["gateway", "sandbox-host", "supervisor"]);

export const addLogRoute = (
  app: FastifyInstance,
  logs: LogBuffer,
  catalogue: Pick<FunctionCatalogue, "expect">,
): void => {
  const streams = new Set<LogStream>();
  // A follower would hold up a node that is told to stop.
  app.addHook("preClose", async () => streams.forEach((stream) => stream.end()));
  app.get<{ readonly Querystring: Query }>("/v1/logs", async (request, reply) => {
    const { query } = request;
    refuseUnknown(query, QUERY);
    const source = single(query, "source") ?? null;
    // What a deleted function said is still there to read.
    const known = source === null || PARTS.has(source) || logs.lines(source).length > 0;
    if (!known) await catalogue.expect(source);
    const held = logs.lines(source).map(jsonLine).join("");
    if (!flagOf("follow", single(query, "follow"))) return reply.header("content-type", NDJSON_TYPE).send(held);
    const stream = new LogStream(reply.raw, source);
    const leave = logs.follow((line) => stream.write(line));
    streams.add(stream);
    reply.raw.on("close", () => {
      leave();
      stream.close();
      streams.delete(stream);
    });
    reply.hijack();
    stream.open(held);
    return reply;
  });
};

class LogStream {
  readonly #response: ServerResponse;
  readonly #source: string | null;
  #heartbeat: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(response: ServerResponse, source: string | null) {
    this.#response = response;
    this.#source = source;
  }

  open(held: string): void {
    this.#response.writeHead(200, { "content-type": NDJSON_TYPE });
    this.#response.flushHeaders();
    if (held !== "") this.#response.write(held);
    this.#heartbeat = setInterval(() => this.#response.write("\n"), HEARTBEAT_MS).unref();
  }

  write(line: LogLine): void {
    if (this.#source !== null && line.source !== this.#source) return;
    if (this.#response.writableLength > BACKLOG_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped > 0) {
      const text = `${counted(this.#dropped, "line")} dropped: this reader was too slow`;
      const from = { source: "gateway", side: null, invocation: null } as const;
      this.#response.write(jsonLine({ time: line.time, level: "warn", ...from, text }));
      this.#dropped = 0;
    }
    this.#response.write(jsonLine(line));
  }

  end(): void {
    this.#response.end();
  }

  close(): void {
    clearInterval(this.#heartbeat);
  }
}

const jsonLine = (line: LogLine): string => `${JSON.stringify(line)}\n`;
