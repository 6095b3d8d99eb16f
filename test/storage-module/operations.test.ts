// The keyspace service: an operation answers what the same command of a client answers, leaves values as a client's would,
// reaches replicas and the AOF, and waits where a client's write would.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { freePort } from "#test/free-port.ts";
import { readInfo } from "#test/module-info.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runLines, runScript, scriptedHost, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
});
afterAll(() => server.close());

describe("replies", () => {
  test("come in RESP3, each type as Redis has it", async () => {
    await redis.hset("hash", { f: "v" });
    await redis.zadd("zset", 1.5, "m");
    await redis.sadd("set", "m");
    const round = [
      ["SET", "string", "v"],
      ["GET", "string"],
      ["GET", "missing"],
      ["INCR", "counter"],
      ["HGETALL", "hash"],
      ["ZSCORE", "zset", "m"],
      ["SMEMBERS", "set"],
      ["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
      ["LPOP", "missing", "2"],
    ];
    expect(await runScript(redis, { rounds: [round] })).toEqual([
      "+OK\r\n" +
        "$1\r\nv\r\n" +
        "_\r\n" +
        ":1\r\n" +
        "%1\r\n$1\r\nf\r\n$1\r\nv\r\n" +
        ",1.5\r\n" +
        "~1\r\n$1\r\nm\r\n" +
        "*1\r\n*2\r\n$1\r\nm\r\n,1.5\r\n" +
        "_\r\n",
    ]);
  });

  test("an error is a reply at its place, in the words that a client reads", async () => {
    await redis.set("text", "abc");
    const commands = [["INCR", "text"], ["LPUSH", "text", "x"], ["GET"], ["SET", "a", "b", "NOPE"], ["GET", "hash"]];
    const told = await Promise.all(
      commands.map(([name = "", ...args]) =>
        redis.call(name, ...args).then(String, (error: Error) => `-${error.message}`),
      ),
    );
    expect(await runLines(redis, ...commands)).toEqual(told);
  });

  test("what functions may not do is refused again, at its place, and the rest runs", async () => {
    const lines = await runLines(
      redis,
      ["SET", "a", "1"],
      ["FLUSHALL"],
      ["BLPOP", "a", "0"],
      ["GET", "locus:a"],
      ["DBSIZE"],
    );
    expect(lines[0]).toBe("+OK");
    expect(lines.slice(1, 4)).toEqual([
      expect.stringMatching(/^-COMMANDREFUSED FLUSHALL/),
      expect.stringMatching(/^-COMMANDREFUSED BLPOP/),
      expect.stringMatching(/^-COMMANDREFUSED GET locus:a/),
    ]);
    expect(lines[4]).toMatch(/^:\d+$/);
  });

  test("thousands of operations in a round come back in order", async () => {
    const round = Array.from({ length: 10_000 }, (_, i) => ["ECHO", String(i)]);
    const [replies = ""] = await runScript(redis, { rounds: [round] });
    expect(replies.split("\r\n").filter((_, i) => i % 2 === 1)).toEqual(round.map(([, i]) => i));
  });

  test("rounds that are sent together are served in their order", async () => {
    const rounds = Array.from({ length: 300 }, (_, i) => [["RPUSH", "order", String(i)]]);
    await runScript(redis, { rounds, together: true });
    expect(await redis.lrange("order", 0, -1)).toEqual(rounds.map((_, i) => String(i)));
  });

  test("a reply larger than the ring, and many that together are, arrive whole", async () => {
    await redis.set("megabytes", Buffer.alloc(5 * 1024 * 1024, "x"));
    await redis.set("large", Buffer.alloc(20 * 1024, "y"));
    // The result of a call has a bound of its own: only the time comes back.
    const big = { rounds: [[["GET", "megabytes"]], Array.from({ length: 200 }, () => ["GET", "large"])] };
    expect(await runScript(redis, { ...big, quiet: true, repeat: 5 })).toHaveProperty("ns");
    expect(await runScript(redis, { ...big, quiet: true, together: true, repeat: 5 })).toHaveProperty("ns");
  });

  test("replies of a round beyond 64 MiB become errors, and the call goes on", async () => {
    await redis.set("huge", Buffer.alloc(30 * 1024 * 1024, "z"));
    const round = [["STRLEN", "huge"], ...Array.from({ length: 4 }, () => ["GETRANGE", "huge", "0", "-1"]), ["PING"]];
    expect(await runScript(redis, { rounds: [round], quiet: true })).toHaveProperty("ns");
    expect(await readInfo(redis).then((info) => info.get("host0"))).toMatch(/restarts=0/);
    await redis.del("huge");
  });
});

describe("values", () => {
  test.each([
    ["int", "12345"],
    ["embstr", "short"],
    ["raw", "r".repeat(100)],
  ])("reading a string leaves its encoding %s and its memory as they were", async (encoding, value) => {
    await redis.set("value", value);
    const memory = await redis.memory("USAGE", "value");
    const reads = [
      ["GET", "value"],
      ["MGET", "value"],
      ["STRLEN", "value"],
      ["GETRANGE", "value", "0", "1"],
    ];
    await runScript(redis, { rounds: [reads, reads, reads], repeat: 3 });
    expect(await redis.object("ENCODING", "value")).toBe(encoding);
    expect(await redis.memory("USAGE", "value")).toBe(memory);
    expect(await redis.get("value")).toBe(value);
  });

  test("writing stores what a client's write would store", async () => {
    const long = Array.from({ length: 20 }, (_, i) => [`m${i}`, String(i)]).flat();
    const writes = [
      ["SET", "w:int", "12345"],
      ["SET", "w:text", "text"],
      ["SETEX", "w:ex", "100", "77"],
      ["MSET", ...long],
      ["RPUSH", "w:list", "1", "2", "x"],
      ["SADD", "w:set", "1", "2", "3"],
      ["HSET", "w:hash", "f", "1"],
    ];
    const keys = [...writes.map(([name, key = ""]) => (name === "MSET" ? "m7" : key)), "m0", "m19"];
    const read = (): Promise<unknown> =>
      Promise.all(keys.map(async (key) => [await redis.object("ENCODING", key), await redis.memory("USAGE", key)]));
    for (const [name = "", ...args] of writes) await redis.call(name, ...args);
    const ofClient = await read();
    await redis.flushall();
    await runScript(redis, { rounds: [writes] });
    expect(await read()).toEqual(ofClient);
  });

  test("hits, misses and idle times count as a client's reads do", async () => {
    await redis.set("raw", "r".repeat(100));
    const count = async (): Promise<readonly number[]> => {
      const info = await redis.info("stats");
      return ["keyspace_hits", "keyspace_misses"].map((name) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]));
    };
    const [hits = 0, misses = 0] = await count();
    await runScript(redis, {
      rounds: [
        [
          ["GET", "raw"],
          ["GET", "raw"],
          ["GET", "nothing"],
        ],
      ],
    });
    expect(await count()).toEqual([hits + 2, misses + 1]);
  });

  test("an expired key is gone for an operation as for a client", async () => {
    await redis.set("brief", "r".repeat(100), "PX", 20);
    await until(async () => (await runLines(redis, ["EXISTS", "brief"]))[0] === ":0");
    expect(await runLines(redis, ["GET", "brief"])).toEqual(["_"]);
  });

  test("a call runs in its client's database", async () => {
    const other = server.client({ db: 3 });
    await runScript(other, { rounds: [[["SET", "where", "three"]]] });
    expect([await other.get("where"), await redis.get("where")]).toEqual(["three", null]);
  });

  test("MONITOR sees a GET when its shortcut is off", async () => {
    await redis.set("raw", "r".repeat(100));
    const calls = async (): Promise<number> =>
      Number(/cmdstat_get:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0);
    const before = await calls();
    await runScript(redis, { rounds: [[["GET", "raw"]]] });
    expect(await calls()).toBe(before);
    await redis.call("LOCUS.CONFIG", "SET", "get-shortcut", "no");
    await runScript(redis, { rounds: [[["GET", "raw"]]] });
    expect(await calls()).toBe(before + 1);
    await redis.call("LOCUS.CONFIG", "SET", "get-shortcut", "yes");
  });
});

