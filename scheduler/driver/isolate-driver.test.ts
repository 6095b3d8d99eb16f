// What an isolate driver keeps count of; its isolates, and the calls in them: test/scheduler/drivers.test.ts.

import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { FunctionImage, IsolateBounds, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { InstanceSpec } from "./driver.ts";
import { INSTANCES_MAX } from "./instance-bounds.ts";
import { IsolateDriver } from "./isolate-driver.ts";

const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 4 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const image: FunctionImage = { description, bundle: Buffer.alloc(0) };
const specOf = (id: string): InstanceSpec => ({ id, image, memoryBytes: 2 ** 20, cpus: 0.01, concurrency: 4 });

/** What instances need whose calls are no matter. */
const uncalled = {
  functionState: () => null,
  invoke: () => Promise.reject(new Error("nobody calls")),
};

test("has as many instances as a node can tell of, and refuses one more until one is stopped", async () => {
  const driver = new IsolateDriver({ ...uncalled, keep: async () => {} }, 2);
  for (let at = 0; at < INSTANCES_MAX; at++) await driver.start(specOf(`i${at}`));
  await expect(driver.start(specOf("more"))).rejects.toMatchObject({ code: "OVERLOADED" });
  expect(await driver.list()).toHaveLength(INSTANCES_MAX);
  await driver.stop("i7");
  await driver.start(specOf("more"));
  await driver.close();
});

test.each([
  // Each takes 32 calls at once: one for each core is all that it has a use for.
  { concurrency: 32, cores: 2, cpus: 2, kept: 2 },
  { concurrency: 256, cores: 2, cpus: 2, kept: 2 },
  { concurrency: 32, cores: 8, cpus: 8, kept: 5 },
  // While calls of one wait, those of others compute.
  { concurrency: 16, cores: 2, cpus: 2, kept: 4 },
  { concurrency: 1, cores: 2, cpus: 2, kept: 5 },
  { concurrency: 1, cores: 2, cpus: 1 / 4, kept: 2 },
  // A part of a core is one that has room for one.
  { concurrency: 32, cores: 1 / 2, cpus: 1 / 2, kept: 1 },
])(
  "keeps $kept isolates for 5 instances of $cpus CPUs that take $concurrency calls at once, on $cores cores",
  async ({ concurrency, cores, cpus, kept }) => {
    const told: IsolateBounds[] = [];
    const keep = async (_image: FunctionImage, bounds: IsolateBounds): Promise<void> => void told.push(bounds);
    const driver = new IsolateDriver({ ...uncalled, keep }, cores);
    const taking = { ...image, description: { ...description, limits: { ...limits, concurrency } } };
    for (let at = 0; at < 5; at++) await driver.start({ ...specOf(`i${at}`), image: taking, cpus, concurrency });
    expect(told.at(-1)?.min).toBe(kept);
    expect(told.at(-1)?.max).toBeGreaterThanOrEqual(kept);
    for (let at = 0; at < 5; at++) await driver.stop(`i${at}`);
    expect(told.at(-1)?.min).toBe(0);
  },
);

test("keeps nothing of a call that has ended, however long its caller's signal lives", async () => {
  const signals: WeakRef<AbortSignal>[] = [];
  const invoke: Supervisor["invoke"] = async (_call, signal) => {
    // As the real one, for good.
    signal?.addEventListener("abort", () => {}, { once: true });
    if (signal !== undefined) signals.push(new WeakRef(signal));
    return { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] };
  };
  const driver = new IsolateDriver({ ...uncalled, keep: async () => {}, invoke }, 2);
  await driver.start(specOf("i"));
  const caller = new AbortController();
  for (let count = 0; count < 10; count++) {
    await driver.invoke("i", { keys: [], argsJson: "null", deadlineMs: 1_000, logs: false }, caller.signal);
  }
  expect(signals).toHaveLength(10);
  expect(getEventListeners(caller.signal, "abort")).toEqual([]);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await vi.waitFor(() => {
    collect();
    expect(signals.filter((signal) => signal.deref() !== undefined)).toEqual([]);
  });
  await driver.close();
});
