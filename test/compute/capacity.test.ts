// Instances for calls of the compute side, over a real Redis and real nodes: calls spread over nodes where the CPU of one does not do, whoever dies
// takes no call along that could be run again, and whoever schedules may be another node, a process apart, or nobody.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { OwnedProcess } from "#test/owned-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { environmentOf, runTool } from "#test/tool.ts";
import { freePort } from "#test/free-port.ts";
import { type Answer, bundleOf, call, deploy, metric, said } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 50 };
const DEADLINE_MS = 30_000;

/** Some milliseconds of CPU. */
const busy = bundleOf(
  "busy",
  () => {
    let sum = 0;
    for (let step = 0; step < 1e6; step++) sum = (sum * 31 + step) % 1_000_003;
    return sum;
  },
  { concurrency: 4 },
);
/** Counts itself at its end, after some CPU. */
const counted = busy
  .replace("busy", "counted")
  .replace("() =>", "async ({ redis }) =>")
  .replace("return sum", 'return await redis.incr("count")');
const quick = bundleOf("quick", () => 7);
/** Takes more memory than it may where Redis says so. */
const eats = bundleOf("eats", async ({ redis }) => {
  const eaten: number[][] = [];
  while ((await redis.get("hungry")) !== null) eaten.push(Array.from({ length: 1e6 }, (_, at) => at));
  return eaten.length;
});
/** Runs until it is told to end. Tells how many of it ran when it began. */
const held = bundleOf(
  "held",
  async ({ redis }) => {
    const running = (await redis.incr("begun")) - Number(await redis.get("ended"));
    while ((await redis.get("released")) === null) await new Promise((resolve) => setTimeout(resolve, 20));
    await redis.incr("ended");
    return running;
  },
  { concurrency: 1 },
);

let redis: RedisServer;
let nodes: NodeProcess[];
let others: OwnedProcess[];
beforeEach(async () => {
  redis = await startRedisServer();
  nodes = [];
  others = [];
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.end("SIGTERM")));
  await Promise.all(others.map((one) => one.stop()));
  await redis.close();
});

const startNode = (settings: Record<string, string> = {}): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => nodes.push(node), {
    LOCUS_PLACEMENT: "declared",
    LOCUS_NODE_CPUS: "1",
    ...settings,
  });

/** Calls of other nodes that a node has run: of those that came to it over HTTP it counts itself. */
const ranAt = (node: NodeProcess): Promise<number> => metric(node, "locus_instance_calls_served_total");
const schedules = (node: NodeProcess): boolean => said(node).includes("this node schedules instances");
/** They take their instances from a scheduler. */
const joined = (node: NodeProcess): Promise<void> =>
  vi.waitFor(async () => {
    const before = await metric(node, "locus_instance_leases_taken_total");
    await call(node, "quick", "compute");
    expect(await metric(node, "locus_instance_leases_taken_total")).toBeGreaterThan(before);
  }, LONG);

