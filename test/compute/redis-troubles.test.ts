// A real node and its Redis, which is not there yet, goes away, hangs, steps down, lets nobody in, or is not the one that the node
// needs: the node says so in its log, on /readyz and to each caller, and is back by itself when Redis is.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { buildRedisModule } from "#test/native-program.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";
import { runTool } from "#test/tool.ts";
import { bundleOf, call, deploy, logged, metric, readiness, said } from "./node-client.ts";

const SIDES = ["compute", "storage"] as const;
const LONG = { timeout: 60_000 };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const startRedis = async (options: RedisServerOptions = {}): Promise<RedisServer> => {
  const redis = await startRedisServer(options);
  closing.push(() => redis.close());
  return redis;
};
/** It listens; whether it can do its work is what is asked. */
const startNode = (redis: RedisServer): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => closing.push(() => node.end("SIGTERM")), {}, { ready: false });

const writer = bundleOf("writer", ({ redis }) => redis.incr("written"));
const reader = bundleOf("reader", ({ redis }) => redis.get("written"));

const isNotReady = (node: NodeProcess, code: string) =>
  vi.waitFor(
    async () => expect(await readiness(node)).toMatchObject({ status: 503, body: { storage: { ready: false, code } } }),
    LONG,
  );
const nothingIsInFlight = (node: NodeProcess) =>
  vi.waitFor(async () => expect(await metric(node, "locus_calls_in_flight")).toBe(0), LONG);
const works = async (node: NodeProcess): Promise<void> => {
  for (const side of SIDES) {
    await vi.waitFor(async () => expect(await call(node, "reader", side)).toMatchObject({ status: 200 }), LONG);
  }
  await nothingIsInFlight(node);
};
const refusal = (status: number, code: string) => ({ status, body: { status, code, detail: expect.any(String) } });

