// What the driver of agents makes of one that does not do as it is told. Agents that do, in processes: test/scheduler/drivers.test.ts.

import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LocusError } from "#runtime/errors.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import { encodeFrame } from "./agent/frame.ts";
import { AgentDriver } from "./agent-driver.ts";
import type { AgentEnd, AgentLauncher, AgentProcess } from "./agent-instance.ts";
import type { InstanceUse } from "./driver.ts";

const MIB = 2 ** 20;
const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 32, operations: 1, concurrency: 4 };
const description = { name: "f", version: "0", side: null, limits, input: null, output: null };
const IMAGE: FunctionImage = { description, bundle: Buffer.alloc(0) };
const SPEC = { id: "i", image: IMAGE, memoryBytes: 128 * MIB, cpus: 1, concurrency: 1 };

/** Agents that take their function, and then neither end nor tell what they use until the test says so. */
class Stubborn implements AgentLauncher {
  readonly data = null;
  readonly end = Promise.withResolvers<AgentEnd>();
  readonly use = Promise.withResolvers<InstanceUse | null>();
  isClosed = false;

  async launch(): Promise<AgentProcess> {
    const output = new PassThrough();
    output.write(encodeFrame({ kind: "loaded" }));
    void this.end.promise.then(() => output.end());
    return {
      input: new PassThrough(),
      output,
      ended: this.end.promise,
      kill: () => {},
      limit: async () => true,
      resize: async () => true,
      use: () => this.use.promise,
    };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

const started = async () => {
  const launcher = new Stubborn();
  const driver = new AgentDriver(launcher);
  const { ended } = await driver.start(SPEC);
  return { launcher, driver, ended };
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("one that does not end is told of in time, stays in the list, and is gone when it has ended", async () => {
  const { launcher, driver, ended } = await started();
  launcher.use.resolve(null);
  const stopped = driver.stop("i").catch((error: LocusError) => error.code);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(await stopped).toBe("INSTANCE_FAILED");
  expect(await driver.list()).toMatchObject([{ id: "i" }]);
  await expect(driver.start(SPEC)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  launcher.end.resolve({ how: "killed by SIGKILL", lackedMemory: false });
  expect(await ended).toBe("it was stopped");
  await expect(driver.stop("i")).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
});

test("a driver is closed in time though one of its instances does not end", async () => {
  const { launcher, driver } = await started();
  const closed = driver.close();
  await vi.advanceTimersByTimeAsync(20_000);
  await closed;
  expect(launcher.isClosed).toBe(true);
});

test("of one that does not tell what it uses the rest is told", async () => {
  const { driver } = await started();
  const listed = driver.list();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await listed).toMatchObject([{ id: "i", cpus: 1, use: null }]);
});
