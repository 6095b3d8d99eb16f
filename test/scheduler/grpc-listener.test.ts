// What holds of every listener: calls that are given up, deadlines, secrets, TLS, sizes, health, reflection, and how it ends. Of pages over HTTP TLS.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LocusError } from "#runtime/errors.ts";
import { apiServerService } from "#scheduler/grpc/api-server-service.ts";
import { listen } from "#scheduler/grpc/listener.ts";
import { AllowedWrites, nodeCallsService } from "#scheduler/grpc/node-calls-service.ts";
import { type ContainerNode, type NodeCall, nodeService } from "#scheduler/grpc/node-service.ts";
import { NodeClient } from "#scheduler/grpc/node-client.ts";
import { SchedulerClient } from "#scheduler/grpc/scheduler-client.ts";
import { type ContainerUsed, type ContainerWanted, schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { SERVICES } from "#scheduler/grpc/services.ts";
import { servePage } from "#scheduler/service/page.ts";
import { CERTIFIED_NAME, makeCertificate } from "../certificate.ts";
import { ContainerShelf } from "./container-shelf.ts";
import { clientAt, contractsTypes, failureOf } from "./contest-client.ts";
import { makeGuard, pageAnswersAt } from "./guard.ts";
import {
  type EnumDescriptor,
  type FileDescriptor,
  filesOfSymbol,
  healthOf,
  type MessageDescriptor,
  NOT_SERVING,
  type ReflectionVersion,
  SERVICE_UNKNOWN,
  servicesAt,
  SERVING,
  watchedHealthOf,
} from "./listener-questions.ts";
import { serve } from "./served.ts";

const SCHEDULER = "schedulerproto.Scheduler";
const API_SERVER = "apiserverproto.APIServer";
const NODE = "nodeservoceproto.NodeService";
const MIB = 2 ** 20;
const ACQUIRE = {
  request_id: "r1",
  function_name: "f",
  function_config: { timeout_in_ms: 60_000, memory_in_bytes: MIB },
};
const WANTED = {
  requestId: "r1",
  accountId: "",
  functionName: "f",
  terms: { timeoutMs: 60_000, memoryBytes: MIB, handler: "" },
};

let resources: AsyncDisposableStack;
beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(() => resources.disposeAsync());

/** At once on one connection. */
const STREAMS = 1_000;
/** Longer than anything here is waited for. */
const GRACE_MS = 120_000;
/** Of fields that no contract has. */
const OWN_NUMBER = 1_000;

describe("a call that is given up", () => {
  test("while it waits for a container leaves the queue", async () => {
    const shelf = new ContainerShelf(0);
    const { client } = await serve(resources, { [SCHEDULER]: schedulerService(shelf) });
    const giveUp = new AbortController();
    const failed = failureOf(client(SCHEDULER).call("AcquireContainer", ACQUIRE, { signal: giveUp.signal }));
    await vi.waitUntil(() => shelf.waiting === 1);
    giveUp.abort();
    expect((await failed).code).toBe("CANCELLED");
    await vi.waitUntil(() => shelf.waiting === 0);
    shelf.put("container-0");
    expect(shelf.free).toBe(1);
  });

  test("when its deadline passes leaves the queue", async () => {
    const shelf = new ContainerShelf(0);
    const { client } = await serve(resources, { [SCHEDULER]: schedulerService(shelf) });
    const call = client(SCHEDULER).call("AcquireContainer", ACQUIRE, { deadline: Date.now() + 100 });
    expect((await failureOf(call)).code).toBe("DEADLINE_EXCEEDED");
    await vi.waitUntil(() => shelf.wanted.length === 1 && shelf.waiting === 0);
  });

  test("when its connection breaks leaves the queue", async () => {
    const shelf = new ContainerShelf(0);
    const { endpoint } = await serve(resources, { [SCHEDULER]: schedulerService(shelf) });
    const sockets: Socket[] = [];
    const relay = createServer((near) => {
      const far = connect(Number(endpoint.split(":")[1]), "127.0.0.1");
      for (const socket of [near, far]) sockets.push(socket.on("error", () => {}));
      near.pipe(far).pipe(near);
    }).listen(0, "127.0.0.1");
    resources.defer(() => void relay.close());
    await once(relay, "listening");
    const caller = clientAt(resources, `127.0.0.1:${(relay.address() as AddressInfo).port}`)(SCHEDULER);
    const failed = failureOf(caller.call("AcquireContainer", ACQUIRE));
    await vi.waitUntil(() => shelf.waiting === 1);
    for (const socket of sockets) socket.destroy();
    expect((await failed).code).toBe("UNAVAILABLE");
    await vi.waitUntil(() => shelf.waiting === 0);
  });

  test("has its container put back that came when nobody waited any more", async () => {
    const shelf = new ContainerShelf(1);
    const entered = Promise.withResolvers<void>();
    const deaf = {
      acquire: async (wanted: ContainerWanted, signal: AbortSignal) => {
        const acquired = await shelf.acquire(wanted, signal);
        entered.resolve();
        await once(signal, "abort");
        return acquired;
      },
      giveBack: (used: ContainerUsed) => shelf.giveBack(used),
    };
    const { client } = await serve(resources, { [SCHEDULER]: schedulerService(deaf) });
    const giveUp = new AbortController();
    const failed = failureOf(client(SCHEDULER).call("AcquireContainer", ACQUIRE, { signal: giveUp.signal }));
    await entered.promise;
    expect(shelf.free).toBe(0);
    giveUp.abort();
    await failed;
    await vi.waitUntil(() => shelf.free === 1);
  });

  test("in a node reaches what runs there, and its deadline as well", async () => {
    const signals: AbortSignal[] = [];
    const node = {
      invoke: async (_call: unknown, signal: AbortSignal): Promise<never> => {
        signals.push(signal);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw new LocusError("CANCELLED", "cancelled");
      },
    } as unknown as ContainerNode;
    const { endpoint } = await serve(resources, { [NODE]: nodeService(node) });
    const client = new NodeClient({ endpoint, security: PLAIN, timeoutMs: 30_000 });
    resources.defer(() => client.close());
    const call = { requestId: "", containerId: "c", event: Buffer.alloc(0) };
    const meta = { functionName: "f", timeoutMs: 60_000, memoryBytes: MIB, handler: "" };
    const giveUp = new AbortController();
    const cancelled = client.invoke({ ...call, meta }, giveUp.signal);
    await vi.waitUntil(() => signals.length === 1);
    giveUp.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(client.invoke({ ...call, meta: { ...meta, timeoutMs: 50 } })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    await vi.waitUntil(() => signals.length === 2 && signals.every(({ aborted }) => aborted));
  });

  test("in a node of ours is told what became of it, where its time is over as well", async () => {
    const usage = { wallUs: 100_000, cpuUs: 7, operations: 0, rounds: 0, memoryBytes: 0 };
    const outcome = { ok: false, error: { code: "DEADLINE_EXCEEDED", message: "over" }, logs: [], usage };
    const node = {
      invoke: async (_call: unknown, signal: AbortSignal): Promise<unknown> => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(signal.aborted).toBe(false);
        return { outcome };
      },
    } as unknown as ContainerNode;
    const { endpoint } = await serve(resources, { [NODE]: nodeService(node, new AllowedWrites()) });
    const client = new NodeClient({ endpoint, security: PLAIN, timeoutMs: 30_000 });
    resources.defer(() => client.close());
    const meta = { functionName: "f", timeoutMs: 50, memoryBytes: MIB, handler: "" };
    const own = { keys: [], logs: true, mayWrite: async () => false };
    const call = { requestId: "r", containerId: "c", event: Buffer.alloc(0), meta, own };
    expect((await client.invoke(call)).outcome).toEqual(outcome);
  });

  test("in a node of ours ends where it cannot be told that it may write", async () => {
    const ended = vi.fn();
    const node = {
      invoke: async ({ own }: NodeCall): Promise<never> => {
        ended(await own!.mayWrite());
        throw new LocusError("CANCELLED", "nobody waits");
      },
    } as unknown as ContainerNode;
    // Nobody takes the word.
    const { endpoint } = await serve(resources, { [NODE]: nodeService(node, new AllowedWrites()) });
    const client = new NodeClient({ endpoint, security: PLAIN, timeoutMs: 30_000 });
    resources.defer(() => client.close());
    const meta = { functionName: "f", timeoutMs: 60_000, memoryBytes: MIB, handler: "" };
    const own = { keys: [], logs: true, mayWrite: async () => true };
    const call = { requestId: "r", containerId: "c", event: Buffer.alloc(0), meta, own };
    await expect(client.invoke(call)).rejects.toMatchObject({ code: "CANCELLED" });
    await vi.waitFor(() => expect(ended).toHaveBeenCalledWith(false));
  });

  test("waits behind no other where a node of ours says that it may write", async () => {
    const writes = new AllowedWrites();
    const node = {
      invoke: async ({ own }: NodeCall) => {
        const isAllowed = await own!.mayWrite();
        return { outcome: { ok: true, resultJson: String(isAllowed) } };
      },
    } as unknown as ContainerNode;
    const { endpoint } = await serve(resources, {
      [NODE]: nodeService(node, writes),
      "locus.NodeCalls": nodeCallsService(writes),
    });
    const client = new NodeClient({ endpoint, security: PLAIN, timeoutMs: 30_000 });
    resources.defer(() => client.close());
    const meta = { functionName: "f", timeoutMs: 20_000, memoryBytes: MIB, handler: "" };
    // All want to write before one of them is told that it may.
    const [asked, all] = [{ count: 0 }, Promise.withResolvers<boolean>()];
    const mayWrite = (): Promise<boolean> => {
      if (++asked.count === STREAMS) all.resolve(true);
      return all.promise;
    };
    const call = { containerId: "c", event: Buffer.alloc(0), meta, own: { keys: [], logs: true, mayWrite } };
    const calls = Array.from({ length: STREAMS }, (_, at) => client.invoke({ ...call, requestId: `r${at}` }));
    const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome);
    expect(new Set(outcomes.map((one) => JSON.stringify(one)))).toEqual(new Set(['{"ok":true,"resultJson":"true"}']));
  });
});

