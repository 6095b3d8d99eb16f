// What a driver is told of quotas, in which order, while it takes its time. On real processes: test/scheduler/quota-driver.test.ts.

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { LocusError } from "#runtime/errors.ts";
import type { Driver, InstanceSpec, ListedInstance, StartedInstance } from "../driver/driver.ts";
import { notFound } from "../driver/instance-bounds.ts";
import { QuotaDriver } from "./quota-driver.ts";

const CPUS = 1;

/** An engine that holds quotas and runs nothing. What it is told takes effect when the test says so. */
class SlowEngine implements Driver {
  readonly quotas = new Map<string, number>();
  /** The most that it has held at once. */
  cpusMost = 0;
  readonly #untold: (() => void)[] = [];

  /** What it has been told up to now takes effect; how much that was. */
  async settle(): Promise<number> {
    await nextTurn();
    const untold = this.#untold.splice(0);
    for (const tell of untold) tell();
    await nextTurn();
    return untold.length;
  }

  /** Resolves what a start has told. */
  readonly ends = new Map<string, (why: string) => void>();
  /** Its quotas cannot be changed. */
  isBroken = false;
  /** What each instance has used of a CPU when it is looked at; null: nothing is known. */
  usedUs: (() => number) | null = null;

  async start({ id, cpus }: InstanceSpec): Promise<StartedInstance> {
    await this.#hold(id, cpus);
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    this.ends.set(id, resolve);
    return { ended };
  }

  async limit(id: string, cpus: number): Promise<boolean> {
    await this.#hold(id, cpus);
    if (this.isBroken) throw new Error("there is no such group");
    return true;
  }

  async #hold(id: string, cpus: number): Promise<void> {
    // A start is one from its beginning.
    if (!this.quotas.has(id)) this.#set(id, cpus);
    await new Promise<void>((resolve) => this.#untold.push(resolve));
    this.#set(id, cpus);
  }

  #set(id: string, cpus: number): void {
    this.quotas.set(id, cpus);
    this.cpusMost = Math.max(
      this.cpusMost,
      this.quotas.values().reduce((sum, one) => sum + one, 0),
    );
  }

  async stop(id: string): Promise<void> {
    if (!this.quotas.delete(id)) throw notFound(id);
  }

  invoke(): Promise<never> {
    throw new Error("it runs nothing");
  }

  async resize(): Promise<boolean> {
    return false;
  }

  async list(): Promise<readonly ListedInstance[]> {
    const { usedUs } = this;
    if (usedUs === null) return [];
    const use = { memoryBytes: 1, cpuUs: usedUs() };
    const rest = { function: "f", memoryBytes: 1, inFlight: 0, use };
    return Array.from(this.quotas, ([id, cpus]) => ({ id, cpus, ...rest }));
  }

  async close(): Promise<void> {}
}

const specOf = (id: string): InstanceSpec => ({
  id,
  image: {
    description: {
      name: "f",
      version: "0",
      side: null,
      limits: { deadlineMs: 1, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 },
      input: null,
      output: null,
    },
    bundle: Buffer.alloc(0),
  },
  memoryBytes: 1,
  cpus: CPUS,
  concurrency: 1,
});

const opened = (onUnheld = (id: string, why: string): void => expect.fail(`${id} is not held: ${why}`)) => {
  const engine = new SlowEngine();
  const driver = new QuotaDriver({ driver: engine, cpus: CPUS, limitsAtOnce: false, onUnheld });
  /** Until the engine is told nothing any more. */
  const settleAll = async (): Promise<void> => {
    while ((await engine.settle()) > 0);
  };
  const shares = (): readonly number[] => [...engine.quotas.values()].toSorted((one, other) => one - other);
  return { engine, driver, settleAll, shares };
};

test("an instance starts when the others have been told what it leaves them, whatever they were being told before", async () => {
  const { engine, driver, settleAll, shares } = opened();
  const first = driver.start(specOf("first"));
  await settleAll();
  await first;
  // It is being told 0.6 when the second comes.
  const limited = driver.limit("first", 0.6);
  const second = driver.start(specOf("second"));
  await nextTurn();
  expect(shares()).toEqual([1]);
  await engine.settle();
  expect(shares()).toEqual([0.6]);
  await settleAll();
  await Promise.all([second, limited]);
  expect(shares()).toEqual([0.5, 0.5]);
  expect(engine.cpusMost).toBeLessThanOrEqual(CPUS);
  await driver.close();
});

