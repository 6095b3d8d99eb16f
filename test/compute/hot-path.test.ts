// What a node does not do while calls come in: V8 tells of each script that it compiles there (a schema made into code, a module loaded late,
// `new Function`), and the kernel of each program that it starts. V8 cannot be told to refuse code made of text altogether: fastify's router
// compiles each route when it is added, protobufjs each message type.

import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { childrenOf } from "#bench/harness/processes.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { PATIENT } from "#test/patient-limits.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { deploy } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 50 };
const SIDES = ["compute", "storage"];
/** Of one kind, on one side, in one round. */
const CALLS = 8;
/** Both schemas are checked, it reads and writes, logs and throws. */
const COUNT = `
  const number = { type: "object", required: ["by"], properties: { by: { type: "integer" } } };
  export default {
    kind: "locus.function", name: "count", input: number, output: number, limits: ${JSON.stringify(PATIENT)},
    async run({ redis, args: { by }, log }) {
      log.info("counts", by);
      if (by < 0) throw new RangeError("counts up alone");
      await redis.incrby("count", by);
      return { by };
    },
  };
`;

/** V8's inspector of a process, as far as it is needed here. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #asked = new Map<number, (answer: unknown) => void>();
  #asks = 0;
  /** Scripts that were compiled, by name, since the list was emptied. */
  readonly compiled: string[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, method, params, result } = JSON.parse(data as string) as {
        readonly id?: number;
        readonly method?: string;
        readonly params?: { readonly url: string };
        readonly result?: unknown;
      };
      if (id !== undefined) this.#asked.get(id)?.(result);
      else if (method === "Debugger.scriptParsed") this.compiled.push(params?.url ?? "");
    });
  }

  static async open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error(`no inspector answers at ${url}`)));
    });
    return new Inspector(socket);
  }

  /** What was told before the answer has been heard by then. */
  ask(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#asks;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#asked.set(id, resolve));
  }

  close(): void {
    this.#socket.close();
  }
}

let redis: RedisServer;
let node: NodeProcess;
let inspector: Inspector;
beforeAll(async () => {
  redis = await startRedisServer();
  node = await startNodeOver(redis, () => {}, { NODE_OPTIONS: "--inspect=127.0.0.1:0" });
  await deploy(node, COUNT);
  const [, url = ""] = /^Debugger listening on (ws:\S+)$/m.exec(node.log()) ?? [];
  inspector = await Inspector.open(url);
  await inspector.ask("Debugger.enable");
});
afterAll(async () => {
  inspector?.close();
  await node?.end("SIGTERM");
  await redis?.close();
});

/** By each door, on each side, ended well and otherwise. Tells the statuses that there were. */
async function round(): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  const post = async (path: string, body: string, type: string): Promise<string> => {
    const url = `${node.url}/v1/functions/count/${path}`;
    const response = await fetch(url, { method: "POST", body, headers: { "content-type": type } });
    statuses.add(response.status);
    return response.text();
  };
  const bodies = ['{"by":1}', '{"by":-1}', '{"by":"one"}', "{"];
  for (const side of SIDES) {
    for (let call = 0; call < CALLS; call++) {
      for (const body of bodies) await post(`invocations?side=${side}&logs=true`, body, "application/json");
    }
    const lines = bodies.map((body) => `{"args":${body === "{" ? "[" : body}}\n`).join("");
    const answers = await post(`batch?side=${side}`, lines.repeat(CALLS), "application/x-ndjson");
    expect(answers.trimEnd().split("\n")).toHaveLength(CALLS * bodies.length);
  }
  return statuses;
}

describe("a node that calls come to", () => {
  it("compiles nothing for them, and starts no program", async () => {
    const statuses = await round();
    expect([...statuses].toSorted((one, other) => one - other)).toEqual([200, 400, 500]);
    const children = childrenOf(node.pid);
    // What is needed once may come late: what a call needs comes in every round.
    await vi.waitFor(async () => {
      inspector.compiled.length = 0;
      await round();
      await inspector.ask("Runtime.getIsolateId");
      expect(inspector.compiled).toEqual([]);
    }, LONG);
    expect(childrenOf(node.pid)).toEqual(children);
  });

  it("would be seen to", async () => {
    inspector.compiled.length = 0;
    await inspector.ask("Runtime.evaluate", { expression: "new Function('return 1')()" });
    // The expression, and what it makes.
    expect(inspector.compiled).toHaveLength(2);
  });
});
