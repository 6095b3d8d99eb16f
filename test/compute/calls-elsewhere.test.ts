// Calls that run on another node than they came to: whoever asked may go away, and what nodes and their scheduler say to each other may be
// for nobody else to hear.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BookedInstance } from "#compute/capacity/booked-instance.ts";
import { callAt, RUN_AGAIN } from "#compute/capacity/remote-calls.ts";
import type { AdmittedCall } from "#compute/node/side-runner.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { CapacityClient } from "#scheduler/grpc/capacity-client.ts";
import type { NodeBeat } from "#scheduler/grpc/capacity-desk.ts";
import { AllowedWrites, nodeCallsService } from "#scheduler/grpc/node-calls-service.ts";
import { NodePeers } from "#scheduler/grpc/node-peers.ts";
import { type ContainerNode, type NodeCall, nodeService } from "#scheduler/grpc/node-service.ts";
import { SERVICES } from "#scheduler/grpc/services.ts";
import { type NodeProcess, startNodeOver } from "#test/node-process.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { answersAt, makeGuard } from "../scheduler/guard.ts";
import { healthOf } from "../scheduler/listener-questions.ts";
import { serve } from "../scheduler/served.ts";
import { startProgram } from "../scheduler/program.ts";
import { bundleOf, call, deploy, metric, portSaid } from "./node-client.ts";

const LONG = { timeout: 60_000, interval: 50 };
/** Of the call that is left: longer than anything here is waited for. */
const DEADLINE_MS = 120_000;
const NODE_SERVICE = "nodeservoceproto.NodeService";
/** The scheduler as a process apart. */
const PROGRAM = ["scheduler/main-capacity.ts"] as const;

/** Reads until it is released, and writes nothing. */
const lingering = bundleOf(
  "lingering",
  async ({ redis }) => {
    while ((await redis.get("released")) === null) await new Promise((done) => setTimeout(done, 20));
  },
  { deadlineMs: DEADLINE_MS },
);

let redis: RedisServer;
let resources: AsyncDisposableStack;
beforeEach(async () => {
  resources = new AsyncDisposableStack();
  redis = await startRedisServer();
  resources.defer(() => redis.close());
});
afterEach(() => resources.disposeAsync());

const startNode = (settings: Readonly<Record<string, string>> = {}): Promise<NodeProcess> =>
  startNodeOver(redis, (node) => resources.defer(() => node.end("SIGTERM")), {
    LOCUS_PLACEMENT: "declared",
    ...settings,
  });
/** It offers less memory than the least that any instance is given: all that come to it run elsewhere. */
const startSmall = (settings: Readonly<Record<string, string>> = {}): Promise<NodeProcess> =>
  startNode({ LOCUS_NODE_MEMORY_MB: "2", ...settings });

/** Calls of other nodes that a node has run. */
const ranAt = (node: NodeProcess): Promise<number> => metric(node, "locus_instance_calls_served_total");
/** A call that comes to the one has run on the other. */
const runsAt = (one: NodeProcess, other: NodeProcess): Promise<void> =>
  vi.waitFor(async () => {
    const before = await ranAt(other);
    expect(await call(one, "lingering", "compute")).toMatchObject({ status: 200 });
    expect(await ranAt(other)).toBeGreaterThan(before);
  }, LONG);
/** In its sandbox hosts. */
const underWayAt = async ({ url }: NodeProcess): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const counts = text.matchAll(/^locus_invocations\{state="\w+"\} (\d+)$/gm);
  return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0);
};

