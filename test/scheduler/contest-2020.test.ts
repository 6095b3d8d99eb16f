// The 2020 contest's system, whole: its APIServer, Scheduler, ResourceManager and NodeServices over gRPC, with our scheduler in the middle and
// locus functions in the containers; and the parts alone, driven by others.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LocusError } from "#runtime/errors.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { apiServerService } from "#scheduler/grpc/api-server-service.ts";
import { NodeClient } from "#scheduler/grpc/node-client.ts";
import { ResourceManagerClient } from "#scheduler/grpc/resource-manager-client.ts";
import { resourceManagerService } from "#scheduler/grpc/resource-manager-service.ts";
import { SchedulerClient } from "#scheduler/grpc/scheduler-client.ts";
import { schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { LiveScheduler } from "#scheduler/live-scheduler.ts";
import { fixedKeepAlive } from "#scheduler/policy/fixed.ts";
import { ContainerDesk } from "#scheduler/service/container-desk.ts";
import { SchedulerDoor } from "#scheduler/service/function-door.ts";
import { NodeWatch } from "#scheduler/service/node-watch.ts";
import { ReservedNodes } from "#scheduler/service/reserved-nodes.ts";
import { clientAt, failureOf } from "./contest-client.ts";
import { imageOf } from "./driver-fixture.ts";
import { NodeShelf } from "./node-shelf.ts";
import { serve } from "./served.ts";

const MIB = 2 ** 20;
const TERMS = { timeoutMs: 20_000, memoryBytes: 512 * MIB, handler: "" };
const IMAGES = new Map<string, FunctionImage | Promise<FunctionImage>>([
  ["hello", imageOf(({ args }) => ({ hello: args }))],
  ["fails", imageOf(() => Promise.reject(new Error("on purpose")))],
  [
    "sleeps",
    imageOf(({ args }: { readonly args: number }) => new Promise((resolve) => setTimeout(() => resolve(args), args))),
  ],
  // CreateContainer never answers.
  ["hangs", new Promise<never>(() => {})],
]);
const LISTED = [...IMAGES.keys()].map((functionName) => ({ functionName, ...TERMS }));
/** Two containers in each. */
const NODE_BYTES = 1_024 * MIB;

let resources: AsyncDisposableStack;
beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(() => resources.disposeAsync());

async function startAll({ keepAliveMs = 60_000, now = () => performance.now() } = {}) {
  const shelf = await NodeShelf.open(resources, IMAGES, [NODE_BYTES, NODE_BYTES]);
  const manager = await serve(resources, { "resourcemanagerproto.ResourceManager": resourceManagerService(shelf) });
  const peer = (endpoint: string) => ({ endpoint, security: PLAIN, timeoutMs: 30_000 });
  const pool = new ResourceManagerClient(peer(manager.endpoint));
  const connect = (address: string, port: number) => new NodeClient(peer(`${address}:${port}`));
  const nodes = new ReservedNodes({ pool, connect, accountId: "stack" });
  const scheduler = new LiveScheduler({
    policy: fixedKeepAlive("test", { keepAliveMs, lookEveryMs: 0 }),
    driver: nodes,
    nodes,
    observer: { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} },
    now,
    settings: { nodesMax: 2, nodeIdleMs: 50, nodeSize: { memoryMb: 1_024, cpus: 2 } },
  });
  const lost: string[] = [];
  const desk = new ContainerDesk({
    scheduler,
    containerId: nodes.containerId,
    onAccount: (accountId) => nodes.isFor(accountId),
    onLost: (requestId) => void lost.push(requestId),
  });
  const scheduling = await serve(resources, { "schedulerproto.Scheduler": schedulerService(desk) });
  const remote = new SchedulerClient(peer(scheduling.endpoint));
  const clients = new Map<number, NodeClient>();
  const door = new SchedulerDoor({
    scheduler: remote,
    node: (address, port) => {
      const client = clients.get(port) ?? connect(address, port);
      clients.set(port, client);
      return client;
    },
    functions: { get: (name) => LISTED.find(({ functionName }) => functionName === name), list: () => LISTED },
  });
  const api = await serve(resources, { "apiserverproto.APIServer": apiServerService(door) });
  const watch = new NodeWatch(scheduler, nodes);
  resources.defer(() => {
    for (const one of [watch, pool, remote, nodes, scheduler, desk, ...clients.values()]) one.close();
  });
  return {
    shelf,
    manager,
    scheduler,
    watch,
    desk,
    lost,
    scheduling,
    remote,
    api: api.client("apiserverproto.APIServer"),
  };
}

