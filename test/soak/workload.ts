// Sends an episode's calls by their ways and writes down what comes of them. Never sends anything twice: no client here
// retries.

import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import type { Redis } from "ioredis";
import { openBrittleConnection } from "#compute/node/redis-connection.ts";
import { toLocusError } from "#compute/node/redis-error.ts";
import { isErrorCode } from "#runtime/errors.ts";
import type { ScheduledCall, Shipment } from "./call-schedule.ts";
import { answer, type Answer, type CallRecord, type Ledger } from "./ledger.ts";

/** Where the calls go now: it changes when a node is started again. */
export interface Doors {
  url(node: "node1" | "node2"): string;
  socketPath(server: "master" | "replica"): string;
}

const DEFAULT_USER = { username: null, password: null };

export class Workload {
  readonly #doors: Doors;
  readonly #ledger: Ledger;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #requests = new Set<ClientRequest>();
  /** By the socket's path; a connection per call in flight: a blocked client's next command waits behind it. */
  readonly #idle = new Map<string, Redis[]>();
  readonly #connections = new Set<Redis>();
  readonly #underWay = new Set<Promise<void>>();
  #isClosed = false;

  constructor(doors: Doors, ledger: Ledger) {
    this.#doors = doors;
    this.#ledger = ledger;
  }

  send(shipment: Shipment): void {
    const records = shipment.map((call) => this.#ledger.send(call)) as [CallRecord, ...CallRecord[]];
    const [{ call }] = records;
    const sent = call.way === "call" ? this.#call(records[0], call) : this.#post(records, call);
    this.#underWay.add(sent);
    void sent.then(() => this.#underWay.delete(sent));
  }

  /** Hangs up on everybody. What has no answer by then gets none. Resolves when no connection is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const sockets = [this.#agent.sockets, this.#agent.freeSockets].flatMap((byName) => Object.values(byName)).flat();
    const gone = sockets.map(async (socket) => socket?.closed === false && (await once(socket, "close")));
    for (const sent of this.#requests) sent.destroy();
    this.#agent.destroy();
    const ended = [...this.#connections].map((connection) => this.#hangUp(connection));
    await Promise.all([...gone, ...ended, ...this.#underWay]);
  }

  #answer(record: CallRecord, what: Answer): void {
    if (!this.#isClosed) answer(record, what);
  }

  // ---- LOCUS.CALL

  async #call(record: CallRecord, call: ScheduledCall): Promise<void> {
    const path = this.#doors.socketPath(call.target === "replica" ? "replica" : "master");
    const idle = this.#idle.get(path) ?? [];
    this.#idle.set(path, idle);
    let connection: Redis;
    try {
      connection = idle.pop() ?? (await this.#connect(path, idle));
    } catch (error) {
      this.#answer(record, { kind: "lost", reason: String(error) });
      return;
    }
    if (this.#isClosed) return this.#hangUp(connection);
    const timer = leaving(call, () => {
      record.leftMs = performance.now();
      connection.disconnect();
    });
    // Who has left has hung up, though the reply may still come.
    const release = (): void => void (record.leftMs === null && idle.push(connection));
    try {
      const reply = await connection.call("LOCUS.CALL", call.function, "0", JSON.stringify(call.args));
      this.#answer(record, okOf(String(reply)));
      release();
    } catch (error) {
      const failure = toLocusError(error, "call");
      const isReply = error instanceof Error && error.name === "ReplyError";
      if (isReply) this.#answer(record, { kind: "error", code: failure.code, message: failure.message });
      else if (record.leftMs === null) this.#answer(record, { kind: "lost", reason: failure.message });
      if (isReply) release();
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(path: string, idle: Redis[]): Promise<Redis> {
    const connection = await openBrittleConnection(
      { host: "", port: 0, path, tls: false, database: 0 },
      DEFAULT_USER,
      "soak",
    );
    this.#connections.add(connection);
    connection.once("end", () => {
      this.#connections.delete(connection);
      if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1);
    });
    return connection;
  }

  async #hangUp(connection: Redis): Promise<void> {
    if (!this.#connections.has(connection)) return;
    const ended = once(connection, "end");
    connection.disconnect();
    await ended;
  }

  // ---- HTTP

  async #post(records: readonly [CallRecord, ...CallRecord[]], call: ScheduledCall): Promise<void> {
    const [how, side] = call.way.split(" ");
    const isBatch = how === "batch";
    const node = call.target === "node2" ? "node2" : "node1";
    const url = `${this.#doors.url(node)}/v1/functions/${call.function}/${isBatch ? "batch" : "invocations"}`;
    const sent = request(url, {
      agent: this.#agent,
      method: "POST",
      headers: {
        "content-type": isBatch ? "application/x-ndjson" : "application/json",
        ...(side === undefined ? {} : { "x-locus-side": side }),
        ...(call.deadlineMs === null ? {} : { "x-locus-deadline-ms": String(call.deadlineMs) }),
      },
    });
    this.#requests.add(sent);
    const timer = leaving(call, () => {
      for (const record of records) record.leftMs = record.answers.length === 0 ? performance.now() : null;
      sent.destroy();
    });
    sent.on("error", () => {}); // whoever reads the reply learns of it
    try {
      sent.end(
        isBatch
          ? records.map((record) => `${JSON.stringify({ args: record.call.args })}\n`).join("")
          : JSON.stringify(call.args),
      );
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      await (isBatch ? this.#takeLines(response, records) : this.#takeReply(response, records[0]));
    } catch (error) {
      for (const record of records) {
        if (record.answers.length === 0 && record.leftMs === null)
          this.#answer(record, { kind: "lost", reason: String(error) });
      }
    } finally {
      clearTimeout(timer);
      this.#requests.delete(sent);
    }
  }

  /** Rejects when the connection breaks in the middle of the reply. */
  async #takeReply(response: IncomingMessage, record: CallRecord): Promise<void> {
    const chunks = (await response.toArray()) as Buffer[];
    const body = Buffer.concat(chunks).toString();
    this.#answer(record, response.statusCode === 200 ? okOf(body) : errorOf(body));
  }

  /** Rejects as `#takeReply` does, and when lines are missing. */
  async #takeLines(response: IncomingMessage, records: readonly CallRecord[]): Promise<void> {
    const lines = createInterface({ input: response });
    const { promise: broken, reject } = Promise.withResolvers<never>();
    response.on("error", reject);
    const read = async (): Promise<void> => {
      let next = 0;
      for await (const line of lines) {
        const record = records[Math.min(next, records.length - 1)];
        next += 1;
        if (record !== undefined)
          this.#answer(record, response.statusCode === 200 ? answerOfLine(line) : errorOf(line));
      }
      if (next < records.length) throw new Error(`the batch ended after ${next} of ${records.length} lines`);
    };
    await Promise.race([read(), broken]);
  }
}