describe("a secret", () => {
  const security = { ...PLAIN, secret: "s3cret" };

  test.each([
    ["none", undefined],
    ["another", "s3cret2"],
    ["an empty one", ""],
  ])("keeps out who has %s, before the message is looked at", async (_title, secret) => {
    const shelf = new ContainerShelf(1);
    const { client } = await serve(resources, { [SCHEDULER]: schedulerService(shelf) }, security);
    const failed = await failureOf(
      client(SCHEDULER).call("AcquireContainer", ACQUIRE, secret === undefined ? {} : { secret }),
    );
    expect(failed.code).toBe("UNAUTHENTICATED");
    expect(shelf.wanted).toEqual([]);
  });

  test("lets in who has it, streams included", async () => {
    const node = {
      stats: async () => {
        throw new LocusError("OVERLOADED", "reached");
      },
    } as unknown as ContainerNode;
    const { client, endpoint } = await serve(
      resources,
      { [SCHEDULER]: schedulerService(new ContainerShelf(2)), [NODE]: nodeService(node) },
      security,
    );
    const reply = await client(SCHEDULER).call("AcquireContainer", ACQUIRE, { secret: "s3cret" });
    expect(reply["container_id"]).toBe("container-1");
    const ours = new SchedulerClient({ endpoint, security, timeoutMs: 10_000 });
    resources.defer(() => ours.close());
    expect((await ours.acquire({ ...WANTED, requestId: "r2" })).containerId).toBe("container-0");
    expect((await failureOf(client(NODE).stream("InvokeFunction", {}))).code).toBe("UNAUTHENTICATED");
    expect((await failureOf(client(NODE).stream("InvokeFunction", {}, { secret: "s3cret" }))).code).toBe(
      "INVALID_ARGUMENT",
    );
  });
});

