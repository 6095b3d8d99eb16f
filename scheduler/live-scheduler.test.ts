import { expect, test } from "vitest";

import type { Instance } from "./instance/instance.ts";
import { LiveScheduler, type InstanceDriver, type NodeSource, type SchedulerObserver } from "./live-scheduler.ts";
import { fixedKeepAlive, REFERENCE } from "./policy/fixed.ts";

const NODE = { id: "n1", address: "127.0.0.1", port: 1, memoryMb: 1_024, cpus: 8 };
const SILENT: SchedulerObserver = { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} };

/** Starts are ended by the test. */
class Starts implements InstanceDriver {
  readonly pending: {
    readonly instance: Instance;
    readonly done: () => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  readonly stopped: string[] = [];

  start(instance: Instance): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ instance, done: resolve, fail: reject });
    });
  }

  async stop(instance: Instance): Promise<void> {
    this.stopped.push(instance.id);
  }
}

const NO_MORE: NodeSource = { reserve: () => Promise.reject(new Error("none")), release: async () => {} };

const live = (driver: InstanceDriver, settings = {}): LiveScheduler => {
  const scheduler = new LiveScheduler({
    policy: fixedKeepAlive("reference", REFERENCE),
    driver,
    nodes: NO_MORE,
    observer: SILENT,
    settings,
  });
  scheduler.core.nodeCame(NODE, scheduler.now());
  return scheduler;
};

test("a call gets an instance that is started for it, and the next one the same while it is warm", async () => {
  const driver = new Starts();
  const scheduler = live(driver);
  const pool = scheduler.core.declare({ key: "f", memoryMb: 128 }, scheduler.now());
  const first = scheduler.acquire(pool, Infinity);
  driver.pending[0]!.done();
  const instance = await first;
  scheduler.release(instance, { executionMs: 1 });
  expect(await scheduler.acquire(pool, Infinity)).toBe(instance);
  scheduler.close();
});

test("a call that is abandoned while it waits holds nothing", async () => {
  const driver = new Starts();
  const scheduler = live(driver);
  const pool = scheduler.core.declare({ key: "f", memoryMb: 128 }, scheduler.now());
  const abort = new AbortController();
  const call = scheduler.acquire(pool, Infinity, abort.signal);
  abort.abort();
  await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
  expect(scheduler.core.counts).toMatchObject({ waiting: 0, busy: 0 });
  scheduler.close();
});

test("a call that no instance serves in time is refused at its deadline", async () => {
  const scheduler = live(new Starts());
  const pool = scheduler.core.declare({ key: "f", memoryMb: 128 }, scheduler.now());
  const call = scheduler.acquire(pool, scheduler.now() + 20);
  await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  scheduler.close();
});
