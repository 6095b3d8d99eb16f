// Sends an episode's calls by their ways and writes down what comes of them. Never sends anything twice: no client here
// retries.

import { Agent, type IncomingMessage, request } from "node:http";
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
  /** A connection per call in flight: a blocked client's next command waits behind it. */
  readonly #idle: Record<"master" | "replica", Redis[]> = { master: [], replica: [] };

  constructor(doors: Doors, ledger: Ledger) {
    this.#doors = doors;
    this.#ledger = ledger;
  }

  send(shipment: Shipment): void {
    const records = shipment.map((call) => this.#ledger.send(call)) as [CallRecord, ...CallRecord[]];
    const [{ call }] = records;
    if (call.way === "call") void this.#call(records[0], call);
    else this.#post(records, call);
  }

  /** Hangs up on everybody. */
  close(): void {
    this.#agent.destroy();
    for (const connection of Object.values(this.#idle).flat()) connection.disconnect();
  }

  // ---- LOCUS.CALL

  async #call(record: CallRecord, call: ScheduledCall): Promise<void> {
    const server = call.target === "replica" ? "replica" : "master";
    const idle = this.#idle[server];
    let connection: Redis;
    try {
      connection = idle.pop() ?? (await this.#connect(server));
    } catch (error) {
      answer(record, { kind: "lost", reason: String(error) });
      return;
    }
    const timer = leaving(call, () => {
      record.leftMs = performance.now();
      connection.disconnect();
    });
    try {
      const reply = await connection.call("LOCUS.CALL", call.function, "0", JSON.stringify(call.args));
      answer(record, okOf(String(reply)));
      idle.push(connection);
    } catch (error) {
      const failure = toLocusError(error, "call");
      const isReply = error instanceof Error && error.name === "ReplyError";
      if (isReply) answer(record, { kind: "error", code: failure.code, message: failure.message });
      else if (record.leftMs === null) answer(record, { kind: "lost", reason: failure.message });
      if (isReply) idle.push(connection);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(server: "master" | "replica"): Promise<Redis> {
    const path = this.#doors.socketPath(server);
    const connection = await openBrittleConnection(
      { host: "", port: 0, path, tls: false, database: 0 },
      DEFAULT_USER,
      "soak",
    );
    connection.once("end", () => {
      const idle = this.#idle[server];
      if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1);
    });
    return connection;
  }

  // ---- HTTP

  #post(records: readonly [CallRecord, ...CallRecord[]], call: ScheduledCall): void {
    const [how, side = ""] = call.way.split(" ");
    const isBatch = how === "batch";
    const node = call.target === "node2" ? "node2" : "node1";
    const url = `${this.#doors.url(node)}/v1/functions/${call.function}/${isBatch ? "batch" : "invocations"}`;
    const lost = (error: unknown): void => {
      for (const record of records) {
        if (record.answers.length === 0 && record.leftMs === null)
          answer(record, { kind: "lost", reason: String(error) });
      }
    };
    const sent = request(url, {
      agent: this.#agent,
      method: "POST",
      headers: {
        "content-type": isBatch ? "application/x-ndjson" : "application/json",
        "x-locus-side": side,
        ...(call.deadlineMs === null ? {} : { "x-locus-deadline-ms": String(call.deadlineMs) }),
      },
    });
    const timer = leaving(call, () => {
      for (const record of records) record.leftMs = record.answers.length === 0 ? performance.now() : null;
      sent.destroy();
    });
    sent.on("error", lost);
    sent.on("close", () => clearTimeout(timer));
    sent.on("response", (response) => {
      const taken = isBatch ? takeLines(response, records) : takeReply(response, records[0]);
      taken.catch(lost);
    });
    sent.end(
      isBatch
        ? records.map((record) => `${JSON.stringify({ args: record.call.args })}\n`).join("")
        : JSON.stringify(call.args),
    );
  }
}

const leaving = ({ leavesAfterMs }: ScheduledCall, leave: () => void): NodeJS.Timeout | undefined =>
  leavesAfterMs === null ? undefined : setTimeout(leave, leavesAfterMs);

/** Rejects when the connection breaks in the middle of the reply. */
async function takeReply(response: IncomingMessage, record: CallRecord): Promise<void> {
  const chunks = (await response.toArray()) as Buffer[];
  const body = Buffer.concat(chunks).toString();
  answer(record, response.statusCode === 200 ? okOf(body) : errorOf(body));
}

/** Rejects as `takeReply` does, and when lines are missing. */
async function takeLines(response: IncomingMessage, records: readonly CallRecord[]): Promise<void> {
  const lines = createInterface({ input: response });
  const { promise: broken, reject } = Promise.withResolvers<never>();
  response.on("error", reject);
  const read = async (): Promise<void> => {
    let next = 0;
    for await (const line of lines) {
      const record = records[Math.min(next, records.length - 1)];
      next += 1;
      if (record !== undefined) answer(record, response.statusCode === 200 ? answerOfLine(line) : errorOf(line));
    }
    if (next < records.length) throw new Error(`the batch ended after ${next} of ${records.length} lines`);
  };
  await Promise.race([read(), broken]);
}

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
