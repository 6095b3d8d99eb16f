// AutoLoc's FuncLoc on a real node, called by a client that was made from AutoLoc's messages alone.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { clientAt, type ContestClient, failureOf } from "#test/scheduler/contest-client.ts";
import { answersAt, makeGuard, trustedClient } from "#test/scheduler/guard.ts";
import { healthOf, SERVING, servicesAt } from "#test/scheduler/listener-questions.ts";
import { runTool } from "#test/tool.ts";
import { bundleOf, deploy, metric, portSaid, said } from "./node-client.ts";

const NAME = "funcloc.FuncLoc";
const FUNCTIONS = join(import.meta.dirname, "../../functions");
const LONG = { timeout: 60_000, interval: 50 };
const SERVES = "serves FuncLoc";
/** AutoLoc's client sends so many at once. */
const GROUP_LENGTH = 64;

const fails = bundleOf("fails", () => Promise.reject(new Error("on purpose ".repeat(1_000))));
/** For so long, or until it is released. */
const waits = bundleOf<{ readonly ms: number }>("waits", async ({ redis, args }) => {
  for (let ms = 0; ms < args.ms && (await redis.get("released")) === null; ms += 10) {
    await new Promise((done) => setTimeout(done, 10));
  }
});

let resources: AsyncDisposableStack;
let redis: RedisServer;
beforeEach(async () => {
  resources = new AsyncDisposableStack();
  redis = await startRedisServer();
  resources.defer(() => redis.close());
});
afterEach(() => resources.disposeAsync());

const start = (settings: Readonly<Record<string, string>>): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => resources.defer(() => node.end("SIGTERM")), {
    LOCUS_PLACEMENT: "declared",
    ...settings,
  });

const startNode = async (settings: Readonly<Record<string, string>> = {}) => {
  const node = await start({ LOCUS_FUNC_LOC_PORT: "0", ...settings });
  const endpoint = `127.0.0.1:${portSaid(node, SERVES)}`;
  return { node, endpoint, client: clientAt(resources, endpoint)(NAME) };
};

const requestOf = (f: string, more: object = {}): { readonly request: string } => ({
  request: JSON.stringify({ f, ...more }),
});
const invoke = async (client: ContestClient, f: string, more: object = {}, settings = {}): Promise<unknown> =>
  (await client.call("Invoke", requestOf(f, more), settings))["result"];
