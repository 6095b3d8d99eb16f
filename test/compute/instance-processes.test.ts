// A real node whose instances are processes, over a real Redis: what calls come to, who runs them, and what becomes of an instance that dies, of its
// node's death, and of CPU quotas. As containers: test/containers/node-of-containers.ts.

import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import { readInfo } from "#test/module-info.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runTool } from "#test/tool.ts";
import { type Answer, call, deploy, metric, said } from "./node-client.ts";
import { cpusOf, die, hold, joined, processOf, spin, where, withGraph } from "./instance-functions.ts";

const LONG = { timeout: 60_000, interval: 50 };
/** With room for what comes of a call meanwhile. */
const SELDOM = { timeout: 60_000, interval: 1_000 };
const HOW_ARGS_ARE_GIVEN =
  /^ARGSINVALID args are not JSON: .*; one argument must be JSON, and several are passed as strings$/;
const CGROUP_ROOT = "/sys/fs/cgroup";
const CGROUP = `locus-node-test-${process.pid}`;

let redis: RedisServer;
let nodes: NodeProcess[];
beforeEach(async () => {
  redis = await startRedisServer();
  nodes = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.end("SIGTERM")));
  await redis.close();
});

const startNode = (settings: Record<string, string> = {}): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => nodes.push(node), {
    LOCUS_PLACEMENT: "declared",
    LOCUS_DRIVER: "process",
    LOCUS_CGROUP: CGROUP,
    LOCUS_NODE_CPUS: "1",
    ...settings,
  });
const isThere = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/ Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
const isGone = (pid: number) => vi.waitFor(() => expect(isThere(pid)).toBe(false), LONG);