const leaving = ({ leavesAfterMs }: ScheduledCall, leave: () => void): NodeJS.Timeout | undefined =>
  leavesAfterMs === null ? undefined : setTimeout(leave, leavesAfterMs);

const okOf = (json: string): Answer => {
  const result = parse(json);
  return result === undefined ? { kind: "garbled", text: json.slice(0, 200) } : { kind: "ok", result };
};

const answerOfLine = (line: string): Answer => {
  const parsed = parse(line) as { readonly result?: unknown; readonly error?: unknown } | undefined;
  if (parsed?.error !== undefined) return errorIn(parsed.error, line);
  return parsed !== undefined && "result" in parsed
    ? { kind: "ok", result: parsed.result }
    : { kind: "garbled", text: line.slice(0, 200) };
};

const errorOf = (body: string): Answer => {
  const problem = parse(body) as { readonly code?: unknown; readonly detail?: unknown } | undefined;
  return errorIn({ code: problem?.code, message: problem?.detail }, body);
};

const errorIn = (error: unknown, text: string): Answer => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code === "string" && isErrorCode(code)) return { kind: "error", code, message: String(message) };
  return { kind: "garbled", text: text.slice(0, 200) };
};

/** undefined where it is no JSON. */
const parse = (json: string): unknown => {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
};
