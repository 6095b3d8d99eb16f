// A node's HTTP API (docs/http.md) as the command line tools use it. Problem documents come back as the LocusErrors that
// they were.

import { LocusError, isErrorCode, type ErrorCode } from "#runtime/errors.ts";
import { RESULT_BYTES_MAX, type FunctionDescription } from "#runtime/function/description.ts";
import type { SideReason } from "#runtime/placement/choose-side.ts";
import type { Side, Usage } from "#runtime/profile/sample.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import type { ScaleRule } from "../capacity/scale-rules.ts";
import { PAGE_LIMIT_MAX, type FunctionPage } from "../node/function-catalogue.ts";
import type { LogLine } from "../node/log-buffer.ts";
import type { FunctionStats } from "../node/metrics.ts";
import type { TraceStep } from "../node/trace.ts";
import type { NamedScaleRule } from "../gateway/instance-routes.ts";
import type { PlacementRules } from "../gateway/placement-routes.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import { LineSplitter } from "../gateway/ndjson.ts";
import type { NodePlace } from "./config.ts";

export interface BatchCall {
  readonly args: unknown;
  readonly keys: readonly string[];
}

export interface BatchWishes {
  readonly side: Side | null;
  /** Calls at once, 1 to 64. */
  readonly inFlight: number;
  readonly logs: boolean;
  readonly trace?: boolean;
  /** ms; null leaves the function's own. */
  readonly deadlineMs: number | null;
}

/** One line of a batch's reply; a line that the gateway could not read has only `error`. */
export interface BatchReply {
  readonly result?: unknown;
  readonly error?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly stack?: string;
    /** Of a function that refused the call (`CallerError`). */
    readonly status?: number;
    readonly data?: unknown;
  };
  readonly side?: Side | null;
  readonly reason?: SideReason | null;
  readonly version?: string | null;
  readonly invocation?: string;
  readonly elapsedUs?: number;
  readonly usage?: Usage | null;
  readonly trace?: readonly TraceStep[];
  readonly logs?: readonly string[];
}

/** What fetch says of a port that the Fetch standard forbids, and what that means. */
const FETCH_BLOCKED_PORT = "bad port";
const BLOCKED_PORT =
  "HTTP clients refuse this port; they take any from 1 to 65535 but those of https://fetch.spec.whatwg.org/#port-blocking";
const NO_CONTENT = 204;
/** Bytes of one line of a reply: a result and what stands beside it. */
const LINE_BYTES_MAX = 2 * RESULT_BYTES_MAX;

export type NodeList = Pick<CapacityOverview, "policy" | "nodes">;

export interface InstanceList extends Pick<CapacityOverview, "instances" | "counts"> {
  readonly leftOut: number;
  /** What was said of how many there are to be. */
  readonly scales: readonly NamedScaleRule[];
}

/** What is absent stays as it was; null takes it back. */
interface PlacementChange {
  readonly pin?: Side | number | null;
  readonly weight?: number;
  readonly p99UnderMs?: number | null;
}

export class NodeClient {
  readonly #place: Pick<NodePlace, "url" | "from">;
  readonly #signal: AbortSignal;

  /** `signal` ends whatever is asked. */
  constructor(place: Pick<NodePlace, "url" | "from">, signal: AbortSignal) {
    this.#place = place;
    this.#signal = signal;
  }

