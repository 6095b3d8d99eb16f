// The 2020 contest's system as programs: API server, scheduler, resource manager, and nodes of locus with functions that were deployed to them, each a
// process of its own, called by a client that knows the contract only.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { where } from "../compute/instance-functions.ts";
import { bundleOf, call, deploy, metric, portSaid } from "../compute/node-client.ts";
import { stagesOfDockerfile } from "../containers/dockerfile.ts";
import { freePort } from "../free-port.ts";
import { type NodeProcess, startNodeOver } from "../node-process.ts";
import { type RedisServer, startRedisServer } from "../redis-server.ts";
import { clientAt, type ClientOf, type ContestClient, type Failed, failureOf } from "./contest-client.ts";
import { answersAt, makeGuard, pageAnswersAt, trustedClient } from "./guard.ts";
import { healthOf, SERVING, servicesAt } from "./listener-questions.ts";
import { type Program, startProgram } from "./program.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 600_000;
const LONG = { timeout: 60_000, interval: 50 };
const API_SERVER = "apiserverproto.APIServer";
const SCHEDULER = "schedulerproto.Scheduler";
const RESOURCE_MANAGER = "resourcemanagerproto.ResourceManager";
const NODE_SERVICE = "nodeservoceproto.NodeService";

/** Of a node whose containers are processes, in no group of the kernel. */
const PROCESSES = { LOCUS_DRIVER: "process", LOCUS_CGROUP: "cgroup.procs/none" };
const BUNDLES = [
  bundleOf("hello", ({ args }) => ({ hello: args })),
  bundleOf("later", ({ args }) => ({ later: args })),
  bundleOf(
    "sleeps",
    ({ args }: { readonly args: number }) => new Promise((done) => setTimeout(() => done(args), args)),
  ),
];

let resources: AsyncDisposableStack;
let redis: RedisServer;
beforeEach(async () => {
  resources = new AsyncDisposableStack();
  redis = await startRedisServer();
  resources.defer(() => redis.close());
});
afterEach(() => resources.disposeAsync());

interface ContestNode {
  readonly process: NodeProcess;
  readonly endpoint: string;
  readonly client: ClientOf;
}

/** `locus node` as schedulers of the contest find it. */
async function startNode(settings: Readonly<Record<string, string>> = {}): Promise<ContestNode> {
  const started = await startNodeOver(redis, (node) => resources.defer(() => node.end("SIGTERM")), {
    LOCUS_SCHEDULER: "contest",
    LOCUS_PLACEMENT: "declared",
    LOCUS_NODE_SERVICE_PORT: "0",
    ...settings,
  });
  const endpoint = `127.0.0.1:${portSaid(started, "may be reserved by a scheduler of the contest's protocol")}`;
  return { process: started, endpoint, client: clientAt(resources, endpoint) };
}

/** So many nodes, with the functions deployed by way of the first of them. `more`: of the scheduler; `all`: of each program, the nodes as well; `own`: of the nodes. */
async function startCluster(
  count: number,
  memoryMib: number,
  more: Readonly<Record<string, string>> = {},
  all: Readonly<Record<string, string>> = {},
  own: Readonly<Record<string, string>> = {},
) {
  const settings = { LOCUS_NODE_MEMORY_MB: String(memoryMib), ...all, ...own };
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(settings)));
  for (const bundle of BUNDLES) expect(await deploy(nodes[0]!.process, bundle)).toMatchObject({ status: 201 });
  const manager = await startProgram(resources, ["scheduler/main-resource-manager.ts"], {
    SERVICE_PORT: "0",
    LOCUS_NODES: nodes.map(({ endpoint }) => endpoint).join(),
    LOCUS_NODE_MEMORY_MIB: String(memoryMib),
    LOCUS_NODE_REFILL_MS: "0",
    ...all,
  });
  const schedulerPort = await freePort();
  const startScheduler = (settings: Readonly<Record<string, string>> = {}): Promise<Program> =>
    startProgram(resources, ["scheduler/main-scheduler.ts"], {
      SERVICE_PORT: String(schedulerPort),
      RESOURCE_MANAGER_ENDPOINT: manager.endpoint,
      STACK_NAME: "stack",
      LOCUS_POLICY: "reference",
      LOCUS_SCHEDULER_STATE: stateFile(),
      ...all,
      ...more,
      ...settings,
    });
  const scheduler = await startScheduler();
  return { nodes, manager, scheduler, startScheduler };
}