const batch = async (client: ContestClient, request: readonly object[]): Promise<readonly string[]> => {
  const { result } = await client.call("Batch", { request });
  return (result as { readonly result: string }[]).map((one) => one.result);
};
/** Calls of one side, by how they ended. */
const callsOf = async ({ url }: NodeProcess, name: string): Promise<readonly string[]> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^locus_calls_total{function="${name}",(.*)} (\\d+)$`, "gm"));
  return [...lines].map(([, labels, count]) => `${labels} ${count}`);
};

describe("FuncLoc", () => {
  it("runs AutoLoc's functions as any other call, where they name a side there, with the keys that they had there", async () => {
    const { node, client, endpoint } = await startNode();
    await redis.client().mset("1", '{"neigh":["2"]}', "2", '{"neigh":["1"]}', "md5", "abc");
    const folder = mkdtempSync(join(tmpdir(), "locus-func-loc-"));
    resources.defer(() => rmSync(folder, { recursive: true }));
    const beside = join(folder, "khop.ts");
    writeFileSync(
      beside,
      `import khop from ${JSON.stringify(join(FUNCTIONS, "khop.ts"))}; export default { ...khop, side: "storage" };`,
    );
    for (const file of [beside, join(FUNCTIONS, "md5.ts")]) {
      const deployed = await runTool("locus", ["deploy", file], { LOCUS_URL: node.url });
      expect(deployed).toMatchObject({ status: 0 });
    }
    expect(await invoke(client, "khop", { nodeId: "1" })).toBe("success");
    expect(await invoke(client, "md5", { nodeId: "1" })).toBe("success");
    const group = Array.from({ length: GROUP_LENGTH }, (_, at) => requestOf("khop", { nodeId: String(at + 1) }));
    expect(await batch(client, group)).toEqual(Array(GROUP_LENGTH).fill("success"));
    expect(await callsOf(node, "khop")).toEqual([`side="storage",outcome="ok" ${GROUP_LENGTH + 1}`]);
    expect(await callsOf(node, "md5")).toEqual(['side="compute",outcome="ok" 1']);
    expect(await healthOf(endpoint, NAME)).toBe(SERVING);
    expect(await servicesAt(endpoint)).toContain(NAME);
  });

  it("says of each request what became of it, and of no other", async () => {
    const { node, client } = await startNode();
    for (const bundle of [fails, waits]) await deploy(node, bundle);
    expect(await invoke(client, "absent")).toBe('FUNCTION_NOT_FOUND: there is no function "absent" here');
    expect((await client.call("Invoke", { request: '{"f": "waits"' }))["result"]).toMatch(/^REQUEST_INVALID: /);
    expect((await client.call("Invoke", { request: '{"nodeId": "7"}' }))["result"]).toMatch(/^REQUEST_INVALID: /);
    const failed = (await invoke(client, "fails")) as string;
    expect(failed).toMatch(/^FUNCTION_FAILED: .*on purpose/);
    expect(failed.length).toBeLessThanOrEqual(1_000);
    const mixed = [requestOf("waits", { ms: 1 }), requestOf("fails"), { request: "" }, requestOf("waits", { ms: 0 })];
    expect(await batch(client, mixed)).toEqual([
      "success",
      expect.stringMatching(/^FUNCTION_FAILED: /),
      expect.stringMatching(/^REQUEST_INVALID: /),
      "success",
    ]);
  });

  it("gives up what its caller gives up, and lets what runs end when the node is told to", async () => {
    const { node, client } = await startNode();
    await deploy(node, waits);
    const inFlight = (count: number): Promise<void> =>
      vi.waitFor(async () => expect(await metric(node, "locus_calls_in_flight")).toBe(count), LONG);
    const stop = new AbortController();
    const many = Array.from({ length: 3 }, () => requestOf("waits", { ms: 50_000 }));
    const given = [
      failureOf(invoke(client, "waits", { ms: 50_000 }, { signal: stop.signal })),
      failureOf(client.call("Batch", { request: many }, { signal: stop.signal })),
    ];
    await inFlight(4);
    stop.abort();
    expect((await Promise.all(given)).map(({ code }) => code)).toEqual(["CANCELLED", "CANCELLED"]);
    await inFlight(0);
    const late = failureOf(invoke(client, "waits", { ms: 50_000 }, { deadline: Date.now() + 500 }));
    expect((await late).code).toBe("DEADLINE_EXCEEDED");
    await inFlight(0);
    const last = invoke(client, "waits", { ms: 50_000 });
    await inFlight(1);
    const ended = node.end("SIGTERM");
    await vi.waitFor(() => expect(said(node)).toContain("stopping"), LONG);
    await redis.client().set("released", "1");
    expect(await last).toBe("success");
    await ended;
  });

  it("takes no more calls at once than the node does over HTTP", async () => {
    const { node, client } = await startNode({ LOCUS_IN_FLIGHT_MAX: "8" });
    await deploy(node, waits);
    const results = await batch(
      client,
      Array.from({ length: GROUP_LENGTH }, () => requestOf("waits", { ms: 3_000 })),
    );
    expect(results.filter((result) => result === "success")).toHaveLength(8);
    expect(results.filter((result) => result.startsWith("OVERLOADED: "))).toHaveLength(GROUP_LENGTH - 8);
  });

  it("asks for the secret that the node was given", async () => {
    const { client } = await startNode({ LOCUS_GRPC_SECRET: "s3cret" });
    expect((await failureOf(invoke(client, "absent"))).code).toBe("UNAUTHENTICATED");
    expect(await invoke(client, "absent", {}, { secret: "s3cret" })).toMatch(/^FUNCTION_NOT_FOUND/);
  });

  it("runs calls of who trusts the node's certificate and has its secret, and of nobody else", async () => {
    const guard = makeGuard(redis.directory);
    const { node, endpoint } = await startNode(guard.settings);
    await deploy(node, waits);
    for (const method of ["Invoke", "Batch"]) {
      expect(await answersAt(resources, guard, endpoint, NAME, method)).toEqual({
        plain: "UNAVAILABLE",
        distrusting: "UNAVAILABLE",
        withoutSecret: "UNAUTHENTICATED",
        withAll: "OK",
      });
    }
    const trusted = trustedClient(resources, guard, endpoint, NAME);
    const request = { ms: 0 };
    for (const settings of [{}, { secret: "" }, { secret: `${guard.secret}2` }]) {
      expect((await failureOf(invoke(trusted, "waits", request, settings))).code).toBe("UNAUTHENTICATED");
    }
    expect(await callsOf(node, "waits")).toEqual([]);
    expect(await invoke(trusted, "waits", request, { secret: guard.secret })).toBe("success");
    expect(await callsOf(node, "waits")).toHaveLength(1);
  });

  it("is not there where no port is named", async () => {
    expect(portSaid(await start({}), SERVES)).toBeNull();
  });
});
