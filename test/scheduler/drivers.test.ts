// The drivers that need nothing but this machine: isolates in a real sandbox host, and processes.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { bundleFunction } from "#runtime/function/bundle.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { LocusError } from "#runtime/errors.ts";
import type { FunctionImage, FunctionState, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import type { Driver, InstanceSpec } from "#scheduler/driver/driver.ts";
import { IsolateDriver, type NodeCpu } from "#scheduler/driver/isolate-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { CERTIFIED_NAME, makeCertificate, tlsObstacle } from "../certificate.ts";
import { freePort } from "../free-port.ts";
import { startRedisServer } from "../redis-server.ts";
import { specOf, testAgentDriver, testDriver } from "./driver-contract.ts";
import { callOf, codeOf, imageOf, imageOfBundle } from "./driver-fixture.ts";

const MIB = 2 ** 20;
const ISOLATES = 16;
/** For as many isolates as there may be, and more. */
const PLENTY: NodeCpu = { cores: 2 * ISOLATES, cpuUs: () => 0, idleUs: () => 0 };
const SLEEP = imageOf(
  ({ args }: { readonly args: number }) => new Promise((resolve) => setTimeout(() => resolve(args), args)),
);
const CGROUP_ROOT = "/sys/fs/cgroup";
const silent = () => {};

describe("isolates in a sandbox host", () => {
  let supervisor: Supervisor;
  let driver: Driver;
  beforeAll(async () => {
    supervisor = await startSupervisor({
      channel: new MemoryChannel(),
      isolatesMax: ISOLATES,
      queueLengthMax: 100,
      onLog: silent,
    });
    driver = new IsolateDriver(supervisor, PLENTY);
  });
  afterAll(async () => {
    await driver.close();
    await supervisor.close(0);
  });

  testDriver(() => driver);

  const stateOf = ({ image }: InstanceSpec): FunctionState | undefined =>
    supervisor.state().functions.find(({ version }) => version === image.description.version);
  const isolatesOf = (spec: InstanceSpec): number => stateOf(spec)?.isolates ?? 0;
  const hostOf = () => supervisor.state().hosts[0] ?? { pid: 0 };
  const useOf = async ({ id }: InstanceSpec) => (await driver.list()).find((one) => one.id === id)?.use;
  /** A version of its own. */
  const fresh = (fields: Partial<InstanceSpec> = {}): InstanceSpec => specOf({ image: imageOf(() => 1), ...fields });

  test("have their isolates before their first calls, as many as there are instances; the last one stays when they are stopped", async () => {
    const one = fresh();
    const two = specOf({ image: one.image });
    await driver.start(one);
    expect(isolatesOf(one)).toBe(1);
    expect((await driver.invoke(one.id, callOf())).usage.startUs).toBe(0);
    await driver.start(two);
    expect(isolatesOf(one)).toBe(2);
    await driver.stop(one.id);
    await vi.waitUntil(() => isolatesOf(two) === 1);
    await driver.stop(two.id);
    await vi.waitUntil(() => stateOf(two)?.min === 0);
    expect(isolatesOf(two)).toBe(1);
  });

  test("have no more isolates than all their CPUs, rounded up, which may change", async () => {
    const specs = Array.from({ length: 3 }, () => specOf({ image: SLEEP, cpus: 0.5, concurrency: 8 }));
    const [first = specOf()] = specs;
    for (const spec of specs) await driver.start(spec);
    expect(isolatesOf(first)).toBe(2);
    const calls = specs.flatMap(({ id }) => Array.from({ length: 8 }, () => driver.invoke(id, callOf(50))));
    expect(isolatesOf(first)).toBe(2);
    expect((await Promise.all(calls)).map(codeOf)).toEqual(calls.map(() => "ok 50"));
    for (const { id } of specs) expect(await driver.limit(id, 0.2)).toBe(true);
    await vi.waitUntil(() => isolatesOf(first) === 1);
    for (const { id } of specs) await driver.limit(id, 1);
    await vi.waitUntil(() => isolatesOf(first) === 3);
    for (const { id } of specs) await driver.stop(id);
  });

  test("have their isolates again when their host has died", async () => {
    const spec = fresh();
    await driver.start(spec);
    const { pid } = hostOf();
    expect(pid).toBeGreaterThan(0); // and never 0, which would be this process' own group
    process.kill(pid, "SIGKILL");
    await vi.waitUntil(() => hostOf().pid !== pid && isolatesOf(spec) === 1);
    expect((await driver.invoke(spec.id, callOf())).usage.startUs).toBe(0);
    await driver.stop(spec.id);
  });

  test.each([
    ["in the heap", "globalThis.held = Array.from({ length: 20 }, () => new Array(2 ** 17).fill(1.5));"],
    ["in buffers", "globalThis.held = Array.from({ length: 20 }, () => new Uint8Array(2 ** 20).fill(1));"],
  ])("tell what a function holds between calls %s", async (_title, before) => {
    const small = fresh();
    const large = fresh({ image: imageOf(() => 1, { before }) });
    for (const spec of [small, large]) {
      await driver.start(spec);
      await driver.invoke(spec.id, callOf());
    }
    await vi.waitUntil(async () => ((await useOf(large))?.memoryBytes ?? 0) > 20 * MIB);
    expect((await useOf(large))?.memoryBytes).toBeLessThan(64 * MIB);
    expect((await useOf(small))?.memoryBytes).toBeLessThan(20 * MIB);
    for (const { id } of [small, large]) await driver.stop(id);
  });

  test("share what their version has used by their calls", async () => {
    const [busy, quiet] = [fresh({ image: SLEEP }), fresh({ image: SLEEP })];
    for (const spec of [busy, quiet]) await driver.start(spec);
    for (let i = 0; i < 3; i++) await driver.invoke(busy.id, callOf(1));
    const used = stateOf(busy)?.cpuUs ?? 0;
    expect(used).toBeGreaterThan(0);
    const [busyUs = 0, quietUs = 0] = (await driver.list()).map(({ use }) => use?.cpuUs);
    expect([busyUs, quietUs]).toEqual([used, 0]);
    await driver.invoke(quiet.id, callOf(1));
    expect((await useOf(quiet))?.cpuUs).toBeGreaterThan(0);
    expect((await useOf(busy))?.cpuUs).toBe(busyUs);
    for (const { id } of [busy, quiet]) await driver.stop(id);
  });

  test("are refused where there is no room for one more", async () => {
    const specs = Array.from({ length: ISOLATES + 1 }, () => specOf({ image: SLEEP }));
    const starts = await Promise.allSettled(specs.map((spec) => driver.start(spec)));
    const refused = starts.flatMap((start) => (start.status === "rejected" ? [(start.reason as LocusError).code] : []));
    expect(refused).toEqual(["OVERLOADED"]);
    expect(isolatesOf(specOf({ image: SLEEP }))).toBe(ISOLATES);
    // Another function's is started nevertheless.
    const other = fresh();
    await driver.start(other);
    expect(codeOf(await driver.invoke(other.id, callOf()))).toBe("ok 1");
    await driver.close();
  });

  test("are closed with one word for all of a version, and asked about without a look at the others", async () => {
    const bystander = fresh();
    await driver.start(bystander);
    const told: string[] = [];
    const keep: Supervisor["keep"] = (image, bounds) => {
      told.push(`${image.description.version} ${bounds.min}`);
      return supervisor.keep(image, bounds);
    };
    const own = new IsolateDriver(
      {
        invoke: (invocation, signal) => supervisor.invoke(invocation, signal),
        functionState: (image) => supervisor.functionState(image),
        keep,
      },
      PLENTY,
    );
    const [one, other] = [fresh(), fresh({ image: SLEEP })];
    const specs = [one, other].flatMap(({ image }) =>
      Array.from({ length: 64 }, () => specOf({ image, cpus: 1 / 64 })),
    );
    const started = await Promise.all(specs.map((spec) => own.start(spec)));
    const call = own.invoke(specs.at(-1)!.id, callOf(10_000));
    expect([one, other].map(isolatesOf)).toEqual([1, 1]);
    told.length = 0;
    await own.close();
    expect(told).toEqual([one, other].map(({ image }) => `${image.description.version} 0`));
    expect(await Promise.all(started.map(({ ended }) => ended))).toEqual(specs.map(() => "it was stopped"));
    expect(codeOf(await call)).toBe("SANDBOX_DIED");
    expect(await own.list()).toEqual([]);
    await vi.waitUntil(() => [one, other].every((spec) => (supervisor.functionState(spec.image)?.min ?? 0) === 0));
    expect(supervisor.functionState(bystander.image)).toMatchObject({ isolates: 1, min: 1 });
    await driver.stop(bystander.id);
  });

  test("can be made no larger than their function's own limit", async () => {
    const spec = fresh();
    await driver.start(spec);
    const limitBytes = spec.image.description.limits.memoryMb * MIB;
    expect(await driver.resize(spec.id, limitBytes)).toBe(true);
    expect(await driver.resize(spec.id, limitBytes - 1)).toBe(false);
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

  test("have of a line that they never end as much in the log as a line may have", async () => {
    const spec = specOf({ image: imageOf(() => void process.stderr.write("y".repeat(100_000))) });
    await driver.start(spec);
    await driver.invoke(spec.id, callOf());
    await vi.waitUntil(() => lines.includes("y".repeat(4_096)));
    await driver.stop(spec.id);
    expect(lines.filter((line) => line.startsWith("y"))).toHaveLength(1);
  });

  test("have ended though something that they have started holds their output open", async () => {
    const image = imageOf(() => {
      const { spawn: start } = process.getBuiltinModule("node:child_process");
      const { writeSync } = process.getBuiltinModule("node:fs");
      const { pid } = start("/bin/sleep", ["600"], { detached: true, stdio: "inherit" });
      writeSync(2, `left ${pid}\n`);
      process.exit(0);
    });
    const spec = specOf({ image });
    const { ended } = await driver.start(spec);
    expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("SANDBOX_DIED");
    await ended;
    const [left = ""] = lines.filter((line) => line.startsWith("left "));
    process.kill(Number(left.slice(5)), "SIGKILL");
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

  test("are refused with the folder that they cannot start in", async () => {
    vi.stubEnv("TMPDIR", "/nowhere");
    onTestFinished(() => void vi.unstubAllEnvs());
    const starting = driver.start(specOf());
    await expect(starting).rejects.toMatchObject({
      code: "INSTANCE_FAILED",
      message: expect.stringContaining("its process cannot be started in /nowhere: "),
    });
  });

  test("end with their owner, even those that never yield, and what they have started", async () => {
    const folder = mkdtempSync(join(tmpdir(), "locus-owner-"));
    const pids = join(folder, "pids");
    const owner = spawn(process.execPath, [join(import.meta.dirname, "main-driver-owner.ts"), pids], {
      stdio: "inherit",
    });
    await vi.waitUntil(() => existsSync(pids) && readFileSync(pids, "utf8").split("\n").length === 2, {
      timeout: 60_000,
    });
    const [instance, child] = readFileSync(pids, "utf8").split("\n").map(Number);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const ended = () => [instance, child].every((pid) => hasEnded(pid ?? 0));
    expect(await vi.waitUntil(ended)).toBe(true);
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
      // SELECT is refused before it is sent. The second round reads, and nothing else.
      const findable = { findableOperations: 2, findableRounds: 1, foundOperations: 0, foundRounds: 0 };
      expect(outcome.usage).toMatchObject({ operations: 3, rounds: 2, ...findable });
      await server.close();
      expect(codeOf(await driver.invoke(spec.id, callOf()))).toBe("REDIS_UNAVAILABLE");
    } finally {
      await driver.close();
      await server.close();
    }
  });
});

const PACKAGE = "// A comment.\nexports.deep = (value) => {\n  return value.gone.gone;\n};\n";
const FAILING = `import { defineFunction, type Invocation } from "locus/function";
import { deep } from "strict";
type Way = "package" | "reply" | "all" | "refused" | "throw" | "text" | "object" | "missing" | "long" | "no stack";
async function increment({ redis }: Invocation<Way>): Promise<number> {
  return await redis.incr("a set");
}
const fail = (way: string): never => {
  throw new TypeError(\`failed by \${way}\`);
};
export default defineFunction({
  name: "failing",
  async run(invocation: Invocation<Way>) {
    const { args, redis } = invocation;
    if (args === "reply") return await increment(invocation);
    if (args === "all") return await Promise.all([redis.get("none"), increment(invocation)]);
    if (args === "refused") return await redis.call("SELECT", "1");
    if (args === "text") throw "no error";
    if (args === "object") throw { why: "ünïcode" };
    if (args === "missing") return (null as unknown as { a: number }).a;
    if (args === "package") return deep({});
    if (args === "long") throw new Error("x".repeat(5e6));
    if (args === "no stack") throw Object.defineProperty(new Error("odd"), "stack", { get: () => fail("throw") });
    return fail(args);
  },
});
`;

describe("of what a function fails with, and what its operations have come to, processes", () => {
  const data = { host: "", port: 0, database: 0, connections: 1 };
  const opened = new AsyncDisposableStack();
  let drivers: Readonly<Record<"isolate" | "process", Driver>>;
  let image: FunctionImage;
  beforeAll(async () => {
    const server = await startRedisServer({ moduleArguments: null });
    opened.defer(() => server.close());
    await server.client().sadd("a set", "x");
    const folder = mkdtempSync(join(tmpdir(), "locus-failing-"));
    opened.defer(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "failing.ts"), FAILING);
    mkdirSync(join(folder, "node_modules/strict"), { recursive: true });
    writeFileSync(join(folder, "node_modules/strict/index.js"), PACKAGE);
    image = imageOfBundle(Buffer.from(await bundleFunction(join(folder, "failing.ts"))).toString());
    const source = { ...data, path: server.path };
    const supervisor = await startSupervisor({ dataSource: source, isolatesMax: 4, queueLengthMax: 10, onLog: silent });
    opened.defer(() => supervisor.close(0));
    await supervisor.ready();
    const isolate = new IsolateDriver(supervisor, PLENTY);
    const process = new AgentDriver(new ProcessLauncher({ data: source, cgroups: null, onLog: silent }));
    drivers = { isolate, process };
    for (const driver of [isolate, process]) opened.defer(() => driver.close());
  });
  afterAll(() => opened.disposeAsync());

  test.each(["reply", "all", "refused", "throw", "text", "object", "missing", "package"])(
    "say the same as isolates: %s",
    async (way) => {
      const told = async (driver: Driver) => {
        const spec = specOf({ image });
        await driver.start(spec);
        const outcome = await driver.invoke(spec.id, callOf(way));
        await driver.stop(spec.id);
        const { operations, rounds, bytesOut, bytesIn } = outcome.usage;
        return { error: outcome.ok ? null : outcome.error, operations, rounds, bytesOut, bytesIn };
      };
      const said = await told(drivers.process);
      expect(said).toEqual(await told(drivers.isolate));
      expect(said.error?.code).toMatch(/^(FUNCTION_FAILED|COMMAND_REFUSED)$/);
    },
  );

  test.each(["long", "no stack"])("stay, whatever is thrown, and say no more than isolates may: %s", async (way) => {
    const spec = specOf({ image });
    await drivers.process.start(spec);
    for (let time = 0; time < 2; time++) {
      const outcome = await drivers.process.invoke(spec.id, callOf(way));
      const error = outcome.ok ? null : outcome.error;
      expect(error).toMatchObject({ code: "FUNCTION_FAILED" });
      expect(error!.message.length + error!.stack.length).toBeLessThanOrEqual(2 * 16 * 1024);
    }
    await drivers.process.stop(spec.id);
  });

  test("stay, and show the bundle's own lines, where its map cannot be read", async () => {
    const bundle = Buffer.from(image.bundle).toString();
    const map = bundle.lastIndexOf("base64,") + "base64,".length;
    const unread = [Buffer.from("{").toString("base64"), Buffer.from('{"version":3,"sections":1}').toString("base64")];
    for (const broken of unread) {
      const spec = specOf({ image: imageOfBundle(bundle.slice(0, map) + broken) });
      await drivers.process.start(spec);
      for (let time = 0; time < 2; time++) {
        const outcome = await drivers.process.invoke(spec.id, callOf("throw"));
        expect(outcome).toMatchObject({ ok: false, error: { code: "FUNCTION_FAILED" } });
        expect(outcome.ok ? "" : outcome.error.stack).toMatch(/<function>:\d+:\d+/);
      }
      await drivers.process.stop(spec.id);
    }
  });
});

describe("processes with Redis over TLS", () => {
  test("run as the user that they are told, and trust nobody else's certificate", async ({ skip }) => {
    const obstacle = tlsObstacle();
    skip(obstacle !== null, obstacle ?? "");
    const folder = mkdtempSync(join(tmpdir(), "locus-tls-"));
    const { certificateFile, redisConfig } = makeCertificate(folder);
    const port = await freePort();
    const server = await startRedisServer({ moduleArguments: null, config: redisConfig(port) });
    await server.client().call("ACL", "SETUSER", "guest", "on", ">pass", "+get", "~ours");
    const image = imageOf(async ({ redis }) =>
      Promise.all(["ours", "others"].map((key) => redis.get(key).catch((error: Error) => error.message.split(" ")[0]))),
    );
    const cameTo = async (tls: { readonly serverName: string; readonly authorities: string }): Promise<string> => {
      const data = { host: "127.0.0.1", port, database: 0, username: "guest", password: "pass", tls };
      const driver = new AgentDriver(new ProcessLauncher({ data, cgroups: null, onLog: silent }));
      const spec = specOf({ image });
      try {
        await driver.start(spec);
        return codeOf(await driver.invoke(spec.id, callOf()));
      } finally {
        await driver.close();
      }
    };
    try {
      await server.client().mset("ours", "1", "others", "2");
      const authorities = readFileSync(certificateFile, "utf8");
      for (const serverName of [CERTIFIED_NAME, "127.0.0.1"]) {
        expect(await cameTo({ serverName, authorities })).toBe('ok ["1","NOPERM"]');
      }
      const untrusted = [
        { serverName: "other.example", authorities },
        { serverName: "127.0.0.2", authorities },
        { serverName: CERTIFIED_NAME, authorities: "" },
      ];
      // "could not connect …"
      for (const tls of untrusted) expect(await cameTo(tls)).toBe('ok ["could","could"]');
    } finally {
      await server.close();
      rmSync(folder, { recursive: true });
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
    expect(await CgroupFolder.foldersOf(root, "locus")).toEqual([join(root, "locus")]);
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

  test("are made where two controllers are one folder by two names", async () => {
    const root = mkdtempSync(join(tmpdir(), "locus-cgroup-"));
    for (const folder of ["cpu,cpuacct", "memory"]) mkdirSync(join(root, folder));
    for (const name of ["cpu", "cpuacct"]) symlinkSync("cpu,cpuacct", join(root, name));
    const cgroups = await CgroupFolder.open(root, "locus");
    await cgroups?.group("i1", 4_711, { cpus: 0.5, memoryBytes: 128 * MIB });
    const folders = ["cpu", "cpuacct", "memory"].map((controller) => join(root, controller, "locus"));
    expect(await CgroupFolder.foldersOf(root, "locus")).toEqual(folders);
    expect(readFileSync(join(root, "cpu", "locus", "i1", "cpu.cfs_quota_us"), "utf8")).toBe("50000");
    rmSync(root, { recursive: true });
  });

  test("that are being made are not lost to others who tidy the same folder", async () => {
    const root = mkdtempSync(join(tmpdir(), "locus-cgroup-"));
    writeFileSync(join(root, "cgroup.controllers"), "cpu memory\n");
    const cgroups = await CgroupFolder.open(root, "locus");
    const over = new AbortController();
    const tidying = (async () => {
      while (!over.signal.aborted) await cgroups?.removeEmpty();
    })();
    const ids = Array.from({ length: 100 }, (_, index) => `i${index}`);
    for (const id of ids) await cgroups?.group(id, 4_711, { cpus: 1, memoryBytes: 128 * MIB });
    over.abort();
    await tidying;
    // What has a process the kernel removes for nobody; here it is what has a file.
    expect(readdirSync(join(root, "locus")).filter((entry) => entry.startsWith("i"))).toHaveLength(ids.length);
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
