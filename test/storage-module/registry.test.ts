// The registry: what LOAD, LIST, DUMP and DELETE do, and that functions survive what data survives.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { scriptedHost, startScriptedServer, until } from "./scripted-host.ts";

const versionOf = (bundle: string): string => createHash("sha256").update(bundle).digest("hex").slice(0, 16);
/** The scripted host takes a bundle's first word for the function's name. */
const names = async (client: Redis): Promise<readonly string[]> =>
  ((await client.call("LOCUS.FUNCTION", "LIST")) as string[][]).map(([name = ""]) => name);

describe("on one server", () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startScriptedServer();
    redis = server.client();
  });
  afterAll(() => server.close());

  test("LOAD answers name and version, the version being the hash of the bundle", async () => {
    expect(await redis.call("LOCUS.FUNCTION", "LOAD", "walk 1")).toEqual(["walk", versionOf("walk 1")]);
    expect(await redis.call("LOCUS.CALL", "walk", "0", "[1]")).toBe("[1]");
  });

  test("a function that is there is replaced only when that is asked for", async () => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "twice 1");
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "twice 2")).rejects.toThrow(/^FUNCTIONEXISTS .*REPLACE/);
    expect(await redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "twice 2")).toEqual(["twice", versionOf("twice 2")]);
  });

  test("LIST tells name, version and description of each; DUMP its bundle, in the version before as well", async () => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "dump 1");
    await redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "dump 2");
    const list = (await redis.call("LOCUS.FUNCTION", "LIST")) as string[][];
    const [, version, description = ""] = list.find(([name]) => name === "dump") ?? [];
    expect(version).toBe(versionOf("dump 2"));
    expect(JSON.parse(description)).toMatchObject({ name: "dump", version, limits: { memoryMb: 64 } });
    expect(await redis.call("LOCUS.FUNCTION", "DUMP", "dump")).toEqual(["dump", version, "dump 2"]);
    expect(await redis.call("LOCUS.FUNCTION", "DUMP", "dump", versionOf("dump 1"))).toEqual([
      "dump",
      versionOf("dump 1"),
      "dump 1",
    ]);
    await expect(redis.call("LOCUS.FUNCTION", "DUMP", "dump", "0000000000000000")).rejects.toThrow(/^NOVERSION /);
    await expect(redis.call("LOCUS.FUNCTION", "DUMP", "nobody")).rejects.toThrow(/^NOFUNCTION .*nobody/);
  });

  test("a bundle's bytes come back as they went in", async () => {
    const bundle = Buffer.concat([Buffer.from("bytes "), Buffer.from([0, 255, 13, 10])]);
    await redis.call("LOCUS.FUNCTION", "LOAD", bundle);
    const [, , dumped] = (await redis.callBuffer("LOCUS.FUNCTION", "DUMP", "bytes")) as Buffer[];
    expect(dumped).toEqual(bundle);
  });

  test("DELETE removes it; deleting what is not there says so", async () => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "gone");
    expect(await redis.call("LOCUS.FUNCTION", "DELETE", "gone")).toBe("OK");
    await expect(redis.call("LOCUS.CALL", "gone", "0")).rejects.toThrow(/^NOFUNCTION /);
    await expect(redis.call("LOCUS.FUNCTION", "DELETE", "gone")).rejects.toThrow(/^NOFUNCTION .*gone/);
  });

  test("LOAD and DELETE are told on the channel locus:functions", async () => {
    const subscriber = server.client();
    const told: unknown[] = [];
    subscriber.on("message", (_channel, message) => told.push(JSON.parse(message)));
    await subscriber.subscribe("locus:functions");
    await redis.call("LOCUS.FUNCTION", "LOAD", "news");
    await redis.call("LOCUS.FUNCTION", "DELETE", "news");
    await until(async () => told.length === 2);
    expect(told).toEqual([
      { event: "load", function: "news", version: versionOf("news") },
      { event: "delete", function: "news" },
    ]);
  });

  test("a bundle that the host refuses is not deployed, and the reply says why", async () => {
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "refuse")).rejects.toThrow(/^FUNCTIONINVALID .*asked to fail/);
    expect(await names(redis)).not.toContain("refuse");
  });

  test("a name that is none is refused whatever the host says", async () => {
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "Walk")).rejects.toThrow(/^FUNCTIONINVALID .*Walk/);
  });

  test("a bundle beyond 1 MiB is refused", async () => {
    const bundle = Buffer.alloc(1024 * 1024 + 1, "x");
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", bundle)).rejects.toThrow(/^BUNDLETOOLARGE .*1048577/);
  });

  test("of a bundle with 1 MiB of code the source map may have 2 MiB more", async () => {
    const code = `large ${"x".repeat(1024 * 1024 - 6)}`;
    const mark = "//# sourceMappingURL=data:application/json;base64,";
    const room = "A".repeat(2 * 1024 * 1024 - mark.length);
    expect(await redis.call("LOCUS.FUNCTION", "LOAD", code + mark + room)).toEqual(["large", expect.any(String)]);
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", `${code}${mark}${room}A`)).rejects.toThrow(
      /^BUNDLETOOLARGE .* 3145729 bytes with its source map, may have 3145728/,
    );
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", `${code}x${mark}`)).rejects.toThrow(
      /^BUNDLETOOLARGE .* 1048577 bytes, may have 1048576/,
    );
  });

  test("a client cannot pass a bundle off as checked", async () => {
    const load = ["LOAD", "REPLACE", "forged", "DESCRIPTION", "{}"];
    await expect(redis.call("LOCUS.FUNCTION", ...load)).rejects.toThrow(/^ERR .*replication/);
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "a", "b", "c")).rejects.toThrow(/^ERR usage/);
  });

  test("STATS counts calls, errors and usage by function", async () => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "counted");
    await redis.call("LOCUS.CALL", "counted", "0", JSON.stringify({ rounds: [[["GET", "a"]]] }));
    await redis.call("LOCUS.CALL", "counted", "0", "no json").catch(() => {});
    const [[name = "", json = ""] = []] = (await redis.call("LOCUS.FUNCTION", "STATS", "counted")) as string[][];
    const stats = JSON.parse(json) as Record<string, number>;
    expect(name).toBe("counted");
    expect(stats).toMatchObject({ calls: 2, inFlight: 0, ok: 1, errors: { REQUEST_INVALID: 1 } });
    expect(stats["wallUs"]).toBeGreaterThan(0);
    expect(stats["lockUs"]).toBeGreaterThan(0);
  });
});

