// A node that cannot start as it is told to: it says why, all of it at once, ends with the exit code for that, and leaves nothing.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

import { describe, expect, it, onTestFinished, vi } from "vitest";

import { freePort } from "#test/free-port.ts";
import { startRedisServer } from "#test/redis-server.ts";
import { membersOf } from "#bench/harness/processes.ts";
import { type Settings, startTool } from "#test/tool.ts";

const WRONG_SETTING = 2;
const GONE_TIMEOUT_MS = 60_000;

/** How it ended, and who of its process group was still there a while later: the group outlives the one that leads it. */
const attempt = async (settings: Settings) => {
  const all = { LOCUS_HTTP_PORT: "0", LOCUS_REDIS_PORT: "1", ...settings };
  const { child, ended } = startTool("locus", ["node"], all, { detached: true });
  const group = child.pid ?? 0;
  const left = (): readonly string[] => membersOf(group);
  onTestFinished(() => {
    if (left().length > 0) process.kill(-group, "SIGKILL");
  });
  const { status, stderr } = await ended;
  await vi.waitUntil(() => left().length === 0, { timeout: GONE_TIMEOUT_MS }).catch(() => {});
  return { errors: stderr, exitCode: status, left: left() };
};

describe("a node", () => {
  it("lists every wrong and unknown setting, and what to do", async () => {
    const { errors, exitCode } = await attempt({
      LOCUS_HTTP_PORT: "eighty",
      LOCUS_NO_SUCH: "1",
      LOCUS_CONFINEMENT: "maybe",
      LOCUS_IN_FLIGHT_MAX: "-1",
    });
    expect(exitCode).toBe(WRONG_SETTING);
    for (const name of ["LOCUS_HTTP_PORT", "LOCUS_NO_SUCH", "LOCUS_CONFINEMENT", "LOCUS_IN_FLIGHT_MAX"]) {
      expect(errors).toMatch(new RegExp(`^ *${name}: `, "m"));
    }
    expect(errors).toContain("CONFIG_INVALID");
  });

  it("names the port that something else has", async () => {
    const other = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const { errors, exitCode, left } = await attempt({ LOCUS_HTTP_PORT: String(port) });
    expect(errors).toContain(`cannot listen on 127.0.0.1 port ${port}`);
    expect(errors).toContain("EADDRINUSE");
    expect(errors).toMatch(/^Something else listens there.*LOCUS_HTTP_PORT.*0 takes a free one\.$/m);
    expect([exitCode, left]).toEqual([WRONG_SETTING, []]);
  });

  it.each([
    ["is no address of this machine", "203.0.113.1", "EADDRNOTAVAIL"],
    ["has no address", "no-such-host.invalid", /ENOTFOUND|EAI_AGAIN/],
  ])("names the host that %s", async (_title, host, reason) => {
    const { errors, exitCode, left } = await attempt({ LOCUS_HTTP_HOST: host });
    expect(errors).toContain(`cannot listen on ${host} port 0`);
    expect(errors).toMatch(reason);
    expect(errors).toMatch(/^Set LOCUS_HTTP_HOST to an address of this machine/m);
    expect([exitCode, left]).toEqual([WRONG_SETTING, []]);
  });

  it("refuses a Redis Cluster", async () => {
    const busPort = String(await freePort());
    const cluster = await startRedisServer({
      config: [
        ["cluster-enabled", "yes"],
        ["cluster-port", busPort],
      ],
    });
    onTestFinished(() => cluster.close());
    const { errors, exitCode, left } = await attempt({ LOCUS_REDIS_PORT: String(cluster.port) });
    expect(errors).toContain(
      `CONFIG_INVALID: 127.0.0.1:${cluster.port} is a node of a Redis Cluster, and locus needs a Redis with one primary\n`,
    );
    expect(errors).toMatch(/^Point LOCUS_REDIS_HOST .* at a Redis that runs without cluster-enabled\.$/m);
    expect([exitCode, left]).toEqual([WRONG_SETTING, []]);
  });

  it("names the container engine that does not answer", async () => {
    const socket = "/nowhere/docker.sock";
    const redis = { LOCUS_REDIS_HOST: "redis.invalid", LOCUS_REDIS_PORT: "6379" };
    const { errors, exitCode, left } = await attempt({ ...redis, LOCUS_DRIVER: "docker", LOCUS_DOCKER_SOCKET: socket });
    expect(errors).toContain(`CONFIG_INVALID: the container engine at ${socket} (LOCUS_DOCKER_SOCKET): `);
    expect(errors).toContain("ENOENT");
    expect([exitCode, left]).toEqual([WRONG_SETTING, []]);
  });

  it("names the file of authorities that cannot be read", async () => {
    const { errors, exitCode } = await attempt({ LOCUS_REDIS_TLS: "on", LOCUS_REDIS_CA: "/no/such/file.pem" });
    expect([exitCode, errors]).toEqual([WRONG_SETTING, expect.stringContaining("/no/such/file.pem")]);
  });
});