const stateFile = (): string => join(redis.directory, "scheduler.json");

async function startApiServer(
  { scheduler }: { readonly scheduler: Program },
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const file = join(redis.directory, "functions.json");
  const terms = { timeout_in_ms: 20_000, memory_in_bytes: 256 * MIB, handler: "" };
  const names = ["hello", "later", "sleeps"];
  writeFileSync(file, JSON.stringify(names.map((function_name) => ({ function_name, ...terms }))));
  return startProgram(resources, ["scheduler/main-api-server.ts"], {
    SERVICE_PORT: "0",
    SCHEDULER_ENDPOINT: scheduler.endpoint,
    LOCUS_FUNCTIONS_FILE: file,
    ...settings,
  });
}
const apiOf = async (cluster: { readonly scheduler: Program }): Promise<ContestClient> =>
  (await startApiServer(cluster)).client(API_SERVER);

const eventOf = (args: unknown): Buffer => Buffer.from(JSON.stringify(args));
const invoke = (api: ContestClient, function_name: string, args: unknown, settings = {}): Promise<string> =>
  api
    .call("InvokeFunction", { account_id: "account", function_name, event: eventOf(args) }, settings)
    .then(({ body }) => String(body));
const reservedBy = async (manager: Program): Promise<readonly unknown[]> => {
  const { nodes } = await manager.client(RESOURCE_MANAGER).call("GetNodesUsage", {});
  return (nodes as { readonly id: string }[]).map(({ id }) => id);
};
/** Of all nodes. */
const containersOf = async (nodes: readonly ContestNode[]): Promise<readonly string[]> => {
  const stats = await Promise.all(nodes.map((node) => node.client(NODE_SERVICE).call("GetStats", {})));
  return stats.flatMap(({ container_stats_list }) =>
    (container_stats_list as { readonly container_id: string }[]).map(({ container_id }) => container_id),
  );
};

test("a deployed function is called through all of it", { timeout: TIMEOUT_MS }, async () => {
  // One container in each node.
  const cluster = await startCluster(2, 300);
  const api = await apiOf(cluster);
  const { functions } = await api.call("ListFunctions", {});
  expect(functions).toContainEqual({
    function_name: "hello",
    timeout_in_ms: "20000",
    memory_in_bytes: String(256 * MIB),
    handler: "",
  });
  expect(await invoke(api, "hello", 1)).toBe('{"hello":1}');
  expect(await invoke(api, "hello", 2)).toBe('{"hello":2}');
  expect(await containersOf(cluster.nodes)).toHaveLength(1);
  const both = await Promise.all([invoke(api, "sleeps", 1_000), invoke(api, "sleeps", 1_001)]);
  expect(both).toEqual(["1000", "1001"]);
  expect(await reservedBy(cluster.manager)).toHaveLength(2);
  expect((await failureOf(invoke(api, "absent", null))).code).toBe("NOT_FOUND");
});

test(
  "who asks the scheduler for a function that is not deployed is told so, whatever time he has, and has a container when it is",
  { timeout: TIMEOUT_MS },
  async () => {
    const { nodes, scheduler } = await startCluster(1, 1_024);
    const client = scheduler.client(SCHEDULER);
    const function_config = { timeout_in_ms: 20_000, memory_in_bytes: 256 * MIB };
    const acquire = (request_id: string) =>
      client.call("AcquireContainer", { request_id, function_name: "newcomer", function_config });
    for (const request of ["r1", "r2", "r3"]) {
      expect(await failureOf(acquire(request))).toMatchObject({
        code: "NOT_FOUND",
        metadata: { "locus-code": "FUNCTION_NOT_FOUND" },
      });
    }
    await deploy(
      nodes[0]!.process,
      bundleOf("newcomer", () => 1),
    );
    const { container_id } = await acquire("r3");
    expect(await containersOf(nodes)).toEqual([container_id]);
  },
);