test("operations that Redis counts as commands are told from those that it does not", async () => {
  await redis.set("raw", "r".repeat(100));
  const commands = async (): Promise<readonly number[]> => {
    const [ours, theirs] = await Promise.all([readInfo(redis), redis.info("stats")]);
    return [Number(/total_commands_processed:(\d+)/.exec(theirs)?.[1]), Number(ours.get("operations_as_commands"))];
  };
  const [allBefore = 0, oursBefore = 0] = await commands();
  const operations = [["GET", "raw"], ["SET", "a", "1"], ["GET"], ["INCR", "raw"], ["EVAL", "return 1", "0"]];
  await runScript(redis, { rounds: [operations] });
  const [all = 0, ours = 0] = await commands();
  expect(ours - oursBefore).toBeGreaterThan(1);
  // The call, and the two that ask, whatever the operations were.
  expect(all - allBefore - (ours - oursBefore)).toBe(3);
});

test("in a cluster a call goes by its keys, and its operations reach this server's slots only", async () => {
  // The usual one is the server's own and 10,000, of which there may be none.
  const busPort = String(await freePort());
  const node = await startRedisServer({
    moduleArguments: scriptedHost(),
    config: [
      ["cluster-enabled", "yes"],
      ["cluster-port", busPort],
    ],
  });
  const client = node.client();
  const far = Number(await client.call("CLUSTER", "KEYSLOT", "far"));
  await client.call("CLUSTER", "ADDSLOTSRANGE", 0, far - 1, far + 1, 16_383);
  await client.config("SET", "cluster-require-full-coverage", "no");
  await until(async () => String(await client.call("CLUSTER", "INFO")).includes("cluster_state:ok"));
  // Redis refuses a deployment while the cluster is down, and it is down until its slots are assigned.
  await client.call("LOCUS.FUNCTION", "LOAD", "script");
  const script = JSON.stringify({
    rounds: [
      [
        ["SET", "near", "1"],
        ["GET", "near"],
        ["GET", "far"],
      ],
    ],
  });
  const replies = JSON.parse(String(await client.call("LOCUS.CALL", "script", "1", "near", script))) as string[];
  expect(replies[0]).toMatch(/^\+OK\r\n\$1\r\n1\r\n-.*(non local key|cluster)/);
  await expect(client.call("LOCUS.CALL", "script", "2", "near", "other", "[]")).rejects.toThrow(/^CROSSSLOT/);
  await node.close();
});

