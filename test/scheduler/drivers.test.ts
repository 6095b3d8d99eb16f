// The drivers that need nothing but this machine: slots in a real sandbox host, and processes.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { Supervisor } from "#runtime/sandbox/supervisor.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { IsolateDriver } from "#scheduler/driver/isolate-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { startRedisServer } from "../redis-server.ts";
import { specOf, testAgentDriver, testDriver } from "./driver-contract.ts";
import { callOf, codeOf, imageOf } from "./driver-fixture.ts";

const MIB = 2 ** 20;
const CGROUP_ROOT = "/sys/fs/cgroup";
const silent = () => {};

describe("slots in a sandbox host", () => {
  let supervisor: Supervisor;
  let driver: Driver;
  beforeAll(async () => {
    supervisor = await startSupervisor({
      channel: new MemoryChannel(),
      isolatesMax: 16,
      queueLengthMax: 100,
      onLog: silent,
    });
    driver = new IsolateDriver(supervisor);
  });
  afterAll(async () => {
    await driver.close();
    await supervisor.close(0);
  });

  testDriver(() => driver);

  test("of functions that cannot be loaded say so when they are called", async () => {
    const spec = specOf({ image: imageOf(() => 1, { before: "throw new Error('while loading');" }) });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("FUNCTION_INVALID");
    await driver.stop(spec.id);
  });
});

describe("processes", () => {
  let driver: Driver;
  const lines: string[] = [];
  beforeAll(() => {
    driver = new AgentDriver(
      new ProcessLauncher({ data: null, cgroups: null, onLog: ({ text }) => void lines.push(text) }),
    );
  });
  afterAll(() => driver.close());

  testDriver(() => driver);
  testAgentDriver(() => driver);

  test("have nothing of their owner's environment, and their own output in the log", async () => {
    process.env["LOCUS_TEST_SECRET"] = "s3cret";
    const image = imageOf(() => {
      console.log("printed by hand");
      return process.env;
    });
    const spec = specOf({ image });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("ok {}");
    delete process.env["LOCUS_TEST_SECRET"];
    await vi.waitUntil(() => lines.includes("printed by hand"));
    await driver.stop(spec.id);
  });

  test("check args against the function's schema", async () => {
    const input = { type: "object", required: ["n"], properties: { n: { type: "number" } } };
    const spec = specOf({ image: imageOf(() => 1, { input }) });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf({ n: 1 })))).toBe("ok 1");
    expect(codeOf(await driver.invoke(spec.id, callOf({ n: "1" })))).toBe("ARGS_INVALID");
    await driver.stop(spec.id);
  });

  test("that hold memory outside the heap are ended for it", async () => {
    const image = imageOf(async () => {
      const eaten = [];
      for (let i = 0; i < 40; i++) {
        eaten.push(new Uint8Array(16 * 2 ** 20).fill(i));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return eaten.length;
    });
    const spec = specOf({ image });
    await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("MEMORY_LIMIT");
  });

  test("end with their owner, even those that never yield, and what they have started", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-owner-"));
    const pids = join(folder, "pids");
    const owner = spawn(process.execPath, [join(import.meta.dirname, "main-driver-owner.ts"), pids], {
      stdio: "inherit",
    });
    await vi.waitUntil(() => existsSync(pids) && readFileSync(pids, "utf8").split("\n").length === 2, {
      timeout: 30_000,
    });
    const [instance, child] = readFileSync(pids, "utf8").split("\n").map(Number);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const ended = () => [instance, child].every((pid) => hasEnded(pid ?? 0));
    expect(await vi.waitUntil(ended, { timeout: 10_000 })).toBe(true);
    rmSync(folder, { recursive: true });
  });
});

/** One that nobody has reaped yet counts. */
const hasEnded = (pid: number): boolean => {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
};

describe("processes with Redis", () => {
  test("run a function's operations there", async () => {
    const server = await startRedisServer({ moduleArguments: null });
    const data = { host: "", port: 0, path: server.path, database: 0, connections: 1 };
    const driver = new AgentDriver(new ProcessLauncher({ data, cgroups: null, onLog: silent }));
    try {
      const image = imageOf(async ({ redis }) => {
        await redis.set("a", "1");
        const refused = await redis.call("SELECT", "1").catch((error: Error & { code?: string }) => error.code);
        return [...(await Promise.all([redis.get("a"), redis.get("b")])), refused];
      });
      const spec = specOf({ image });
      await driver.start(spec);
      const outcome = await driver.invoke(spec.id, callOf());
      expect(codeOf(outcome)).toBe('ok ["1",null,"COMMAND_REFUSED"]');
      expect(outcome.usage).toMatchObject({ operations: 3, rounds: 2 });
      await server.close();
      expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("REDIS_UNAVAILABLE");
    } finally {
      await driver.close();
      await server.close();
    }
  });
});

