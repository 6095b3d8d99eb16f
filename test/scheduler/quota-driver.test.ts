// CPU quotas that follow what instances use, on real processes in groups of the kernel; where none can be made those tests are skipped.

import { existsSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import type { Driver, InstanceSpec } from "#scheduler/driver/driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { QuotaDriver } from "#scheduler/reallocation/quota-driver.ts";
import { specOf, testDriver } from "./driver-contract.ts";
import { callOf, codeOf, imageOf } from "./driver-fixture.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";
const WAIT = { timeout: 60_000, interval: 20 };
const silent = () => {};

/** A machine with other work is slow. */
const DEADLINE_MS = 60_000;
/** Spins for so many ms of CPU time. */
const SPIN = imageOf(
  ({ args }: { readonly args: number }) => {
    const before = process.cpuUsage();
    for (;;) {
      const { user, system } = process.cpuUsage(before);
      if (user + system >= args * 1e3) return "spun";
    }
  },
  { limits: { deadlineMs: DEADLINE_MS, cpuMs: DEADLINE_MS } },
);
const spin = (ms: number) => callOf(ms, { deadlineMs: DEADLINE_MS });

describe("a driver that holds no quota", () => {
  let driver: Driver;
  const unheld: string[] = [];
  beforeAll(() => {
    driver = new QuotaDriver({
      driver: new AgentDriver(new ProcessLauncher({ data: null, cgroups: null, onLog: silent })),
      cpus: 4,
      limitsAtOnce: true,
      onUnheld: (id) => void unheld.push(id),
    });
  });
  afterAll(() => driver.close());

  testDriver(() => driver);

  test("says so, once for each instance, and leaves it as it was started", async () => {
    const spec = specOf({ cpus: 0.5 });
    await driver.start(spec);
    expect(unheld.filter((id) => id === spec.id)).toHaveLength(1);
    expect((await driver.list())[0]).toMatchObject({ id: spec.id, cpus: 0.5 });
    expect(await driver.limit(spec.id, 0.25)).toBe(false);
    await driver.stop(spec.id);
  });
});

describe("processes in groups of the kernel", () => {
  const name = `locus-quota-${process.pid}`;
  let cgroups: CgroupFolder | null;
  let driver: Driver;

  beforeAll(async () => {
    cgroups = await CgroupFolder.open(CGROUP_ROOT, name);
  });
  beforeEach(({ skip }) => {
    skip(cgroups === null, "no cgroup can be made here");
    driver = new QuotaDriver({
      driver: new AgentDriver(new ProcessLauncher({ data: null, cgroups, onLog: silent })),
      cpus: 1,
      limitsAtOnce: true,
      onUnheld: (id, why) => expect.fail(`${id} is not held: ${why}`),
    });
  });
  afterEach(() => driver?.close());
  afterAll(() => {
    for (const controller of ["", "cpu", "cpuacct", "memory"]) {
      const folder = join(CGROUP_ROOT, controller, name);
      if (existsSync(folder)) rmdirSync(folder);
    }
  });

  /** As the kernel has it. */
  const quotaOf = (id: string): number => {
    const isUnified = existsSync(join(CGROUP_ROOT, "cgroup.controllers"));
    const path = isUnified ? join(name, id, "cpu.max") : join("cpu", name, id, "cpu.cfs_quota_us");
    return parseInt(readFileSync(join(CGROUP_ROOT, path), "utf8"), 10) / 100_000;
  };

  /** That calls to them have each such a quota while they spin. Who is given no core meanwhile needs none, and is looked at again. */
  const isHad = (specs: readonly InstanceSpec[], quota: number) =>
    vi.waitFor(async () => {
      const calls = Promise.all(specs.map(({ id }) => driver.invoke(id, spin(300))));
      const over = calls.then(() => true);
      let had = false;
      do had = specs.every(({ id }) => quotaOf(id) === quota);
      while (!had && !(await Promise.race([over, sleep(10, false)])));
      expect((await calls).map(codeOf)).toEqual(specs.map(() => 'ok "spun"'));
      expect(had).toBe(true);
    }, WAIT);

  test("have their limits at first, little while they rest, and what they need when they are called", async () => {
    const spec = specOf({ cpus: 0.8, image: SPIN });
    await driver.start(spec);
    expect(quotaOf(spec.id)).toBe(0.8);
    await vi.waitUntil(() => quotaOf(spec.id) === 0.02, WAIT);
    await isHad([spec], 0.8);
    await vi.waitUntil(() => quotaOf(spec.id) === 0.02, WAIT);
    await driver.stop(spec.id);
  });

  test("share what there is where they want more, and have it back, without a restart", async () => {
    const [one, other] = [specOf({ cpus: 0.8, image: SPIN }), specOf({ cpus: 0.8, image: SPIN })];
    const { ended } = await driver.start(one);
    await driver.start(other);
    expect(quotaOf(one.id) + quotaOf(other.id)).toBeLessThanOrEqual(1);
    await vi.waitUntil(() => quotaOf(one.id) === 0.02 && quotaOf(other.id) === 0.02, WAIT);
    await isHad([one, other], 0.5);
    await driver.stop(other.id);
    await isHad([one], 0.8);
    await driver.stop(one.id);
    expect(await ended).toBe("it was stopped");
  });

  test("never have more than they are limited to from outside", async () => {
    const spec = specOf({ cpus: 0.8, image: SPIN });
    await driver.start(spec);
    expect(await driver.limit(spec.id, 0.3)).toBe(true);
    expect(quotaOf(spec.id)).toBeLessThanOrEqual(0.3);
    await vi.waitUntil(() => quotaOf(spec.id) === 0.02, WAIT);
    await isHad([spec], 0.3);
    await expect(driver.limit(spec.id, 0)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    await driver.stop(spec.id);
  });

  test("are no more than there is the least of for each", async () => {
    await driver.close();
    driver = new QuotaDriver({
      driver: new AgentDriver(new ProcessLauncher({ data: null, cgroups, onLog: silent })),
      cpus: 0.01,
      limitsAtOnce: true,
      onUnheld: silent,
    });
    await expect(driver.start(specOf())).rejects.toMatchObject({ code: "OVERLOADED" });
    expect(await driver.list()).toEqual([]);
  });
});