describe("writes", () => {
  test("a client that waits for a key gets what a function pushes", async () => {
    const waiting = server.client().blpop("queue", 10);
    await runScript(redis, { rounds: [[["RPUSH", "queue", "job"]]] });
    expect(await waiting).toEqual(["queue", "job"]);
  });

  test("subscribers get what a function publishes", async () => {
    const subscriber = server.client();
    await subscriber.subscribe("news");
    const told = new Promise<string>((resolve) => {
      subscriber.once("message", (_channel, message) => resolve(message));
    });
    expect(await runLines(redis, ["PUBLISH", "news", "hello"])).toEqual([":1"]);
    expect(await told).toBe("hello");
  });

  test("reach the AOF before the caller has its answer", async () => {
    const config = [
      ["appendonly", "yes"],
      ["appendfsync", "always"],
    ];
    const durable = await startScriptedServer({ config });
    const client = durable.client();
    await runScript(client, {
      rounds: [
        [
          ["SET", "a", "1"],
          ["INCR", "n"],
        ],
        [["INCR", "n"]],
      ],
    });
    await durable.restart("SIGKILL");
    expect(await client.mget("a", "n")).toEqual(["1", "2"]);
    await durable.close();
  });

  test("reach replicas; on a replica functions read, and writes are refused", async () => {
    const replica = await startScriptedServer({ replicaOf: server });
    const client = replica.client();
    await until(async () => (await client.info("replication")).includes("master_link_status:up"));
    await runScript(redis, {
      rounds: [
        [
          ["SET", "copied", "r".repeat(100)],
          ["INCR", "n"],
        ],
      ],
    });
    await until(async () => (await client.get("copied")) !== null);
    const lines = await runLines(client, ["STRLEN", "copied"], ["SET", "copied", "x"], ["STRLEN", "copied"]);
    expect(lines).toEqual([":100", "-READONLY You can't write against a read only replica.", ":100"]);
    await replica.close();
  });

  test("wait while clients are paused, with all that follows them, while other calls read on", async () => {
    await redis.set("paused", "before");
    const admin = server.client();
    await admin.client("PAUSE", 60_000, "WRITE");
    const other = server.client();
    const before = Number((await readInfo(admin)).get("writes_paused"));
    const writer = runLines(redis, ["GET", "paused"], ["SET", "paused", "after"], ["GET", "paused"]);
    await until(async () => Number((await readInfo(admin)).get("writes_paused")) > before);
    expect(await runLines(other, ["GET", "paused"])).toEqual(["$6", "before"]);
    await admin.client("UNPAUSE");
    expect(await writer).toEqual(["$6", "before", "+OK", "$5", "after"]);
  });

  test("RANDOMKEY waits as well: among expired keys that a pause keeps, Redis would look for ever", async () => {
    const apart = server.client();
    await apart.select(9);
    await apart.set("gone", "1", "PX", 1);
    const admin = server.client();
    await admin.client("PAUSE", 60_000, "WRITE");
    await until(async () => (await apart.exists("gone")) === 0);
    const before = Number((await readInfo(admin)).get("writes_paused"));
    const asked = runLines(apart, ["RANDOMKEY"]);
    await until(async () => Number((await readInfo(admin)).get("writes_paused")) > before);
    await admin.client("UNPAUSE");
    expect(await asked).toEqual(["_"]);
  });

  test("that wait too long end with the call's deadline, unwritten", async () => {
    await redis.set("paused", "before");
    await redis.client("PAUSE", 60_000, "WRITE");
    const script = JSON.stringify({ rounds: [[["SET", "paused", "late"]]] });
    const reply = await redis.call("LOCUS.NODE", "RUN", "script", "*", "0", '{"deadlineMs":50}', script);
    expect(JSON.parse((reply as string[])[4] ?? "")).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await redis.client("UNPAUSE");
    expect(await redis.get("paused")).toBe("before");
  });

  test("are refused when memory is short, in Redis' words", async () => {
    await redis.config("SET", "maxmemory", "1mb");
    const [set, get] = await runLines(redis, ["SET", "more", "x"], ["EXISTS", "more"]);
    await redis.config("SET", "maxmemory", "0");
    expect([set, get]).toEqual(["-OOM command not allowed when used memory > 'maxmemory'.", ":0"]);
  });
});
