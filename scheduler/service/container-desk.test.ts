// The desk over a scheduler whose containers start at once, on nodes that are told of here.

import { expect, onTestFinished, test, vi } from "vitest";

import { LocusError } from "#runtime/errors.ts";
import type { ContainerUsed, ContainerWanted } from "../grpc/scheduler-service.ts";
import type { Instance } from "../instance/instance.ts";
import { LiveScheduler } from "../live-scheduler.ts";
import { overheard, SHARING } from "../scheduler-fixture.ts";
import { CONTEST_NODE } from "../settings.ts";
import { ContainerDesk } from "./container-desk.ts";

const MIB = 2 ** 20;
const SILENT = { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} };

function setUp({
  start = async (): Promise<void> => {},
  now = () => performance.now(),
}: { readonly start?: (instance: Instance) => Promise<void>; readonly now?: () => number } = {}) {
  const { policy, heard } = overheard(SHARING);
  const scheduler = new LiveScheduler({
    policy,
    observer: SILENT,
    driver: { start, stop: async () => {} },
    nodes: { reserve: () => Promise.reject(new Error("there are no others")), release: async () => {} },
    settings: { nodesMax: 1 },
    now,
  });
  scheduler.core.nodeCame({ id: "n", address: "n", port: 1, ...CONTEST_NODE }, scheduler.now());
  const desk = new ContainerDesk({ scheduler, onLost: () => {} });
  onTestFinished(() => {
    desk.close();
    scheduler.close();
  });
  const wanted = (requestId: string, functionName = "f", memoryMb = 128): ContainerWanted => ({
    requestId,
    accountId: "a",
    functionName,
    terms: { timeoutMs: 1_000, memoryBytes: memoryMb * MIB, handler: "" },
  });
  const acquire = (...asked: Parameters<typeof wanted>) => desk.acquire(wanted(...asked), new AbortController().signal);
  const giveBack = (requestId: string, containerId: string, told: Partial<ContainerUsed> = {}) => {
    const nothing = { durationNanos: 5e6, memoryBytesMax: 0, errorCode: "", errorMessage: "" };
    return desk.giveBack({ requestId, containerId, ...nothing, ...told });
  };
  return { scheduler, desk, heard, wanted, acquire, giveBack };
}

test("calls of a container that is lost have ended to the policy, given back or asked for again", async () => {
  const { scheduler, heard, acquire, giveBack } = setUp();
  const lose = (id: string): void => scheduler.core.instanceGone(scheduler.core.instance(id), scheduler.now());
  const { containerId } = await acquire("back");
  lose(containerId);
  await giveBack("back", containerId);
  expect(heard.underWay).toBe(0);
  const first = await acquire("again");
  lose(first.containerId);
  const second = await acquire("again");
  expect(second.containerId).not.toBe(first.containerId);
  expect(heard.underWay).toBe(1);
  await giveBack("again", second.containerId);
  expect(heard.underWay).toBe(0);
});

test("the most that was said of a function's memory holds for a minute, or while such a call has a container, and costs others nothing", async () => {
  let nowMs = 0;
  const { scheduler, acquire, giveBack } = setUp({ now: () => nowMs });
  const declared = vi.spyOn(scheduler.core, "declare");
  const memoryMb = (): number => scheduler.core.pool("f").config.memoryMb;
  const lessCalls = async (): Promise<void> => {
    for (let call = 0; call < 10; call++) {
      const { containerId } = await acquire("less", "f", 128);
      await giveBack("less", containerId);
    }
  };
  const { containerId } = await acquire("most", "f", 512);
  nowMs += 200_000;
  await lessCalls();
  expect([memoryMb(), declared.mock.calls.length]).toEqual([512, 1]);
  await giveBack("most", containerId);
  nowMs += 59_000;
  await lessCalls();
  expect([memoryMb(), declared.mock.calls.length]).toEqual([512, 1]);
  nowMs += 1_000;
  await lessCalls();
  expect([memoryMb(), declared.mock.calls.length]).toEqual([128, 2]);
});

test("functions that nobody calls any more are forgotten, beyond as many as may be known", async () => {
  const { scheduler, desk, wanted, acquire } = setUp();
  await acquire("stays", "stays");
  for (let call = 0; call < 4_200; call++) {
    const abort = new AbortController();
    const given = desk.acquire(wanted(`r${call}`, `g${call}`), abort.signal).catch(() => {});
    abort.abort();
    await given;
  }
  const known = Array.from(scheduler.core.functions(), ({ config }) => config.key);
  expect(known).toHaveLength(4_096);
  expect(known).toContain("stays");
});

