// Each service of the contracts, called by a client that was made from the contracts alone: names, numbers, statuses.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import { apiServerService } from "#scheduler/grpc/api-server-service.ts";
import { funcLocService } from "#scheduler/grpc/func-loc-service.ts";
import { type ContainerNode, nodeService, type NodeCallResult } from "#scheduler/grpc/node-service.ts";
import { NodeClient } from "#scheduler/grpc/node-client.ts";
import { PlatformClient } from "#scheduler/grpc/platform-client.ts";
import { platformService, type SlotPlatform } from "#scheduler/grpc/platform-service.ts";
import { ResourceManagerClient } from "#scheduler/grpc/resource-manager-client.ts";
import { type NodePool, resourceManagerService } from "#scheduler/grpc/resource-manager-service.ts";
import { scalerService, type SlotScaler } from "#scheduler/grpc/scaler-service.ts";
import { SchedulerClient } from "#scheduler/grpc/scheduler-client.ts";
import { schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { ContainerShelf } from "./container-shelf.ts";
import { failureOf } from "./contest-client.ts";
import { serve } from "./served.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 60_000;
const FUNCTION_CONFIG = { timeout_in_ms: 60_000, memory_in_bytes: 512 * MIB, handler: "index.handler" };
const ACQUIRE = {
  request_id: "r1",
  account_id: "a1",
  function_name: "dev_function_1",
  function_config: FUNCTION_CONFIG,
};
const META = { function_name: "hello", ...FUNCTION_CONFIG };

/** MB that no slot has. */
const UNSOUND_MB = [
  ["no memory", 0],
  ["a megabyte more than the most", 2 ** 20 + 1],
  ["absurd memory", "18446744073709551615"],
] as const;

let resources: AsyncDisposableStack;
beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(() => resources.disposeAsync());

const refusing = (code: ErrorCode, message: string) => (): Promise<never> =>
  Promise.reject(new LocusError(code, message));
const peerOptions = (endpoint: string) => ({ endpoint, security: PLAIN, timeoutMs: TIMEOUT_MS });

describe("schedulerproto.Scheduler", () => {
  const NAME = "schedulerproto.Scheduler";

  test("hands a container out and takes it back, with all that the messages say", async () => {
    const shelf = new ContainerShelf(1);
    const { client } = await serve(resources, { [NAME]: schedulerService(shelf) });
    const scheduler = client(NAME);
    expect(await scheduler.call("AcquireContainer", ACQUIRE)).toEqual({
      node_id: "node-1",
      node_address: "127.0.0.1",
      node_service_port: "10700",
      container_id: "container-0",
    });
    const used = { duration_in_nanos: "1234567890123", max_memory_usage_in_bytes: 5 * MIB, error_message: "none" };
    expect(await scheduler.call("ReturnContainer", { request_id: "r1", container_id: "container-0", ...used })).toEqual(
      {},
    );
    expect(shelf.wanted).toEqual([
      {
        requestId: "r1",
        accountId: "a1",
        functionName: "dev_function_1",
        terms: { timeoutMs: 60_000, memoryBytes: 512 * MIB, handler: "index.handler" },
      },
    ]);
    expect(shelf.used).toEqual([
      {
        requestId: "r1",
        containerId: "container-0",
        durationNanos: 1_234_567_890_123,
        memoryBytesMax: 5 * MIB,
        errorCode: "",
        errorMessage: "none",
      },
    ]);
    expect(shelf.free).toBe(1);
  });

  test("says NOT_FOUND of a container that is given back twice, or by who has it not", async () => {
    const { client } = await serve(resources, { [NAME]: schedulerService(new ContainerShelf(1)) });
    const scheduler = client(NAME);
    await scheduler.call("AcquireContainer", ACQUIRE);
    const back = { request_id: "r1", container_id: "container-0" };
    const foreign = await failureOf(scheduler.call("ReturnContainer", { ...back, request_id: "r2" }));
    expect(foreign.code).toBe("NOT_FOUND");
    await scheduler.call("ReturnContainer", back);
    const twice = await failureOf(scheduler.call("ReturnContainer", back));
    expect(twice).toMatchObject({ code: "NOT_FOUND", metadata: { "locus-code": "INSTANCE_NOT_FOUND" } });
  });

  test.each([
    ["no configuration", { function_config: null }, "function_config is missing"],
    ["no memory", { function_config: { ...FUNCTION_CONFIG, memory_in_bytes: 0 } }, "memory_in_bytes is 0"],
    ["memory below nothing", { function_config: { ...FUNCTION_CONFIG, memory_in_bytes: -1 } }, "memory_in_bytes is -1"],
    [
      "absurd memory",
      { function_config: { ...FUNCTION_CONFIG, memory_in_bytes: "9223372036854775807" } },
      "memory_in_bytes",
    ],
    ["no time", { function_config: { ...FUNCTION_CONFIG, timeout_in_ms: 0 } }, "timeout_in_ms is 0"],
    ["no name", { function_name: "" }, "function_name is missing"],
    ["no request", { request_id: "" }, "request_id is missing"],
    ["a name without end", { function_name: "f".repeat(10_000) }, "function_name has 10000 characters"],
  ])("refuses a function with %s", async (_title, fields, message) => {
    const shelf = new ContainerShelf(1);
    const { client } = await serve(resources, { [NAME]: schedulerService(shelf) });
    const failed = await failureOf(client(NAME).call("AcquireContainer", { ...ACQUIRE, ...fields }));
    expect(failed.code).toBe("INVALID_ARGUMENT");
    expect(failed.message).toContain(message);
    expect(shelf.wanted).toEqual([]);
  });

  test("is spoken by our own client as well", async () => {
    const { endpoint } = await serve(resources, { [NAME]: schedulerService(new ContainerShelf(1)) });
    const scheduler = new SchedulerClient(peerOptions(endpoint));
    resources.defer(() => scheduler.close());
    const terms = { timeoutMs: 1_000, memoryBytes: MIB, handler: "" };
    const wanted = { requestId: "r1", accountId: "a1", functionName: "f", terms };
    const { containerId, nodePort } = await scheduler.acquire(wanted);
    expect(nodePort).toBe(10_700);
    const used = { durationNanos: 1, memoryBytesMax: 1, errorCode: "", errorMessage: "" };
    await scheduler.giveBack({ requestId: "r1", containerId, ...used });
    await expect(scheduler.giveBack({ requestId: "r1", containerId, ...used })).rejects.toMatchObject({
      code: "INSTANCE_NOT_FOUND",
    });
  });
});

describe("resourcemanagerproto.ResourceManager", () => {
  const NAME = "resourcemanagerproto.ResourceManager";
  const NODE = {
    id: "n1",
    address: "10.0.0.7",
    port: 10_700,
    memoryBytes: 3_221_225_472,
    reservedAtMs: 1_685_980_824_304,
    releasedAtMs: 0,
  };
  const pool: NodePool = {
    reserve: async ({ requestId }) => {
      if (requestId === "late") throw new LocusError("NODES_EXHAUSTED", "no available node can be reserved");
      return NODE;
    },
    release: async () => {},
    usage: async () => [NODE],
  };

  test("reserves, lists and releases nodes", async () => {
    const { client } = await serve(resources, { [NAME]: resourceManagerService(pool) });
    const manager = client(NAME);
    const described = {
      id: "n1",
      address: "10.0.0.7",
      node_service_port: "10700",
      memory_in_bytes: "3221225472",
      reserved_time_timestamp_ms: "1685980824304",
      released_time_timestamp_ms: "0",
    };
    expect(await manager.call("ReserveNode", { account_id: "a1" })).toEqual({ node: described });
    expect(await manager.call("GetNodesUsage", {})).toEqual({ nodes: [described] });
    expect(await manager.call("ReleaseNode", { id: "n1" })).toEqual({});
  });

  test("says RESOURCE_EXHAUSTED where no node can be reserved", async () => {
    const { client, endpoint } = await serve(resources, { [NAME]: resourceManagerService(pool) });
    const failed = await failureOf(client(NAME).call("ReserveNode", { request_id: "late" }));
    expect(failed).toMatchObject({ code: "RESOURCE_EXHAUSTED", message: "no available node can be reserved" });
    const manager = new ResourceManagerClient(peerOptions(endpoint));
    resources.defer(() => manager.close());
    await expect(manager.reserve({ requestId: "late", accountId: "" })).rejects.toMatchObject({
      code: "NODES_EXHAUSTED",
    });
    expect(await manager.reserve({ requestId: "", accountId: "" })).toEqual(NODE);
    expect(await manager.usage("")).toEqual([NODE]);
  });

  test("is not believed where it answers what makes no node", async () => {
    const lying: NodePool = { ...pool, reserve: async () => ({ ...NODE, port: 0 }) };
    const { endpoint } = await serve(resources, { [NAME]: resourceManagerService(lying) });
    const manager = new ResourceManagerClient(peerOptions(endpoint));
    resources.defer(() => manager.close());
    await expect(manager.reserve({ requestId: "", accountId: "" })).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("that is not there is PEER_UNAVAILABLE", async () => {
    const manager = new ResourceManagerClient(peerOptions("127.0.0.1:1"));
    resources.defer(() => manager.close());
    await expect(manager.usage("")).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  });
});

describe("nodeservoceproto.NodeService", () => {
  const NAME = "nodeservoceproto.NodeService";
  const RESULT: NodeCallResult = {
    body: Buffer.alloc(3 * MIB, "x"),
    error: new Uint8Array(),
    handled: true,
    statusCode: "200",
    headers: { "content-type": ["application/json"] },
    memoryBytesMax: 4 * MIB,
    log: "a line\n",
    durationNanos: 5_000_000,
  };
  const node: ContainerNode = {
    reserve: async () => {},
    createContainer: async ({ name }) => `container of ${name}`,
    removeContainer: refusing("INSTANCE_NOT_FOUND", "there is no such container"),
    invoke: async ({ containerId, event }) => {
      if (containerId === "gone") throw new LocusError("INSTANCE_NOT_FOUND", "there is no container gone");
      if (containerId === "fails")
        return { ...RESULT, body: new Uint8Array(), error: Buffer.from("it threw"), handled: false };
      return containerId === "echo" ? { ...RESULT, body: event } : RESULT;
    },
    stats: async () => ({
      node: {
        totalMemoryBytes: 4_096 * MIB,
        usedMemoryBytes: 1_024 * MIB,
        availableMemoryBytes: 3_072 * MIB,
        cpuPercent: 12.5,
        diskTotalBytes: 1,
        diskAvailableBytes: 2,
        diskTotalInodes: 3,
        diskFreeInodes: 4,
      },
      containers: [{ containerId: "c1", totalMemoryBytes: 512 * MIB, usedMemoryBytes: 5 * MIB, cpuPercent: 0.5 }],
      liveId: "live-1",
      ownerAccountId: "a1",
    }),
  };

  test("has containers, and refuses to remove one that is not there", async () => {
    const { client } = await serve(resources, { [NAME]: nodeService(node) });
    const service = client(NAME);
    expect(await service.call("Reserve", { owner_account_id: "a1" })).toEqual({});
    const created = await service.call("CreateContainer", { name: "one", function_meta: META });
    expect(created).toEqual({ container_id: "container of one" });
    expect((await failureOf(service.call("CreateContainer", { name: "one" }))).code).toBe("INVALID_ARGUMENT");
    expect((await failureOf(service.call("RemoveContainer", { container_id: "two" }))).code).toBe("NOT_FOUND");
  });

  test.each([
    ["no memory", 0],
    ["memory below nothing", -1],
    ["a byte more than the most", 2 ** 40 + 1],
    ["absurd memory", "9223372036854775807"],
  ])("refuses a container with %s, and makes none", async (_title, memory_in_bytes) => {
    const made: string[] = [];
    const making: ContainerNode = {
      ...node,
      createContainer: async ({ name }) => {
        made.push(name);
        return name;
      },
    };
    const { client } = await serve(resources, { [NAME]: nodeService(making) });
    const create = client(NAME).call("CreateContainer", { name: "one", function_meta: { ...META, memory_in_bytes } });
    expect(await failureOf(create)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("function_meta.memory_in_bytes is"),
    });
    expect(made).toEqual([]);
  });

  test("that finds nothing where a container is made does not know the function", async () => {
    const strange: ContainerNode = { ...node, createContainer: refusing("INSTANCE_NOT_FOUND", "no such thing") };
    const { endpoint } = await serve(resources, { [NAME]: nodeService(strange) });
    const service = new NodeClient(peerOptions(endpoint));
    resources.defer(() => service.close());
    const meta = { functionName: "absent", timeoutMs: 1_000, memoryBytes: MIB, handler: "" };
    await expect(service.createContainer({ requestId: "", name: "one", meta })).rejects.toMatchObject({
      code: "FUNCTION_NOT_FOUND",
      message: expect.stringContaining("no such thing"),
    });
  });

  test("streams what a call came to: a header, the body in pieces, a footer", async () => {
    const { client } = await serve(resources, { [NAME]: nodeService(node) });
    const messages = await client(NAME).stream("InvokeFunction", { container_id: "c1", function_meta: META });
    expect(messages[0]?.["header"]).toEqual({
      error: Buffer.alloc(0),
      handled: true,
      status_code: "200",
      headers: { "content-type": { items: ["application/json"] } },
      max_mem_usage_in_bytes: String(4 * MIB),
      function_log: "a line\n",
    });
    expect(messages.at(-1)?.["footer"]).toEqual({ duration_in_nanos: "5000000", invoke_exception: "", error: "" });
    expect(Buffer.concat(messages.map(({ body }) => body as Buffer))).toEqual(RESULT.body);
  });

  test("tells a function's failure in the messages, and its own as a status", async () => {
    const { client } = await serve(resources, { [NAME]: nodeService(node) });
    const messages = await client(NAME).stream("InvokeFunction", { container_id: "fails", function_meta: META });
    expect(messages[0]?.["header"]).toMatchObject({ error: Buffer.from("it threw"), handled: false });
    expect(messages.at(-1)?.["footer"]).toMatchObject({ invoke_exception: "it threw" });
    const failed = await failureOf(
      client(NAME).stream("InvokeFunction", { container_id: "gone", function_meta: META }),
    );
    expect(failed.code).toBe("NOT_FOUND");
  });

  test("tells what it uses", async () => {
    const { client } = await serve(resources, { [NAME]: nodeService(node) });
    expect(await client(NAME).call("GetStats", {})).toEqual({
      node_stats: {
        total_memory_in_bytes: String(4_096 * MIB),
        memory_usage_in_bytes: String(1_024 * MIB),
        available_memory_in_bytes: String(3_072 * MIB),
        cpu_usage_pct: 12.5,
        disk_total_in_bytes: "1",
        disk_avail_in_bytes: "2",
        disk_total_inodes: "3",
        disk_free_inodes: "4",
      },
      container_stats_list: [
        {
          container_id: "c1",
          total_memory_in_bytes: String(512 * MIB),
          memory_usage_in_bytes: String(5 * MIB),
          cpu_usage_pct: 0.5,
        },
      ],
      live_id: "live-1",
      owner_account_id: "a1",
    });
  });

  test("is spoken by our own client as well", async () => {
    const { endpoint } = await serve(resources, { [NAME]: nodeService(node) });
    const service = new NodeClient(peerOptions(endpoint));
    resources.defer(() => service.close());
    const meta = { functionName: "hello", timeoutMs: 1_000, memoryBytes: MIB, handler: "" };
    expect(await service.createContainer({ requestId: "", name: "one", meta })).toBe("container of one");
    const call = { requestId: "", event: Buffer.alloc(MIB, "e"), meta };
    const echoed = await service.invoke({ ...call, containerId: "echo" });
    expect(echoed).toEqual({ ...RESULT, error: Buffer.alloc(0), body: call.event });
    expect(await service.invoke({ ...call, containerId: "fails" })).toMatchObject({ handled: false });
    expect(await service.stats("")).toEqual(await node.stats(""));
    await expect(service.invoke({ ...call, containerId: "gone" })).rejects.toMatchObject({
      code: "INSTANCE_NOT_FOUND",
    });
  });
});

describe("apiserverproto.APIServer", () => {
  const NAME = "apiserverproto.APIServer";

  test("calls functions and lists them", async () => {
    const door = {
      invoke: async ({ functionName, event }: { readonly functionName: string; readonly event: Buffer }) => {
        if (functionName === "absent") throw new LocusError("FUNCTION_NOT_FOUND", "there is no function absent");
        return Buffer.from(`${functionName} got ${event.toString()}`);
      },
      list: async () => [{ functionName: "hello", timeoutMs: 5_000, memoryBytes: 64 * MIB, handler: "" }],
    };
    const { client } = await serve(resources, { [NAME]: apiServerService(door) });
    const api = client(NAME);
    const reply = await api.call("InvokeFunction", {
      account_id: "a1",
      function_name: "hello",
      event: Buffer.from('"hello, cloud native!"'),
    });
    expect(String(reply["body"])).toBe('hello got "hello, cloud native!"');
    expect(reply["request_id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(Number(reply["server_side_latency_in_ms"])).toBeGreaterThanOrEqual(0);
    expect((await api.call("ListFunctions", {}))["functions"]).toEqual([
      { function_name: "hello", timeout_in_ms: "5000", memory_in_bytes: String(64 * MIB), handler: "" },
    ]);
    expect((await failureOf(api.call("InvokeFunction", { function_name: "absent" }))).code).toBe("NOT_FOUND");
    expect((await failureOf(api.call("InvokeFunction", {}))).code).toBe("INVALID_ARGUMENT");
  });
});

describe("serverless.simulator.Scaler", () => {
  const NAME = "serverless.simulator.Scaler";
  const META_DATA = { key: "nodes1", runtime: "go", timeout_in_secs: 627, memory_in_mb: 512 };
  const ASSIGN = { request_id: "r1", timestamp: "1685980824304", meta_data: META_DATA };
  const ASSIGMENT = { request_id: "r1", meta_key: "nodes1", instance_id: "i1" };
  const idles: unknown[] = [];
  const scaler: SlotScaler = {
    assign: async ({ requestId, meta }) => {
      if (requestId === "busy") throw new LocusError("OVERLOADED", "the queue is full");
      if (requestId === "broken") throw new LocusError("PEER_UNAVAILABLE", "no platform");
      return { requestId, metaKey: meta.key, instanceId: "i1" };
    },
    idle: async (assignment, result) => {
      if (assignment.metaKey === "unknown") throw new LocusError("FUNCTION_NOT_FOUND", "there is no meta unknown");
      if (assignment.instanceId === "gone") throw new LocusError("INSTANCE_NOT_FOUND", "there is no instance gone");
      idles.push(result);
    },
  };

  test("assigns an instance, and hears that it is idle", async () => {
    const { client } = await serve(resources, { [NAME]: scalerService(scaler) });
    const service = client(NAME);
    expect(await service.call("Assign", ASSIGN)).toEqual({ status: "Ok", assigment: ASSIGMENT });
    const result = { status_code: 408, duration_in_ms: 70, need_destroy: true, reason: "bad instance" };
    expect(await service.call("Idle", { assigment: ASSIGMENT, result })).toEqual({ status: "Ok" });
    expect(await service.call("Idle", { assigment: ASSIGMENT })).toEqual({ status: "Ok" });
    expect(idles).toEqual([
      { statusCode: 408, durationMs: 70, needDestroy: true, reason: "bad instance" },
      { statusCode: 0, durationMs: 0, needDestroy: false, reason: "" },
    ]);
  });

  test.each(UNSOUND_MB)("refuses a function with %s, and assigns nothing", async (_title, memory_in_mb) => {
    const keys: string[] = [];
    const assigning: SlotScaler = {
      ...scaler,
      assign: async ({ requestId, meta }) => {
        keys.push(meta.key);
        return { requestId, metaKey: meta.key, instanceId: "i1" };
      },
    };
    const { client } = await serve(resources, { [NAME]: scalerService(assigning) });
    const assign = client(NAME).call("Assign", { ...ASSIGN, meta_data: { ...META_DATA, memory_in_mb } });
    expect(await failureOf(assign)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("meta_data.memory_in_mb is"),
    });
    expect(keys).toEqual([]);
  });

  test("fails as the contest's own does: mostly with a status of gRPC, and two things in the reply", async () => {
    const { client } = await serve(resources, { [NAME]: scalerService(scaler) });
    const service = client(NAME);
    expect((await failureOf(service.call("Assign", { ...ASSIGN, meta_data: null }))).code).toBe("INVALID_ARGUMENT");
    expect((await failureOf(service.call("Assign", { ...ASSIGN, timestamp: "18446744073709551615" }))).code).toBe(
      "INVALID_ARGUMENT",
    );
    expect((await failureOf(service.call("Assign", { ...ASSIGN, request_id: "broken" }))).code).toBe("UNAVAILABLE");
    expect(await service.call("Assign", { ...ASSIGN, request_id: "busy" })).toMatchObject({
      status: "Throttle",
      error_message: "the queue is full",
    });
    expect((await failureOf(service.call("Idle", {}))).code).toBe("INVALID_ARGUMENT");
    expect((await failureOf(service.call("Idle", { assigment: { ...ASSIGMENT, instance_id: "gone" } }))).code).toBe(
      "NOT_FOUND",
    );
    expect(await service.call("Idle", { assigment: { ...ASSIGMENT, meta_key: "unknown" } })).toMatchObject({
      status: "InternalError",
    });
  });
});

describe("serverless.simulator.Platform", () => {
  const NAME = "serverless.simulator.Platform";
  const META_DATA = { key: "nodes1", runtime: "go", timeoutSeconds: 627, memoryMb: 512 };
  const slots = new Map<string, number>();
  const inits: unknown[] = [];
  const platform: SlotPlatform = {
    createSlot: async ({ requestId, memoryMb }) => {
      if (requestId === "much") throw new LocusError("OVERLOADED", "too many slots");
      slots.set("s1", memoryMb);
      return { id: "s1", memoryMb, createdAtMs: 1_685_980_824_304, createDurationMs: 100 };
    },
    destroySlot: async ({ slotId }) => {
      if (!slots.delete(slotId)) throw new LocusError("INSTANCE_NOT_FOUND", `there is no slot ${slotId}`);
    },
    init: async (request) => {
      const { slotId, meta } = request;
      inits.push(request);
      if (!slots.has(slotId)) throw new LocusError("INSTANCE_NOT_FOUND", `there is no slot ${slotId}`);
      if (slots.get(slotId) !== meta.memoryMb) throw new LocusError("REQUEST_INVALID", "the slot's memory is another");
      return { createdAtMs: 1_685_980_824_404, initDurationMs: 49 };
    },
  };

  test.each(UNSOUND_MB)("refuses a slot and an instance with %s, and makes none", async (_title, memory) => {
    const asked: string[] = [];
    const counting: SlotPlatform = {
      ...platform,
      createSlot: async ({ memoryMb }) => {
        asked.push("CreateSlot");
        return { id: "s1", memoryMb, createdAtMs: 1, createDurationMs: 1 };
      },
      init: async () => {
        asked.push("Init");
        return { createdAtMs: 1, initDurationMs: 1 };
      },
    };
    const { client } = await serve(resources, { [NAME]: platformService(counting) });
    const create = client(NAME).call("CreateSlot", { resource_config: { memory_in_megabytes: memory } });
    expect(await failureOf(create)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("resource_config.memory_in_megabytes is"),
    });
    const meta_data = { key: "nodes1", runtime: "go", timeout_in_secs: 627, memory_in_mb: memory };
    const init = client(NAME).call("Init", { slot_id: "s1", instance_id: "i1", meta_data });
    expect(await failureOf(init)).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("meta_data.memory_in_mb is"),
    });
    expect(asked).toEqual([]);
  });

  test("makes slots, starts functions in them, and destroys them, for our client and others", async () => {
    const { client, endpoint } = await serve(resources, { [NAME]: platformService(platform) });
    const theirs = client(NAME);
    expect(
      await theirs.call("CreateSlot", { request_id: "r1", resource_config: { memory_in_megabytes: 512 } }),
    ).toEqual({
      status: "Ok",
      slot: {
        id: "s1",
        resource_config: { memory_in_megabytes: "512" },
        create_time: "1685980824304",
        create_duration_in_ms: "100",
      },
    });
    const init = {
      request_id: "r1",
      slot_id: "s1",
      instance_id: "i1",
      meta_data: { key: "nodes1", runtime: "go", timeout_in_secs: 627, memory_in_mb: 512 },
    };
    expect(await theirs.call("Init", init)).toEqual({
      status: "Ok",
      create_time: "1685980824404",
      init_duration_in_ms: "49",
    });
    expect(inits.at(-1)).toEqual({ requestId: "r1", slotId: "s1", instanceId: "i1", meta: META_DATA });
    expect(await theirs.call("Init", { ...init, slot_id: "s2" })).toEqual({
      status: "NotFound",
      create_time: "0",
      init_duration_in_ms: "0",
      error_message: "there is no slot s2",
    });
    expect((await failureOf(theirs.call("Init", { ...init, meta_data: null }))).code).toBe("INVALID_ARGUMENT");
    expect(await theirs.call("DestroySlot", { id: "s1" })).toEqual({ status: "Ok" });
    expect(await theirs.call("DestroySlot", { id: "s1" })).toMatchObject({ status: "NotFound" });

    const ours = new PlatformClient(peerOptions(endpoint));
    resources.defer(() => ours.close());
    const slot = await ours.createSlot({ requestId: "r1", memoryMb: 512 });
    expect(slot).toEqual({ id: "s1", memoryMb: 512, createdAtMs: 1_685_980_824_304, createDurationMs: 100 });
    const instance = { requestId: "r1", slotId: "s1", instanceId: "i1" };
    expect(await ours.init({ ...instance, meta: META_DATA })).toEqual({
      createdAtMs: 1_685_980_824_404,
      initDurationMs: 49,
    });
    const other = { ...META_DATA, memoryMb: 128 };
    await expect(ours.init({ ...instance, meta: other })).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await ours.destroySlot({ requestId: "r1", slotId: "s1", reason: "idle" });
    await expect(ours.destroySlot({ requestId: "r1", slotId: "s1", reason: "idle" })).rejects.toMatchObject({
      code: "INSTANCE_NOT_FOUND",
    });
    await expect(ours.createSlot({ requestId: "much", memoryMb: 1 })).rejects.toMatchObject({ code: "OVERLOADED" });
  });
});