describe("a node whose instances are processes", () => {
  it("runs a walk with the same result on both sides, at compute in a process of the function's own", async () => {
    const node = await startNode();
    await withGraph(redis.client());
    const locus = (...argv: readonly string[]) => runTool("locus", argv, { LOCUS_URL: node.url });
    expect(await locus("deploy", "functions/khop.ts")).toMatchObject({ status: 0 });
    await deploy(node, where);
    await joined(node);
    const results = [];
    for (const side of ["compute", "storage"]) {
      const { stdout, stderr } = await locus("call", "khop", '{"nodeId":"1","depth":4}', "--side", side);
      results.push(stdout, /\d+ operations in \d+ rounds/.exec(stderr)?.[0]);
    }
    expect(results.slice(0, 2)).toEqual(results.slice(2));
    expect(JSON.parse(results[0] ?? "")).toMatchObject({ visited: 8 });
    // One that is to stay is there call after call.
    await locus("scale", "where", "--min", "1", "--max", "1");
    await vi.waitFor(async () => {
      expect((await locus("instances", "where")).stdout).toMatch(/\swhere\s/);
      const pid = await processOf(node);
      expect(isThere(pid)).toBe(true);
      expect(await processOf(node)).toBe(pid);
    }, LONG);
    expect((await call(node, "where", "storage")).body).toBe(0);
  });

  it("tells a call that its instance died under it, and has another for the next", async () => {
    const node = await startNode();
    for (const bundle of [where, die]) await deploy(node, bundle);
    await joined(node);
    for (let died = 0; died < 2; died++) {
      // One that waits too long for its instance runs in a sandbox, where it dies of something else.
      await vi.waitFor(async () => {
        expect((await call(node, "die", "compute")).body).toMatchObject({ code: "SANDBOX_DIED" });
      }, LONG);
    }
    const before = await processOf(node);
    process.kill(before, "SIGKILL");
    await isGone(before);
    // Who was sent to it when it had just died cannot be told from who was there.
    const answers: Answer[] = [];
    await vi.waitFor(async () => {
      answers.push(await call(node, "where", "compute"));
      expect(answers.at(-1)?.body).toBeGreaterThan(0);
    }, LONG);
    expect(answers.map(({ body }) => body)).not.toContain(before);
    const failed = answers.filter(({ status }) => status !== 200).map(({ body }) => (body as { code: string }).code);
    expect(new Set([...failed, "SANDBOX_DIED"])).toEqual(new Set(["SANDBOX_DIED"]));
  });

  it("leaves no process behind when it is killed, and none when it is told to stop, which lets calls end", async () => {
    const killed = await startNode();
    for (const bundle of [where, hold]) await deploy(killed, bundle);
    await joined(killed);
    const pid = await processOf(killed);
    await killed.end("SIGKILL");
    await isGone(pid);

    const told = await startNode();
    await joined(told);
    const held = call(told, "hold", "compute", 30_000);
    const client = redis.client();
    await vi.waitFor(async () => expect(await client.scard("holders")).toBe(1), LONG);
    const stopped = told.end("SIGTERM");
    await vi.waitFor(() => expect(said(told)).toContain("stopping"), LONG);
    await client.set("released", "1");
    expect(await held).toEqual({ status: 200, body: "ended" });
    await stopped;
    const [holder] = await client.smembers("holders");
    await isGone(Number(holder));
  });

  it("runs the calls of another node, and has its own run there", async () => {
    const [one, two] = [await startNode(), await startNode()];
    for (const bundle of [where, hold]) await deploy(one, bundle);
    await Promise.all([joined(one), joined(two)]);
    // An instance has one of them at a time, and a node one core.
    const served = (node: NodeProcess): Promise<number> => metric(node, "locus_instance_calls_served_total");
    const [byOne, byTwo] = [await served(one), await served(two)];
    const calls: Promise<Answer>[] = [];
    await vi.waitFor(async () => {
      calls.push(call(one, "hold", "compute", 60_000));
      expect(await served(two)).toBeGreaterThan(byTwo);
    }, SELDOM);
    await redis.client().set("released", "1");
    expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set([200]));
    // A node's own calls are none that it serves to another.
    expect(await served(one)).toBe(byOne);
    const holders = await redis.client().smembers("holders");
    expect(holders.filter((pid) => pid !== "0").length).toBeGreaterThan(1);
  });

  it("refuses a result of which JSON would lose something, in the words of the sandbox", async () => {
    const node = await startNode();
    const results = ["map.values()", "text.matchAll", "() => 1", "Symbol('x')", "new Set()", "1n"];
    const bundle = `export default { kind: "locus.function", name: "lossy", input: null, run({ args }) {
      return {
        "map.values()": () => ({ list: new Map().values() }),
        "text.matchAll": () => ["x".matchAll(/x/g)],
        "() => 1": () => () => 1,
        "Symbol('x')": () => Symbol("x"),
        "new Set()": () => ({ a: [new Set()] }),
        "1n": () => ({ n: 1n }),
      }[args]();
    } };`;
    for (const one of [where, bundle]) await deploy(node, one);
    await joined(node);
    const refusal = async (result: string, side: string): Promise<object> => {
      const response = await fetch(`${node.url}/v1/functions/lossy/invocations?side=${side}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(result),
      });
      const { code, detail } = (await response.json()) as { readonly code: string; readonly detail: string };
      return { result, code, detail };
    };
    for (const result of results) {
      const atCompute = await refusal(result, "compute");
      expect(atCompute).toMatchObject({
        code: "RESULT_INVALID",
        detail: expect.stringMatching(/^the result is not JSON: /),
      });
      expect(atCompute).toEqual(await refusal(result, "storage"));
    }
  });

  it("leaves to its sandbox hosts what came to Redis without a node, and what nobody schedules", async () => {
    const node = await startNode();
    await deploy(node, where);
    await joined(node);
    expect(await processOf(node)).toBeGreaterThan(0);
    const client = redis.client();
    const placement = { state: "compute", share: 0, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 };
    await client.call("LOCUS.PLAN", "SET", JSON.stringify({ version: 1, placements: { where: placement } }));
    await vi.waitFor(async () => {
      expect(await client.call("LOCUS.CALL", "where", "0")).toBe("0");
      await expect(client.call("LOCUS.CALL", "where", "0", "hello")).rejects.toThrow(HOW_ARGS_ARE_GIVEN);
      expect(Number((await readInfo(client)).get("calls_returned"))).toBeGreaterThan(0);
    }, LONG);
    // Of a scheduler that is not there.
    const alone = await startNode({ LOCUS_SCHEDULER: "127.0.0.1:1", LOCUS_GRPC_SECRET: "s3cret" });
    expect(await call(alone, "where", "compute")).toEqual({ status: 200, body: 0 });
  });

  it("has no more rights in Redis than the function user", async () => {
    await redis.client().call("ACL", "SETUSER", "guest", "on", ">pass", "+get", "+locus.node|run", "~ours");
    await redis.client().mset("ours", "1", "others", "2");
    const node = await startNode({
      LOCUS_REDIS_HOST: "",
      LOCUS_REDIS_PORT: "",
      LOCUS_REDIS_PATH: redis.path,
      LOCUS_FUNCTION_USER: "guest",
      LOCUS_FUNCTION_PASSWORD: "pass",
    });
    const reader = `export default { kind: "locus.function", name: "reader", async run({ redis }) {
      const pid = globalThis.process?.pid ?? 0;
      return [pid > 0, await redis.get("ours"), await redis.get("others").catch((error) => error.message.split(" ")[0])];
    } };`;
    for (const bundle of [where, reader]) await deploy(node, bundle);
    await joined(node);
    expect((await call(node, "reader", "storage")).body).toEqual([false, "1", "NOPERM"]);
    expect((await call(node, "reader", "compute")).body).toEqual([true, "1", "NOPERM"]);
  });

  it("says where it holds instances to no quota, and runs them all the same", async () => {
    const node = await startNode({ LOCUS_CGROUP: "cgroup.procs/none" });
    await deploy(node, where);
    await joined(node);
    expect(await processOf(node)).toBeGreaterThan(0);
    expect(said(node).filter((line) => line.includes("instances have no CPU quota"))).toHaveLength(1);
    expect(await cpusOf(node, "granted")).toEqual({});
  });
});

describe("CPU quotas of a node's instances", () => {
  const removeFolders = (): void => {
    for (const controller of ["", "cpu", "cpuacct", "memory"]) {
      const folder = join(CGROUP_ROOT, controller, CGROUP);
      if (existsSync(folder)) rmdirSync(folder);
    }
  };
  beforeEach(async ({ skip }) => {
    const folder = await CgroupFolder.open(CGROUP_ROOT, CGROUP);
    await folder?.remove();
    skip(folder === null, "no cgroup can be made here");
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.end("SIGTERM")));
    removeFolders();
  });

  /** Of each instance, as the kernel has it; in no order. */
  const quotas = (): readonly number[] => {
    const isUnified = existsSync(join(CGROUP_ROOT, "cgroup.controllers"));
    const folder = join(CGROUP_ROOT, isUnified ? "" : "cpu", CGROUP);
    const groups = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return groups.map(({ name }) => {
      const text = readFileSync(join(folder, name, isUnified ? "cpu.max" : "cpu.cfs_quota_us"), "utf8");
      return parseInt(text, 10) / 100_000;
    });
  };

  it("follow what calls use, within what the node offers, and are told of", async () => {
    const node = await startNode();
    for (const bundle of [where, spin]) await deploy(node, bundle);
    await joined(node);
    await vi.waitFor(() => expect(new Set(quotas())).toEqual(new Set([0.02])), LONG);
    const over = new AbortController();
    const loaded = (async () => {
      while (!over.signal.aborted) await call(node, "spin", "compute", 30_000);
    })();
    const sums: number[] = [];
    await vi.waitFor(async () => {
      const granted = await cpusOf(node, "granted");
      sums.push(Object.values(granted).reduce((sum, cpus) => sum + cpus, 0));
      expect(Math.max(...quotas())).toBeGreaterThan(0.3);
      expect(granted["spin"]).toBeGreaterThan(0.3);
      expect((await cpusOf(node, "used"))["spin"]).toBeGreaterThan(0);
    }, LONG);
    over.abort();
    await loaded;
    await vi.waitFor(() => expect(new Set(quotas())).toEqual(new Set([0.02])), LONG);
    expect(Math.max(...sums)).toBeLessThan(1.001);
    await node.end("SIGTERM");
    expect(quotas()).toEqual([]);
  });

  it("stay as they were started where that is asked for", async () => {
    const node = await startNode({ LOCUS_CPU_QUOTAS: "fixed" });
    for (const bundle of [where, spin]) await deploy(node, bundle);
    await joined(node);
    expect(quotas()).toEqual([1]);
    for (let calls = 0; calls < 5; calls++) await call(node, "spin", "compute", 30_000);
    expect(new Set(quotas())).toEqual(new Set([1]));
    expect(await cpusOf(node, "granted")).toEqual({});
  });
});