test(
  "who asks the scheduler for less memory than the nodes' driver has containers for is told so, whatever time he has, and has one with more",
  { timeout: TIMEOUT_MS },
  async () => {
    const { nodes, scheduler } = await startCluster(1, 1_024, {}, {}, PROCESSES);
    const client = scheduler.client(SCHEDULER);
    const acquire = (request_id: string, memoryMib: number) => {
      const function_config = { timeout_in_ms: 20_000, memory_in_bytes: memoryMib * MIB };
      return client.call("AcquireContainer", { request_id, function_name: "hello", function_config });
    };
    for (const request of ["r1", "r2"]) {
      expect(await failureOf(acquire(request, 16))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(`memory is ${16 * MIB} bytes, must be from ${64 * MIB}`),
        metadata: { "locus-code": "REQUEST_INVALID" },
      });
    }
    const { container_id } = await acquire("r3", 64);
    expect(await containersOf(nodes)).toEqual([container_id]);
  },
);

test(
  "a node that hangs in CreateContainer costs who waits for it his deadline, and nobody else anything",
  { timeout: TIMEOUT_MS },
  async () => {
    const api = await apiOf(await startCluster(1, 1_024));
    expect(await invoke(api, "hello", "before")).toBe('{"hello":"before"}');
    // The node has not needed the bundle of the other function yet, and cannot have it now.
    process.kill(redis.pid(), "SIGSTOP");
    resources.defer(() => void process.kill(redis.pid(), "SIGCONT"));
    const hanging = Array.from({ length: 3 }, () =>
      failureOf(invoke(api, "later", null, { deadline: Date.now() + 3_000 })),
    );
    expect(await invoke(api, "hello", "meanwhile")).toBe('{"hello":"meanwhile"}');
    expect((await Promise.all(hanging)).map(({ code }) => code)).toEqual(Array(3).fill("DEADLINE_EXCEEDED"));
    expect(await invoke(api, "hello", "after")).toBe('{"hello":"after"}');
    process.kill(redis.pid(), "SIGCONT");
    expect(await invoke(api, "later", "now")).toBe('{"later":"now"}');
  },
);

/** As the scheduler has written it last. */
const saved = () =>
  JSON.parse(readFileSync(stateFile(), "utf8")) as {
    readonly functions: Readonly<Record<string, { readonly need: readonly number[] }>>;
    readonly world: { readonly nodes: Readonly<Record<string, object>> };
  };
/** Samples first. */
const needOf = (name: string): readonly number[] => saved().functions[name]?.need ?? [];
const savedContainers = (): readonly string[] => Object.values(saved().world.nodes).flatMap(Object.keys);

test(
  "a scheduler that is killed under load finds its nodes and their containers again",
  { timeout: TIMEOUT_MS },
  async () => {
    const cluster = await startCluster(2, 1_024);
    const api = await apiOf(cluster);
    const tally = { ok: 0, failed: new Map<string, number>() };
    const over = new AbortController();
    const caller = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const failed = await invoke(api, "sleeps", 20).then(
          () => null,
          (error: unknown) => error as Failed,
        );
        if (failed === null) tally.ok++;
        else tally.failed.set(failed.code, (tally.failed.get(failed.code) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 6 }, caller);
    const served = (): Promise<unknown> => {
      const goal = tally.ok + 50;
      return vi.waitUntil(() => tally.ok >= goal, { timeout: 60_000 });
    };
    await served();
    await vi.waitUntil(async () => (await containersOf(cluster.nodes)).length === callers.length, LONG);
    const before = { containers: await containersOf(cluster.nodes), reserved: await reservedBy(cluster.manager) };
    await vi.waitFor(() => expect(savedContainers()).toEqual(expect.arrayContaining([...before.containers])), LONG);
    await cluster.scheduler.process.stop("SIGKILL");
    await vi.waitUntil(() => tally.failed.size > 0, { timeout: 60_000 });
    const second = await cluster.startScheduler();
    await served();
    over.abort();
    await Promise.all(callers);
    // The scheduler was away.
    const allowed = ["UNAVAILABLE", "CANCELLED"];
    expect([...tally.failed.keys()].filter((code) => !allowed.includes(code))).toEqual([]);
    expect(await reservedBy(cluster.manager)).toEqual(expect.arrayContaining([...before.reserved]));
    expect((await containersOf(cluster.nodes)).toSorted()).toEqual(before.containers.toSorted());
    // What was learned is kept by a scheduler that nobody calls.
    await second.process.stop();
    const learned = needOf("sleeps");
    expect(learned[0]).toBeGreaterThan(0);
    const third = await cluster.startScheduler();
    await third.process.stop();
    expect(needOf("sleeps")).toEqual(learned);
  },
);

