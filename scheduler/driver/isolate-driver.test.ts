// What an isolate driver keeps count of; its isolates, and the calls in them: test/scheduler/drivers.test.ts.

import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import type { InstanceSpec } from "./driver.ts";
import { INSTANCES_MAX } from "./instance-bounds.ts";
import { IsolateDriver } from "./isolate-driver.ts";

const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 4 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const image: FunctionImage = { description, bundle: Buffer.alloc(0) };
const specOf = (id: string): InstanceSpec => ({ id, image, memoryBytes: 2 ** 20, cpus: 0.01, concurrency: 4 });

test("has as many instances as a node can tell of, and refuses one more until one is stopped", async () => {
  const driver = new IsolateDriver({
    keep: async () => {},
    functionState: () => null,
    invoke: () => Promise.reject(new Error("nobody calls")),
  });
  for (let at = 0; at < INSTANCES_MAX; at++) await driver.start(specOf(`i${at}`));
  await expect(driver.start(specOf("more"))).rejects.toMatchObject({ code: "OVERLOADED" });
  expect(await driver.list()).toHaveLength(INSTANCES_MAX);
  await driver.stop("i7");
  await driver.start(specOf("more"));
  await driver.close();
});

test("keeps nothing of a call that has ended, however long its caller's signal lives", async () => {
  const signals: WeakRef<AbortSignal>[] = [];
  const driver = new IsolateDriver({
    keep: async () => {},
    functionState: () => null,
    invoke: async (_call, signal) => {
      // As the real one, for good.
      signal?.addEventListener("abort", () => {}, { once: true });
      if (signal !== undefined) signals.push(new WeakRef(signal));
      return { ok: true, resultJson: "1", usage: NO_USAGE, logs: [] };
    },
  });
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