describe("funcloc.FuncLoc", () => {
  const NAME = "funcloc.FuncLoc";
  const runner = {
    run: async (functionName: string, args: object) => {
      if (functionName !== "khop") throw new LocusError("FUNCTION_NOT_FOUND", `there is no function ${functionName}`);
      expect(args).toEqual({ nodeId: "7" });
    },
  };

  test("runs what the JSON names, and says success or why not", async () => {
    const { client } = await serve(resources, { [NAME]: funcLocService(runner) });
    const service = client(NAME);
    const khop = { request: '{"f": "khop", "nodeId": "7"}' };
    expect(await service.call("Invoke", khop)).toEqual({ result: "success" });
    expect(
      await service.call("Batch", { request: [khop, { request: '{"f":"md6"}' }, { request: "no JSON" }, khop] }),
    ).toEqual({
      result: [
        { result: "success" },
        { result: "FUNCTION_NOT_FOUND: there is no function md6" },
        { result: expect.stringMatching(/^REQUEST_INVALID: /) },
        { result: "success" },
      ],
    });
    const many = Array.from({ length: 2_000 }, () => khop);
    expect((await failureOf(service.call("Batch", { request: many }))).code).toBe("INVALID_ARGUMENT");
  });

  test("has so many batches under way, refuses one more, and cuts what a function says", async () => {
    const [begun, free] = [{ count: 0 }, Promise.withResolvers<void>()];
    const slow = {
      run: async (): Promise<void> => {
        begun.count++;
        await free.promise;
        throw new LocusError("FUNCTION_FAILED", "x".repeat(10_000));
      },
    };
    const { client } = await serve(resources, { [NAME]: funcLocService(slow) });
    const service = client(NAME);
    const call = (): Promise<Record<string, unknown>> => service.call("Batch", { request: [{ request: '{"f":"f"}' }] });
    const under = Array.from({ length: 64 }, call);
    await vi.waitUntil(() => begun.count === 64);
    expect((await failureOf(call())).code).toBe("RESOURCE_EXHAUSTED");
    free.resolve();
    for (const { result } of await Promise.all(under)) {
      const [{ result: text }] = result as [{ readonly result: string }];
      expect(text).toMatch(/^FUNCTION_FAILED: x+$/);
      expect(text).toHaveLength(1_000);
    }
    expect(await call()).toHaveProperty("result");
  });
});
