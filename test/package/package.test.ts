// The package, installed in an empty project: its programs, its types, a function under test and on its way to both sides.

import { cpSync, globSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layOutPackage } from "../../deploy/package-tree.ts";
import { mistakesOfBill } from "../bill-of-materials.ts";
import { CHECKED_WELL, checkAsInEditor } from "../documents/editor.ts";
import { followFirstTest } from "../documents/first-test.ts";
import { type RedisServer, startRedisServer } from "../redis-server.ts";
import { type InstalledPackage, installPackage } from "./installed-package.ts";

const REPOSITORY = join(import.meta.dirname, "..", "..");
/** A build, unless there is one, and an installation. */
const SETUP_TIMEOUT_MS = 300_000;
const FUNCTION = `import { defineFunction, type Invocation } from "locus/function";

export default defineFunction({
  name: "visits",
  run: ({ redis, args }: Invocation<{ readonly page: string }>) => redis.incr(\`visits:\${args.page}\`),
});
`;
const TRIAL = `import { openTestSandbox } from "locus/testing";
import type visits from "./visits.ts";

const trial = async (): Promise<void> => {
  await using sandbox = await openTestSandbox();
  const { call } = await sandbox.load<typeof visits>("visits.ts");
  const counts: readonly number[] = [await call({ page: "home" }), await call({ page: "home" })];
  if (counts.join() !== "1,2" || (await sandbox.redis.get("visits:home")) !== "2") throw new Error(counts.join());
};
void trial();
`;
const CONSUMER = {
  compilerOptions: {
    module: "nodenext",
    target: "esnext",
    lib: ["esnext"],
    strict: true,
    noEmit: true,
    types: [],
    allowImportingTsExtensions: true,
  },
  files: ["visits.ts", "visits.test.ts"],
};

let installed: InstalledPackage;
let redis: RedisServer;

beforeAll(async () => {
  installed = installPackage();
  writeFileSync(join(installed.project, "visits.ts"), FUNCTION);
  writeFileSync(join(installed.project, "visits.test.ts"), TRIAL);
  redis = await startRedisServer({
    moduleArguments: null,
    config: [["loadmodule", join(installed.folder, "build", "locus.so")]],
  });
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  await installed.close();
  await redis.close();
});

