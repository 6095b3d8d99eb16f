// What a node makes of its driver, whatever that is: what instances get, what is told of them, and which calls keep them. Over the wire:
// test/scheduler/contest-2020.test.ts.

import { afterEach, describe, expect, test, vi } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { FunctionImage, Outcome } from "#runtime/sandbox/supervisor.ts";
import type { Driver, InstanceSpec, ListedInstance, StartedInstance } from "../driver/driver.ts";
import { DriverNode } from "./driver-node.ts";

const MIB = 2 ** 20;
const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 4 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const IMAGE: FunctionImage = { description, bundle: Buffer.alloc(0) };
const OUTCOME: Outcome = { ok: true, resultJson: "1", usage: { ...NO_USAGE, cpuUs: 7 }, logs: [] };
const CALL = { keys: [], argsJson: "null", deadlineMs: 1_000, logs: false };

/** An engine that runs nothing, and answers when the test says so. */
class HeldEngine implements Driver {
  readonly specs = new Map<string, InstanceSpec>();
  readonly calls: PromiseWithResolvers<Outcome>[] = [];
  readonly looks: PromiseWithResolvers<void>[] = [];

  async start(spec: InstanceSpec): Promise<StartedInstance> {
    this.specs.set(spec.id, spec);
    return { ended: new Promise(() => {}) };
  }

  invoke(): Promise<Outcome> {
    const call = Promise.withResolvers<Outcome>();
    this.calls.push(call);
    return call.promise;
  }

  async limit(): Promise<boolean> {
    return false;
  }

  async resize(): Promise<boolean> {
    return false;
  }

  async stop(id: string): Promise<void> {
    this.specs.delete(id);
  }

  async list(): Promise<readonly ListedInstance[]> {
    const look = Promise.withResolvers<void>();
    this.looks.push(look);
    await look.promise;
    return Array.from(this.specs.values(), ({ id, memoryBytes, cpus }) => {
      const use = { memoryBytes: 5 * MIB, cpuUs: 0 };
      return { id, function: "f", memoryBytes, cpus, inFlight: 0, use };
    });
  }

  async close(): Promise<void> {}
}

/** `availableBytes`: of its machine, what is free. */
const opened = (whose: string | null = null, availableBytes = (): number => Infinity) => {
  const engine = new HeldEngine();
  const functions = { image: async () => IMAGE };
  const own = { availableBytes, instanceCpus: 2, ownMemoryBytes: 56 * MIB, folder: "/", owner: whose };
  const node = new DriverNode({ driver: engine, functions, memoryBytes: 1_024 * MIB, ...own });
  const create = (functionName: string): Promise<string> => {
    const meta = { functionName, handler: "", timeoutMs: 1_000, memoryBytes: 128 * MIB };
    return node.createContainer({ requestId: "r", name: "n", meta });
  };
  return { engine, node, create };
};

afterEach(() => {
  vi.useRealTimers();
});

