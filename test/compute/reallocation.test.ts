// Instances and threads beside the data as a node that schedules divides them among functions, over a real Redis: within a total that is set,
// after what functions need, while they run, and no longer than there is somebody who divides.

import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { freePort } from "#test/free-port.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { OwnedProcess } from "#test/owned-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { environmentOf } from "#test/tool.ts";
import { bundleOf, call, deploy, said } from "./node-client.ts";

/** A look is a second, and a forecast that once was too low keeps its head-room for forty. */
const LONG = { timeout: 120_000, interval: 50 };
/** Several of these, one after the other. */
const TEST_TIMEOUT_MS = 600_000;
const TOTAL = 4;
const CALLERS = 8;
const SPREAD = 5;

/** Takes a while without a core, one call at a time. */
const slow = (name: string): string =>
  bundleOf(name, () => new Promise((resolve) => setTimeout(() => resolve(1), 50)), { concurrency: 1 });

let redis: RedisServer;
let client: Redis;
let nodes: NodeProcess[];
let loads: Load[];
let others: OwnedProcess[];
beforeEach(async () => {
  redis = await startRedisServer({ moduleArguments: ["spread", String(SPREAD), "isolate-memory-mb", "32"] });
  client = redis.client();
  nodes = [];
  loads = [];
  others = [];
});
afterEach(async () => {
  await Promise.all(loads.map((load) => load.end()));
  await Promise.all(nodes.map((node) => node.end("SIGTERM")));
  await Promise.all(others.map((one) => one.stop()));
  await redis.close();
});

const startNode = (settings: Record<string, string>): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => nodes.push(node), {
    LOCUS_PLACEMENT: "declared",
    LOCUS_NODE_CPUS: "8",
    LOCUS_NODE_MEMORY_MB: "8192",
    ...settings,
  });

const startScheduling = async (settings: Record<string, string>): Promise<NodeProcess> => {
  const node = await startNode(settings);
  await vi.waitFor(() => expect(said(node)).toContain("this node schedules instances"), LONG);
  return node;
};

/** A scheduler that is a process apart, and a node that it schedules for. Each has the settings that are its own. */
const startScheduled = async (settings: Record<string, string>): Promise<NodeProcess> => {
  const { LOCUS_INSTANCES_MAX: most } = settings;
  const ofScheduler = most === undefined ? {} : { LOCUS_INSTANCES_MAX: most };
  const port = String(await freePort());
  const both = { LOCUS_GRPC_SECRET: "s3cret" };
  const scheduler = new OwnedProcess({
    argv: [process.execPath, join(import.meta.dirname, "../../scheduler/main-capacity.ts")],
    environment: environmentOf({ ...both, ...ofScheduler, LOCUS_SCHEDULER_PORT: port }),
    logPath: join(redis.directory, "scheduler.log"),
    stopTimeoutMs: 10_000,
  });
  others.push(scheduler);
  return startNode({ ...both, ...settings, LOCUS_SCHEDULER: `127.0.0.1:${port}` });
};

/** Callers that call again and again until it ends. */
class Load {
  /** Answers that are none. */
  readonly failures: unknown[] = [];
  readonly #over = new AbortController();
  readonly #callers: Promise<unknown>;

  constructor(callOnce: () => Promise<unknown>) {
    const caller = async (): Promise<void> => {
      while (!this.#over.signal.aborted) {
        const answer = await callOnce().catch((error: unknown) => error);
        if (String(answer) !== "1") this.failures.push(answer);
      }
    };
    this.#callers = Promise.all(Array.from({ length: CALLERS }, caller));
    loads.push(this);
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#callers;
  }
}

type Shares = Readonly<Record<"early" | "late", number>>;

/** That the shares come to this, and the total is held for a while, wherever they go meanwhile. */
const settles = (shares: () => Promise<Shares>, expected: Partial<Shares>): Promise<void> =>
  vi.waitFor(async () => {
    for (let look = 0; look < 20; look++) {
      const { early, late } = await shares();
      expect(early + late).toBeLessThanOrEqual(TOTAL);
    }
    expect(await shares()).toMatchObject(expected);
  }, LONG);