test("an instance starts when those whose start it found under way have less", async () => {
  const { engine, driver, settleAll, shares } = opened();
  const starts = [driver.start(specOf("first"))];
  await nextTurn();
  starts.push(driver.start(specOf("second")), driver.start(specOf("third")));
  await nextTurn();
  expect(shares()).toEqual([1]);
  await settleAll();
  await Promise.all(starts);
  expect(shares()).toEqual([0.33, 0.33, 0.34]);
  expect(engine.cpusMost).toBeLessThanOrEqual(CPUS);
  await driver.close();
});

test.each([
  ["stopped", "INSTANCE_FAILED", (driver: QuotaDriver) => driver.stop("second")],
  ["no longer waited for", "CANCELLED", async (_driver: QuotaDriver, abort: AbortController) => abort.abort()],
  ["closed with its driver", "INSTANCE_FAILED", (driver: QuotaDriver) => driver.close()],
])("an instance that waits for room and is %s never starts, and leaves its room", async (_title, code, end) => {
  const { engine, driver, settleAll, shares } = opened();
  const first = driver.start(specOf("first"));
  await settleAll();
  await first;
  const abort = new AbortController();
  const second = driver.start(specOf("second"), abort.signal).then(
    () => "started",
    (error: LocusError) => error.code,
  );
  await nextTurn();
  expect(driver.shares()).toEqual([{ function: "f", grantedCpus: 1, usedCpus: 0, forecastError: null }]);
  // At once: what the first is being told has not been answered yet.
  await end(driver, abort);
  expect(await second).toBe(code);
  expect([...engine.quotas.keys()]).toEqual(["first"]);
  await settleAll();
  expect(shares()).toEqual([1]);
  expect(driver.shares()).toEqual([{ function: "f", grantedCpus: 1, usedCpus: 0, forecastError: null }]);
  await driver.close();
});

test("an instance that was stopped while it waited for room may start anew", async () => {
  const { engine, driver, settleAll, shares } = opened();
  const first = driver.start(specOf("first"));
  await settleAll();
  await first;
  const given = driver.start(specOf("second")).catch(() => {});
  await nextTurn();
  await driver.stop("second");
  const anew = driver.start(specOf("second"));
  await given;
  await settleAll();
  await anew;
  expect(shares()).toEqual([0.5, 0.5]);
  expect(engine.cpusMost).toBeLessThanOrEqual(CPUS);
  await expect(driver.stop("third")).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  await driver.close();
});

test.each([
  ["has ended by then", true],
  ["goes on", false],
])("an instance that can be limited no more is told of where it goes on: %s", async (_title, ends) => {
  const unheld: string[] = [];
  const { engine, driver, settleAll } = opened((id) => void unheld.push(id));
  const first = driver.start(specOf("first"));
  await settleAll();
  await first;
  engine.isBroken = true;
  const limited = driver.limit("first", 0.5);
  await settleAll();
  // What it ends with comes after what it can be told no more.
  if (ends) engine.ends.get("first")?.("it ended with exit code 1");
  expect(await limited).toBe(false);
  expect(unheld).toEqual(ends ? [] : ["first"]);
  await driver.close();
});

test("a limit holds when it has been taken, whatever the instance was being told before", async () => {
  const { engine, driver, settleAll, shares } = opened();
  const first = driver.start(specOf("first"));
  await settleAll();
  await first;
  const [less, least] = [driver.limit("first", 0.6), driver.limit("first", 0.3)];
  await engine.settle();
  expect(shares()).toEqual([0.6]);
  let isTaken = false;
  void least.then(() => (isTaken = true));
  await nextTurn();
  expect(isTaken).toBe(false);
  await settleAll();
  expect(await Promise.all([less, least])).toEqual([true, true]);
  expect(shares()).toEqual([0.3]);
  await driver.close();
});

test("of a function is told how far the forecasts of what its instances use miss, once they have been looked at", async () => {
  const { engine, driver, settleAll } = opened();
  const starting = driver.start(specOf("a"));
  await settleAll();
  await starting;
  expect(driver.shares()).toEqual([{ function: "f", grantedCpus: CPUS, usedCpus: 0, forecastError: null }]);
  let [usedUs, looks] = [0, 0];
  engine.usedUs = () => (usedUs += ++looks % 2 === 0 ? 1_000 : 10_000);
  await expect.poll(() => driver.shares()[0]?.forecastError ?? 0).toBeGreaterThan(0);
  expect(driver.shares()).toMatchObject([{ function: "f", usedCpus: expect.any(Number) }]);
  await driver.close();
});