describe("groups of the kernel", () => {
  const name = `locus-test-${process.pid}`;
  const removeFolders = (): void => {
    for (const controller of ["", "cpu", "cpuacct", "memory"]) {
      const folder = join(CGROUP_ROOT, controller, name);
      if (existsSync(folder)) rmdirSync(folder);
    }
  };

  test("hold a process to its CPU and memory, and are gone with it", async ({ skip }) => {
    const cgroups = await CgroupFolder.open(CGROUP_ROOT, name);
    skip(cgroups === null, "no cgroup can be made here");
    const driver = new AgentDriver(new ProcessLauncher({ data: null, cgroups, onLog: silent }));
    try {
      const image = imageOf(async ({ args }: { readonly args: string }) => {
        const { readFileSync: read } = process.getBuiltinModule("node:fs");
        const eaten = [];
        if (args === "eat") for (;;) eaten.push(new Uint8Array(2 ** 20).fill(1));
        return read("/proc/self/cgroup", "utf8");
      });
      const spec = specOf({ image, cpus: 0.5 });
      await driver.start(spec);
      expect(codeOf(await driver.invoke(spec.id, callOf("tell")))).toContain(`/${name}/${spec.id}`);
      const file = (v1: string, v2: string): string => {
        const path = existsSync(join(CGROUP_ROOT, "cgroup.controllers"))
          ? join(name, spec.id, v2)
          : v1.replace("*", join(name, spec.id));
        return readFileSync(join(CGROUP_ROOT, path), "utf8").trim();
      };
      expect(file("cpu/*/cpu.cfs_quota_us", "cpu.max")).toMatch(/^50000\b/);
      expect(file("memory/*/memory.limit_in_bytes", "memory.max")).toBe(String(128 * MIB));
      expect(await driver.limit(spec.id, 0.25)).toBe(true);
      expect(await driver.resize(spec.id, 192 * MIB)).toBe(true);
      expect(file("cpu/*/cpu.cfs_quota_us", "cpu.max")).toMatch(/^25000\b/);
      expect(file("memory/*/memory.limit_in_bytes", "memory.max")).toBe(String(192 * MIB));
      expect(codeOf(await driver.invoke(spec.id, callOf("eat")))).toBe("MEMORY_LIMIT");
      await vi.waitUntil(async () => (await driver.list()).length === 0);
    } finally {
      await driver.close();
      removeFolders();
    }
  });

  test("are asked for in the second version's words where the machine has that one", async () => {
    const root = mkdtempSync(join(tmpdir(), "locus-cgroup-"));
    writeFileSync(join(root, "cgroup.controllers"), "cpu memory\n");
    const cgroups = await CgroupFolder.open(root, "locus");
    expect(readFileSync(join(root, "locus", "cgroup.subtree_control"), "utf8")).toBe("+cpu +memory");
    const group = await cgroups?.group("i1", 4_711, { cpus: 1.5, memoryBytes: 128 * MIB });
    const read = (file: string): string => readFileSync(join(root, "locus", "i1", file), "utf8");
    expect([read("cgroup.procs"), read("cpu.max"), read("memory.max")]).toEqual([
      "4711",
      "150000 100000",
      String(128 * MIB),
    ]);
    writeFileSync(join(root, "locus", "i1", "cpu.stat"), "usage_usec 1500\nuser_usec 1000\nthrottled_usec 250\n");
    writeFileSync(join(root, "locus", "i1", "memory.events"), "oom 1\noom_kill 1\n");
    expect(await group?.cpuUse()).toEqual({ cpuUs: 1_500, throttledUs: 250 });
    expect(await group?.hasKilled()).toBe(true);
    rmSync(root, { recursive: true });
  });

  test("left without a process by an owner that crashed are removed", async ({ skip }) => {
    const cgroups = await CgroupFolder.open(CGROUP_ROOT, name);
    skip(cgroups === null, "no cgroup can be made here");
    const isUnified = existsSync(join(CGROUP_ROOT, "cgroup.controllers"));
    const folder = join(CGROUP_ROOT, isUnified ? "" : "cpu", name);
    mkdirSync(join(folder, "left"));
    expect(await CgroupFolder.open(CGROUP_ROOT, name)).not.toBeNull();
    expect(readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())).toEqual([]);
    removeFolders();
  });
});