const containersOf = async ({ nodes }: NodeShelf): Promise<number[]> =>
  Promise.all(nodes.map(async ({ driver }) => (await driver.list()).length));

test("a call of a locus function goes through all of it, and its container is used again", async () => {
  const { api, shelf, desk } = await startAll();
  for (const n of [1, 2]) {
    const { body } = await api.call("InvokeFunction", {
      account_id: "account",
      function_name: "hello",
      event: Buffer.from(String(n)),
    });
    expect(String(body)).toBe(`{"hello":${n}}`);
  }
  expect(await containersOf(shelf)).toEqual([1, 0]);
  expect(shelf.reserved).toEqual(["node-0"]);
  expect(desk.held).toBe(0);
  const { functions } = await api.call("ListFunctions", {});
  expect(functions).toHaveLength(IMAGES.size);
});

test("a function's failure is its caller's to hear, and its container comes back", async () => {
  const { api, desk } = await startAll();
  const failed = await failureOf(api.call("InvokeFunction", { function_name: "fails" }));
  expect(failed).toMatchObject({
    code: "UNKNOWN",
    message: expect.stringContaining("on purpose"),
    metadata: { "locus-code": "FUNCTION_FAILED" },
  });
  expect((await failureOf(api.call("InvokeFunction", { function_name: "absent" }))).code).toBe("NOT_FOUND");
  expect(desk.held).toBe(0);
});

test("calls at once fill one node, then another, and what has no room waits", async () => {
  const { api, shelf } = await startAll();
  const call = (ms: number) => api.call("InvokeFunction", { function_name: "sleeps", event: Buffer.from(String(ms)) });
  const calls = Array.from({ length: 6 }, () => call(300));
  await vi.waitUntil(async () => (await containersOf(shelf)).join() === "2,2");
  for (const { body } of await Promise.all(calls)) expect(String(body)).toBe("300");
  expect(await containersOf(shelf)).toEqual([2, 2]);
});

test("a call that its caller gives up is given up on the node, and its container comes back", async () => {
  const { api, desk } = await startAll();
  const stop = new AbortController();
  const call = failureOf(
    api.call("InvokeFunction", { function_name: "sleeps", event: Buffer.from("15000") }, { signal: stop.signal }),
  );
  await vi.waitUntil(() => desk.held === 1);
  stop.abort();
  expect((await call).code).toBe("CANCELLED");
  await vi.waitUntil(() => desk.held === 0);
});

test("containers that nothing wants end, and their nodes go back", async () => {
  const { api, shelf } = await startAll({ keepAliveMs: 20 });
  await api.call("InvokeFunction", { function_name: "hello" });
  await vi.waitUntil(async () => (await containersOf(shelf)).join() === "0,0" && shelf.reserved.length === 0, {
    timeout: 60_000,
  });
  expect(await api.call("InvokeFunction", { function_name: "hello" })).toHaveProperty("body");
});

test("a container that nobody gives back is ended when its function's time is long over", async () => {
  let aheadMs = 0;
  const { scheduling, desk, lost, shelf } = await startAll({ now: () => performance.now() + aheadMs });
  const client = scheduling.client("schedulerproto.Scheduler");
  const config = { timeout_in_ms: 1, memory_in_bytes: 512 * MIB };
  const request = { request_id: "lost", function_name: "hello", function_config: config };
  await client.call("AcquireContainer", request);
  desk.lookForLost();
  expect(lost).toEqual([]);
  aheadMs = 31_000;
  desk.lookForLost();
  expect(lost).toEqual(["lost"]);
  await vi.waitUntil(async () => (await containersOf(shelf)).join() === "0,0");
});

