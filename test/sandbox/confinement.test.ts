// What a sandbox host is left with: read off the process itself, on every side. What guest code makes of it is in
// escapes.test.ts; a program that tries the doors from inside is in test/fixtures/native.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { infoOf } from "#compute/node/redis-info.ts";
import { BUILD_DIRECTORY } from "#runtime/sandbox/native-supervisor.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { Confinement } from "#runtime/sandbox/supervisor.ts";
import { readInfo } from "#test/module-info.ts";
import { startRedisServer } from "../redis-server.ts";
import { bundleOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** Hosts that do not come up are tried again ever more slowly. */
const PATIENCE = { timeout: 60_000 };

describe.each(SIDE_NAMES)("a sandbox host on %s", (name) => {
  let side: TestSide;
  let pid: number;
  beforeAll(async () => {
    side = await startSide(name);
    const { result } = await side.deploy(
      bundleOf(() => new Date(0).getTimezoneOffset() + new Intl.NumberFormat("de").format(1)),
    );
    await result(); // what V8 loads late has been asked for
    pid = (await side.hostPids())[0]!;
  });
  afterAll(() => side.close());

  const status = (field: string): string =>
    new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";

  it("has no capability, gains none, and is under two filters for system calls on every thread", () => {
    expect(status("CapEff")).toMatch(/^0+$/);
    expect(status("NoNewPrivs")).toBe("1");
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
      expect(text).toMatch(/^Seccomp:\s*2$/m);
      expect(text).toMatch(/^Seccomp_filters:\s*[2-9]$/m);
    }
  });

  it("is the first to go when memory runs out", () => {
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim()).toBe("1000");
  });

  it("gives way to Redis on every thread where it runs beside it, and to no node", () => {
    const expected = name === "storage" ? Math.min(19, getPriority() + 5) : getPriority();
    const threads = readdirSync(`/proc/${pid}/task`);
    expect(threads.map((thread) => getPriority(Number(thread)))).toEqual(threads.map(() => expected));
  });

  it("holds no descriptor but its memory, its bells and its connections", () => {
    const held = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const allowed = /^(\/memfd:locus-host \(deleted\)|anon_inode:\[(eventfd|eventpoll)\]|pipe:\[\d+\]|\/dev\/null)$/;
    const sockets = held.filter((target) => target.startsWith("socket:"));
    expect(held.filter((target) => !allowed.test(target) && !target.startsWith("socket:"))).toEqual([]);
    // Two connections and the socket over which they came; on rings, none.
    expect(sockets).toHaveLength(name === "socket" ? 3 : 0);
  });

  it("knows nothing of its supervisor's environment", () => {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
    expect(environment.toSorted()).toEqual(["LANG=C.UTF-8", "TZ=UTC"]);
  });

  it.runIf(process.getuid?.() === 0)("is nobody, in a network of its own, when root may arrange that", () => {
    const network = (process: number | string): string => readlinkSync(`/proc/${process}/ns/net`);
    expect(network(pid)).not.toBe(network("self"));
    expect(status("Uid").split(/\s+/)[1]).toBe("65534");
    expect(status("CapBnd")).toMatch(/^0+$/);
  });
});

describe("the doors of a sandbox host", () => {
  const folder = mkdtempSync(join(tmpdir(), "locus-doors-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are shut, tried from inside by native code", () => {
    const program = join(folder, "doors");
    const sources = [join(ROOT, "test/fixtures/native/doors.cc"), join(ROOT, "runtime/native/confinement.cc")];
    execFileSync("g++", [
      "-std=c++20",
      "-O1",
      `-I${join(ROOT, "runtime/native")}`,
      ...sources,
      "-o",
      program,
      "-lseccomp",
      "-pthread",
    ]);
    const report = JSON.parse(execFileSync(program, { encoding: "utf8" })) as Record<string, string>;
    const open = Object.entries(report).filter(([, verdict]) => verdict !== "shut");
    expect(open).toEqual([]);
    expect(Object.keys(report).length).toBeGreaterThan(25);
  });

  it("can be required of the module's hosts, or left open to see what they cost", async () => {
    for (const [confinement, parts] of [
      ["required", ["oom", "capabilities", "calls", "threads"]],
      ["off", ["oom"]],
    ] as const) {
      const server = await startRedisServer({ moduleArguments: ["confinement", confinement] });
      try {
        const client = server.client();
        await client.call(
          "LOCUS.FUNCTION",
          "LOAD",
          bundleOf(() => "runs"),
        );
        const about = (await readInfo(client)).get("host0_about");
        const { confinement: holds } = JSON.parse(about ?? "{}") as { confinement: string[] };
        expect(holds).toEqual(expect.arrayContaining([...parts]));
        expect(holds.includes("threads")).toBe(confinement === "required");
      } finally {
        await server.close();
      }
    }
  });

  it("can be told how far they give way to Redis", async () => {
    const server = await startRedisServer({ moduleArguments: ["host-nice", "3"] });
    try {
      const client = server.client();
      const pid = await vi.waitUntil(async () => {
        const host = (await readInfo(client)).get("host0") ?? "";
        return host.includes("state=ready") ? Number(/pid=(\d+)/.exec(host)?.[1]) : null;
      }, PATIENCE);
      expect(getPriority(pid)).toBe(Math.min(19, getPriority() + 3));
    } finally {
      await server.close();
    }
  });

  it("can be required of a node's hosts", async () => {
    const supervisor = await startSupervisor({
      channel: { send: () => Promise.resolve(new Uint8Array()) },
      isolatesMax: 1,
      queueLengthMax: 1,
      confinement: "required",
      onLog: () => {},
    });
    await supervisor.ready();
    expect(supervisor.state().hosts[0]?.confinement).toEqual(
      expect.arrayContaining(["oom", "capabilities", "calls", "threads"]),
    );
    await supervisor.close(0);
  });
});

/** What makes another user of root; of anybody else there is nothing to make. */
const UNPRIVILEGED =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] : [];

