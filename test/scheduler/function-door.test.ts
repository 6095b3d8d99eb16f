// The door of the 2020 contest's APIServer, before nodes that do not have what they are asked for, that are not there, and that go away.

import { afterEach, beforeEach, expect, test } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import { NodeClient } from "#scheduler/grpc/node-client.ts";
import { type ContainerNode, type NodeCallResult, nodeService } from "#scheduler/grpc/node-service.ts";
import type { AcquiredContainer, ContainerScheduler } from "#scheduler/grpc/scheduler-service.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { SchedulerDoor } from "#scheduler/service/function-door.ts";
import { freePort } from "../free-port.ts";
import { serve } from "./served.ts";

const TERMS = { functionName: "f", timeoutMs: 20_000, memoryBytes: 2 ** 20, handler: "" };
const CALL = { requestId: "r", accountId: "account", functionName: "f", event: Buffer.from("1") };
const DONE: NodeCallResult = {
  body: Buffer.from("done"),
  error: new Uint8Array(),
  handled: true,
  statusCode: "200",
  headers: {},
  memoryBytesMax: 0,
  log: "",
  durationNanos: 1,
};

let resources: AsyncDisposableStack;
beforeEach(() => {
  resources = new AsyncDisposableStack();
});
afterEach(() => resources.disposeAsync());

/** A node on a port of its own, which answers calls so. */
async function nodeThat(invoke: ContainerNode["invoke"]) {
  const unasked = (): Promise<never> => Promise.reject(new LocusError("INTERNAL", "only calls are sent here"));
  const node = { reserve: unasked, createContainer: unasked, removeContainer: unasked, stats: unasked, invoke };
  const { endpoint, close } = await serve(resources, { "nodeservoceproto.NodeService": nodeService(node) });
  return { port: Number(endpoint.split(":")[1]), close };
}

/** Before a scheduler that hands out containers on those ports, one after another, and no more. */
function doorTo(ports: readonly number[]) {
  const said: string[] = [];
  const containers = ports.map((nodePort, at): AcquiredContainer => ({
    nodeId: `n${at}`,
    nodeAddress: "127.0.0.1",
    nodePort,
    containerId: `c${at}`,
  }));
  const scheduler: ContainerScheduler = {
    acquire: async ({ requestId }) => {
      const container = containers.shift();
      if (container === undefined) throw new LocusError("NODES_EXHAUSTED", "there are no others");
      said.push(`${requestId} has ${container.containerId}`);
      return container;
    },
    giveBack: async ({ requestId, containerId, errorCode }) =>
      void said.push(`${requestId} returns ${containerId} ${errorCode || "well"}`),
  };
  const door = new SchedulerDoor({
    scheduler,
    node: (address, port) => {
      const client = new NodeClient({ endpoint: `${address}:${port}`, security: PLAIN, timeoutMs: 10_000 });
      resources.defer(() => client.close());
      return client;
    },
    functions: { get: (name) => (name === "f" ? TERMS : undefined), list: () => [TERMS] },
  });
  const invoke = () =>
    door.invoke(CALL, new AbortController().signal).then(
      (body) => Buffer.from(body).toString(),
      (error: LocusError) => error.code,
    );
  return { said, invoke };
}

const absent = (): Promise<never> => Promise.reject(new LocusError("INSTANCE_NOT_FOUND", "there is no such container"));

test("a call that its node has no container for, or whose node is not there, has another container", async () => {
  const [lacking, working, nobody] = [await nodeThat(absent), await nodeThat(async () => DONE), await freePort()];
  const { said, invoke } = doorTo([lacking.port, nobody, working.port]);
  expect(await invoke()).toBe("done");
  expect(said).toEqual([
    "r has c0",
    "r returns c0 INSTANCE_NOT_FOUND",
    "r has c1",
    "r returns c1 PEER_UNAVAILABLE",
    "r has c2",
    "r returns c2 well",
  ]);
});

test("a call has four containers at most", async () => {
  let calls = 0;
  const { port } = await nodeThat(() => {
    calls++;
    return absent();
  });
  const { said, invoke } = doorTo(Array.from({ length: 9 }, () => port));
  expect(await invoke()).toBe("INSTANCE_NOT_FOUND");
  expect([calls, said.length]).toEqual([4, 8]);
});

test("a call that was sent is not sent again, whatever becomes of its node", async () => {
  const going = await nodeThat(() => {
    void going.close();
    return new Promise(() => {});
  });
  const working = await nodeThat(async () => DONE);
  const { said, invoke } = doorTo([going.port, working.port]);
  expect(await invoke()).toBe("PEER_UNAVAILABLE");
  expect(said).toEqual(["r has c0", "r returns c0 PEER_UNAVAILABLE"]);
});

test("what a function failed with is its caller's to hear, though it reads as if the call had not run", async () => {
  let calls = 0;
  const failed = { ...DONE, error: Buffer.from("on purpose"), statusCode: "INSTANCE_NOT_FOUND" };
  const { port } = await nodeThat(async () => {
    calls++;
    return failed;
  });
  expect(await doorTo([port, port]).invoke()).toBe("INSTANCE_NOT_FOUND");
  expect(calls).toBe(1);
});
