// A node's HTTP API (docs/http.md) as the command line tools use it. Problem documents come back as the LocusErrors that
// they were.

import { LocusError, isErrorCode, type ErrorCode } from "#runtime/errors.ts";
import { RESULT_BYTES_MAX, type FunctionDescription } from "#runtime/function/description.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { LogLine } from "../node/log-buffer.ts";
import { LineSplitter } from "../gateway/ndjson.ts";

/** No node answered there. */
export class NodeUnreachable extends Error {
  override readonly name = "NodeUnreachable";
}

export interface BatchCall {
  readonly args: unknown;
  readonly keys: readonly string[];
}

export interface BatchWishes {
  readonly side: Side | null;
  /** Calls at once, 1 to 64. */
  readonly inFlight: number;
  readonly logs: boolean;
  /** ms; null leaves the function's own. */
  readonly deadlineMs: number | null;
}

/** One line of a batch's reply; a line that the gateway could not read has only `error`. */
export interface BatchReply {
  readonly result?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly stack?: string };
  readonly side?: Side | null;
  readonly version?: string | null;
  readonly invocation?: string;
  readonly elapsedUs?: number;
  readonly usage?: Usage | null;
  readonly logs?: readonly string[];
}

/** Bytes of one line of a reply: a result and what stands beside it. */
const LINE_BYTES_MAX = 2 * RESULT_BYTES_MAX;

export class NodeClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async list(): Promise<readonly FunctionDescription[]> {
    const reply = (await (await this.#request("/v1/functions")).json()) as { functions: FunctionDescription[] };
    return reply.functions;
  }

  async describe(name: string): Promise<FunctionDescription> {
    return (await (await this.#request(functionPath(name))).json()) as FunctionDescription;
  }

  async deploy(bundle: Uint8Array): Promise<{ readonly description: FunctionDescription; readonly created: boolean }> {
    const response = await this.#request("/v1/functions", {
      method: "POST",
      headers: { "content-type": "application/javascript" },
      body: new Uint8Array(bundle),
    });
    return { description: (await response.json()) as FunctionDescription, created: response.status === 201 };
  }

  async delete(name: string): Promise<void> {
    await this.#request(functionPath(name), { method: "DELETE" });
  }

  /** The replies in the order of the calls, as they come. */
  async *batch(
    name: string,
    calls: readonly BatchCall[],
    wishes: BatchWishes,
    signal?: AbortSignal,
  ): AsyncGenerator<BatchReply> {
    const query = new URLSearchParams({ usage: "true", logs: `${wishes.logs}`, "in-flight": `${wishes.inFlight}` });
    if (wishes.side !== null) query.set("side", wishes.side);
    const response = await this.#request(`${functionPath(name)}/batch?${query.toString()}`, {
      method: "POST",
      headers: {
        "content-type": "application/x-ndjson",
        ...(wishes.deadlineMs === null ? {} : { "x-locus-deadline-ms": `${wishes.deadlineMs}` }),
      },
      body: calls.map((call) => `${JSON.stringify(call)}\n`).join(""),
      ...(signal === undefined ? {} : { signal }),
    });
    yield* readLines<BatchReply>(response);
  }

  /** `source` null: all; `follow`: until `signal`. */
  async *logs(source: string | null, follow: boolean, signal: AbortSignal): AsyncGenerator<LogLine> {
    const query = new URLSearchParams({ follow: `${follow}`, ...(source === null ? {} : { source }) });
    yield* readLines<LogLine>(await this.#request(`/v1/logs?${query.toString()}`, { signal }));
  }

  async #request(path: string, options: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#url + path, options);
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      throw new NodeUnreachable(`no node answers at ${this.#url}: ${reasonOf(error)}`, { cause: error });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

const functionPath = (name: string): string => `/v1/functions/${encodeURIComponent(name)}`;

/** fetch hides the reason behind "fetch failed". */
const reasonOf = (error: unknown): string => {
  const { cause } = error as { cause?: unknown };
  if (cause instanceof AggregateError) return cause.errors.map((one: Error) => one.message).join("; ");
  return cause instanceof Error ? cause.message : String(error);
};

const problemOf = async (response: Response): Promise<LocusError> => {
  const text = await response.text();
  try {
    const { code, detail, stack } = JSON.parse(text) as Record<string, string | undefined>;
    if (code !== undefined && isErrorCode(code)) {
      return new LocusError(code, detail ?? "", stack === undefined ? {} : { guestStack: stack });
    }
  } catch {
    // Whatever answered is no node: its own words are told below.
  }
  return new LocusError("INTERNAL", `${response.url} answered ${response.status}: ${text.slice(0, 200)}`);
};

async function* readLines<Line>(response: Response): AsyncGenerator<Line> {
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  const parse = (line: { readonly text: string } | { readonly fault: string }): Line => {
    if ("fault" in line) throw new LocusError("INTERNAL", `a line of the reply ${line.fault}`);
    return JSON.parse(line.text) as Line;
  };
  for await (const chunk of response.body ?? []) yield* splitter.push(Buffer.from(chunk)).map(parse);
  yield* splitter.end().map(parse);
}