test("nodes that are to be kept are reserved before any call, and stay", { timeout: TIMEOUT_MS }, async () => {
  const cluster = await startCluster(3, 300, { LOCUS_NODES_MIN: "2", LOCUS_NODE_IDLE_MS: "0" });
  await vi.waitFor(async () => expect(await reservedBy(cluster.manager)).toHaveLength(2), LONG);
  const kept = await reservedBy(cluster.manager);
  // Nodes hear of it after their manager has answered.
  await vi.waitFor(async () => {
    const owners = await Promise.all(cluster.nodes.map((node) => node.client(NODE_SERVICE).call("GetStats", {})));
    expect(owners.filter(({ owner_account_id }) => owner_account_id !== "")).toHaveLength(2);
  }, LONG);
  // A container has room in each: the third call has one more node reserved, and no other is given back for it.
  const api = await apiOf(cluster);
  const all = Promise.all([3_000, 3_001, 3_002].map((ms) => invoke(api, "sleeps", ms)));
  await vi.waitFor(async () => expect(await reservedBy(cluster.manager)).toHaveLength(3), LONG);
  expect(await reservedBy(cluster.manager)).toEqual(expect.arrayContaining([...kept]));
  expect(await all).toEqual(["3000", "3001", "3002"]);
});

test(
  "an empty node is kept ahead of calls, and another when a call has gone to it",
  { timeout: TIMEOUT_MS },
  async () => {
    const cluster = await startCluster(3, 300, { LOCUS_NODES_AHEAD: "1", LOCUS_NODE_IDLE_MS: "0" });
    await vi.waitFor(async () => expect(await reservedBy(cluster.manager)).toHaveLength(1), LONG);
    const [kept] = await reservedBy(cluster.manager);
    const call = invoke(await apiOf(cluster), "sleeps", 3_000);
    // Its container is made while the other node is reserved.
    await vi.waitFor(async () => {
      expect(await reservedBy(cluster.manager)).toHaveLength(2);
      expect(await containersOf(cluster.nodes)).toHaveLength(1);
    }, LONG);
    expect(await reservedBy(cluster.manager)).toContain(kept);
    expect(await call).toBe("3000");
  },
);

test("two schedulers of one stack have nodes of their own, and have them again", { timeout: TIMEOUT_MS }, async () => {
  const cluster = await startCluster(3, 300, { LOCUS_NODES_AHEAD: "0" });
  let requests = 0;
  const acquire = async (scheduler: Program): Promise<{ readonly node_id: string; readonly container_id: string }> => {
    const function_config = { timeout_in_ms: 20_000, memory_in_bytes: 256 * MIB };
    const request = { request_id: `r${requests++}`, function_name: "hello", function_config };
    const { node_id, container_id } = await scheduler.client(SCHEDULER).call("AcquireContainer", request);
    return { node_id: node_id as string, container_id: container_id as string };
  };
  const first = await acquire(cluster.scheduler);
  const other = await cluster.startScheduler({ SERVICE_PORT: "0", LOCUS_SCHEDULER_STATE: "" });
  const second = await acquire(other);
  expect(second.node_id).not.toBe(first.node_id);
  const owners = await Promise.all(cluster.nodes.map((node) => node.client(NODE_SERVICE).call("GetStats", {})));
  const names = owners.map(({ owner_account_id }) => owner_account_id as string).filter((name) => name !== "");
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(name).toMatch(/^stack\/[0-9a-f]{12}$/);
  // Whoever has its state is it again, and nobody else meanwhile.
  await expect(cluster.startScheduler({ SERVICE_PORT: "0" })).rejects.toThrow("another process has");
  await vi.waitFor(() => expect(savedContainers()).toContain(first.container_id), LONG);
  await cluster.scheduler.process.stop("SIGKILL");
  expect(await acquire(await cluster.startScheduler())).toEqual(first);
  expect(await containersOf(cluster.nodes)).toHaveLength(2);
});