describe("a node that others may reserve", () => {
  const open = () => {
    vi.useFakeTimers();
    const { engine, node, create } = opened();
    const reserve = (ownerAccountId: string): Promise<void> => node.reserve({ requestId: "r", ownerAccountId });
    const owner = async (): Promise<string> => {
      const stats = node.stats();
      engine.looks.at(-1)!.resolve();
      return (await stats).ownerAccountId;
    };
    const remove = (containerId: string): Promise<void> => node.removeContainer({ requestId: "r", containerId });
    /** A call that takes so long. */
    const call = async (containerId: string, ms: number): Promise<void> => {
      const meta = { functionName: "f", handler: "", timeoutMs: 100_000, memoryBytes: 128 * MIB };
      const called = node.invoke({ requestId: "r", containerId, event: Buffer.alloc(0), meta });
      vi.advanceTimersByTime(ms);
      expect(await owner()).not.toBe("");
      engine.calls.at(-1)!.resolve(OUTCOME);
      await called;
    };
    return { engine, node, create, reserve, owner, remove, call };
  };

  test("is one owner's as long as that is heard of, and then whoever's reserves it", async () => {
    const { create, reserve, owner, remove, call } = open();
    await reserve("one");
    for (let looks = 0; looks < 3; looks++) {
      vi.advanceTimersByTime(29_000);
      await expect(reserve("two")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
      await reserve("one");
    }
    vi.advanceTimersByTime(29_000);
    const id = await create("f");
    vi.advanceTimersByTime(29_000);
    await call(id, 100_000);
    vi.advanceTimersByTime(29_000);
    expect(await owner()).toBe("one");
    await remove(id);
    vi.advanceTimersByTime(29_000);
    expect(await owner()).toBe("one");
    vi.advanceTimersByTime(1_000);
    expect(await owner()).toBe("");
    await reserve("two");
    await expect(reserve("one")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("is whose who uses it though nobody has reserved it, until he has been silent for long", async () => {
    const { create, reserve, owner, remove, call } = open();
    expect(await owner()).toBe("");
    const id = await create("f");
    for (const silentMs of [29_000, 200_000, 200_000]) {
      vi.advanceTimersByTime(silentMs);
      expect(await owner()).not.toBe("");
      await expect(reserve("two")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
      await call(id, 1_000);
    }
    vi.advanceTimersByTime(299_000);
    await expect(reserve("two")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    vi.advanceTimersByTime(1_000);
    expect(await owner()).toBe("");
    await remove(id);
    await expect(reserve("two")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    vi.advanceTimersByTime(30_000);
    expect(await owner()).toBe("");
    await reserve("two");
    expect(await owner()).toBe("two");
  });

  test("is soon nobody's, whatever containers it has, when who had reserved it again and again does so no more", async () => {
    const { create, reserve, owner } = open();
    await reserve("one");
    await create("f");
    await reserve("one");
    vi.advanceTimersByTime(29_000);
    expect(await owner()).toBe("one");
    vi.advanceTimersByTime(1_000);
    expect(await owner()).toBe("");
    // Who uses it now is not who reserved it so often.
    await create("f");
    vi.advanceTimersByTime(299_000);
    expect(await owner()).not.toBe("");
  });

  test("is as soon nobody's, counted from its end, where a call ran on that had begun before", async () => {
    const { create, reserve, owner, call } = open();
    const id = await create("f");
    vi.advanceTimersByTime(300_000);
    for (let times = 0; times < 2; times++) await reserve("one");
    await call(id, 100_000);
    vi.advanceTimersByTime(29_000);
    expect(await owner()).toBe("one");
    vi.advanceTimersByTime(1_000);
    expect(await owner()).toBe("");
  });

  test("is refused to one who does not say his name, while another uses it who has not said his either", async () => {
    const { create, reserve, owner } = open();
    const unnamed = { code: "PERMISSION_DENIED" };
    await create("f");
    vi.advanceTimersByTime(200_000);
    await expect(reserve("")).rejects.toMatchObject(unnamed);
    vi.advanceTimersByTime(99_000);
    await expect(reserve("")).rejects.toMatchObject(unnamed);
    expect(await owner()).not.toBe("");
    vi.advanceTimersByTime(1_000);
    await reserve("");
    await expect(reserve("")).rejects.toMatchObject(unnamed);
    // He reserves no more: five minutes, as for all of whom nothing is known.
    vi.advanceTimersByTime(299_000);
    expect(await owner()).not.toBe("");
  });

  test("is nobody's still when a container was asked for something that is not there, or could not be made", async () => {
    const { engine, node, create, reserve, owner, remove } = open();
    const meta = { functionName: "f", handler: "", timeoutMs: 1_000, memoryBytes: 128 * MIB };
    const called = node.invoke({ requestId: "r", containerId: "of before", event: Buffer.alloc(0), meta });
    engine.calls.at(-1)!.reject(new Error("there is none"));
    await expect(called).rejects.toThrow("there is none");
    await remove("of before");
    engine.start = () => Promise.reject(new Error("there is no room"));
    await expect(create("f")).rejects.toThrow("there is no room");
    expect(await owner()).toBe("");
    await reserve("one");
    expect(await owner()).toBe("one");
  });
});

test("a node of our own schedulers is nobody else's, however long nothing comes over the service", async () => {
  vi.useFakeTimers();
  const { engine, node, create } = opened("locus");
  const id = await create("f@0");
  const called = node.run(id, CALL);
  engine.calls[0]!.resolve(OUTCOME);
  await called;
  for (const ownerAccountId of ["two", "locus", "two"]) {
    const reserved = node.reserve({ requestId: "r", ownerAccountId });
    await expect(reserved).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    vi.advanceTimersByTime(60_000);
  }
  const stats = node.stats();
  engine.looks.at(-1)!.resolve();
  expect((await stats).ownerAccountId).toBe("locus");
});

test("a node has free what its containers leave, or what its machine has free, where that is less", async () => {
  let freeBytes = 2_048 * MIB;
  const { engine, node, create } = opened(null, () => freeBytes);
  const memory = async () => {
    const stats = node.stats();
    engine.looks.at(-1)!.resolve();
    const { totalMemoryBytes, usedMemoryBytes, availableMemoryBytes } = (await stats).node;
    return [totalMemoryBytes, usedMemoryBytes, availableMemoryBytes].map((bytes) => bytes / MIB);
  };
  expect(await memory()).toEqual([1_024, 0, 1_024]);
  for (let containers = 0; containers < 2; containers++) await create("f");
  expect(await memory()).toEqual([1_024, 10, 1_014]);
  // Others on the machine take of it.
  for (const [freeMb, availableMb] of [
    [1_020, 1_014],
    [1_000, 1_000],
    [300, 300],
    [0, 0],
    [1_020, 1_014],
  ] as const) {
    freeBytes = freeMb * MIB;
    expect(await memory()).toEqual([1_024, 10, availableMb]);
  }
});

test("instances of ours have the driver's own memory beside their function's, and others what was asked for, all in all", async () => {
  const { engine, create } = opened();
  const [ours, others] = [await create("f@0"), await create("f")];
  expect(engine.specs.get(ours)).toMatchObject({ memoryBytes: 184 * MIB, cpus: 2, concurrency: 4 });
  expect(engine.specs.get(others)).toMatchObject({ memoryBytes: 128 * MIB, cpus: 0.67 / 8 });
});

test("instances are named though their engine does not tell what they use, and told of once it has", async () => {
  const { engine, node, create } = opened();
  const id = await create("f@0");
  const shape = { key: "f@0", memoryMb: 128, timeoutMs: 1_000 };
  // One look at a time, however many ask.
  for (let beats = 0; beats < 2; beats++) expect(await node.hosted()).toEqual([{ id, name: "n", shape, usedMb: 0 }]);
  expect(engine.looks).toHaveLength(1);
  engine.looks[0]!.resolve();
  await vi.waitFor(async () => expect(await node.hosted()).toEqual([{ id, name: "n", shape, usedMb: 5 }]));
});

test("a call of somebody else's scheduler is told what its container uses as far as that is known, and waits for no look", async () => {
  const { engine, node, create } = opened();
  const id = await create("f");
  const meta = { functionName: "f", handler: "", timeoutMs: 1_000, memoryBytes: 128 * MIB };
  const called = async (): Promise<number> => {
    const call = node.invoke({ requestId: "r", containerId: id, event: Buffer.alloc(0), meta });
    engine.calls.at(-1)!.resolve(OUTCOME);
    return (await call).memoryBytesMax;
  };
  for (let calls = 0; calls < 3; calls++) expect(await called()).toBe(0);
  expect(engine.looks).toHaveLength(1);
  engine.looks[0]!.resolve();
  await vi.waitFor(async () => expect(await called()).toBe(5 * MIB));
});

test("an instance that is removed ends with the last call that it has, and takes none meanwhile", async () => {
  const { engine, node, create } = opened();
  const id = await create("f@0");
  const call = node.run(id, CALL);
  const removed = node.removeContainer({ requestId: "r", containerId: id });
  await expect(node.run(id, CALL)).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  expect(engine.specs.has(id)).toBe(true);
  engine.calls[0]!.resolve(OUTCOME);
  expect(await call).toBe(OUTCOME);
  await removed;
  expect(engine.specs.has(id)).toBe(false);
  expect(node.cpuUs).toBe(7);
});