describe("threads beside the data", { timeout: TEST_TIMEOUT_MS }, () => {
  interface Stats {
    readonly isolates: number;
    readonly isolatesMax: number;
  }
  /** Of all at one moment. */
  const statsOfAll = async (): Promise<ReadonlyMap<string, Stats>> => {
    const all = (await client.call("LOCUS.FUNCTION", "STATS")) as [string, string][];
    return new Map(all.map(([name, json]) => [name, JSON.parse(json) as Stats]));
  };
  const statsOf = async (name: string): Promise<Stats | undefined> => (await statsOfAll()).get(name);
  const isolates = async (): Promise<Shares> => {
    const all = await statsOfAll();
    return { early: all.get("early")?.isolates ?? 0, late: all.get("late")?.isolates ?? 0 };
  };
  /** Without a node in between. */
  const load = (name: string): Load => {
    const clients = Array.from({ length: CALLERS }, () => redis.client());
    let next = 0;
    return new Load(() => clients[next++ % CALLERS]!.call("LOCUS.CALL", name, "0"));
  };
  const dividing = { LOCUS_STORAGE_THREADS_MAX: String(TOTAL) };

  it.each([
    ["the node", startScheduling],
    ["a process apart", startScheduled],
  ])(
    "go to the function that needs them, within the total, and to nobody's cost when nobody divides any more, where %s schedules",
    async (_, start) => {
      const node = await start(dividing);
      for (const name of ["early", "late"]) await deploy(node, slow(name));
      const early = load("early");
      await settles(isolates, { early: TOTAL, late: 0 });
      const late = load("late");
      await settles(isolates, { early: TOTAL / 2, late: TOTAL / 2 });
      await early.end();
      await settles(isolates, { early: 1, late: TOTAL - 1 });

      await node.end("SIGKILL");
      const again = load("early");
      await vi.waitFor(async () => expect(await isolates()).toEqual({ early: SPREAD, late: SPREAD }), LONG);
      await start(dividing);
      await settles(isolates, { early: TOTAL / 2, late: TOTAL / 2 });
      for (const { failures } of [early, late, again]) expect(failures).toEqual([]);
    },
  );

  it("are as many as there were before where there is room for all, and nobody is told anything", async () => {
    const node = await startScheduling({});
    await deploy(node, slow("early"));
    const early = load("early");
    await vi.waitFor(async () => expect(await statsOf("early")).toMatchObject({ isolates: SPREAD }), LONG);
    const asked = async (): Promise<number> => {
      const text = await client.info("commandstats");
      return Number(/cmdstat_locus\.function\|isolates:calls=(\d+)/.exec(text)?.[1] ?? 0);
    };
    const [before, startedMs] = [await asked(), performance.now()];
    await vi.waitFor(async () => expect(await asked()).toBeGreaterThan(before + 4), LONG);
    // Once in each look, and not a second time to say what is decided.
    expect(await asked()).toBeLessThanOrEqual(before + 2 + (performance.now() - startedMs) / 1_000);
    expect(await statsOf("early")).toMatchObject({ isolates: SPREAD, isolatesMax: SPREAD });
    expect(said(node)).not.toContain("threads beside the data are not divided");
    expect(early.failures).toEqual([]);
  });

  it("are not divided by a node that may not, which says so once", async () => {
    await client.call("ACL", "SETUSER", "other", "on", ">pass", "+@all", "~*", "&*", "-locus.function|isolates");
    const node = await startScheduling({ LOCUS_REDIS_USER: "other", LOCUS_REDIS_PASSWORD: "pass", ...dividing });
    const told = (): readonly string[] =>
      said(node).filter((line) => line.includes("threads beside the data are not divided"));
    await vi.waitFor(() => expect(told()).toHaveLength(1), LONG);
    await client.call("ACL", "SETUSER", "other", "+locus.function|isolates");
    await deploy(node, slow("early"));
    load("early");
    await settles(isolates, { early: TOTAL, late: 0 });
    expect(told()).toHaveLength(1);
  });
});

describe("instances", { timeout: TEST_TIMEOUT_MS }, () => {
  const instances = async (node: NodeProcess): Promise<Shares> => {
    const answer = await (await fetch(`${node.url}/v1/instances`)).json();
    const { instances: all } = answer as {
      instances: readonly { readonly function: string; readonly state: string }[];
    };
    const of = (name: string): number => all.filter((one) => one.function === name && one.state !== "draining").length;
    return { early: of("early"), late: of("late") };
  };
  const load = (node: NodeProcess, name: string): Load =>
    new Load(async () => {
      const { status, body } = await call(node, name, "compute", 30_000);
      return status === 200 ? body : JSON.stringify(body);
    });

  it.each([
    ["the node", startScheduling],
    ["a process apart", startScheduled],
  ])("go to the function that needs them, within the total, while it runs, where %s schedules", async (_, start) => {
    const node = await start({ LOCUS_INSTANCES_MAX: String(TOTAL) });
    for (const name of ["early", "late"]) await deploy(node, slow(name));
    const early = load(node, "early");
    const shares = (): Promise<Shares> => instances(node);
    await settles(shares, { early: TOTAL, late: 0 });
    const late = load(node, "late");
    await settles(shares, { early: TOTAL / 2, late: TOTAL / 2 });
    await early.end();
    // What is idle may end altogether: that is the policy's matter. And who divides anew, as a node does that was late for its lease, keeps nothing for it.
    await settles(shares, { late: expect.toBeOneOf([TOTAL - 1, TOTAL]) });
    for (const { failures } of [early, late]) expect(failures).toEqual([]);
  });
});