test(
  "ten thousand requests at once for a hundred containers wait in turn, and what is more is refused",
  { timeout: TIMEOUT_MS },
  async () => {
    const [capacity, waitingMax, beyond, abandoned] = [100, 10_000, 10, 50];
    // Room for 25 in each, whatever they are seen to use: none is packed tighter.
    const { nodes, scheduler } = await startCluster(4, 25 * 16);
    // A connection carries a thousand calls at once.
    const clients = Array.from({ length: 12 }, () =>
      scheduler.client(SCHEDULER, { channel: { "grpc.use_local_subchannel_pool": 1 } }),
    );
    const clientOf = (index: number): ContestClient => clients[index % clients.length]!;
    const terms = { timeout_in_ms: 300_000, memory_in_bytes: 16 * MIB };
    const acquire = (index: number, settings = {}): Promise<string> =>
      clientOf(index)
        .call(
          "AcquireContainer",
          { request_id: `r${index}`, function_name: "hello", function_config: terms },
          { deadline: Date.now() + 300_000, ...settings },
        )
        .then(({ container_id }) => container_id as string);
    const giveBack = (index: number, container_id: string): Promise<unknown> =>
      clientOf(index).call("ReturnContainer", { request_id: `r${index}`, container_id, duration_in_nanos: 1_000_000 });

    const held = await Promise.all(Array.from({ length: capacity }, (_, index) => acquire(index)));
    expect(new Set(held).size).toBe(capacity);

    const stop = new AbortController();
    const codes = new Map<string, number>();
    let outstanding = capacity;
    let outstandingMax = capacity;
    /** In the order of their grants, on each connection. */
    const granted: number[][] = clients.map(() => []);
    const gotten = new Set<string>();
    const returned: Promise<unknown>[] = [];
    const take = async (index: number, settings: object): Promise<void> => {
      try {
        const container = await acquire(index, settings);
        outstandingMax = Math.max(outstandingMax, ++outstanding);
        gotten.add(container);
        granted[index % clients.length]!.push(index);
        outstanding--;
        returned.push(giveBack(index, container));
      } catch (error) {
        const { code } = error as Failed;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    const first = capacity;
    const waiting = Array.from({ length: waitingMax + beyond }, (_, offset) =>
      take(first + offset, offset < abandoned ? { signal: stop.signal } : {}),
    );
    await vi.waitUntil(() => codes.get("RESOURCE_EXHAUSTED") === beyond, { timeout: 300_000 });
    expect((await failureOf(acquire(1_000_000))).code).toBe("RESOURCE_EXHAUSTED");

    // Who gives up makes room, and who comes then is held to his deadline.
    stop.abort();
    await vi.waitUntil(async () => {
      const { code } = await failureOf(acquire(1_000_001, { deadline: Date.now() + 500 }));
      return code === "DEADLINE_EXCEEDED";
    });

    outstanding -= capacity;
    await Promise.all(held.map((container, index) => giveBack(index, container)));
    await Promise.all(waiting);
    await Promise.all(returned);
    expect(Object.fromEntries(codes)).toEqual({ RESOURCE_EXHAUSTED: beyond, CANCELLED: abandoned });
    expect(granted.flat()).toHaveLength(waitingMax - abandoned);
    expect(outstandingMax).toBeLessThanOrEqual(capacity);
    expect([...gotten].filter((container) => !held.includes(container))).toEqual([]);
    expect(new Set(await containersOf(nodes))).toEqual(new Set(held));
    // Nobody was overtaken by more than those that hold a container at once.
    for (const order of granted) {
      const sent = order.toSorted((a, b) => a - b);
      const places = new Map(sent.map((index, place) => [index, place]));
      const overtaken = order.map((index, place) => Math.abs(place - (places.get(index) ?? 0)));
      expect(Math.max(...overtaken)).toBeLessThanOrEqual(capacity);
    }
  },
);

test(
  "a node belongs to the account that reserves it, and runs its own calls without a scheduler",
  { timeout: TIMEOUT_MS },
  async () => {
    const node = await startNode({ LOCUS_NODE_MEMORY_MB: "256" });
    for (const bundle of BUNDLES) await deploy(node.process, bundle);
    const service = node.client(NODE_SERVICE);
    await service.call("Reserve", { owner_account_id: "one" });
    expect((await failureOf(service.call("Reserve", { owner_account_id: "two" }))).code).toBe("PERMISSION_DENIED");
    const meta = { function_name: "sleeps", timeout_in_ms: 20_000, memory_in_bytes: 64 * MIB };
    expect(
      (await failureOf(service.call("CreateContainer", { function_meta: { ...meta, function_name: "absent" } }))).code,
    ).toBe("NOT_FOUND");
    const { container_id } = await service.call("CreateContainer", { name: "c", function_meta: meta });
    const inContainer = async (event: number): Promise<string> => {
      const request = { container_id, event: eventOf(event), function_meta: meta };
      const messages = await service.stream("InvokeFunction", request);
      return Buffer.concat(messages.map(({ body }) => body as Buffer)).toString();
    };
    expect(await inContainer(3)).toBe("3");
    expect(await service.call("GetStats", {})).toMatchObject({
      owner_account_id: "one",
      node_stats: { total_memory_in_bytes: String(256 * MIB) },
      container_stats_list: [{ container_id }],
    });

    expect(await call(node.process, "hello", "compute")).toEqual({ status: 200, body: { hello: null } });
    expect(await metric(node.process, "locus_instance_calls_served_total")).toBe(1);
    expect(await metric(node.process, "locus_instance_leases")).toBeNaN();
    expect((await fetch(`${node.process.url}/v1/nodes`)).status).toBe(400);
    expect(await redis.client().keys("locus:controller:*")).toEqual([]);

    // It is well, and told to go it lets what runs in its containers end.
    expect(await healthOf(node.endpoint, NODE_SERVICE)).toBe(SERVING);
    expect(await servicesAt(node.endpoint)).toContain(NODE_SERVICE);
    const last = inContainer(2_000);
    await vi.waitFor(async () => expect(await metric(node.process, "locus_instance_calls_served_total")).toBe(2), LONG);
    const [ended] = await Promise.all([last, node.process.end("SIGTERM")]);
    expect(ended).toBe("2000");
  },
);

test("the scheduler of its image, told the contest's variables alone, is reached from elsewhere", async () => {
  const { manager } = await startCluster(1, 300);
  const { environment, command } = stagesOfDockerfile().find(({ name }) => name === "scheduler")!;
  const [node, program] = command as readonly [string, string];
  expect(node).toBe("node");
  const { endpoint } = await startProgram(resources, [program], {
    ...environment,
    RESOURCE_MANAGER_ENDPOINT: manager.endpoint,
    SERVICE_PORT: "0",
    STACK_NAME: "stack",
    HOST_NAME: "host",
  });
  const [, port = ""] = endpoint.split(":");
  // An address of this machine that is not the one that is listened on by default.
  const client = clientAt(resources, `127.0.0.2:${port}`)(SCHEDULER);
  const function_config = { timeout_in_ms: 1_000, memory_in_bytes: 256 * MIB };
  const request = { request_id: "r1", account_id: "a", function_name: "hello", function_config };
  expect(await client.call("AcquireContainer", request)).toHaveProperty("container_id");
});

test("containers that somebody else's scheduler makes are what the node's driver makes of them", async () => {
  const { process: node, client } = await startNode(PROCESSES);
  await deploy(node, where);
  const service = client(NODE_SERVICE);
  const meta = { function_name: "where", timeout_in_ms: 20_000, memory_in_bytes: 128 * MIB };
  const { container_id } = await service.call("CreateContainer", { name: "c", function_meta: meta });
  const messages = await service.stream("InvokeFunction", { container_id, function_meta: meta });
  const pid = Number(Buffer.concat(messages.map(({ body }) => body as Buffer)));
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  expect((await call(node, "where", "compute")).body).toBe(0);
  await service.call("RemoveContainer", { container_id });
  await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), LONG);
});