describe("an installed package", () => {
  it("adds the command locus to a project, and neither node nor the programs that measure", () => {
    const programs = readdirSync(join(installed.project, "node_modules", ".bin"));
    expect(programs).toContain("locus");
    expect(programs.filter((name) => ["node", "batch", "redisclient"].includes(name))).toEqual([]);
    expect(installed.run("locus", ["--help"])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("Usage: locus"),
    });
  });

  it("holds no TypeScript but types, and no file of a test", () => {
    const files = globSync("**/*.{ts,js}", { cwd: installed.folder });
    expect(files).toContain("compute/cli/main-locus.js");
    expect(files.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))).toEqual([]);
    expect(files.filter((file) => /\.test\.|fixture/.test(file))).toEqual([]);
  });

  it("is laid out the same where it was laid out before", () => {
    const folder = join(installed.project, "laid-out");
    // But for what Node has compiled, where it has run.
    const filesIn = (cwd: string): readonly string[] =>
      globSync("**/*.*", { cwd, exclude: ["build/compile-cache/**"] }).toSorted();
    const layOut = (): readonly string[] => {
      layOutPackage(folder);
      return filesIn(folder);
    };
    const first = layOut();
    expect(first).toContain("build/locus.so");
    expect(first).toEqual(filesIn(installed.folder));
    expect(layOut()).toEqual(first);
  }, 300_000);

  it("keeps the lines of its sources, for stacks", () => {
    const lines = (file: string): number => readFileSync(file, "utf8").split("\n").length;
    const [packed, source] = [join(installed.folder, "runtime/errors.js"), join(REPOSITORY, "runtime/errors.ts")];
    expect(lines(packed)).toBe(lines(source));
  });

  it("has types for an author, checked strictly", () => {
    writeFileSync(join(installed.project, "tsconfig.json"), JSON.stringify(CONSUMER));
    const compiler = join(REPOSITORY, "node_modules", ".bin", "tsc");
    const { status, stdout } = spawnSync(compiler, ["-p", installed.project], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });

  it("runs a function of the project's in a test of the project's, which ends", () => {
    const { status, stdout, stderr } = installed.run(join(installed.folder, "node_modules", ".bin", "node"), [
      "--test",
      "visits.test.ts",
    ]);
    expect(stdout + stderr).toMatch(/pass 1\b[^]*fail 0\b/);
    expect(status).toBe(0);
  });

  it("runs the first test of docs/testing.md, in a new project, by the page's commands, and checks its types as docs/functions.md has it", () => {
    const { status, printed } = followFirstTest(join(installed.project, "new"), installed.tarball);
    expect(printed).toMatch(/pass 2\b[^]*fail 0\b/);
    expect(status).toBe(0);
    const { withNode, ...checked } = checkAsInEditor(join(installed.project, "new"), ["@types/node"]);
    expect(checked).toEqual(CHECKED_WELL);
    expect(withNode.stdout).toMatch(/^wrong\.ts\(1,23\): error TS\d+: Cannot find name 'process'.*\n$/);
  }, 300_000);

  it("deploys a function of the project's and a sample, and runs them on both sides", async () => {
    const settings = { LOCUS_REDIS_PATH: redis.path };
    const url = await installed.startNode(settings);
    const locus = (...argv: string[]) => installed.run("locus", ["--url", url, ...argv], settings);
    const deployed = locus("deploy", "visits.ts", join(installed.folder, "functions", "khop.js"));
    expect(deployed).toMatchObject({
      stderr: "",
      stdout: expect.stringMatching(/^deployed visits .*\ndeployed khop /),
    });
    for (const [calls, side] of ["compute", "storage"].entries()) {
      const called = locus("call", "visits", '{"page":"home"}', "--side", side);
      expect(called).toMatchObject({ stdout: `${calls + 1}\n`, stderr: expect.stringContaining(`at ${side}`) });
    }
    expect(await redis.client().call("LOCUS.CALL", "visits", "0", '{"page":"home"}')).toBe("3");
  });

  it("has the program of instances that are processes", async () => {
    const settings = { LOCUS_REDIS_PATH: redis.path };
    const url = await installed.startNode({ ...settings, LOCUS_DRIVER: "process" });
    const where = `export default { kind: "locus.function", name: "where", run: () => globalThis.process?.pid ?? 0 };`;
    writeFileSync(join(installed.project, "where.js"), where);
    expect(installed.run("locus", ["--url", url, "deploy", "where.js"], settings)).toMatchObject({ status: 0 });
    const call = ["--url", url, "call", "where", "--side", "compute"];
    const ran = () => Number(installed.run("locus", call, settings).stdout);
    await expect.poll(ran, { timeout: 60_000 }).toBeGreaterThan(0);
  }, 120_000);

  it("has what instances that are containers need, but for the engine", () => {
    const redis = { LOCUS_REDIS_HOST: "redis.invalid", LOCUS_DOCKER_SOCKET: "/nowhere/docker.sock" };
    const { status, stderr } = installed.run("locus", ["node"], { ...redis, LOCUS_DRIVER: "docker" });
    expect(stderr).toContain("the container engine at /nowhere/docker.sock (LOCUS_DOCKER_SOCKET): ");
    expect(status).toBe(2);
  });

  it("lacks nothing here, as its doctor finds", () => {
    const { status, stdout } = installed.run("locus", ["doctor"], {
      LOCUS_REDIS_PATH: redis.path,
      LOCUS_HTTP_PORT: "0",
    });
    expect(stdout).toMatch(/\n0 missing, /);
    expect(status).toBe(0);
  });

  it("carries all that its native parts are made of", () => {
    const build = ["--dry-run", "--directory", installed.folder, "all"];
    const { status, stdout, stderr } = installed.run("make", [...build, "NODE_INCLUDE=/usr/include/node"]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain("-o build/locus.so");
  });

  describe("`locus build`", () => {
    let copy: string;
    beforeAll(() => {
      copy = join(installed.project, "node_modules", "another");
      cpSync(installed.folder, copy, { recursive: true });
    });

    /** With a script in place of g++, which takes minutes. */
    const build = (compiler: string) => {
      const script = join(installed.project, "compiler");
      writeFileSync(script, `#!/bin/sh\n${compiler}\n`, { mode: 0o755 });
      return installed.run("node", [join(copy, "compute/cli/main-locus.js"), "build"], { CXX: script });
    };

    it("compiles all native parts anew, although those that came along are newer than their sources", () => {
      const parts = ["launcher", "host.node", "supervisor.node", "locus.so"].map((part) => join(copy, "build", part));
      for (const part of parts) writeFileSync(part, "of another machine\n");
      const { status, stdout, stderr } = build('while [ "$1" != -o ]; do shift; done\necho "of this machine" >"$2"');
      expect(stderr).not.toContain("-std=c++20");
      expect({ status, stdout }).toEqual({ status: 0, stdout: `built ${parts.join(", ")}\n` });
      expect(parts.map((part) => readFileSync(part, "utf8"))).toEqual(parts.map(() => "of this machine\n"));
    });

    it("shows what the compiler complains of where it fails, and not its command lines", () => {
      const { status, stdout, stderr } = build('echo "ring.h: no such header" >&2\nexit 1');
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/ring\.h: no such header[^]*UNSUPPORTED_PLATFORM: make ended with exit code 2\. Needed/);
      expect(stderr).not.toContain("-std=c++20");
    });
  });
});

describe("the bill of materials", () => {
  it("names every dependency in its pinned version, and nothing that only development needs", () => {
    const manifest = JSON.parse(readFileSync(join(installed.folder, "package.json"), "utf8")) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    expect(mistakesOfBill("locus.cdx.json", manifest.dependencies)).toEqual([]);
  });
});