/** So many calls, so many at once. */
async function load(node: NodeProcess, name: string, calls: number, atOnce: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let left = calls;
  const worker = async (): Promise<void> => {
    while (left-- > 0) answers.push(await call(node, name, "compute", DEADLINE_MS));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return answers;
}
/** The scheduler that is a process apart, and what it listens on: the same each time. */
const SECRET = { LOCUS_GRPC_SECRET: "s3cret" };
const startScheduler = (port: number, settings: Record<string, string> = {}): OwnedProcess => {
  const scheduler = new OwnedProcess({
    argv: [process.execPath, join(import.meta.dirname, "../../scheduler/main-capacity.ts")],
    environment: environmentOf({ ...SECRET, LOCUS_SCHEDULER_PORT: String(port), ...settings }),
    logPath: join(redis.directory, "scheduler.log"),
    stopTimeoutMs: 10_000,
  });
  others.push(scheduler);
  return scheduler;
};
const startUnder = (port: number): Promise<NodeProcess> =>
  startNode({ ...SECRET, LOCUS_SCHEDULER: `127.0.0.1:${port}` });
const get = async ({ url }: NodeProcess, path: string): Promise<unknown> => (await fetch(url + path)).json();
/** Of a function, as whoever schedules says. */
const instancesOf = async (node: NodeProcess, name: string): Promise<readonly { readonly memoryMb: number }[]> =>
  ((await get(node, `/v1/instances?function=${name}`)) as { instances: readonly { readonly memoryMb: number }[] })
    .instances;
const statuses = (answers: readonly Answer[]): ReadonlySet<number> => new Set(answers.map(({ status }) => status));

describe("instances", () => {
  it("of a function that computes are on both nodes, whichever its calls came to", async () => {
    const [one, two] = [await startNode(), await startNode()];
    for (const bundle of [busy, quick]) await deploy(one, bundle);
    await Promise.all([joined(one), joined(two)]);
    await vi.waitFor(async () => {
      expect(statuses(await load(one, "busy", 64, 16))).toEqual(new Set([200]));
      expect(await ranAt(two)).toBeGreaterThan(0);
    }, LONG);
    await vi.waitFor(async () => {
      expect(statuses(await load(two, "busy", 64, 16))).toEqual(new Set([200]));
      expect(await ranAt(one)).toBeGreaterThan(0);
    }, LONG);
  });

  it("that die with their node take no call along, and no call that has written runs again", async () => {
    const [one, two] = [await startNode(), await startNode()];
    for (const bundle of [counted, quick]) await deploy(one, bundle);
    await Promise.all([joined(one), joined(two)]);
    const answers: Answer[] = [];
    const over = new AbortController();
    const loaded = (async () => {
      while (!over.signal.aborted) answers.push(...(await load(one, "counted", 32, 16)));
    })();
    await vi.waitFor(async () => expect(await ranAt(two)).toBeGreaterThan(10), LONG);
    await two.end("SIGKILL");
    const before = answers.length;
    await vi.waitFor(() => expect(answers.length).toBeGreaterThan(before + 64), LONG);
    over.abort();
    await loaded;
    const failed = answers.filter(({ status }) => status !== 200);
    for (const { body } of failed) expect(body).toMatchObject({ code: "SANDBOX_DIED" });
    const numbers = answers.filter(({ status }) => status === 200).map(({ body }) => body as number);
    // Each that was answered counted once: what is beyond is of those that may have written, and say so.
    expect(new Set(numbers).size).toBe(numbers.length);
    const total = Number(await redis.client().get("count"));
    expect(total).toBeGreaterThanOrEqual(numbers.length);
    expect(total).toBeLessThanOrEqual(answers.length);
  });

  it("are scheduled no more by a node whose Redis hangs, though that answers nothing: another may reach it", async () => {
    const node = await startNode();
    await deploy(node, quick);
    await joined(node);
    expect(await get(node, "/v1/nodes")).toMatchObject({ nodes: [{ instances: 1 }] });
    process.kill(redis.pid(), "SIGSTOP");
    // The connection itself is given up after 10 s.
    const soon = { ...LONG, timeout: 7_000 };
    try {
      await vi.waitFor(
        async () => expect(await get(node, "/v1/nodes")).toMatchObject({ code: "PEER_UNAVAILABLE" }),
        soon,
      );
      await vi.waitFor(() => expect(said(node)).toContain("this node schedules instances no more"), soon);
    } finally {
      process.kill(redis.pid(), "SIGCONT");
    }
    await joined(node);
  });

  it("go on while whoever schedules dies, and are taken over by the next", async () => {
    const first = await startNode();
    await vi.waitFor(() => expect(schedules(first)).toBe(true), LONG);
    const second = await startNode();
    await deploy(second, quick);
    await joined(second);
    expect(schedules(second)).toBe(false);
    const answers: Answer[] = [];
    const over = new AbortController();
    const loaded = (async () => {
      while (!over.signal.aborted) answers.push(await call(second, "quick", "compute"));
    })();
    await first.end("SIGKILL");
    await vi.waitFor(() => expect(schedules(second)).toBe(true), LONG);
    const before = await metric(second, "locus_instance_leases_taken_total");
    await vi.waitFor(
      async () => expect(await metric(second, "locus_instance_leases_taken_total")).toBeGreaterThan(before + 10),
      LONG,
    );
    over.abort();
    await loaded;
    expect(statuses(answers)).toEqual(new Set([200]));
    // Its instance was there before: the new one has started none.
    const starts = second
      .log()
      .split("\n")
      .filter((line) => line.includes('"event":"start"'));
    expect(starts.filter((line) => line.includes("quick"))).toEqual([]);
  });

  it("end with their calls where their node is told to stop, and scheduling goes to another at once", async () => {
    const first = await startNode();
    await vi.waitFor(() => expect(schedules(first)).toBe(true), LONG);
    const second = await startNode();
    await deploy(second, counted);
    await deploy(second, quick);
    await joined(second);
    const answers: Answer[] = [];
    const over = new AbortController();
    const loaded = (async () => {
      while (!over.signal.aborted) answers.push(...(await load(second, "counted", 32, 16)));
    })();
    await vi.waitFor(async () => expect(await ranAt(first)).toBeGreaterThan(10), LONG);
    await first.end("SIGTERM");
    await vi.waitFor(() => expect(schedules(second)).toBe(true), LONG);
    over.abort();
    await loaded;
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(Number(await redis.client().get("count"))).toBe(answers.length);
  });

  it("come from a scheduler that is a process apart, and calls go on without it", async () => {
    const port = await freePort();
    const scheduler = startScheduler(port);
    const one = await startUnder(port);
    await deploy(one, quick);
    await joined(one);
    expect(schedules(one)).toBe(false);
    await scheduler.stop("SIGKILL");
    await vi.waitFor(async () => {
      expect(statuses(await load(one, "quick", 10, 2))).toEqual(new Set([200]));
      expect(said(one)).toContain("no scheduler answers: calls run here, without instances");
    }, LONG);
    await vi.waitFor(async () => expect(await metric(one, "locus_instance_leases")).toBe(0), LONG);
    expect(statuses(await load(one, "quick", 10, 2))).toEqual(new Set([200]));
    startScheduler(port);
    await vi.waitFor(() => expect(said(one)).toContain("the scheduler answers again"), LONG);
    await joined(one);
  });

  it("are told of by a scheduler that is a process apart where its metrics are read, and by none of its nodes", async () => {
    const [port, metricsPort] = [await freePort(), await freePort()];
    const scheduler = startScheduler(port, { LOCUS_METRICS_PORT: String(metricsPort) });
    const one = await startUnder(port);
    await deploy(one, quick);
    await joined(one);
    const url = `http://127.0.0.1:${metricsPort}/metrics`;
    const headers = { authorization: `Bearer ${SECRET.LOCUS_GRPC_SECRET}` };
    /** By name and labels. */
    const figures = async (): Promise<ReadonlyMap<string, number>> => {
      const lines = (await (await fetch(url, { headers })).text()).trimEnd().split("\n");
      const told = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(" ") as [string, string]);
      return new Map(told.map(([name, figure]) => [name, Number(figure)]));
    };
    const { nodes: offered } = (await get(one, "/v1/nodes")) as { nodes: readonly { readonly id: string }[] };
    const { version } = (await get(one, "/v1/functions/quick")) as { readonly version: string };
    // Calls that come again and again after a pause: some of these it has to have seen before it forecasts any.
    const paused = { ...LONG, interval: 1_500 };
    await vi.waitFor(async () => {
      await call(one, "quick", "compute");
      const told = await figures();
      // What a node, which asks the scheduler, tells people at that moment.
      const { counts } = (await get(one, "/v1/instances")) as { readonly counts: Readonly<Record<string, number>> };
      for (const state of ["starting", "idle", "busy", "draining"]) {
        expect(told.get(`locus_instances{state="${state}"}`)).toBe(counts[state]);
      }
      expect(counts["idle"]! + counts["busy"]!).toBeGreaterThan(0);
      expect(told.get("locus_instance_starts_total")).toBe(counts["starts"]);
      expect(counts["starts"]).toBeGreaterThan(0);
      expect(told.get("locus_scheduler_waiting")).toBe(0);
      expect(told.get("locus_packing_waste")).toBe(1);
      const utilisation = ["memory", "cpu"].map((resource) =>
        told.get(`locus_node_utilisation{node="${offered[0]!.id}",resource="${resource}"}`),
      );
      for (const part of [...utilisation, told.get(`locus_forecast_error{function="quick@${version}"}`)]) {
        expect(part).toBeGreaterThanOrEqual(0);
        expect(part).toBeLessThanOrEqual(1);
      }
      expect(utilisation).not.toContain(0);
    }, paused);
    expect(await metric(one, "locus_scheduler_controls")).toBe(0);
    expect(await (await fetch(`${one.url}/metrics`)).text()).not.toContain("locus_instances{");
    expect((await fetch(url, { headers })).headers.get("content-type")).toBe(
      "text/plain; version=0.0.4; charset=utf-8",
    );
    expect((await fetch(url, { method: "POST", body: "x", headers })).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/`, { headers })).status).toBe(404);
    expect((await fetch(url)).status).toBe(401);
    await scheduler.stop();
    expect(await scheduler.ended).toBe(0);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });

  it("are as large as was learned, though the scheduler that is a process apart was killed since", async () => {
    const port = await freePort();
    const file = join(redis.directory, "state.json");
    const scheduler = startScheduler(port, { LOCUS_SCHEDULER_STATE: file });
    const one = await startUnder(port);
    await deploy(one, quick);
    await joined(one);
    const { version, limits } = (await get(one, "/v1/functions/quick")) as {
      readonly version: string;
      readonly limits: { readonly memoryMb: number };
    };
    await vi.waitFor(async () => {
      expect(statuses(await load(one, "quick", 10, 2))).toEqual(new Set([200]));
      const { functions } = JSON.parse(readFileSync(file, "utf8")) as {
        readonly functions: Record<string, { readonly need: readonly [samples: number] }>;
      };
      expect(functions[`quick@${version}`]!.need[0]).toBeGreaterThanOrEqual(10);
    }, LONG);
    await scheduler.stop("SIGKILL");
    await one.end("SIGTERM");
    startScheduler(port, { LOCUS_SCHEDULER_STATE: file });
    const two = await startUnder(port);
    await joined(two);
    expect((await instancesOf(two, "quick"))[0]!.memoryMb).toBeLessThan(limits.memoryMb);
  });

  it("are as large as is configured again when a call lacked memory", async () => {
    const one = await startNode();
    for (const bundle of [quick, eats]) await deploy(one, bundle);
    await joined(one);
    const { limits } = (await get(one, "/v1/functions/eats")) as { readonly limits: { readonly memoryMb: number } };
    const client = redis.client();
    /** While calls go on, so that the instance does as well. */
    const promised = async (): Promise<number> => {
      expect(statuses(await load(one, "eats", 10, 2))).toEqual(new Set([200]));
      return (await instancesOf(one, "eats"))[0]!.memoryMb;
    };
    await vi.waitFor(async () => expect(await promised()).toBeLessThan(limits.memoryMb), LONG);
    await client.set("hungry", "1");
    expect((await call(one, "eats", "compute")).body).toMatchObject({ code: "MEMORY_LIMIT" });
    await client.del("hungry");
    await vi.waitFor(async () => expect(await promised()).toBe(limits.memoryMb), LONG);
  });

  it("are had by calls that came to Redis without a node, as far as their node has one for them", async () => {
    const one = await startNode();
    await deploy(one, quick);
    await vi.waitFor(() => expect(schedules(one)).toBe(true), LONG);
    const client = redis.client();
    const placements = {
      quick: { state: "compute", share: 0, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 },
    };
    await client.call("LOCUS.PLAN", "SET", JSON.stringify({ version: 1, placements }));
    const taken = (): Promise<number> => metric(one, "locus_instance_leases_taken_total");
    expect(await taken()).toBe(0);
    await vi.waitFor(async () => {
      expect(await client.call("LOCUS.CALL", "quick", "0")).toBe("7");
      expect(await taken()).toBeGreaterThan(0);
    }, LONG);
    // Those that found none ran all the same, and are counted.
    const text = await (await fetch(`${one.url}/metrics`)).text();
    expect(text).toMatch(/^locus_instance_calls_without_total\{reason="not-here"\} [1-9]\d*$/m);
    await vi.waitFor(async () => expect(await instancesOf(one, "quick")).toHaveLength(1), LONG);
  });

  it("are told of by every node, to people too, and are as many as people say", async () => {
    const [one, two] = [await startNode(), await startNode()];
    await deploy(one, quick);
    await Promise.all([joined(one), joined(two)]);
    const locus = (...argv: readonly string[]) => runTool("locus", argv, { LOCUS_URL: two.url });
    for (const node of [one, two]) {
      await vi.waitFor(async () => {
        const { nodes: offered } = (await get(node, "/v1/nodes")) as { nodes: readonly { readonly cpus: number }[] };
        expect(offered.map(({ cpus }) => cpus)).toEqual([1, 1]);
      }, LONG);
    }
    expect((await locus("scale", "quick", "--min", "3")).stdout).toBe("quick: at least 3, at most any number\n");
    for (const node of [one, two]) {
      await vi.waitFor(async () => expect((await instancesOf(node, "quick")).length).toBeGreaterThanOrEqual(3), LONG);
    }
    expect((await locus("instances", "quick")).stdout).toMatch(/\squick\s+[0-9a-f]{16}\s+[0-9a-f]{12}\s+(idle|busy)\s/);
    expect((await locus("nodes")).stdout).toContain("policy: forecast");
    for (const words of [["scale"], ["scale", "quick"]]) {
      expect((await locus(...words)).stdout).toMatch(/^quick +3 +any( +\d+){4}$/m);
    }
    // Whoever schedules tells it, and may be another one than a while ago.
    await vi.waitFor(async () => {
      const texts = await Promise.all([one, two].map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
      const text = texts.join("\n");
      expect(text).toMatch(/^locus_instances\{state="idle"\} \d+$/m);
      expect(text).toMatch(/^locus_packing_waste [12]$/m);
      expect(text).toMatch(/^locus_node_utilisation\{node="[0-9a-f]{12}",resource="memory"\} 0\.\d+/m);
    }, LONG);
    expect((await locus("scale", "quick", "--free")).stdout).toBe("freed quick: instances as its load needs them\n");
    expect((await locus("scale", "quick")).stdout).toMatch(/^quick +0 +any( +\d+){4}$/m);
    expect(await get(one, "/v1/instances?function=quick")).toMatchObject({ scales: [] });
  });

  it("are not had by a node that may not read what nodes keep, which says so once", async () => {
    const client = redis.client();
    await client.call("ACL", "SETUSER", "other", "on", ">pass", "+@all", "~*");
    await client.call("ACL", "SETUSER", "other", "-hgetall");
    const one = await startNode({ LOCUS_REDIS_USER: "other", LOCUS_REDIS_PASSWORD: "pass" });
    const told = (): readonly string[] =>
      said(one).filter((line) => line.includes("this node takes no part in scheduling for now"));
    await vi.waitFor(() => expect(told()).toHaveLength(1), LONG);
    await deploy(one, quick);
    expect(statuses(await load(one, "quick", 10, 2))).toEqual(new Set([200]));
    await client.call("ACL", "SETUSER", "other", "+hgetall");
    await joined(one);
    expect(told()).toHaveLength(1);
  });

  it("are had of each other by nodes before and after Redis was emptied", async () => {
    const one = await startNode();
    await vi.waitFor(() => expect(schedules(one)).toBe(true), LONG);
    const key = "locus:controller:secret";
    const secret = await redis.client().get(key);
    await redis.client().flushall();
    await vi.waitFor(async () => expect(await redis.client().get(key)).toBe(secret), LONG);
    const two = await startNode();
    await deploy(two, quick);
    await joined(two);
  });

  it("are had of each other by nodes that have come to know different secrets", async () => {
    const key = "locus:controller:secret";
    const one = await startNode();
    await vi.waitFor(() => expect(schedules(one)).toBe(true), LONG);
    // As where Redis was emptied, and a node that came then was the first.
    await redis.client().set(key, "made-by-another");
    const two = await startNode();
    await deploy(one, quick);
    // One instance for both: whoever has it not on its own node calls the other.
    await runTool("locus", ["scale", "quick", "--max", "1"], { LOCUS_URL: one.url });
    const served = async (): Promise<number> => (await ranAt(one)) + (await ranAt(two));
    const reachEachOther = async (): Promise<void> => {
      await Promise.all([joined(one), joined(two)]);
      const before = await served();
      await vi.waitFor(async () => {
        for (const node of [one, two]) expect(statuses(await load(node, "quick", 4, 2))).toEqual(new Set([200]));
        expect(await served()).toBeGreaterThan(before);
      }, LONG);
    };
    await reachEachOther();
    const learned = (node: NodeProcess): number =>
      said(node).filter((line) => line.startsWith("Redis keeps another secret of the nodes by now")).length;
    expect([learned(one), learned(two)]).toEqual([1, 0]);
    // Whoever schedules sees to it now and then, and whoever is refused by it at once.
    await redis.client().set(key, "made-by-a-third");
    await vi.waitFor(() => expect([learned(one), learned(two)]).toEqual([2, 1]), LONG);
    await reachEachOther();
  });

  it("are as many as people said last, though Redis was emptied in between", async () => {
    const [one, two] = [await startNode(), await startNode()];
    await deploy(one, quick);
    await Promise.all([joined(one), joined(two)]);
    const scaled = async (min: number): Promise<void> => {
      const { stdout } = await runTool("locus", ["scale", "quick", "--min", String(min)], { LOCUS_URL: two.url });
      expect(stdout).toBe(`quick: at least ${min}, at most any number\n`);
      await vi.waitFor(async () => expect((await instancesOf(one, "quick")).length).toBeGreaterThanOrEqual(min), LONG);
    };
    const version = async (): Promise<number> =>
      Number(await redis.client().hget("locus:controller:scale", ":version"));
    await scaled(3);
    const before = await version();
    await redis.client().flushall();
    // The nodes say by themselves that nothing is said any more.
    await vi.waitFor(async () => expect(await version()).toBeGreaterThan(before), LONG);
    await deploy(two, quick);
    await scaled(5);
  });

  it("are no more than people say from then on, and what people say of a function goes with it", async () => {
    const one = await startNode({ LOCUS_NODE_CPUS: "4" });
    await deploy(one, quick);
    await joined(one);
    const locus = (...argv: readonly string[]) => runTool("locus", argv, { LOCUS_URL: one.url });
    await locus("scale", "quick", "--min", "3");
    await vi.waitFor(async () => expect((await instancesOf(one, "quick")).length).toBeGreaterThanOrEqual(3), LONG);
    const reversed = await locus("scale", "quick", "--min", "5", "--max", "2");
    expect(reversed).toMatchObject({ status: 2, stderr: expect.stringContaining("must not be below --min, 5") });
    await locus("scale", "quick", "--min", "1", "--max", "1");
    await vi.waitFor(async () => expect(await instancesOf(one, "quick")).toHaveLength(1), LONG);
    await locus("scale", "quick", "--max", "7");
    await fetch(`${one.url}/v1/functions/quick`, { method: "DELETE" });
    const kept = (): Promise<readonly string[]> => redis.client().hkeys("locus:controller:scale");
    await vi.waitFor(async () => expect(await kept()).toEqual([":version"]), LONG);
    expect((await locus("scale", "quick", "--max", "7")).stderr).toContain("FUNCTION_NOT_FOUND");
    await deploy(one, quick);
    expect(await get(one, "/v1/instances?function=quick")).toMatchObject({ scales: [] });
  });

  it("are what calls wait for where people said how many there are at most: none runs beside them, and one that waits in vain is refused", async () => {
    const one = await startNode({ LOCUS_NODE_CPUS: "4" });
    for (const bundle of [quick, held]) await deploy(one, bundle);
    await joined(one);
    await runTool("locus", ["scale", "held", "--max", "1"], { LOCUS_URL: one.url });
    const client = redis.client();
    const first = call(one, "held", "compute", 60_000);
    await vi.waitFor(async () => expect(await client.get("begun")).toBe("1"), LONG);
    const next = call(one, "held", "compute", 60_000);
    // Half of its time is longer than calls of other functions wait.
    const { status, body } = await call(one, "held", "compute", 6_000);
    expect([status, body]).toMatchObject([503, { code: "OVERLOADED" }]);
    const says = /^held got no instance in \d+ ms, and may have 1 at most: raise that with "locus scale held --max"/;
    expect((body as { readonly detail: string }).detail).toMatch(says);
    await client.set("released", "1");
    expect([await first, await next]).toEqual([
      { status: 200, body: 1 },
      { status: 200, body: 1 },
    ]);
    expect(await client.get("begun")).toBe("2");
  });

  it("are nobody's where scheduling is off", async () => {
    const one = await startNode({ LOCUS_SCHEDULER: "off" });
    await deploy(one, quick);
    expect(statuses(await load(one, "quick", 10, 2))).toEqual(new Set([200]));
    expect(said(one)).not.toContain("offers instances");
    expect(await metric(one, "locus_instance_leases")).toBeNaN();
    expect((await fetch(`${one.url}/v1/nodes`)).status).toBe(400);
    expect(await redis.client().keys("locus:controller:*")).toEqual([]);
  });
});