test("a node that others may reserve asks for its secret, and does not start where its port is taken", async () => {
  const { endpoint, client } = await startNode({ LOCUS_GRPC_SECRET: "s3cret" });
  const service = client(NODE_SERVICE);
  expect((await failureOf(service.call("GetStats", {}))).code).toBe("UNAUTHENTICATED");
  expect(await service.call("GetStats", {}, { secret: "s3cret" })).toMatchObject({ owner_account_id: "" });
  const [, port = ""] = endpoint.split(":");
  await expect(startNode({ LOCUS_NODE_SERVICE_PORT: port })).rejects.toThrow("LOCUS_NODE_SERVICE_PORT");
});

describe("the resource manager, asked by whoever speaks its contract,", () => {
  const endpoints = ["127.0.0.1:10701", "127.0.0.1:10702", "127.0.0.1:10703"];

  async function startManager() {
    const { process: manager, client } = await startProgram(resources, ["scheduler/main-resource-manager.ts"], {
      SERVICE_PORT: "0",
      LOCUS_NODES: endpoints.join(),
      LOCUS_NODES_MAX: "2",
      LOCUS_NODE_REFILL_MS: "0",
    });
    const service = client(RESOURCE_MANAGER);
    const reserve = async (account_id: string, settings = {}): Promise<Record<string, unknown>> => {
      const { node } = await service.call("ReserveNode", { request_id: "r", account_id }, settings);
      return node as Record<string, unknown>;
    };
    const release = (id: string) => service.call("ReleaseNode", { request_id: "r", id });
    const used = async (settings = {}): Promise<readonly Record<string, unknown>[]> =>
      (await service.call("GetNodesUsage", { request_id: "r" }, settings))["nodes"] as Record<string, unknown>[];
    return { manager, reserve, release, used };
  }

  test("says where a node is and since when it is out, has no more than it may, and again what came back", async () => {
    const { reserve, release, used } = await startManager();
    expect(await used()).toEqual([]);
    const beganMs = Date.now();
    const first = await reserve("one");
    expect(first).toEqual({
      id: endpoints[0],
      address: "127.0.0.1",
      node_service_port: "10701",
      memory_in_bytes: String(3_072 * MIB),
      reserved_time_timestamp_ms: expect.stringMatching(/^\d+$/),
      released_time_timestamp_ms: "0",
    });
    expect(Number(first["reserved_time_timestamp_ms"])).toBeGreaterThanOrEqual(beganMs);
    expect(Number(first["reserved_time_timestamp_ms"])).toBeLessThanOrEqual(Date.now());
    const second = await reserve("two");
    expect(second).toMatchObject({ id: endpoints[1], node_service_port: "10702" });
    for (const account of ["one", "two", "three"]) {
      expect(await failureOf(reserve(account))).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        message: expect.stringContaining("no available node can be reserved"),
        metadata: { "locus-code": "NODES_EXHAUSTED" },
      });
    }
    expect(await used()).toEqual([first, second]);

    // No account is named by who gives a node back.
    expect(await release(endpoints[0]!)).toEqual({});
    for (const id of [endpoints[0]!, endpoints[2]!, "127.0.0.1:1"]) {
      expect(await failureOf(release(id))).toMatchObject({
        code: "NOT_FOUND",
        metadata: { "locus-code": "NODE_NOT_FOUND" },
      });
    }
    expect(await used()).toEqual([second]);
    // One that has been ready for longer goes first.
    expect(await reserve("two")).toMatchObject({ id: endpoints[2] });
    await release(endpoints[1]!);
    const again = await reserve("one");
    expect(again).toMatchObject({ id: endpoints[0] });
    expect(Number(again["released_time_timestamp_ms"])).toBeGreaterThanOrEqual(beganMs);
  });

  test("refuses what makes no sense, takes no account for one as well, and gives nothing to who has gone", async () => {
    const { manager, reserve, release, used } = await startManager();
    for (const refused of [reserve("a".repeat(257)), release(""), release("n".repeat(257))]) {
      expect((await failureOf(refused)).code).toBe("INVALID_ARGUMENT");
    }
    expect(await used()).toEqual([]);
    expect(await reserve("")).toMatchObject({ id: endpoints[0] });
    // It is late, and hears of the call together with its end: that has been sent when a call that was made after it is over.
    process.kill(manager.pid, "SIGSTOP");
    resources.defer(() => void process.kill(manager.pid, "SIGCONT"));
    const soon = () => ({ deadline: Date.now() + 500 });
    for (const ask of [() => reserve("one", soon()), () => used(soon())]) {
      expect((await failureOf(ask())).code).toBe("DEADLINE_EXCEEDED");
    }
    process.kill(manager.pid, "SIGCONT");
    await vi.waitFor(async () => expect((await used()).map(({ id }) => id)).toEqual([endpoints[0]]), LONG);
    await reserve("one");
    expect(await used()).toHaveLength(2);
  });
});