describe("a secret that becomes another one", () => {
  const live = (now: string) => ({
    now,
    doubts: 0,
    doubt() {
      this.doubts++;
    },
  });

  test("is asked for and sent from then on, and both ends hear that the other has another", async () => {
    const [theirs, ours] = [live("old"), live("old")];
    const services = { [SCHEDULER]: schedulerService(new ContainerShelf(2)) };
    const { client, endpoint } = await serve(resources, services, { ...PLAIN, secret: theirs });
    const scheduler = new SchedulerClient({ endpoint, security: { ...PLAIN, secret: ours }, timeoutMs: 10_000 });
    resources.defer(() => scheduler.close());
    expect(await scheduler.acquire(WANTED)).toHaveProperty("containerId");
    theirs.now = "new";
    const next = { ...WANTED, requestId: "r2" };
    await expect(scheduler.acquire(next)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect([theirs.doubts, ours.doubts]).toEqual([1, 1]);
    ours.now = "new";
    expect(await scheduler.acquire(next)).toHaveProperty("containerId");
    // Who has none is none of those who have another.
    expect((await failureOf(client(SCHEDULER).call("AcquireContainer", ACQUIRE))).code).toBe("UNAUTHENTICATED");
    expect([theirs.doubts, ours.doubts]).toEqual([1, 1]);
  });
});

describe("TLS", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "locus-grpc-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const secured = () => {
    const { certificateFile, keyFile } = makeCertificate(folder);
    const certificate = readFileSync(certificateFile, "utf8");
    return {
      authority: certificate,
      security: { secret: "s3cret", tls: { certificate, key: readFileSync(keyFile, "utf8") } },
    };
  };

  test("is spoken with who trusts the certificate, and with nobody else", async () => {
    const { authority, security } = secured();
    const { client, endpoint } = await serve(
      resources,
      { [SCHEDULER]: schedulerService(new ContainerShelf(3)) },
      security,
    );
    const trusting = client(SCHEDULER, {
      tls: { authority: Buffer.from(authority) },
      channel: { "grpc.ssl_target_name_override": CERTIFIED_NAME },
    });
    expect(await trusting.call("AcquireContainer", ACQUIRE, { secret: "s3cret" })).toHaveProperty("container_id");
    expect((await failureOf(trusting.call("AcquireContainer", ACQUIRE))).code).toBe("UNAUTHENTICATED");
    for (const distrusting of [client(SCHEDULER, { tls: { authority: null } }), client(SCHEDULER)]) {
      expect((await failureOf(distrusting.call("AcquireContainer", ACQUIRE, { secret: "s3cret" }))).code).toBe(
        "UNAVAILABLE",
      );
    }
    const peer = { endpoint, timeoutMs: 10_000 };
    const tls = { authorities: authority, serverName: CERTIFIED_NAME };
    const ours = new SchedulerClient({ ...peer, security: { secret: "s3cret", tls } });
    const wrongName = new SchedulerClient({
      ...peer,
      security: { secret: "s3cret", tls: { ...tls, serverName: "other.example" } },
    });
    const byAddress = new SchedulerClient({
      ...peer,
      security: { secret: "s3cret", tls: { ...tls, serverName: null } },
    });
    resources.defer(() => [ours, wrongName, byAddress].forEach((one) => one.close()));
    expect(await ours.acquire({ ...WANTED, requestId: "r2" })).toHaveProperty("containerId");
    expect(await byAddress.acquire({ ...WANTED, requestId: "r3" })).toHaveProperty("containerId");
    await expect(wrongName.acquire(WANTED)).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  });

  test("with a certificate that is none keeps the listener from starting", async () => {
    const tls = { certificate: "no PEM", key: "no PEM" };
    const listening = listen({ host: "127.0.0.1", port: 0, security: { secret: null, tls }, services: {} });
    await expect(listening).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  test("is spoken by a page with who trusts its certificate, and who says nothing does not keep it from ending", async () => {
    const guard = makeGuard(folder);
    const [certificate, key] = ["LOCUS_GRPC_CERT", "LOCUS_GRPC_KEY"].map((name) =>
      readFileSync(guard.settings[name]!, "utf8"),
    ) as [string, string];
    const { secret } = guard;
    const page = await servePage({
      host: "127.0.0.1",
      port: 0,
      path: "/metrics",
      contentType: "text/plain",
      security: { secret, tls: { certificate, key } },
      text: () => "figures\n",
    });
    resources.defer(() => page.close());
    expect(await pageAnswersAt(guard, page.port, "/metrics")).toEqual({
      plain: "fetch failed",
      distrusting: "DEPTH_ZERO_SELF_SIGNED_CERT",
      withoutSecret: [401, ""],
      withAll: [200, "figures\n"],
    });
    const silent = connect(page.port, "127.0.0.1").on("error", () => {});
    const over = once(silent.resume(), "close");
    await once(silent, "connect");
    await page.close();
    await over;
  });
});

describe("sizes", () => {
  const echo = {
    invoke: async ({ functionName, event }: { readonly functionName: string; readonly event: Buffer }) =>
      functionName === "grow" ? Buffer.alloc(5 * MIB) : event,
    list: async () => [],
  };
  const unlimited = { channel: { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 } };

  test("of a message go up to a little over what a result may have, both ways", async () => {
    const { client } = await serve(resources, { [API_SERVER]: apiServerService(echo) });
    const api = client(API_SERVER, unlimited);
    const event = Buffer.alloc(4 * MIB, "e");
    const { body } = await api.call("InvokeFunction", { function_name: "echo", event });
    expect(event.equals(body as Buffer)).toBe(true);
    const large = failureOf(api.call("InvokeFunction", { function_name: "echo", event: Buffer.alloc(5 * MIB) }));
    expect((await large).code).toBe("RESOURCE_EXHAUSTED");
    expect((await failureOf(api.call("InvokeFunction", { function_name: "grow" }))).code).toBe("RESOURCE_EXHAUSTED");
  });

  test("count as they are when a message is compressed", async () => {
    const { client } = await serve(resources, { [API_SERVER]: apiServerService(echo) });
    const channel = { ...unlimited.channel, "grpc.default_compression_algorithm": 2 };
    const api = client(API_SERVER, { channel });
    const small = await api.call("InvokeFunction", { function_name: "echo", event: Buffer.from("{}") });
    expect(String(small["body"])).toBe("{}");
    const bomb = failureOf(api.call("InvokeFunction", { function_name: "echo", event: Buffer.alloc(64 * MIB) }));
    expect((await bomb).code).toBe("RESOURCE_EXHAUSTED");
  });
});

describe("health", () => {
  const open = async () => {
    const services = { [SCHEDULER]: schedulerService(new ContainerShelf(0)) };
    const listener = await listen({ host: "127.0.0.1", port: 0, security: { ...PLAIN, secret: "s3cret" }, services });
    resources.defer(() => listener.close(0));
    return { listener, endpoint: `127.0.0.1:${listener.port}` };
  };

  test("is told without the secret, for each service and for all", async () => {
    const { endpoint } = await open();
    for (const service of ["", SCHEDULER]) expect(await healthOf(endpoint, service)).toBe(SERVING);
    for (const service of ["nothing.Such", API_SERVER]) {
      await expect(healthOf(endpoint, service)).rejects.toMatchObject({ code: status.NOT_FOUND });
    }
  });

  test("is told to who watches it as it is, and again when the listener ends", async () => {
    const { listener, endpoint } = await open();
    const watches = ["", SCHEDULER].map((service) => watchedHealthOf(resources, endpoint, service));
    const unknown = watchedHealthOf(resources, endpoint, "nothing.Such");
    const told = (): Promise<readonly string[]> => Promise.all(watches.map((next) => next()));
    expect(await told()).toEqual([SERVING, SERVING]);
    expect(await unknown()).toBe(SERVICE_UNKNOWN);
    // Watches are calls that go on until they are given up, which they are before the listener's end is waited for.
    void listener.close(GRACE_MS);
    expect(await told()).toEqual([NOT_SERVING, NOT_SERVING]);
  });
});

describe.each<ReflectionVersion>(["v1", "v1alpha"])("reflection by %s", (version) => {
  const serveAll = () => serve(resources, Object.fromEntries(Object.keys(SERVICES).map((name) => [name, {}])));

  test("names the services that are there and no other, to who has the secret", async () => {
    const services = {
      [SCHEDULER]: schedulerService(new ContainerShelf(0)),
      [API_SERVER]: apiServerService({ invoke: async () => Buffer.alloc(0), list: async () => [] }),
    };
    const { endpoint } = await serve(resources, services, { ...PLAIN, secret: "s3cret" });
    const listed = await servicesAt(endpoint, { version, secret: "s3cret" });
    expect(listed.toSorted()).toEqual([API_SERVER, SCHEDULER].toSorted());
    for (const wrong of [{}, { secret: "other" }]) {
      await expect(servicesAt(endpoint, { version, ...wrong })).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    }
  });

  test("describes each service with the contract's messages, by name, number and kind", async () => {
    const { endpoint } = await serveAll();
    expect((await servicesAt(endpoint, { version })).toSorted()).toEqual(Object.keys(SERVICES).toSorted());
    const contracts = contractsTypes();
    const compared = new Set<string>();
    for (const service of Object.keys(SERVICES)) {
      const file = await fileOf(endpoint, service, version);
      expect(`${file.package}.`).toBe(service.slice(0, service.lastIndexOf(".") + 1));
      const contract = contracts.get(file.package);
      if (contract === undefined) continue;
      const described = fieldsOf([...file.messageType, ...file.enumType]);
      for (const [name, fields] of fieldsOf(contract)) expect([name, described.get(name)]).toEqual([name, fields]);
      compared.add(file.package);
    }
    expect(compared).toEqual(new Set(contracts.keys()));
  });

  test("describes what is no plain field so that clients of any language take it", async () => {
    const { endpoint } = await serveAll();
    const messageOf = async (symbol: string): Promise<MessageDescriptor> => {
      const { package: packageName, messageType } = await fileOf(endpoint, symbol, version);
      const path = symbol.slice(packageName.length + 1).split(".");
      const within = { nestedType: messageType } as MessageDescriptor;
      return path.reduce((outer, name) => outer.nestedType.find((one) => one.name === name)!, within);
    };
    // A map's entries are in a message whose name follows from the field's.
    const header = await messageOf("nodeservoceproto.InvokeFunctionReply.Header");
    expect(header.field.find(({ name }) => name === "headers")).toMatchObject({ typeName: "HeadersEntry" });
    const entries = header.nestedType.filter(({ options }) => options?.mapEntry === true);
    expect(entries.map(({ name, field }) => [name, field.map((one) => [one.name, one.number])])).toEqual([
      [
        "HeadersEntry",
        [
          ["key", 1],
          ["value", 2],
        ],
      ],
    ]);
    // What may be absent says so.
    const { field: fields } = await messageOf("serverless.simulator.AssignReply");
    expect(fields.map(({ name, proto3Optional }) => [name, proto3Optional])).toEqual([
      ["status", false],
      ["assigment", false],
      ["error_message", true],
    ]);
    // A reserved range ends before its end.
    expect((await messageOf("locus.LeaseUse")).reservedRange).toEqual([{ start: 9, end: 10 }]);
  });

  test("says of what there is not that it is not found", async () => {
    const { endpoint } = await serveAll();
    for (const symbol of ["nothing.Such", "schedulerproto.Schedule", ""]) {
      expect(await filesOfSymbol(endpoint, symbol, { version })).toBe(status.NOT_FOUND);
    }
  });
});

/** The one that it is in: none of ours refers to another. */
async function fileOf(endpoint: string, symbol: string, version: ReflectionVersion): Promise<FileDescriptor> {
  const files = await filesOfSymbol(endpoint, symbol, { version });
  expect(files).toMatchObject([{ syntax: "proto3" }]);
  return (files as readonly [FileDescriptor])[0];
}

/** Name, number, and of messages kind of each field, by message or enumeration; apart from what is ours alone. */
function fieldsOf(
  types: readonly (MessageDescriptor | EnumDescriptor)[],
  within = "",
): ReadonlyMap<string, readonly unknown[]> {
  return new Map(
    types.flatMap((one): [string, readonly unknown[]][] => {
      const name = within + one.name;
      if ("value" in one) return [[name, one.value.map((value) => [value.name, value.number])]];
      const fields = one.field.filter(({ number }) => number < OWN_NUMBER);
      const nested = one.nestedType.filter(({ options }) => options?.mapEntry !== true);
      return [
        [name, fields.map((field) => [field.name, field.number, field.type, field.label])],
        ...fieldsOf(nested, `${name}.`),
      ];
    }),
  );
}

describe("a listener", () => {
  test("ends within its grace though a call goes on, and cancels that", async () => {
    const shelf = new ContainerShelf(0);
    const listener = await listen({
      host: "127.0.0.1",
      port: 0,
      security: PLAIN,
      services: { [SCHEDULER]: schedulerService(shelf) },
    });
    const scheduler = new SchedulerClient({
      endpoint: `127.0.0.1:${listener.port}`,
      security: PLAIN,
      timeoutMs: 60_000,
    });
    resources.defer(() => scheduler.close());
    const acquiring = scheduler.acquire(WANTED);
    const failed = acquiring.then(() => null).catch((error: LocusError) => error.code);
    await vi.waitUntil(() => shelf.waiting === 1);
    await Promise.all([listener.close(50), listener.close(50)]);
    expect(["CANCELLED", "PEER_UNAVAILABLE"]).toContain(await failed);
    await vi.waitUntil(() => shelf.waiting === 0);
    await expect(scheduler.acquire(WANTED)).rejects.toMatchObject({ code: "PEER_UNAVAILABLE" });
  });

  test("says CONFIG_INVALID of a port that is taken", async () => {
    const one = await listen({ host: "127.0.0.1", port: 0, security: PLAIN, services: {} });
    resources.defer(() => one.close(0));
    const two = listen({ host: "127.0.0.1", port: one.port, security: PLAIN, services: {} });
    await expect(two).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  test("outlives a client that speaks no HTTP/2", async () => {
    const { client, endpoint } = await serve(resources, { [SCHEDULER]: schedulerService(new ContainerShelf(1)) });
    const port = Number(endpoint.split(":")[1]);
    const closed = Promise.withResolvers<void>();
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n".repeat(10)));
    socket
      .on("error", () => {})
      .on("close", closed.resolve)
      .resume();
    await closed.promise;
    expect(await client(SCHEDULER).call("AcquireContainer", ACQUIRE)).toHaveProperty("container_id");
  });
});