test("calls that wait are not refused because another caller says otherwise of their function's memory", async () => {
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const { scheduler, heard, acquire, giveBack } = setUp({ start: () => started });
  const waiting = Array.from({ length: 5 }, (_, call) => acquire(`r${call}`));
  const more = acquire("more", "f", 129);
  const less = acquire("less", "f", 64);
  await expect(acquire("too much", "f", 1 << 20)).rejects.toMatchObject({ code: "NODES_EXHAUSTED" });
  resolve();
  const given = await Promise.all([...waiting, more, less]);
  const containers = given.map(({ containerId }) => scheduler.core.instance(containerId));
  expect(new Set(containers).size).toBe(7);
  for (const { pool } of containers) expect(pool.config.memoryMb).toBe(129);
  const requests = [...Array.from(waiting.keys(), (call) => `r${call}`), "more", "less"];
  for (const [at, { containerId }] of given.entries()) await giveBack(requests[at]!, containerId);
  expect(heard.underWay).toBe(0);
});

test("all that wait for a function that no node knows are told so, and have containers when it is deployed", async () => {
  let isDeployed = false;
  const start = async (): Promise<void> => {
    if (!isDeployed) throw new LocusError("FUNCTION_NOT_FOUND", "there is no function f");
  };
  const { scheduler, desk, heard, acquire } = setUp({ start });
  const requests = ["one", "two", "three"];
  for (let times = 0; times < 3; times++) {
    const answers = await Promise.allSettled(requests.map((request) => acquire(request)));
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: "FUNCTION_NOT_FOUND" } });
    expect([desk.held, scheduler.core.counts.waiting, heard.underWay]).toEqual([0, 0, 0]);
  }
  isDeployed = true;
  const given = await Promise.all(requests.map((request) => acquire(request)));
  expect(new Set(given.map(({ containerId }) => containerId)).size).toBe(3);
});

test("all that wait for a container with less memory than any can have are told so, and who asks for enough has one", async () => {
  const start = async ({ pool }: Instance): Promise<void> => {
    if (pool.config.memoryMb < 64) throw new LocusError("REQUEST_INVALID", "memory is too little");
  };
  const { scheduler, desk, heard, acquire } = setUp({ start });
  for (let times = 0; times < 3; times++) {
    const answers = await Promise.allSettled(["one", "two"].map((request) => acquire(request, "f", 16)));
    for (const answer of answers) {
      expect(answer).toMatchObject({ reason: { code: "REQUEST_INVALID", message: "memory is too little" } });
    }
    expect([desk.held, scheduler.core.counts.waiting, heard.underWay]).toEqual([0, 0, 0]);
  }
  const { containerId } = await acquire("three", "f", 64);
  expect(scheduler.core.instance(containerId).memoryMb).toBe(64);
});

test("a container that comes back twice is refused the second time, whoever has it by then", async () => {
  const { scheduler, desk, heard, acquire, giveBack } = setUp();
  const { containerId } = await acquire("first");
  await giveBack("first", containerId);
  await expect(giveBack("first", containerId)).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  expect((await acquire("second")).containerId).toBe(containerId);
  await expect(giveBack("first", containerId)).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  expect(scheduler.core.instance(containerId).running).toBe(1);
  expect([desk.held, heard.underWay]).toEqual([1, 1]);
});

test("a container comes back from the request that has it, and no request returns another's", async () => {
  const { scheduler, desk, heard, acquire, giveBack } = setUp();
  const [one, two] = await Promise.all([acquire("one"), acquire("two")]);
  for (const [request, container] of [
    ["one", two.containerId],
    ["nobody", one.containerId],
    ["one", "no such container"],
  ] as const) {
    await expect(giveBack(request, container)).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  }
  expect([desk.held, heard.underWay]).toEqual([2, 2]);
  for (const { containerId } of [one, two]) expect(scheduler.core.instance(containerId).running).toBe(1);
  await giveBack("one", one.containerId);
  await giveBack("two", two.containerId);
  expect([desk.held, heard.underWay]).toEqual([0, 0]);
});

test("a container that died for want of memory makes its function's need what is configured, and is handed out no more", async () => {
  const { scheduler, acquire, giveBack } = setUp();
  const ten = Array.from({ length: 10 }, (_, call) => `r${call}`);
  for (const request of ten) {
    const { containerId } = await acquire(request);
    await giveBack(request, containerId, { memoryBytesMax: 8 * MIB });
  }
  const { need } = scheduler.core.pool("f");
  expect(need.memoryMb).toBeLessThan(128);
  const { containerId } = await acquire("fails");
  await giveBack("fails", containerId, { memoryBytesMax: 8 * MIB, errorCode: "FUNCTION_FAILED" });
  expect(need.memoryMb).toBeLessThan(128);
  expect((await acquire("dies")).containerId).toBe(containerId);
  await giveBack("dies", containerId, { memoryBytesMax: 8 * MIB, errorCode: "MEMORY_LIMIT" });
  expect(need.memoryMb).toBe(128);
  const next = await acquire("next");
  expect(next.containerId).not.toBe(containerId);
  expect(scheduler.core.instance(next.containerId).memoryMb).toBe(128);
});