test("each of them is heard by nobody who is not trusted, and trusts the others", { timeout: TIMEOUT_MS }, async () => {
  const guard = makeGuard(redis.directory);
  const cluster = await startCluster(1, 1_024, { LOCUS_METRICS_PORT: "0" }, guard.settings);
  const apiServer = await startApiServer(cluster, guard.settings);
  const refused = { plain: "UNAVAILABLE", distrusting: "UNAVAILABLE", withoutSecret: "UNAUTHENTICATED" };
  for (const [{ endpoint }, service, method, withAll] of [
    [apiServer, API_SERVER, "ListFunctions", "OK"],
    [cluster.scheduler, SCHEDULER, "AcquireContainer", "INVALID_ARGUMENT"],
    [cluster.manager, RESOURCE_MANAGER, "GetNodesUsage", "OK"],
    [cluster.nodes[0]!, NODE_SERVICE, "GetStats", "OK"],
  ] as const) {
    const answers = await answersAt(resources, guard, endpoint, service, method);
    expect([service, answers]).toEqual([service, { ...refused, withAll }]);
  }
  // From the API server to the scheduler, from there to the manager and the node, and from the API server to the node.
  const api = trustedClient(resources, guard, apiServer.endpoint, API_SERVER);
  expect(await invoke(api, "hello", 1, { secret: guard.secret })).toBe('{"hello":1}');
  const metricsPort = Number(/"metricsPort":(\d+)/.exec(cluster.scheduler.said())?.[1]);
  const {
    withAll: [status, metrics],
    ...others
  } = await pageAnswersAt(guard, metricsPort, "/metrics");
  expect(others).toEqual({
    plain: "fetch failed",
    distrusting: "DEPTH_ZERO_SELF_SIGNED_CERT",
    withoutSecret: [401, ""],
  });
  expect([status, metrics.split("\n")]).toEqual([
    200,
    expect.arrayContaining([
      'locus_instances{state="idle"} 1',
      "locus_instance_starts_total 1",
      "locus_scheduler_waiting 0",
      "locus_packing_waste 1",
      "# TYPE locus_forecast_error gauge",
    ]),
  ]);
  expect(metrics).toMatch(/^locus_node_utilisation\{node=".+",resource="memory"\} 0\.25$/m);
});

test("programs of the 2020 contest tell every mistake of their settings, and do not start", async () => {
  for (const [file, settings, variables] of [
    ["main-api-server.ts", { SERVICE_PORT: "-1" }, ["SERVICE_PORT", "SCHEDULER_ENDPOINT", "LOCUS_FUNCTIONS_FILE"]],
    ["main-scheduler.ts", { LOCUS_SCORE_WEIGHTS: "1/1" }, ["RESOURCE_MANAGER_ENDPOINT", "LOCUS_SCORE_WEIGHTS"]],
    ["main-resource-manager.ts", { LOCUS_NODE_REFILL_MS: "soon" }, ["LOCUS_NODES", "LOCUS_NODE_REFILL_MS"]],
    ["main-resource-manager.ts", { LOCUS_NODES: "here" }, ["LOCUS_NODES"]],
  ] as const) {
    const starting = startProgram(resources, [`scheduler/${file}`], settings);
    for (const variable of variables) await expect(starting).rejects.toThrow(variable);
  }
});
