// Redis saves, rewrites and copies its data while functions write: nothing stops, nothing that was acknowledged is missing. Where
// Redis refuses writes (its disk, its replicas), a function is told what a client is told.

import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";

import { type Increments, readIncrements, startIncrements } from "./increments.ts";
import { runLines, serversOfTests, until } from "./scripted-host.ts";

const start = serversOfTests();

const info = async (client: Redis, name: string): Promise<string> =>
  new RegExp(`^${name}:(.*)\r$`, "m").exec(await client.info())?.[1] ?? "";
/** So much that a save takes a while. */
const fill = (client: Redis) => client.eval("for i = 1, 200000 do redis.call('SET', 'fill:' .. i, i) end", 0);
const more = async (load: Increments): Promise<void> => {
  const before = load.acknowledged();
  await until(async () => load.acknowledged() > before + 100);
};

describe("under load", () => {
  test("hosts end and start while a child of Redis saves, which holds copies of all descriptors", async () => {
    const server = await start({ config: [["rdb-key-save-delay", "60000000"]] });
    const admin = server.client();
    await admin.mset("a", "1", "b", "2", "c", "3");
    await admin.bgsave();
    const readyHost = async (): Promise<string | undefined> =>
      /^locus_host0:pid=(\d+),state=ready/m.exec(await admin.info("locus"))?.[1];
    // The second of them dies soon after its start, so that there is none for a moment.
    for (let ends = 0; ends < 3; ends++) {
      await until(async () => (await readyHost()) !== undefined);
      const pid = await readyHost();
      process.kill(Number(pid), "SIGKILL");
      await until(async () => (await readyHost()) !== pid);
    }
    await until(async () => (await readyHost()) !== undefined);
    expect(await info(admin, "rdb_bgsave_in_progress")).toBe("1");
    expect(server.log()).not.toContain("REDIS BUG REPORT");
  });

  test("snapshots and rewrites of the AOF end well, calls go on meanwhile, and a crash after them loses nothing", async () => {
    const config = [
      ["appendonly", "yes"],
      ["appendfsync", "always"],
    ];
    const server = await start({ config });
    const admin = server.client();
    await fill(admin);
    const load = startIncrements(server);
    await more(load);
    for (let i = 0; i < 3; i++) {
      await admin.bgrewriteaof();
      await more(load);
      await until(async () => (await info(admin, "aof_rewrite_in_progress")) === "0");
      await admin.bgsave();
      await more(load);
      await until(async () => (await info(admin, "rdb_bgsave_in_progress")) === "0");
    }
    expect([await info(admin, "aof_last_bgrewrite_status"), await info(admin, "rdb_last_bgsave_status")]).toEqual([
      "ok",
      "ok",
    ]);
    await server.restart("SIGKILL");
    const { acknowledged, refusals } = await load.stop();
    expect([...refusals.keys()].filter((word) => !["closed", "LOADING"].includes(word))).toEqual([]);
    const there = await readIncrements(server);
    expect(there).toBeGreaterThanOrEqual(acknowledged);
    expect(there).toBeLessThanOrEqual(acknowledged + (refusals.get("closed") ?? 0));
  });

  test.each(["no", "yes"])(
    "a full resynchronisation (diskless: %s) leaves a replica with all of it",
    async (diskless) => {
      const config = [["repl-diskless-sync", diskless]];
      const primary = await start({ config });
      await fill(primary.client());
      const load = startIncrements(primary);
      await more(load);
      const replica = await start({ replicaOf: primary, config: [["repl-diskless-load", "swapdb"]] });
      const copy = replica.client();
      await until(async () => (await info(copy, "master_link_status")) === "up");
      await more(load);
      // Once more, over what is there.
      await copy.replicaof("NO", "ONE");
      await copy.set("of-its-own", "1");
      await copy.replicaof("127.0.0.1", primary.port);
      await until(async () => (await info(copy, "master_link_status")) === "up");
      await more(load);
      const { acknowledged, refusals } = await load.stop();
      expect([acknowledged > 0, refusals]).toEqual([true, new Map()]);
      await until(async () => (await readIncrements(replica)) === acknowledged);
      expect(await copy.exists("of-its-own")).toBe(0);
      expect(await copy.call("LOCUS.FUNCTION", "LIST")).toEqual(await primary.client().call("LOCUS.FUNCTION", "LIST"));
    },
  );
});

test("WAIT after a call waits for what the call has written", async () => {
  const primary = await start();
  const replica = await start({ replicaOf: primary });
  const [client, copy] = [primary.client(), replica.client()];
  await until(async () => (await info(copy, "master_link_status")) === "up");
  expect(await runLines(client, ["GET", "k"])).toEqual(["_"]);
  expect(await client.wait(1, 60_000)).toBe(1);
  process.kill(replica.pid(), "SIGSTOP");
  expect(await runLines(client, ["SET", "k", "1"])).toEqual(["+OK"]);
  expect(await client.wait(1, 100)).toBe(0);
  process.kill(replica.pid(), "SIGCONT");
  expect(await client.wait(1, 60_000)).toBe(1);
  expect(await copy.get("k")).toBe("1");
});

describe("a function is told what a client is told", () => {
  const told = (client: Redis, ...command: readonly [string, ...string[]]): Promise<string> =>
    client.call(...command).then(String, (error: Error) => `-${error.message}`);

  test("when the disk takes no snapshot, and writes again when it does", async () => {
    const server = await start();
    const client = server.client();
    await client.config("SET", "save", "3600 1");
    // A folder in the place of the snapshot cannot be replaced by it, whoever tries.
    const obstacle = join(server.directory, "dump.rdb");
    mkdirSync(obstacle);
    await client.bgsave();
    await until(async () => (await info(client, "rdb_last_bgsave_status")) === "err");
    const denied = await told(client, "SET", "k", "1");
    expect(denied).toMatch(/^-MISCONF /);
    expect(await runLines(client, ["GET", "k"], ["SET", "k", "1"])).toEqual(["_", denied]);
    await expect(client.call("LOCUS.FUNCTION", "LOAD", "unsaved")).rejects.toThrow(/^MISCONF /);
    rmdirSync(obstacle);
    await client.bgsave();
    await until(async () => (await info(client, "rdb_last_bgsave_status")) === "ok");
    expect(await runLines(client, ["SET", "k", "1"])).toEqual(["+OK"]);
  });

  test("when replicas are missing", async () => {
    const server = await start();
    const client = server.client();
    await client.config("SET", "min-replicas-to-write", "1");
    const denied = await told(client, "SET", "k", "1");
    expect(denied).toMatch(/^-NOREPLICAS /);
    expect(await runLines(client, ["GET", "k"], ["SET", "k", "1"])).toEqual(["_", denied]);
    await client.config("SET", "min-replicas-to-write", "0");
    expect(await runLines(client, ["SET", "k", "1"])).toEqual(["+OK"]);
  });

  test("by a replica that has lost its primary and serves nothing stale", async () => {
    const primary = await start();
    const replica = await start({ replicaOf: primary, config: [["replica-serve-stale-data", "no"]] });
    const client = replica.client();
    await until(async () => (await info(client, "master_link_status")) === "up");
    expect(await runLines(client, ["GET", "k"])).toEqual(["_"]);
    await primary.close();
    await until(async () => (await info(client, "master_link_status")) === "down");
    await expect(runLines(client, ["GET", "k"])).rejects.toThrow(/^MASTERDOWN /);
    expect(await client.call("LOCUS.CONFIG", "SET", "quantum-us", "200")).toBe("OK");
  });
});
