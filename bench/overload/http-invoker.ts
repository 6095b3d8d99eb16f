// Calls through a node's gateway, as an ordinary HTTP client makes them: each on a connection of its own that is kept and used again. Over bare
// sockets, because the client shares the node's cores, and an HTTP library would take more of them than the gateway.

import { connect, type Socket } from "node:net";
import type { Call } from "#compute/node/invoker.ts";
import type { ErrorCode } from "#runtime/errors.ts";
import type { SideReason } from "#runtime/placement/choose-side.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { refused, type Answer, type Loaded } from "../placement/load.ts";

/** As many as a gateway takes. One more is refused here, as it would be there. */
const CONNECTIONS_MAX = 4_096;
const STATUS_AT = "HTTP/1.1 ".length;
const HEAD_END = "\r\n\r\n";

export class HttpInvoker implements Loaded {
  readonly #host: string;
  readonly #port: number;
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Rejects where a connection breaks. */
  async invoke({
    function: name,
    argsJson,
    keys,
    side,
  }: Pick<Call, "function" | "argsJson" | "keys" | "side">): Promise<Answer> {
    const connection = this.#idle.pop() ?? this.#connect();
    if (connection === null) return refused("OVERLOADED", `there are ${CONNECTIONS_MAX} connections`);
    const query = keys.map((key) => `key=${encodeURIComponent(key)}`).join("&");
    const lines = [
      `POST /v1/functions/${name}/invocations${query === "" ? "" : `?${query}`} HTTP/1.1`,
      `host: ${this.#host}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(argsJson)}`,
      ...(side === null ? [] : [`x-locus-side: ${side}`]),
    ];
    const answer = answerOf(await connection.ask(`${lines.join("\r\n")}${HEAD_END}${argsJson}`));
    this.#idle.push(connection);
    return answer;
  }

  /** When nothing is asked any more. */
  close(): void {
    for (const connection of this.#all) connection.close();
  }

  #connect(): Connection | null {
    if (this.#all.size === CONNECTIONS_MAX) return null;
    const connection = new Connection(this.#host, this.#port);
    this.#all.add(connection);
    return connection;
  }
}

interface Response {
  readonly head: string;
  readonly body: string;
}

/** One request at a time. */
class Connection {
  readonly #socket: Socket;
  #received = "";
  #asked: PromiseWithResolvers<Response> | null = null;

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true });
    // A character for each byte: lengths are in bytes.
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => this.#heard(text));
    this.#socket.on("error", (error) => this.#asked?.reject(error));
    this.#socket.on("close", () => this.#asked?.reject(new Error("the gateway has closed a connection")));
  }

  ask(request: string): Promise<Response> {
    this.#asked = Promise.withResolvers<Response>();
    this.#socket.write(request);
    return this.#asked.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #heard(text: string): void {
    this.#received += text;
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const bodyAt = headEnd + HEAD_END.length;
    const bodyBytes = Number(headerOf(head, "content-length") ?? 0);
    if (this.#received.length < bodyAt + bodyBytes) return;
    const body = this.#received.slice(bodyAt);
    this.#received = "";
    const asked = this.#asked;
    this.#asked = null;
    asked?.resolve({ head, body });
  }
}

function answerOf({ head, body }: Response): Answer {
  const status = Number(head.slice(STATUS_AT, STATUS_AT + 3));
  if (status !== 200) {
    const { code, detail } = JSON.parse(body) as { readonly code: ErrorCode; readonly detail: string };
    return refused(code, detail);
  }
  const side = headerOf(head, "x-locus-side") as Side | null;
  const reason = headerOf(head, "x-locus-reason") as SideReason | null;
  return { ok: true, side, reason, usage: null };
}

/** `name`: in lower case, as the gateway writes it. */
function headerOf(head: string, name: string): string | null {
  const at = head.indexOf(`\r\n${name}: `);
  if (at < 0) return null;
  const valueAt = at + name.length + 4;
  const end = head.indexOf("\r\n", valueAt);
  return head.slice(valueAt, end < 0 ? head.length : end);
}