test(
  "requests that are given up at any moment leave no container held, nor anything else",
  { timeout: 120_000 },
  async () => {
    const [rounds, atOnce, keepAliveMs] = [40, 16, 5];
    let aheadMs = 0;
    const now = (): number => performance.now() + aheadMs;
    const { remote, desk, lost, scheduler, shelf } = await startAll({ keepAliveMs, now });
    const random = seededRandom(7);
    /** Given up, in vain perhaps: their reply may have left before. */
    const unheard = new Set<string>();
    let served = 0;
    const request = async (requestId: string, functionName: string): Promise<void> => {
      // Some as it is sent, some while it waits for a start or for others, some as it is granted; some hold what they have for a while.
      // A tenth are not: on a slow machine nobody else is served.
      const giveUpMs = Math.ceil(random() ** 2 * 80);
      const giveUp = random() < 0.1 ? undefined : AbortSignal.timeout(giveUpMs);
      const heldMs = random() * 20;
      const ended = { durationNanos: 1e6, memoryBytesMax: 0, errorCode: "", errorMessage: "" };
      try {
        const { containerId } = await remote.acquire({ requestId, accountId: "", functionName, terms: TERMS }, giveUp);
        await new Promise((resolve) => setTimeout(resolve, heldMs));
        await remote.giveBack({ requestId, containerId, ...ended });
        served++;
      } catch (error) {
        if ((error as LocusError).code !== "CANCELLED") throw error;
        unheard.add(requestId);
      }
    };
    const { counts } = scheduler.core;
    for (let round = 0; round < rounds; round++) {
      const names = Array.from({ length: atOnce }, () => (random() < 0.7 ? "hello" : "sleeps"));
      await Promise.all(names.map((name, index) => request(`${round}-${index}`, name)));
      await vi.waitUntil(() => counts.waiting === 0);
      // What is held now is lost: its time is over, and whoever asked for it has given up.
      aheadMs += TERMS.timeoutMs + 31_000;
      desk.lookForLost();
      expect([desk.held, lost.filter((requestId) => !unheard.has(requestId))]).toEqual([0, []]);
    }
    expect([served > atOnce, lost.length < unheard.size, served + unheard.size]).toEqual([true, true, rounds * atOnce]);
    await vi.waitUntil(() => counts.starting + counts.idle + counts.busy + counts.draining === 0, { timeout: 60_000 });
    await vi.waitUntil(async () => (await containersOf(shelf)).join() === "0,0" && shelf.reserved.length === 0, {
      timeout: 60_000,
    });
    expect([counts.waiting, counts.unplaced]).toEqual([0, 0]);
  },
);

