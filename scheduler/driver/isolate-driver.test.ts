// What an isolate driver keeps count of; its isolates, and the calls in them: test/scheduler/drivers.test.ts.

import { expect, test } from "vitest";
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