/** Why whoever is not root can have no namespaces here; null where they can. */
function namespaceObstacle(): string | null {
  const unshare = ["unshare", "--user", "--map-current-user", "--net", "--ipc", "--uts", "true"];
  const [program = "", ...argv] = [...UNPRIVILEGED, ...unshare];
  const { status, stderr, error } = spawnSync(program, argv, { encoding: "utf8" });
  if (status === 0) return null;
  return error === undefined ? stderr.trim() : error.message;
}

const obstacle = namespaceObstacle();
describe.skipIf(obstacle !== null)(
  `a sandbox host whose supervisor is not root${obstacle === null ? "" : ` (skipped: ${obstacle})`}`,
  () => {
    it("is in a network of its own, by a namespace of users, and has no capability there", async () => {
      const folder = mkdtempSync(join(tmpdir(), "locus-unprivileged-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      const launcherPath = join(folder, "launcher");
      const command = [...UNPRIVILEGED, join(BUILD_DIRECTORY, "launcher")].join(" ");
      writeFileSync(launcherPath, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
      const supervisor = await startSupervisor({
        channel: { send: () => Promise.resolve(new Uint8Array()) },
        isolatesMax: 1,
        queueLengthMax: 1,
        confinement: "required",
        launcherPath,
        onLog: () => {},
      });
      onTestFinished(() => supervisor.close(0));
      await supervisor.ready();
      const [host] = supervisor.state().hosts;
      // Without `user`: nobody is whom it belongs to already.
      expect(host?.confinement).toEqual(["oom", "network", "ipc", "capabilities", "calls", "threads"]);
      for (const space of ["net", "ipc", "uts", "user"]) {
        expect(readlinkSync(`/proc/${host?.pid}/ns/${space}`)).not.toBe(readlinkSync(`/proc/self/ns/${space}`));
      }
      const status = readFileSync(`/proc/${host?.pid}/status`, "utf8");
      expect(status).toMatch(/^CapEff:\s*0+$/m);
      expect(status).toMatch(/^CapBnd:\s*0+$/m);
      expect(status).not.toMatch(/^Uid:\s*0/m);
    });
  },
);

describe("a sandbox host that the launcher could not confine", () => {
  let folder: string;
  let launcher: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "locus-launcher-"));
    launcher = join(folder, "launcher");
    // As on a machine without filters for system calls: whatever it is told, it goes on without them.
    const script = `#!/bin/sh
parent=$2 descriptors=$4
shift 6
exec ${join(BUILD_DIRECTORY, "launcher")} --parent "$parent" --descriptors "$descriptors" --confine off "$@"
`;
    writeFileSync(launcher, script, { mode: 0o755 });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const WHY = "sandbox host: not confined by calls and threads";
  const OPEN = '"confinement":["oom"]';

  describe("beside the data", () => {
    /** What LOAD, LOCUS.INFO and the log say. */
    const attempt = async (confinement: string) => {
      const server = await startRedisServer({ moduleArguments: ["confinement", confinement, "launcher", launcher] });
      onTestFinished(() => server.close());
      const client = server.client();
      const bundle = bundleOf(() => "runs");
      const loaded = await client.call("LOCUS.FUNCTION", "LOAD", bundle).then(String, String);
      return { client, loaded, info: infoOf(String(await client.call("LOCUS.INFO"))), log: server.log() };
    };

    it("does not come up where that is required", async () => {
      const { loaded, info, log } = await attempt("required");
      expect(loaded).toContain("SIDEUNAVAILABLE no sandbox host came up");
      expect(info.get("host0")).not.toContain("state=ready");
      expect(Number(info.get("host_deaths"))).toBeGreaterThan(1);
      expect(log).toContain(WHY);
    });

    it("runs where it is not", async () => {
      const { client, loaded, info, log } = await attempt("on");
      expect(await client.call("LOCUS.CALL", loaded.split(",")[0] ?? "", "0")).toBe('"runs"');
      expect(info.get("host0_about")).toContain(OPEN);
      expect(log).toContain(WHY);
    });
  });

  describe("in a node", () => {
    const start = async (confinement: Confinement) => {
      const lines: string[] = [];
      const supervisor = await startSupervisor({
        channel: { send: () => Promise.resolve(new Uint8Array()) },
        isolatesMax: 1,
        queueLengthMax: 1,
        confinement,
        launcherPath: launcher,
        onLog: ({ text }) => void lines.push(text),
      });
      onTestFinished(() => supervisor.close(0));
      return { supervisor, lines };
    };

    it("does not come up where that is required", async () => {
      const { supervisor, lines } = await start("required");
      await expect.poll(() => supervisor.state().deaths, PATIENCE).toBeGreaterThan(1);
      expect(supervisor.state().hosts.map(({ state }) => state)).not.toContain("ready");
      expect(lines).toContainEqual(expect.stringContaining(WHY));
    });

    it("runs where it is not", async () => {
      const { supervisor, lines } = await start("on");
      await supervisor.ready();
      expect(supervisor.state().hosts[0]?.confinement).toEqual(["oom"]);
      await expect.poll(() => lines, PATIENCE).toContainEqual(expect.stringContaining(WHY));
    });
  });
});