describe("calls that run on another node than they came to", () => {
  it.each([
    ["run again where they had not been about to write", false],
    ["say that they may have written", true],
  ])("%s, when the other node cancels them and nobody here did", async (_what, writes) => {
    const cancelled = { ok: false, error: { code: "CANCELLED", message: "cancelled" }, logs: [], usage: NO_USAGE };
    const allowed = new AllowedWrites();
    const node = {
      invoke: async ({ own }: NodeCall): Promise<unknown> => {
        if (writes) await own!.mayWrite();
        return { outcome: cancelled };
      },
    } as unknown as ContainerNode;
    const services = { [NODE_SERVICE]: nodeService(node, allowed), "locus.NodeCalls": nodeCallsService(allowed) };
    const { endpoint } = await serve(resources, services);
    const [address = "", port] = endpoint.split(":");
    const peers = new NodePeers({ tls: null, secret: null });
    resources.defer(() => peers.close());
    const leased = { id: "i", nodeId: "other", address, port: Number(port) };
    const instance = { leased, lost: new AbortController().signal, function: { shape: { key: "f@1", memoryMb: 64 } } };
    const admitted = { id: "c", call: { keys: [], argsJson: "{}", logs: false } };
    const come = callAt(
      peers,
      instance as unknown as BookedInstance,
      admitted as unknown as AdmittedCall,
      10_000,
      undefined,
    );
    const came = await come.catch((error: { readonly code?: unknown }) => error.code);
    expect(came).toBe(writes ? "SANDBOX_DIED" : RUN_AGAIN);
  });

  it("end when their caller goes away, and their instances take others", async () => {
    const [one, other] = [await startSmall(), await startNode()];
    await deploy(one, lingering);
    await redis.client().set("released", "1");
    await runsAt(one, other);
    await redis.client().del("released");
    const caller = new AbortController();
    const left = fetch(`${one.url}/v1/functions/lingering/invocations?side=compute`, {
      method: "POST",
      headers: { "x-locus-deadline-ms": String(DEADLINE_MS) },
      signal: caller.signal,
    }).then(
      ({ status: answered }) => answered,
      (error: Error) => error.name,
    );
    await vi.waitFor(async () => expect(await underWayAt(other)).toBe(1), LONG);
    caller.abort();
    expect(await left).toBe("AbortError");
    await vi.waitFor(async () => expect(await underWayAt(other)).toBe(0), LONG);
    await redis.client().set("released", "1");
    await runsAt(one, other);
  });

  it("run again where the other node is killed under them, and their callers see nothing of it", async () => {
    const [one, other] = [await startSmall(), await startNode()];
    await deploy(one, lingering);
    await redis.client().set("released", "1");
    await runsAt(one, other);
    await redis.client().del("released");
    const answered = call(one, "lingering", "compute", DEADLINE_MS);
    await vi.waitFor(async () => expect(await underWayAt(other)).toBe(1), LONG);
    expect(await underWayAt(one)).toBe(0);
    await other.end("SIGKILL");
    await vi.waitFor(async () => expect(await underWayAt(one)).toBe(1), LONG);
    await redis.client().set("released", "1");
    expect(await answered).toEqual({ status: 200, body: null });
  });

  it("are heard by nobody who is not trusted, where nodes and their scheduler have a certificate", async () => {
    const guard = makeGuard(redis.directory);
    const { settings } = guard;
    const scheduler = await startProgram(resources, PROGRAM, { ...settings, LOCUS_SCHEDULER_PORT: "0" });
    const under = { ...settings, LOCUS_SCHEDULER: scheduler.endpoint, LOCUS_NODE_SERVICE_PORT: "0" };
    const [one, other] = [await startSmall(under), await startNode(under)];
    await deploy(one, lingering);
    await redis.client().set("released", "1");
    await runsAt(one, other);

    const endpoint = `127.0.0.1:${portSaid(other, "offers instances")}`;
    await expect(healthOf(scheduler.endpoint, "")).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(await answersAt(resources, guard, endpoint, NODE_SERVICE, "GetStats")).toEqual({
      plain: "UNAVAILABLE",
      distrusting: "UNAVAILABLE",
      withoutSecret: "UNAUTHENTICATED",
      withAll: "OK",
    });
  });

  it("have their instances from a scheduler that answers nobody without the secret, whatever it is asked", async () => {
    const secret = "s3cret";
    const settings = { LOCUS_GRPC_SECRET: secret, LOCUS_SCHEDULER_PORT: "0" };
    const { endpoint } = await startProgram(resources, PROGRAM, settings);
    const createContainer = vi.fn(async () => `container-${createContainer.mock.calls.length}`);
    const node = { createContainer } as unknown as ContainerNode;
    const offered = await serve(resources, { [NODE_SERVICE]: nodeService(node) }, { tls: null, secret });
    const beat: NodeBeat = {
      nodeId: "node",
      address: "127.0.0.1",
      port: Number(offered.endpoint.split(":")[1]),
      memoryMb: 256,
      availableMb: 256,
      cpus: 1,
      isLeaving: false,
      instances: [],
      leases: [],
      waits: [],
      returned: [],
      broken: [],
      scaled: [],
      scaledVersion: 0,
      threads: null,
    };
    const shape = { key: "f@1", memoryMb: 64, timeoutMs: 5_000 };
    const held = { busy: 0, busyForMs: 0 };
    const wanted = { nodeId: "node", shape, count: 1, waiting: 1, isGrowth: false, held };
    /** By method. */
    const askedWith = (other: string | null) => {
      const security = { tls: null, secret: other };
      const client = new CapacityClient({ endpoint, security, timeoutMs: DEADLINE_MS }, DEADLINE_MS);
      resources.defer(() => client.close());
      return {
        Beat: () => client.beat(beat),
        Lease: () => client.lease(wanted),
        Overview: () => client.overview(),
      };
    };
    const trusted = askedWith(secret);
    expect(Object.keys(trusted)).toEqual(Object.keys(SERVICES["locus.Capacity"]));
    for (const other of [null, "", `${secret}2`]) {
      for (const ask of Object.values(askedWith(other))) {
        await expect(ask()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
      }
    }
    expect((await trusted.Overview()).nodes).toEqual([]);
    // Whoever is silent for a while is no node any more.
    await vi.waitFor(async () => {
      expect(await trusted.Beat()).toMatchObject({ gone: [], revoked: [] });
      const { instances } = await trusted.Lease();
      expect(instances).toMatchObject([{ id: expect.stringMatching(/^container-/), nodeId: "node" }]);
      expect((await trusted.Overview()).instances).toMatchObject([{ function: "f", holder: "node" }]);
    }, LONG);
  });
});
