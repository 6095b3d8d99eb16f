// `locus doctor` on this machine, which has all that locus needs, with one thing after another taken away.

import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Finding } from "#compute/cli/doctor-finding.ts";
import { examineRedis } from "#compute/cli/doctor-redis.ts";
import { startStack } from "#bench/stack.ts";
import { type RedisServer, startRedisServer } from "./redis-server.ts";
import { runTool, type Settings } from "./tool.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis.close());

async function doctor(settings: Settings) {
  const all = { LOCUS_REDIS_PATH: redis.path, LOCUS_HTTP_PORT: "0", ...settings };
  const { status, stdout } = await runTool("locus", ["doctor", "--json"], all);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  return { exitCode: status, findings, missing: findings.filter((finding) => finding.status === "missing") };
}

describe("locus doctor", () => {
  it("finds nothing missing where a stack runs, having tried all parts", async () => {
    const { exitCode, findings, missing } = await doctor({});
    expect(missing).toEqual([]);
    expect(exitCode).toBe(0);
    expect(new Set(findings.map(({ part }) => part))).toEqual(new Set(["machine", "build", "redis", "node"]));
  });

  it("says where it looked for Redis and how to start one", async () => {
    const { exitCode, missing } = await doctor({ LOCUS_REDIS_PATH: "/nowhere/redis.sock" });
    expect(exitCode).toBe(1);
    expect(missing).toHaveLength(1);
    expect(missing[0]?.found).toContain("/nowhere/redis.sock");
    expect(missing[0]?.mend).toMatch(
      /redis-server --port 0 --unixsocket \/nowhere\/redis\.sock --loadmodule \/.*locus\.so/,
    );
  });

  it("says where nothing names a Redis that it looked where one is by default", async () => {
    const place = (redisFrom: string) => ({
      redis: { host: "127.0.0.1", port: 2, path: null, tls: false, database: 0 },
      user: { username: null, password: null },
      redisFrom,
    });
    const foundOf = async (redisFrom: string): Promise<string> => {
      const all = await examineRedis(place(redisFrom), new AbortController().signal);
      return all.find(({ about }) => about === "Redis")?.found ?? "";
    };
    expect(await foundOf("default")).toMatch(/127\.0\.0\.1:2.* \(nothing says where Redis is; a node may have/);
    expect(await foundOf("LOCUS_REDIS_PORT")).toMatch(/127\.0\.0\.1:2(?!.*nothing says)/);
  });

  it("tells a Redis without the module, and a module without its hosts", async () => {
    const plain = await startRedisServer({ moduleArguments: null });
    const hostless = await startRedisServer({ moduleArguments: ["node", "/nowhere/node"] });
    try {
      const [first, second] = [
        await doctor({ LOCUS_REDIS_PATH: plain.path }),
        await doctor({ LOCUS_REDIS_PATH: hostless.path }),
      ];
      expect(first.missing).toMatchObject([
        {
          about: "module in Redis",
          mend: expect.stringContaining(`start it so: redis-server --port 0 --unixsocket ${plain.path} --loadmodule /`),
        },
      ]);
      expect(second.missing.map(({ about, found }) => [about, found])).toEqual([
        ["hosts of the module", expect.stringContaining("/nowhere/node")],
      ]);
    } finally {
      await plain.close();
      await hostless.close();
    }
  });

  it("says of a Redis that is there what it refuses, and not to start one", async () => {
    for (const [settings, found] of [
      [{ LOCUS_REDIS_PASSWORD: "wrong", LOCUS_REDIS_USER: "nobody" }, /^WRONGPASS .*; check LOCUS_REDIS_USER and/],
      [{ LOCUS_REDIS_DB: "99" }, /has no database 99: check LOCUS_REDIS_DB/],
    ] as const) {
      expect((await doctor(settings)).missing).toMatchObject([
        { about: "Redis", found: expect.stringMatching(found), mend: "set what it names (docs/configuration.md)" },
      ]);
    }
  });

  it("tells a port that something else has", async () => {
    const other: Server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(other, "listening");
    const { missing } = await doctor({ LOCUS_HTTP_PORT: String((other.address() as AddressInfo).port) });
    other.close();
    expect(missing.map(({ about, found }) => [about, found])).toEqual([
      ["port", expect.stringContaining("EADDRINUSE")],
    ]);
  });

  it("looks for the node that the tools are told of, and says what told them", async () => {
    const { missing } = await doctor({ LOCUS_URL: "http://127.0.0.1:2" });
    expect(missing).toMatchObject([
      { about: "node", found: expect.stringMatching(/^none at .*:2 \(LOCUS_URL\): .*REFUSED/) },
    ]);
    const stack = await startStack({ httpPort: 0 });
    try {
      const { exitCode, findings } = await doctor({ ...stack.settings, LOCUS_REDIS_PATH: "" });
      expect(exitCode).toBe(0);
      const found = Object.fromEntries(findings.map((finding) => [`${finding.part} ${finding.about}`, finding.found]));
      expect(found).toMatchObject({
        "redis Redis": `answers at 127.0.0.1:${stack.redis.port} (LOCUS_REDIS_HOST, LOCUS_REDIS_PORT)`,
        "node node": `answers at ${stack.url} (LOCUS_URL)`,
        "node storage side": expect.stringContaining("module"),
        "node compute side": expect.stringContaining("ready"),
      });
      expect(found).not.toHaveProperty("node port");
    } finally {
      await stack.close();
    }
  });

  it("finds nothing missing where storage was switched off on purpose, and says so", async () => {
    const stack = await startStack({ httpPort: 0 });
    try {
      await stack.redis.client().call("LOCUS.CONFIG", "SET", "enabled", "no");
      const { exitCode, findings } = await doctor({ ...stack.settings, LOCUS_REDIS_PATH: "" });
      expect(findings.filter(({ status }) => status !== "ok").map(({ about, status }) => [about, status])).toEqual(
        expect.arrayContaining([
          ["hosts of the module", "warning"],
          ["storage side", "warning"],
        ]),
      );
      expect(exitCode).toBe(0);
    } finally {
      await stack.close();
    }
  });

  it("tells a node whose Redis is gone by the side that is not ready", async () => {
    const stack = await startStack({ httpPort: 0 });
    try {
      stack.redis
        .client()
        .shutdown("NOSAVE")
        .catch(() => {});
      await vi.waitUntil(async () => !(await fetch(`${stack.url}/readyz`)).ok);
      const { missing } = await doctor({ LOCUS_URL: stack.url });
      expect(missing.map(({ about, found }) => [about, found])).toEqual([
        ["storage side", expect.stringContaining("REDIS_UNAVAILABLE")],
      ]);
    } finally {
      await stack.close();
    }
  });

  it("says what is wrong with the settings, once, and examines all that does not depend on it", async () => {
    const { exitCode, findings, missing } = await doctor({ LOCUS_HTTP_PORT: "many", LOCUS_NO_SUCH: "1" });
    expect(exitCode).toBe(1);
    expect(missing.map(({ about }) => about)).toEqual(["settings"]);
    expect(missing[0]?.found).toMatch(/^LOCUS_NO_SUCH: .*\n +LOCUS_HTTP_PORT: [^\n]*$/);
    expect(findings.map(({ part }) => part)).toContain("build");
    expect(findings.map(({ about }) => about)).toEqual(expect.arrayContaining(["module", "Redis", "module in Redis"]));
    const nodesOwn = await doctor({ LOCUS_NO_SUCH: "1", LOCUS_REDIS_PORT: "none", LOCUS_REDIS_PATH: "" });
    expect(nodesOwn.missing.map(({ about }) => about)).toEqual(["settings"]);
    expect(nodesOwn.findings.map(({ about }) => about)).toContain("module");
    const unknownAlone = await doctor({ LOCUS_NO_SUCH: "1" });
    expect(unknownAlone.findings.map(({ about }) => about)).toEqual(expect.arrayContaining(["Redis", "port"]));
  });

  it("says it for people, each with how to mend it", async () => {
    const settings = { LOCUS_REDIS_PATH: "/nowhere/redis.sock", LOCUS_HTTP_PORT: "0" };
    const { stdout } = await runTool("locus", ["doctor"], settings);
    expect(stdout).toMatch(/^missing +redis +Redis: .*\n +→ start it/m);
    expect(stdout).toMatch(/^1 missing, \d+ could be better, \d+ fine$/m);
  });
});