describe("what survives", () => {
  const deploy = async (redis: Redis): Promise<void> => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "kept 1");
    await redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "kept 2");
    await redis.call("LOCUS.FUNCTION", "LOAD", "dropped");
    await redis.call("LOCUS.FUNCTION", "DELETE", "dropped");
  };
  /** All that `deploy` should have left, current and former versions. */
  const readKept = async (redis: Redis): Promise<unknown> => ({
    names: await names(redis),
    current: await redis.call("LOCUS.FUNCTION", "DUMP", "kept"),
    former: await redis.call("LOCUS.FUNCTION", "DUMP", "kept", versionOf("kept 1")),
  });
  const kept = {
    names: ["kept", "script"],
    current: ["kept", versionOf("kept 2"), "kept 2"],
    former: ["kept", versionOf("kept 1"), "kept 1"],
  };

  test("the RDB keeps functions over a restart", async () => {
    const server = await startScriptedServer();
    const redis = server.client();
    await deploy(redis);
    await redis.save();
    await server.restart("SIGKILL");
    expect(await readKept(redis)).toEqual(kept);
    await server.close();
  });

  test("the AOF keeps them: those in its base and those after", async () => {
    const server = await startScriptedServer({
      config: [
        ["appendonly", "yes"],
        ["appendfsync", "always"],
      ],
    });
    const redis = server.client();
    await redis.bgrewriteaof();
    await until(async () => (await redis.info("persistence")).includes("aof_rewrite_in_progress:0"));
    await deploy(redis);
    await server.restart("SIGKILL");
    expect(await readKept(redis)).toEqual(kept);
    await redis.bgrewriteaof();
    await until(async () => (await redis.info("persistence")).includes("aof_rewrite_in_progress:0"));
    await server.restart("SIGKILL");
    expect(await readKept(redis)).toEqual(kept);
    await server.close();
  });

  test("an AOF that would lose them at its rewrite refuses LOAD and says what to set", async () => {
    const config = [
      ["appendonly", "yes"],
      ["aof-use-rdb-preamble", "no"],
    ];
    const server = await startRedisServer({ moduleArguments: scriptedHost(), config });
    const redis = server.client();
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "lost")).rejects.toThrow(
      /^STORAGEREFUSED .*CONFIG SET aof-use-rdb-preamble yes/,
    );
    await redis.config("SET", "aof-use-rdb-preamble", "yes");
    expect(await redis.call("LOCUS.FUNCTION", "LOAD", "kept")).toEqual(["kept", versionOf("kept")]);
    await server.close();
  });

  test.each([
    ["removed", ""],
    ["renamed", "configure"],
  ])("where CONFIG is %s, LOAD is refused with an AOF, which may lose them, and not without", async (_, name) => {
    const rename = ["rename-command", "CONFIG", name];
    const server = await startRedisServer({
      moduleArguments: scriptedHost(),
      config: [rename, ["appendonly", "yes"]],
    });
    await expect(server.client().call("LOCUS.FUNCTION", "LOAD", "lost")).rejects.toThrow(
      /^STORAGEREFUSED .*CONFIG is renamed or removed/,
    );
    expect(await server.client().call("LOCUS.FUNCTION", "LIST")).toEqual([]);
    await server.close();
    const without = await startRedisServer({ moduleArguments: scriptedHost(), config: [rename] });
    expect(await without.client().call("LOCUS.FUNCTION", "LOAD", "kept")).toEqual(["kept", versionOf("kept")]);
    await without.close();
  });

  test("a replica gets them with a full resynchronisation and as they change, and takes none itself", async () => {
    const primary = await startScriptedServer();
    await deploy(primary.client());
    const replica = await startScriptedServer({ replicaOf: primary });
    const redis = replica.client();
    await until(async () => (await redis.info("replication")).includes("master_link_status:up"));
    expect(await readKept(redis)).toEqual(kept);
    await primary.client().call("LOCUS.FUNCTION", "LOAD", "later");
    await until(async () => (await names(redis)).includes("later"));
    await primary.client().call("LOCUS.FUNCTION", "DELETE", "later");
    await until(async () => !(await names(redis)).includes("later"));
    await expect(redis.call("LOCUS.FUNCTION", "LOAD", "mine")).rejects.toThrow(/^READONLY/);
    await expect(redis.call("LOCUS.FUNCTION", "DELETE", "kept")).rejects.toThrow(/^READONLY/);
    await replica.close();
    await primary.close();
  });

  test("after a full resynchronisation a replica has its primary's functions and no others, though these be none", async () => {
    const other = await startScriptedServer();
    await other.client().call("LOCUS.FUNCTION", "LOAD", "foreign");
    const primary = await startScriptedServer();
    const redis = other.client();
    await redis.replicaof("127.0.0.1", primary.port);
    await until(async () => (await redis.info("replication")).includes("master_link_status:up"));
    expect(await names(redis)).toEqual(["script"]);
    await redis.replicaof("NO", "ONE");
    await primary.client().call("LOCUS.FUNCTION", "DELETE", "script");
    await redis.replicaof("127.0.0.1", primary.port);
    await until(async () => (await redis.info("replication")).includes("master_link_status:up"));
    expect(await names(redis)).toEqual([]);
    await other.close();
    await primary.close();
  });

  test("a server without the module loads the RDB and copies the data of one that has no functions", async ({
    skip,
  }) => {
    const server = await startScriptedServer();
    onTestFinished(() => server.close());
    const redis = server.client();
    const version = /(?:valkey|redis)_version:(\d+\.\d+)/.exec(await redis.info("server"))?.[1];
    skip(Number(version) < 7.2, "Redis notes every module in its RDB before 7.2");
    await redis.set("k", "1");
    await redis.call("LOCUS.FUNCTION", "DELETE", "script");
    await redis.save();
    const replica = await startRedisServer({ moduleArguments: null, replicaOf: server });
    await until(async () => (await replica.client().get("k")) === "1");
    await replica.close();
    const file = await readFile(join(server.directory, "dump.rdb"));
    const plain = await startRedisServer({ moduleArguments: null });
    await writeFile(join(plain.directory, "dump.rdb"), file);
    await plain.restart("SIGKILL");
    expect(await plain.client().get("k")).toBe("1");
    await plain.close();
  });
});