  /** All of them, page by page. */
  async list(): Promise<readonly FunctionDescription[]> {
    const all: FunctionDescription[] = [];
    for (let next: string | null = ""; next !== null;) {
      const query: string = new URLSearchParams({ after: next, limit: `${PAGE_LIMIT_MAX}` }).toString();
      const page = (await (await this.#request(`/v1/functions?${query}`)).json()) as FunctionPage;
      all.push(...page.functions);
      next = page.next ?? null;
    }
    return all;
  }

  async describe(name: string): Promise<FunctionDescription> {
    return (await (await this.#request(functionPath(name))).json()) as FunctionDescription;
  }

  /** `previousVersion`: of the function of that name until then; null where there was none. */
  async deploy(bundle: Uint8Array): Promise<FunctionDescription & { readonly previousVersion: string | null }> {
    const response = await this.#request("/v1/functions", {
      method: "POST",
      headers: { "content-type": "application/javascript" },
      body: new Uint8Array(bundle),
    });
    return (await response.json()) as FunctionDescription & { previousVersion: string | null };
  }

  async nodes(): Promise<NodeList> {
    return (await (await this.#request("/v1/nodes")).json()) as NodeList;
  }

  /** Of all functions, or of one. */
  async instances(name: string | null): Promise<InstanceList> {
    const query = name === null ? "" : `?function=${encodeURIComponent(name)}`;
    return (await (await this.#request(`/v1/instances${query}`)).json()) as InstanceList;
  }

  async scale(name: string, change: Partial<ScaleRule>): Promise<NamedScaleRule> {
    const response = await this.#request(`/v1/instances/${encodeURIComponent(name)}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(change),
    });
    return (await response.json()) as NamedScaleRule;
  }

  async unscale(name: string): Promise<void> {
    await this.#request(`/v1/instances/${encodeURIComponent(name)}`, { method: "DELETE" });
  }

  async delete(name: string): Promise<void> {
    await this.#request(functionPath(name), { method: "DELETE" });
  }

  async placement(): Promise<PlacementOverview> {
    return (await (await this.#request("/v1/placement")).json()) as PlacementOverview;
  }

  async explain(name: string): Promise<PlacementSummary> {
    return (await (await this.#request(placementPath(name))).json()) as PlacementSummary;
  }

  async rule(name: string, change: PlacementChange): Promise<PlacementRules> {
    const response = await this.#request(placementPath(name), {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(change),
    });
    return (await response.json()) as PlacementRules;
  }

  async free(name: string): Promise<void> {
    await this.#request(placementPath(name), { method: "DELETE" });
  }

  /** The replies in the order of the calls, as they come. */
  async *batch(name: string, calls: readonly BatchCall[], wishes: BatchWishes): AsyncGenerator<BatchReply> {
    const query = new URLSearchParams({
      usage: "true",
      logs: `${wishes.logs}`,
      trace: `${wishes.trace === true}`,
      "in-flight": `${wishes.inFlight}`,
    });
    if (wishes.side !== null) query.set("side", wishes.side);
    const response = await this.#request(`${functionPath(name)}/batch?${query.toString()}`, {
      method: "POST",
      headers: {
        "content-type": "application/x-ndjson",
        ...(wishes.deadlineMs === null ? {} : { "x-locus-deadline-ms": `${wishes.deadlineMs}` }),
      },
      body: calls.map((call) => `${JSON.stringify(call)}\n`).join(""),
    });
    yield* this.#lines<BatchReply>(response);
  }

  /** Of all functions that were called through the node, or of one. */
  async stats(name: string | null): Promise<readonly FunctionStats[]> {
    const query = name === null ? "" : `?function=${encodeURIComponent(name)}`;
    return ((await (await this.#request(`/v1/stats${query}`)).json()) as { functions: FunctionStats[] }).functions;
  }

  /** `source` null: all; `follow`: until the node or `signal` ends it. */
  async *logs(source: string | null, follow: boolean): AsyncGenerator<LogLine> {
    const query = new URLSearchParams({ follow: `${follow}`, ...(source === null ? {} : { source }) });
    yield* this.#lines<LogLine>(await this.#request(`/v1/logs?${query.toString()}`));
  }

  async #request(path: string, options: RequestInit = {}): Promise<Response> {
    const { url, from } = this.#place;
    let response: Response;
    try {
      response = await fetch(url + path, { ...options, signal: this.#signal });
    } catch (error) {
      if (this.#signal.aborted) throw error;
      const reason = reasonOf(error);
      if (reason === BLOCKED_PORT) {
        const remedy = "Have the node listen on another port (LOCUS_HTTP_PORT), and name that one.";
        throw new LocusError("CONFIG_INVALID", `${from} is "${url}": ${reason}`, { remedy });
      }
      throw new LocusError("NODE_UNAVAILABLE", `no node answers at ${url} (${from}): ${reason}`, { cause: error });
    }
    const problem = response.ok ? null : await problemOf(response);
    if (problem !== null) throw problem;
    if (response.ok && (response.status === NO_CONTENT || typeOf(response).includes("json"))) return response;
    if (!response.bodyUsed) await response.body?.cancel();
    const told = `${path.split("?", 1)[0]} is ${response.status} there, ${typeOf(response)}`;
    throw new LocusError("NODE_UNAVAILABLE", `what answers at ${url} (${from}) is no node of locus: ${told}`);
  }

  async *#lines<Line>(response: Response): AsyncGenerator<Line> {
    const splitter = new LineSplitter(LINE_BYTES_MAX);
    for await (const chunk of this.#chunks(response)) yield* splitter.push(chunk).map(parseLine) as Line[];
    yield* splitter.end().map(parseLine) as Line[];
  }

  async *#chunks({ body }: Response): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of body ?? []) yield Buffer.from(chunk);
    } catch (error) {
      if (this.#signal.aborted) throw error;
      const { url, from } = this.#place;
      const message = `the node at ${url} (${from}) went away during its answer: ${reasonOf(error)}`;
      throw new LocusError("NODE_UNAVAILABLE", message, { cause: error });
    }
  }
}

const placementPath = (name: string): string => `/v1/placement/${encodeURIComponent(name)}`;

const functionPath = (name: string): string => `/v1/functions/${encodeURIComponent(name)}`;

/** fetch hides the reason behind "fetch failed". */
export const reasonOf = (error: unknown): string => {
  const { cause } = error as { cause?: unknown };
  if (cause instanceof AggregateError) return cause.errors.map((one: Error) => one.message).join("; ");
  if (cause instanceof Error && "reason" in cause)
    return `TLS failed, ${String(cause.reason)} (a node speaks plain http://)`;
  if (cause instanceof Error) return cause.message === FETCH_BLOCKED_PORT ? BLOCKED_PORT : cause.message;
  return error instanceof Error ? error.message : String(error);
};

const typeOf = ({ headers }: Response): string => headers.get("content-type") ?? "without a content-type";

/** Null where what answered is no node's problem document. */
const problemOf = async (response: Response): Promise<LocusError | null> => {
  if (!typeOf(response).includes("json")) return null;
  try {
    const problem = (await response.json()) as Record<string, string | undefined>;
    const { code, detail, stack: guestStack, remedy } = problem;
    return code !== undefined && isErrorCode(code) ? new LocusError(code, detail ?? "", { guestStack, remedy }) : null;
  } catch {
    return null;
  }
};

const parseLine = (line: { readonly text: string } | { readonly fault: string }): unknown => {
  if ("fault" in line) throw new LocusError("INTERNAL", `a line of the reply ${line.fault}`);
  return JSON.parse(line.text);
};