test("nodes are reserved for the account that asks for containers, and for the stack while none has been named", async () => {
  const { scheduling, shelf } = await startAll();
  const client = scheduling.client("schedulerproto.Scheduler");
  const function_config = { timeout_in_ms: 1_000, memory_in_bytes: 1_024 * MIB };
  const acquire = (request_id: string, account_id: string) =>
    client.call("AcquireContainer", { request_id, account_id, function_name: "hello", function_config });
  await acquire("r1", "");
  expect(shelf.accounts).toEqual(["stack"]);
  await acquire("r2", "evaluation");
  expect(shelf.accounts).toEqual(["stack", "evaluation"]);
  const owners = await Promise.all(
    shelf.nodes.map(({ node }) =>
      clientAt(resources, `${node.address}:${node.port}`)("nodeservoceproto.NodeService").call("GetStats", {}),
    ),
  );
  for (const { owner_account_id } of owners) expect(owner_account_id).toMatch(/^stack\//);
});

test("a call waits while the manager refuses nodes, until it is given up or its deadline, and is served when there is one", async () => {
  const { scheduling, shelf, scheduler, desk } = await startAll();
  const { counts } = scheduler.core;
  for (const { node } of shelf.nodes) shelf.broken.add(node.id);
  const client = scheduling.client("schedulerproto.Scheduler");
  const function_config = { timeout_in_ms: 1_000, memory_in_bytes: 512 * MIB };
  const acquire = (request_id: string, settings = {}) =>
    client.call("AcquireContainer", { request_id, function_name: "hello", function_config }, settings);
  const giveUp = new AbortController();
  const waiting = acquire("waits");
  const failed = failureOf(acquire("gives up", { signal: giveUp.signal }));
  await vi.waitUntil(() => counts.waiting === 2);
  expect((await failureOf(acquire("late", { deadline: Date.now() + 300 }))).code).toBe("DEADLINE_EXCEEDED");
  giveUp.abort();
  expect((await failed).code).toBe("CANCELLED");
  await vi.waitUntil(() => counts.waiting === 1);
  // It is asked again, and refuses again.
  const asked = shelf.accounts.length;
  await vi.waitUntil(() => shelf.accounts.length > asked, { timeout: 60_000 });
  expect([counts.waiting, desk.held]).toEqual([1, 0]);
  shelf.broken.clear();
  expect(await waiting).toMatchObject({ node_id: "node-0" });
  expect([counts.waiting, desk.held, shelf.reserved]).toEqual([0, 1, ["node-0"]]);
});

test("a function's first container is made while another's hangs on the same node, and who waits for that may give up", async () => {
  const { scheduling, api, shelf, scheduler, desk } = await startAll();
  const client = scheduling.client("schedulerproto.Scheduler");
  const function_config = { timeout_in_ms: 1_000, memory_in_bytes: 512 * MIB };
  const giveUp = new AbortController();
  const request = { request_id: "hangs", function_name: "hangs", function_config };
  const hanging = failureOf(client.call("AcquireContainer", request, { signal: giveUp.signal }));
  await vi.waitUntil(() => scheduler.core.counts.starting === 1);
  const { body } = await api.call("InvokeFunction", { function_name: "hello", event: Buffer.from("1") });
  expect(String(body)).toBe('{"hello":1}');
  expect([shelf.reserved, await containersOf(shelf)]).toEqual([["node-0"], [1, 0]]);
  expect(scheduler.core.counts).toMatchObject({ starting: 1, waiting: 1 });
  giveUp.abort();
  expect((await hanging).code).toBe("CANCELLED");
  await vi.waitUntil(() => scheduler.core.counts.waiting === 0);
  expect(desk.held).toBe(0);
});

test("a request has one container, however often it asks", async () => {
  const { scheduling, desk, shelf, watch } = await startAll();
  const client = scheduling.client("schedulerproto.Scheduler");
  const config = { timeout_in_ms: 1_000, memory_in_bytes: 512 * MIB };
  const request = { request_id: "twice", function_name: "hello", function_config: config };
  const acquire = (signal?: AbortSignal) =>
    client.call("AcquireContainer", request, signal === undefined ? {} : { signal });
  const giveUp = new AbortController();
  const failed = failureOf(acquire(giveUp.signal));
  const [one, two] = [acquire(), acquire()];
  giveUp.abort();
  expect((await failed).code).toBe("CANCELLED");
  const { container_id } = await one;
  expect([await two, await acquire()]).toEqual([await one, await one]);
  expect([desk.held, await containersOf(shelf)]).toEqual([1, [1, 0]]);
  const other = { ...request, function_name: "sleeps" };
  expect((await failureOf(client.call("AcquireContainer", other))).code).toBe("INVALID_ARGUMENT");
  await client.call("ReturnContainer", { request_id: "twice", container_id });
  expect(desk.held).toBe(0);
  // What has died is nobody's answer.
  expect((await acquire())["container_id"]).toBe(container_id);
  for (const { driver } of shelf.nodes) for (const { id } of await driver.list()) await driver.stop(id);
  await watch.look();
  expect((await acquire())["container_id"]).not.toBe(container_id);
  expect(desk.held).toBe(1);
});

test("a container that died on its node is not handed out again", async () => {
  const { api, shelf, watch, scheduler } = await startAll();
  const call = () => api.call("InvokeFunction", { function_name: "hello", event: Buffer.from("1") });
  const kill = async (): Promise<void> => {
    const [{ driver }] = shelf.nodes as [NodeShelf["nodes"][number]];
    for (const { id } of await driver.list()) await driver.stop(id);
  };
  await call();
  await kill();
  await watch.look();
  expect([...scheduler.core.instances()]).toEqual([]);
  expect(String((await call())["body"])).toBe('{"hello":1}');
  // Before anybody has looked, a call that is sent there has another.
  await kill();
  expect(String((await call())["body"])).toBe('{"hello":1}');
  expect(await containersOf(shelf)).toEqual([1, 0]);
});

test("a node that does not answer is lost, and calls go to another", { timeout: 120_000 }, async () => {
  const { api, shelf, watch, scheduler } = await startAll();
  await api.call("InvokeFunction", { function_name: "hello" });
  const [{ close }] = shelf.nodes as [NodeShelf["nodes"][number]];
  await close();
  for (let looks = 0; looks < 3; looks++) await watch.look();
  expect([...scheduler.core.fleet.nodes.keys()]).toEqual([]);
  expect(shelf.reserved).toEqual([]);
  shelf.broken.add("node-0");
  expect(await api.call("InvokeFunction", { function_name: "hello" })).toHaveProperty("body");
  expect(shelf.reserved).toEqual(["node-1"]);
});

test("a node that somebody else's scheduler drives beside ours stays its own, though it never reserves it there", async () => {
  const { manager, watch, scheduler, shelf, api } = await startAll();
  const { node } = await manager
    .client("resourcemanagerproto.ResourceManager")
    .call("ReserveNode", { account_id: "theirs" });
  const { id, address, node_service_port } = node as Record<string, string>;
  const service = clientAt(resources, `${address}:${node_service_port}`)("nodeservoceproto.NodeService");
  const function_meta = { function_name: "hello", timeout_in_ms: 5_000, memory_in_bytes: 128 * MIB };
  const { container_id } = await service.call("CreateContainer", { name: "c", function_meta });
  for (let searches = 0; searches < 3; searches++) await watch.recover();
  expect([id, ...scheduler.core.fleet.nodes.keys()]).toEqual(["node-0"]);
  const messages = await service.stream("InvokeFunction", { container_id, event: Buffer.from("1"), function_meta });
  expect(Buffer.concat(messages.map(({ body }) => body as Buffer)).toString()).toBe('{"hello":1}');
  // Ours has the other one.
  await api.call("InvokeFunction", { function_name: "hello" });
  expect([[...scheduler.core.fleet.nodes.keys()], await containersOf(shelf)]).toEqual([["node-1"], [1, 1]]);
  await service.call("RemoveContainer", { container_id });
});

test("a node is driven by a scheduler of somebody else's, and owned by one account", async () => {
  const shelf = await NodeShelf.open(resources, IMAGES, [NODE_BYTES]);
  const [{ node }] = shelf.nodes as [NodeShelf["nodes"][number]];
  const service = clientAt(resources, `${node.address}:${node.port}`)("nodeservoceproto.NodeService");
  const meta = { function_name: "hello", timeout_in_ms: 5_000, memory_in_bytes: 128 * MIB };
  await service.call("Reserve", { owner_account_id: "one" });
  expect((await failureOf(service.call("Reserve", { owner_account_id: "two" }))).code).toBe("PERMISSION_DENIED");
  const { container_id } = await service.call("CreateContainer", { name: "c", function_meta: meta });
  const messages = await service.stream("InvokeFunction", {
    container_id,
    event: Buffer.from('"you"'),
    function_meta: meta,
  });
  expect(Buffer.concat(messages.map(({ body }) => body as Buffer)).toString()).toBe('{"hello":"you"}');
  const stats = await service.call("GetStats", {});
  expect(stats).toMatchObject({
    owner_account_id: "one",
    container_stats_list: [{ container_id, total_memory_in_bytes: String(128 * MIB) }],
  });
  expect(
    (await failureOf(service.call("CreateContainer", { function_meta: { ...meta, function_name: "absent" } }))).code,
  ).toBe("NOT_FOUND");
  await service.call("RemoveContainer", { container_id });
  expect((await failureOf(service.stream("InvokeFunction", { container_id, function_meta: meta }))).code).toBe(
    "NOT_FOUND",
  );
});