describe("a node whose Redis", () => {
  it("is something else starts, says where to look, and goes on as without Redis", async () => {
    const redis = await startRedis();
    const other = createServer((_request, response) => response.end()).listen(0, "127.0.0.1");
    closing.push(async () => void other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const settings = { LOCUS_REDIS_PORT: String(port) };
    const node = await startNodeOver(redis, (started) => closing.push(() => started.end("SIGTERM")), settings, {
      ready: false,
    });
    const told = `what answers at 127.0.0.1:${port} is no Redis: check LOCUS_REDIS_HOST and LOCUS_REDIS_PORT`;
    await vi.waitFor(() => expect(node.log().split(told).length).toBeGreaterThan(2), LONG);
    expect(logged(node)).toContainEqual(expect.objectContaining({ msg: "Redis is out of reach", reason: told }));
    await isNotReady(node, "REDIS_UNAVAILABLE");
  });

  it("has no database of the number that is set works in no other one of it, and neither does any tool", async () => {
    const redis = await startRedis();
    await redis.client().set("1", "precious");
    const settings = { LOCUS_REDIS_PORT: String(redis.port), LOCUS_REDIS_DB: "99" };
    const told = `Redis at 127.0.0.1:${redis.port} has no database 99: check LOCUS_REDIS_DB`;
    for (const [tool, ...words] of [
      ["locus", "load", "power-law", "--nodes", "10"],
      ["redisclient", "khop", "1", "3"],
    ] as const) {
      const { status, stderr } = await runTool(tool, words, settings);
      expect(status).toBe(3);
      expect(stderr).toContain(told);
    }
    const node = await startNodeOver(redis, (started) => closing.push(() => started.end("SIGTERM")), settings, {
      ready: false,
    });
    await vi.waitFor(() => expect(said(node)).toContain("Redis is out of reach"), LONG);
    expect(logged(node)).toContainEqual(expect.objectContaining({ reason: expect.stringContaining(told) }));
    await isNotReady(node, "REDIS_UNAVAILABLE");
    for (const side of SIDES) expect(await call(node, "reader", side)).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    expect(said(node)).not.toContain("connected to Redis");
    expect(await redis.client().keys("*")).toEqual(["1"]);
    expect(await redis.client().get("1")).toBe("precious");
  });

  it("is not there yet starts, says so, and takes calls when it comes", async () => {
    const redis = await startRedis();
    process.kill(redis.pid(), "SIGKILL");
    const node = await startNode(redis);
    await isNotReady(node, "REDIS_UNAVAILABLE");
    await vi.waitFor(() => expect(said(node)).toContain("Redis is out of reach"), LONG);
    for (const side of SIDES) expect(await call(node, "reader", side)).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    expect(await deploy(node, reader)).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    await redis.restart();
    await node.ready();
    await vi.waitFor(() => expect(said(node)).toContain("connected to Redis"), LONG);
    expect(await deploy(node, reader)).toMatchObject({ status: 201 });
    await works(node);
  });

  it("dies under load answers every call, loses nothing that it acknowledged, and goes on when it is back", async () => {
    const config = [
      ["appendonly", "yes"],
      ["appendfsync", "always"],
    ];
    const redis = await startRedis({ config });
    const node = await startNode(redis);
    await node.ready();
    for (const bundle of [reader, writer]) await deploy(node, bundle);
    let acknowledged = 0;
    const stopped = new AbortController();
    const codes = new Set<string>();
    const load = SIDES.flatMap((side) =>
      Array.from({ length: 4 }, async () => {
        while (!stopped.signal.aborted) {
          const { status, body } = await call(node, "writer", side);
          if (status === 200) acknowledged++;
          else codes.add((body as { code: string }).code);
        }
      }),
    );
    await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(50), LONG);
    process.kill(redis.pid(), "SIGKILL");
    await isNotReady(node, "REDIS_UNAVAILABLE");
    const before = acknowledged;
    await redis.restart();
    await node.ready();
    await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(before + 50), LONG);
    stopped.abort();
    await Promise.all(load);
    expect([...codes].filter((code) => !["REDIS_UNAVAILABLE", "STORAGE_REFUSED"].includes(code))).toEqual([]);
    expect(Number(await redis.client().get("written"))).toBeGreaterThanOrEqual(acknowledged);
    // What the sandbox hosts' connections meet is said besides.
    const told = said(node).filter((message) => /^(lost the )?connect|^Redis is out of reach$/.test(message));
    const gone = expect.stringMatching(/^(lost the connection to Redis|Redis is out of reach)$/);
    expect(told).toEqual(["connected to Redis", gone, "connected to Redis"]);
    await works(node);
  });

  it("is gone still runs at compute what merely prefers storage and does not ask Redis", async () => {
    const redis = await startRedis();
    const node = await startNode(redis);
    await node.ready();
    await deploy(
      node,
      'export default { kind: "locus.function", name: "prefers", side: "storage", run: () => "well" };',
    );
    // At compute too: a node fetches a bundle from Redis when it is first called there.
    for (const side of SIDES) expect(await call(node, "prefers", side)).toMatchObject({ status: 200 });
    process.kill(redis.pid(), "SIGKILL");
    await isNotReady(node, "REDIS_UNAVAILABLE");
    const answer = await fetch(`${node.url}/v1/functions/prefers/invocations`, { method: "POST" });
    expect([answer.status, answer.headers.get("x-locus-side"), answer.headers.get("x-locus-reason")]).toEqual([
      200,
      "compute",
      "unavailable",
    ]);
    expect(await call(node, "prefers", "storage")).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    for (const argv of [
      ["locus", "call", "prefers"],
      ["batch", "prefers", "1", "2"],
    ] as const) {
      const [tool, ...words] = argv;
      const ended = await runTool(tool, [...words, "--side", "storage"], { LOCUS_URL: node.url });
      expect([ended.status, ended.stdout + ended.stderr]).toEqual([3, expect.stringContaining("REDIS_UNAVAILABLE")]);
    }
  });

  it("hangs lets no call wait past its deadline and a little, and goes on when it wakes", async () => {
    const redis = await startRedis();
    const node = await startNode(redis);
    await node.ready();
    await deploy(node, reader);
    await works(node);
    process.kill(redis.pid(), "SIGSTOP");
    const [compute, storage, health] = await Promise.all([
      call(node, "reader", "compute", 300),
      call(node, "reader", "storage", 300),
      readiness(node),
    ]);
    process.kill(redis.pid(), "SIGCONT");
    expect(compute).toMatchObject(refusal(504, "DEADLINE_EXCEEDED"));
    expect(storage).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    expect(health).toMatchObject({ status: 503, body: { storage: { code: "REDIS_UNAVAILABLE" } } });
    await node.ready();
    await works(node);
  });

  it("steps down reads on and tells who writes, and writes again when it is back", async () => {
    const primary = await startRedis();
    const node = await startNode(primary);
    await node.ready();
    for (const bundle of [reader, writer]) await deploy(node, bundle);
    const replica = await startRedis({ replicaOf: primary });
    const admin = primary.client();
    await vi.waitFor(async () => expect(await admin.info("replication")).toContain("state=online"), LONG);
    await admin.call("FAILOVER");
    await vi.waitFor(async () => expect(await admin.info("replication")).toContain("role:slave"), LONG);
    for (const side of SIDES) {
      expect(await call(node, "writer", side)).toMatchObject({
        status: 500,
        body: { code: "FUNCTION_FAILED", detail: expect.stringContaining("READONLY ") },
      });
    }
    expect(await deploy(node, writer)).toMatchObject(refusal(503, "STORAGE_REFUSED"));
    await works(node);
    await replica.client().call("FAILOVER");
    await vi.waitFor(async () => expect(await admin.info("replication")).toContain("role:master"), LONG);
    for (const side of SIDES) {
      await vi.waitFor(async () => expect(await call(node, "writer", side)).toMatchObject({ status: 200 }), LONG);
    }
  });

  it("steps down under a call tells its caller that the connection was lost", async () => {
    const redis = await startRedis();
    const node = await startNode(redis);
    await node.ready();
    await deploy(
      node,
      // Its deadline must not end the call first on a busy machine.
      bundleOf("waits", () => new Promise(() => {}), { deadlineMs: 60_000 }),
    );
    const waiting = call(node, "waits", "storage");
    await vi.waitFor(async () => expect(await metric(node, "locus_calls_in_flight")).toBe(1));
    const admin = redis.client();
    await vi.waitFor(async () => expect((await readInfo(admin)).get("calls_in_flight")).toBe("1"));
    await admin.replicaof("127.0.0.1", 1);
    expect(await waiting).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    await admin.replicaof("NO", "ONE");
    await vi.waitFor(async () => expect((await readInfo(admin)).get("calls_in_flight")).toBe("0"));
    await nothingIsInFlight(node);
  });

  it("lets nobody in says why, and takes calls when it does", async () => {
    const redis = await startRedis();
    const admin = redis.client();
    await admin.config("SET", "requirepass", "secret");
    const node = await startNode(redis);
    await isNotReady(node, "REDIS_UNAVAILABLE");
    await vi.waitFor(() => expect(node.log()).toMatch(/NOAUTH/), LONG);
    expect(await call(node, "reader", "storage")).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    await admin.config("SET", "requirepass", "");
    await node.ready();
    await deploy(node, reader);
    await works(node);
  });

  it("has no connection left for it says so, and takes calls when there is one", async () => {
    const redis = await startRedis();
    const admin = redis.client();
    const node = await startNode(redis);
    await node.ready();
    await deploy(node, reader);
    await works(node);
    await admin.config("SET", "maxclients", "1");
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await isNotReady(node, "REDIS_UNAVAILABLE");
    expect(await call(node, "reader", "storage")).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    expect(await call(node, "reader", "compute")).toMatchObject(refusal(503, "REDIS_UNAVAILABLE"));
    await admin.config("SET", "maxclients", "10000");
    await node.ready();
    await works(node);
  });

  it.each([
    ["has no module", null, "MODULE_MISSING"],
    ["has a module of another release", "other_release_module", "MODULE_MISMATCH"],
  ])("%s says so, and leaves nothing in flight", async (_title, module, code) => {
    const loadmodule = module === null ? [] : [["loadmodule", buildRedisModule(module)]];
    const wrong = await startRedis({ moduleArguments: null, config: loadmodule });
    const node = await startNode(wrong);
    await isNotReady(node, code);
    for (const side of SIDES) expect(await call(node, "reader", side)).toMatchObject(refusal(503, code));
    expect(await deploy(node, reader)).toMatchObject(refusal(503, code));
    await nothingIsInFlight(node);
  });
});
