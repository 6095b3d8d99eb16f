// The embedded stack of `demo`, `up` and the benchmarks, with the tools that people run against it.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { checkAgreement } from "#bench/agreement.ts";
import { childrenRunning } from "#bench/harness/processes.ts";
import { type Stack, startStack } from "#bench/stack.ts";
import { startRedisServer } from "./redis-server.ts";
import type { Summary } from "#compute/cli/summary.ts";

const LONG = { timeout: 60_000 };

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ httpPort: 0 });
  await stack.run("locus", "load", "power-law", "--nodes", "500");
  await stack.run("locus", "deploy", "functions/khop.ts");
});

afterAll(() => stack.close());

describe("a redis-server of a test's own", () => {
  afterEach(() => void vi.unstubAllEnvs());

  it.each([
    [
      "does not start",
      { config: [["no-such-setting", "1"]] },
      /did not come up: it ended with exit code 1\. The end of its log:[^]*no-such-setting/,
    ],
    ["is given up", { signal: AbortSignal.abort(new Error("enough")) }, /^enough$/],
  ])("leaves nothing behind when it %s", async (_title, options, message) => {
    const folder = mkdtempSync(join(tmpdir(), "locus-stack-"));
    vi.stubEnv("TMPDIR", folder);
    try {
      await expect(startRedisServer(options)).rejects.toThrow(message);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("an embedded stack", () => {
  it("gives the same results through an ordinary client and on both sides", async () => {
    await expect(checkAgreement(stack, "khop", 64)).resolves.toBeUndefined();
  });

  it("runs batch on either side and redisclient over the same operations, in fewer rounds with locus", async () => {
    const summaries = [];
    for (const [tool, ...flags] of [
      ["redisclient"],
      ["batch", "--side", "compute"],
      ["batch", "--side", "storage"],
    ] as const) {
      summaries.push(JSON.parse(await stack.run(tool, "khop", "1", "64", ...flags, "--json")) as Summary);
    }
    const [client, compute, storage] = summaries;
    expect(summaries.map(({ ok }) => ok)).toEqual([64, 64, 64]);
    expect([compute?.operationsPerCall, storage?.operationsPerCall]).toEqual([
      client?.operationsPerCall,
      client?.operationsPerCall,
    ]);
    expect(compute?.roundsPerCall).toBe(storage?.roundsPerCall);
    expect(storage?.roundsPerCall).toBeLessThan(client?.roundsPerCall ?? 0);
  });

  it.each([
    ["the node", () => stack.nodePid, "/build/supervisor.node", "compute"],
    ["Redis", () => stack.redis.pid(), "/build/locus.so", "storage"],
  ] as const)("runs functions in the sandbox hosts of %s alone, never in itself", async (_name, pidOf, ours, side) => {
    await stack.run("batch", "khop", "1", "64", "--side", side);
    const of = (pid: number, file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
    const server = of(pidOf(), "maps");
    expect(server).toContain(ours);
    expect(server).not.toContain("/build/host.node");
    const hosts = childrenRunning(pidOf(), "/build/host.mjs");
    expect(hosts).not.toHaveLength(0);
    for (const host of hosts) expect(of(host, "maps")).toMatch(/\/build\/host\.node$/m);
  });

  it("runs at compute what merely prefers storage while that is switched off, and refuses what asks for it", async () => {
    const redis = stack.redis.client();
    const bundle = `export default { kind: "locus.function", name: "near", side: "storage", run: () => "ran" };`;
    await redis.call("LOCUS.FUNCTION", "LOAD", bundle);
    const call = (query = "") => fetch(`${stack.url}/v1/functions/near/invocations${query}`, { method: "POST" });
    expect((await call()).headers.get("x-locus-side")).toBe("storage");

    await redis.call("LOCUS.CONFIG", "SET", "enabled", "no");
    const unasked = await call();
    expect([unasked.status, unasked.headers.get("x-locus-side")]).toEqual([200, "compute"]);
    expect(await (await call("?side=storage")).json()).toMatchObject({
      code: "SIDE_UNAVAILABLE",
      detail: expect.stringContaining("LOCUS.CONFIG SET enabled yes"),
    });
    const health = await fetch(`${stack.url}/readyz`);
    expect(await health.json()).toMatchObject({ ready: true, storage: { ready: false, code: "SIDE_UNAVAILABLE" } });

    await redis.call("LOCUS.CONFIG", "SET", "enabled", "yes");
    expect((await call("?side=storage")).status).toBe(200);
    await redis.call("LOCUS.FUNCTION", "DELETE", "near");
  });

  it("runs redisclient pipelined, where nobody can tell which rounds are whose", async () => {
    const summary = JSON.parse(await stack.run("redisclient", "khop", "2", "64", "--pipelined", "--json")) as Summary;
    expect(summary).toMatchObject({ calls: 128, ok: 128, operationsPerCall: null, roundsPerCall: null });
    expect(summary.bytesPerCall).toBeGreaterThan(0);
  });

  it("tells what a tool said when it fails", async () => {
    await expect(stack.run("batch", "no-such-function", "1", "1")).rejects.toThrow(/ended with exit code 1/);
  });

  it("ends the tools that run when it is closed", async () => {
    const other = await startStack({ httpPort: 0 });
    try {
      await other.run("locus", "load", "power-law", "--nodes", "500");
      const endless = other.run("redisclient", "khop", "1", "1000000").then(String, String);
      const redis = other.redis.client();
      const reads = async (): Promise<boolean> =>
        /name=locus-redisclient .* cmd=get /.test(String(await redis.client("LIST")));
      await vi.waitUntil(reads, LONG);
      await other.close();
      expect(await endless).toMatch(/redisclient khop .* ended with exit code 143/);
    } finally {
      await other.close();
    }
  });

  it("leaves nothing behind when it is closed", async () => {
    const other = await startStack({ httpPort: 0 });
    const redisPid = other.redis.pid();
    await other.close();
    await expect(other.ended).resolves.toBeUndefined();
    await expect(fetch(`${other.url}/healthz`)).rejects.toThrow(/fetch failed/);
    expect([existsSync(other.redis.directory), existsSync(`/proc/${redisPid}`)]).toEqual([false, false]);
  });
});
