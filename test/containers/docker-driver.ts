// The driver of containers, in a real engine.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { DockerLauncher, type DockerLauncherOptions } from "#scheduler/driver/docker-launcher.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { QuotaDriver } from "#scheduler/reallocation/quota-driver.ts";
import { specOf, testAgentDriver, testDriver } from "../scheduler/driver-contract.ts";
import { callOf, codeOf, imageOf } from "../scheduler/driver-fixture.ts";
import { baseImageName } from "./stand-in-image.ts";
import { useEngine } from "./use-engine.ts";

const DEFAULT_SOCKET = "/var/run/docker.sock";
const MIB = 2 ** 20;
const OWNER = `test-${process.pid}`;

let options: DockerLauncherOptions;
let launcher: DockerLauncher;
let driver: Driver;

const engine = useEngine("docker driver", {
  setUp: async () => {
    const socketPath = engine.environment["DOCKER_HOST"]?.replace(/^unix:\/\//, "") ?? DEFAULT_SOCKET;
    options = { socketPath, image: baseImageName(), owner: OWNER, network: "none", data: null, onLog: () => {} };
    launcher = await DockerLauncher.open(options);
    driver = new AgentDriver(launcher);
  },
  tearDown: async () => driver?.close(),
});
const docker = (...argv: readonly string[]): Promise<string> => engine.run("docker", ...argv);
/** Names of the containers that there are, running or not. */
const containers = async (owner: string): Promise<readonly string[]> => {
  const names = await docker("ps", "--all", "--format", "{{.Names}}", "--filter", `label=locus.owner=${owner}`);
  return names.split("\n").filter((name) => name !== "");
};

describe("containers", { timeout: 120_000 }, () => {
  testDriver(() => driver);
  testAgentDriver(() => driver);

  test("have the limits of their specs, and others when told, live", async () => {
    const spec = specOf({ cpus: 0.5 });
    await driver.start(spec);
    const limits = (): Promise<string> =>
      docker("inspect", "--format", "{{.HostConfig.CpuQuota}} {{.HostConfig.Memory}}", `locus-${OWNER}-${spec.id}`);
    expect((await limits()).trim()).toBe(`50000 ${128 * MIB}`);
    expect(await driver.limit(spec.id, 0.25)).toBe(true);
    expect(await driver.resize(spec.id, 192 * MIB)).toBe(true);
    expect((await limits()).trim()).toBe(`25000 ${192 * MIB}`);
    expect(codeOf(await driver.invoke(spec.id, callOf(1)))).toContain("ok");
    await driver.stop(spec.id);
  });

  test("have quotas that follow what they use, where nobody waits for the engine", async () => {
    const following = new QuotaDriver({
      driver: new AgentDriver(await DockerLauncher.open({ ...options, owner: `${OWNER}-quota` })),
      cpus: 1,
      limitsAtOnce: false,
      onUnheld: (id, why) => expect.fail(`${id} is not held: ${why}`),
    });
    try {
      const deadlineMs = 60_000;
      const spin = () => {
        const before = process.cpuUsage();
        for (;;) if (process.cpuUsage(before).user >= 1e6) return "spun";
      };
      const image = imageOf(spin, { limits: { deadlineMs, cpuMs: deadlineMs } });
      const spec = specOf({ cpus: 0.8, image });
      await following.start(spec);
      const quota = async (): Promise<number> => {
        const name = `locus-${OWNER}-quota-${spec.id}`;
        return Number(await docker("inspect", "--format", "{{.HostConfig.CpuQuota}}", name)) / 100_000;
      };
      expect(await quota()).toBe(0.8);
      await vi.waitUntil(async () => (await quota()) <= 0.1, { timeout: 60_000, interval: 100 });
      const call = following.invoke(spec.id, callOf(null, { deadlineMs }));
      await vi.waitUntil(async () => (await quota()) === 0.8, { timeout: 60_000, interval: 20 });
      expect(codeOf(await call)).toBe('ok "spun"');
    } finally {
      await following.close();
    }
  });

  test("are held to their memory by the kernel, outside the heap as well", async () => {
    const image = imageOf(() => {
      const eaten = [];
      for (;;) eaten.push(new Uint8Array(16 * 2 ** 20).fill(1));
    });
    const spec = specOf({ image });
    await driver.start(spec);
    const outcome = await driver.invoke(spec.id, callOf());
    expect(outcome).toMatchObject({ ok: false, error: { code: "MEMORY_LIMIT" } });
  });

  test("have no network, no rights and nothing to write to, and can be looked into", async () => {
    const spec = specOf();
    await driver.start(spec);
    const look = async (...argv: readonly string[]): Promise<string> =>
      (await launcher.exec(spec.id, argv)).output.trim();
    expect(await look("id", "-u")).toBe("65534");
    expect(await look("ls", "/sys/class/net")).toBe("lo");
    expect((await launcher.exec(spec.id, ["touch", "/file"])).exitCode).not.toBe(0);
    expect(await look("grep", "CapEff", "/proc/self/status")).toMatch(/\b0+$/);
    await driver.stop(spec.id);
    await expect(launcher.exec(spec.id, ["id"])).rejects.toMatchObject({ code: "INSTANCE_NOT_FOUND" });
  });

  test("leave nothing when they are stopped", async () => {
    const specs = [specOf(), specOf()];
    await Promise.all(specs.map((spec) => driver.start(spec)));
    expect(await containers(OWNER)).toHaveLength(2);
    await Promise.all(specs.map(({ id }) => driver.stop(id)));
    expect(await containers(OWNER)).toEqual([]);
  });

  test("of an owner that crashed end, and are removed by the next one of its name", async () => {
    const owner = `${OWNER}-crashing`;
    const program = join(import.meta.dirname, "main-docker-owner.ts");
    const crashing = spawn(process.execPath, [program, JSON.stringify({ ...options, owner })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(crashing.stdout, "data");
    const running = async (): Promise<string> =>
      (await docker("inspect", "--format", "{{.State.Running}}", ...(await containers(owner)))).trim();
    expect(await running()).toBe("true");
    crashing.kill("SIGKILL");
    await once(crashing, "exit");
    await vi.waitUntil(async () => (await running()) === "false", { interval: 200 });
    const next = new AgentDriver(await DockerLauncher.open({ ...options, owner }));
    expect(await containers(owner)).toEqual([]);
    await next.close();
  });

  test("killed by somebody else are gone", async () => {
    const spec = specOf();
    const { ended } = await driver.start(spec);
    await docker("kill", `locus-${OWNER}-${spec.id}`);
    expect(await ended).toContain("with exit code 137");
    expect(await driver.list()).toEqual([]);
    expect(await containers(OWNER)).toEqual([]);
  });

  test("of an image that is not there are refused", async () => {
    const other = new AgentDriver(
      await DockerLauncher.open({ ...options, owner: `${OWNER}-other`, image: "no-such-image:ever" }),
    );
    await expect(other.start(specOf())).rejects.toMatchObject({
      code: "INSTANCE_FAILED",
      message: expect.stringContaining("no-such-image"),
    });
    await other.close();
  });

  test("without an engine are refused", async () => {
    const opening = DockerLauncher.open({ ...options, socketPath: "/nowhere/docker.sock" });
    await expect(opening).rejects.toMatchObject({ code: "INSTANCE_FAILED" });
  });
});
