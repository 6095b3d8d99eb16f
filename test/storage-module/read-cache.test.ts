// Reads that a sandbox host finds by itself are those that Redis would answer: whatever changes a key, whoever asks, and in
// whatever order a function reads and writes.

import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { PATIENT } from "#test/patient-limits.ts";
import { type RedisServer, type RedisServerOptions, startRedisServer } from "#test/redis-server.ts";
import { until } from "./scripted-host.ts";

/** Reads its keys in one round, as text, then again one after the other. What cannot be read is an error's first word. */
const READER = `
  const read = (key) => redis.get(key).catch((error) => "-" + error.message.split(" ")[0]);
  const together = await Promise.all(keys.map(read));
  const inTurn = [];
  for (const key of keys) inTurn.push(await read(key));
  return { together, inTurn };`;

const bundle = (name: string, body: string): string =>
  `export default { kind: "locus.function", name: "${name}", limits: ${JSON.stringify(PATIENT)}, async run({ redis, keys, args }) {${body}} };`;

const deploy = (client: Redis, name: string, body: string): Promise<unknown> =>
  client.call("LOCUS.FUNCTION", "LOAD", "REPLACE", bundle(name, body));

async function startServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const started = await startRedisServer(options);
  if (options.replicaOf === undefined) await deploy(started.client(), "reader", READER);
  return started;
}

/** A script that keeps Redis for 0.3 s: longer than its passes are watched, and less than a reply lasts. */
const BUSY = `
  local function now() local time = redis.call('TIME') return time[1] * 1000000 + time[2] end
  local began = now()
  while now() - began < 300000 do end`;

type Reading = string | null;

/** What the function reads of the keys, which is the same in one round and in many. */
async function readings(client: Redis, ...keys: readonly string[]): Promise<readonly Reading[]> {
  const reply = await client.call("LOCUS.CALL", "reader", String(keys.length), ...keys);
  const { together, inTurn } = JSON.parse(String(reply)) as Record<"together" | "inTurn", readonly Reading[]>;
  expect(inTurn).toEqual(together);
  return together;
}

const hits = async (client: Redis): Promise<number> => Number((await readInfo(client)).get("read_cache_hits"));
const known = async (client: Redis): Promise<number> => Number((await readInfo(client)).get("read_cache_known"));
const inUse = async (client: Redis): Promise<string> => (await readInfo(client)).get("read_cache_in_use") ?? "";

/** Reads the keys until they are found without Redis. */
async function warm(client: Redis, admin: Redis, ...keys: readonly string[]): Promise<void> {
  await until(async () => {
    const before = await hits(admin);
    await readings(client, ...keys);
    return (await hits(admin)) >= before + 2 * keys.length;
  });
}

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startServer({ config: [["enable-debug-command", "local"]] });
  redis = server.client();
});
afterAll(() => server.close());
beforeEach(() => redis.flushall());

describe("what changes a key", () => {
  const commands = (text: string): readonly (readonly string[])[] =>
    text.split(";").map((command) => command.trim().split(" "));

  test.each([
    "SET k new",
    "SET k new EX 100",
    "APPEND k x",
    "SETRANGE k 1 xyz",
    "SETBIT k 1 1",
    "BITFIELD k SET u8 0 255",
    "BITOP NOT k other",
    "GETSET k new",
    "GETDEL k",
    "GETEX k PX 1",
    "MSET other 1 k new",
    "DEL k",
    "UNLINK k",
    "RENAME k moved",
    "RENAME other k",
    "COPY other k REPLACE",
    "MOVE k 1",
    "PEXPIRE k 1",
    "EXPIREAT k 1",
    "DEL k; SET k 1; INCR k; INCRBYFLOAT k 0.5",
    "DEL k; LPUSH k a",
    "DEL k; XADD k 1-1 a b",
    "SADD set a; SUNIONSTORE k set",
    "SADD set a; SORT set BY nosort STORE k",
    "ZADD zset 1 a; ZUNIONSTORE k 1 zset",
    "GEOADD geo 13 38 a; GEOSEARCHSTORE k geo FROMMEMBER a BYRADIUS 1 km",
    "DEL k; PFADD k a; PFCOUNT k; PFADD k b",
    "EVAL redis.call('SET',KEYS[1],'new') 1 k",
    "MULTI; SET k first; SET other x; SET k new; EXEC",
    "FLUSHDB",
    "FLUSHALL ASYNC",
    "SWAPDB 0 1",
    "DEBUG POPULATE 1 new 5",
  ])("is seen by the next read: %s", async (text) => {
    await redis.mset("k", "old", "other", "different");
    await warm(redis, redis, "k", "other", "new:0", "moved");
    for (const [name = "", ...args] of commands(text)) await redis.call(name, ...args);
    if (/PX 1|PEXPIRE/.test(text)) await sleep(5);
    const truth = await Promise.all(
      ["k", "other", "new:0", "moved"].map((key) =>
        redis.get(key).catch((error: Error) => `-${error.message.split(" ")[0]}`),
      ),
    );
    for (let again = 0; again < 3; again++)
      expect(await readings(redis, "k", "other", "new:0", "moved")).toEqual(truth);
  });

  test("may be that it was not there", async () => {
    await warm(redis, redis, "k");
    await redis.set("k", "there");
    expect(await readings(redis, "k")).toEqual(["there"]);
  });

  test("may be time: what expires is not kept", async () => {
    // Nobody but the function finds out that it is over.
    await redis.call("DEBUG", "SET-ACTIVE-EXPIRE", "0");
    const began = Date.now();
    await redis.set("k", "brief", "PX", 600);
    while (Date.now() < began + 100) expect(await readings(redis, "k")).toEqual(["brief"]);
    await sleep(610);
    expect(await readings(redis, "k")).toEqual([null]);
    await redis.call("DEBUG", "SET-ACTIVE-EXPIRE", "1");
  });

  test("may be a command that tells nobody: PFCOUNT keeps what it has counted", async () => {
    await redis.pfadd("k", "a", "b");
    for (let again = 0; again < 5; again++) await readings(redis, "k");
    const before = await redis.get("k");
    await redis.pfcount("k");
    expect(await redis.get("k")).not.toBe(before);
    expect(await readings(redis, "k")).toEqual([await redis.get("k")]);
  });

  test("may be a write of the same call that is still on its way", async () => {
    const body = `
      redis.set("k", "new").catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      return redis.get("k");`;
    await deploy(redis, "hasty", body);
    await redis.set("k", "old");
    await warm(redis, redis, "k");
    await redis.call("CLIENT", "PAUSE", "100", "WRITE");
    expect(await redis.call("LOCUS.CALL", "hasty", "0")).toBe('"new"');
  });

  test("may be another function, and the function itself", async () => {
    const body = `
      const seen = [await redis.get("k"), await redis.get("k")];
      await redis.set("k", "one");
      seen.push(await redis.get("k"));
      const [, behind] = await Promise.all([redis.set("k", "two"), redis.get("k")]);
      seen.push(behind);
      redis.set("k", "three").catch(() => {});
      await null;
      seen.push(await redis.get("k"));
      return seen;`;
    await deploy(redis, "writer", body);
    for (let again = 0; again < 5; again++) {
      await redis.set("k", "zero");
      await readings(redis, "k");
      const seen = JSON.parse(String(await redis.call("LOCUS.CALL", "writer", "0"))) as unknown;
      expect(seen).toEqual(["zero", "zero", "one", "two", "three"]);
      expect(await readings(redis, "k")).toEqual(["three"]);
    }
  });

  test("may be an operation of the call that fails: Redis does not tell what BITFIELD has made longer", async () => {
    const body = `
      const before = await redis.get("k");
      await redis.call("bitfield", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", "800", "300");
      return [before.length, (await redis.get("k")).length];`;
    await deploy(redis, "grows", body);
    await redis.set("k", "short");
    await warm(redis, redis, "k");
    expect(JSON.parse(String(await redis.call("LOCUS.CALL", "grows", "0")))).toEqual([5, await redis.strlen("k")]);
  });

  // Each value that a client was told of is there for every read that begins afterwards, and none is seen to go back.
  test("is never forgotten again, however many read and write", async () => {
    const body = `
      const seen = [];
      for (let read = 0; read < 50; read++) seen.push(...await Promise.all(keys.map((key) => redis.get(key))));
      return seen.map(Number);`;
    await deploy(redis, "watcher", body);
    const keys = ["a", "b", "c", "d"];
    const told = keys.map(() => 0);
    await redis.mset(...keys.flatMap((key) => [key, "0"]));
    const before = await hits(redis);
    const end = Date.now() + 3_000;
    const writers = keys.map(async (key, index) => {
      const client = server.client();
      while (Date.now() < end) {
        told[index] = await client.incr(key);
        if (told[index] % 50 === 0) await sleep(3);
      }
    });
    const readers = Array.from({ length: 3 }, async () => {
      const client = server.client();
      while (Date.now() < end) {
        const atLeast = [...told];
        const reply = await client.call("LOCUS.CALL", "watcher", String(keys.length), ...keys);
        const seen = JSON.parse(String(reply)) as readonly number[];
        for (const [at, value] of seen.entries()) {
          const key = at % keys.length;
          if (value < atLeast[key]!) throw new Error(`${keys[key]} was ${value} after it had been ${atLeast[key]}`);
          atLeast[key] = value;
        }
      }
    });
    await Promise.all([...writers, ...readers]);
    expect(await hits(redis)).toBeGreaterThan(before);
  });
});

test("of a round, what is there is put together with what has to come", async () => {
  const keys = Array.from({ length: 400 }, (_, index) => `key:${index}`);
  const present = keys.filter((_, index) => index % 5 !== 0);
  await redis.mset(...present.flatMap((key, index) => [key, `${key} ${"x".repeat((index * 37) % 900)}`]));
  await Promise.all(keys.filter((_, index) => index % 3 === 0).map((key) => redis.expire(key, 1_000)));
  const truth = await redis.mget(...keys);
  const before = await hits(redis);
  for (let again = 0; again < 5; again++) expect(await readings(redis, ...keys)).toEqual(truth);
  expect(await hits(redis)).toBeGreaterThan(before + keys.length);
  await redis.set("key:7", "new");
  expect(await readings(redis, ...keys)).toEqual(await redis.mget(...keys));
});

test("bytes come as bytes, and a reply beyond its bound as ever", async () => {
  const body = `
    const seen = [];
    for (let again = 0; again < 4; again++) {
      const [bytes, text, large] = await Promise.all([redis.getBuffer("bytes"), redis.get("bytes"), redis.get("large")]);
      seen.push([[...bytes], text, large.length]);
    }
    return seen;`;
  await deploy(redis, "bytes", body);
  await redis.set("bytes", Buffer.from([0, 255, 13, 10, 97]));
  await redis.set("large", "l".repeat(100_000));
  const one = [[0, 255, 13, 10, 97], "\0�\r\na", 100_000];
  expect(JSON.parse(String(await redis.call("LOCUS.CALL", "bytes", "0")))).toEqual([one, one, one, one]);
});

test("each database has its own", async () => {
  const other = server.client({ db: 1 });
  await redis.set("k", "of 0");
  await other.set("k", "of 1");
  await warm(redis, redis, "k");
  await warm(other, redis, "k");
  expect(await readings(redis, "k")).toEqual(["of 0"]);
  expect(await readings(other, "k")).toEqual(["of 1"]);
});

describe("who reads", () => {
  /** A client of a user with just these rights, and that of calling. */
  async function as(name: string, ...rules: readonly string[]): Promise<Redis> {
    await redis.acl("SETUSER", name, "reset", "on", ">secret", "+locus.call", "+info", ...rules);
    return server.client({ username: name, password: "secret" });
  }

  test("has what that user may read, whatever others have read", async () => {
    const one = await as("one", "+get", "~a:*");
    const other = await as("other", "+get", "~b:*");
    await redis.mset("a:1", "a", "b:1", "b");
    await warm(redis, redis, "a:1", "b:1");
    const call = async (client: Redis): Promise<unknown> =>
      JSON.parse(String(await client.call("LOCUS.CALL", "both", "0")));
    const body = `return Promise.all(["a:1", "b:1"].map((key) => redis.get(key).catch((error) => error.message.split(" ")[0])));`;
    await deploy(redis, "both", body);
    for (let again = 0; again < 5; again++) {
      expect(await call(one)).toEqual(["a", "NOPERM"]);
      expect(await call(other)).toEqual(["NOPERM", "b"]);
      expect(await call(redis)).toEqual(["a", "b"]);
    }
  });

  /** Reads `k`, which it does not declare: LOCUS.CALL itself would ask for a right to that. */
  const call = async (client: Redis): Promise<unknown> => client.call("LOCUS.CALL", "undeclared", "0");
  const reader = async (): Promise<Redis> => server.client({ username: "reader", password: "secret" });

  test.each<[string, (admin: Redis, client: Redis) => Promise<unknown>]>([
    ["ACL SETUSER", (admin) => admin.acl("SETUSER", "reader", "-get")],
    ["acl setuser, of keys", (admin) => admin.call("acl", "setuser", "reader", "resetkeys", "~other")],
    ["a transaction", (admin) => admin.multi().call("ACL", "SETUSER", "reader", "-get").exec()],
    [
      "a transaction that waits while others end",
      async (admin, client) => {
        const waiting = server.client();
        await waiting.call("MULTI");
        await waiting.call("ACL", "SETUSER", "reader", "-get");
        await admin.multi().set("unrelated", "1").exec();
        await warm(client, redis, "k");
        await waiting.call("EXEC");
      },
    ],
    [
      "a transaction that takes long",
      (admin) => admin.multi().call("ACL", "SETUSER", "reader", "-get").call("EVAL", BUSY, "0").exec(),
    ],
    [
      "behind a call, on its connection",
      (admin) => {
        const behind = server.client();
        const slow = behind.call("LOCUS.CALL", "slow", "0");
        return Promise.all([slow, behind.call("ACL", "SETUSER", "reader", "-get"), admin.ping()]);
      },
    ],
    [
      "while clients are paused",
      async (admin) => {
        await admin.call("CLIENT", "PAUSE", "50", "ALL");
        await admin.acl("SETUSER", "reader", "-get");
      },
    ],
    [
      "another user of that name",
      async (admin) => {
        await admin.acl("DELUSER", "reader");
        await admin.acl("SETUSER", "reader", "on", ">secret", "+locus.call", "+info", "+get", "~other");
      },
    ],
  ])("may read no more once a right is gone: %s", async (_how, revoke) => {
    await deploy(redis, "undeclared", 'return redis.get("k").catch((error) => error.message.split(" ")[0]);');
    await deploy(redis, "slow", "await new Promise((resolve) => setTimeout(resolve, 20));");
    await as("reader", "+get", "~k");
    await redis.set("k", "value");
    const client = await reader();
    expect(await call(client)).toBe('"value"');
    await warm(client, redis, "k");
    expect(await call(client)).toBe('"value"');
    await revoke(redis, client);
    const after = await reader();
    expect(await call(after)).toBe('"NOPERM"');
  });

  test("reads on while nothing has changed, whatever is said and ended", async () => {
    const client = await as("reader", "+get", "~k");
    await redis.set("k", "value");
    await warm(client, redis, "k");
    await redis.acl("SETUSER", "unrelated", "on");
    await redis.multi().set("other", "1").exec();
    const kept = (await readInfo(redis)).get("read_cache_kept");
    expect(await readings(client, "k")).toEqual(["value"]);
    expect((await readInfo(redis)).get("read_cache_kept")).toBe(kept);
  });

  test("loses a right though more read than are remembered", async () => {
    const body = `
      for (;;) {
        await redis.get("k").catch(() => {});
        if (await redis.get("flag")) return redis.get("k").catch((error) => error.message.split(" ")[0]);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }`;
    await deploy(redis, "lasting", body);
    await deploy(redis, "undeclared", 'return redis.get("k").catch((error) => error.message.split(" ")[0]);');
    await redis.set("k", "value");
    const client = await as("reader", "+get", "~k", "~flag");
    const lasting = client.call("LOCUS.CALL", "lasting", "0");
    for (let db = 1; db < 16; db++) await call(server.client({ db }));
    for (let number = 0; number < 70; number++) {
      const other = await as(`other-${number}`, "+get", "~k");
      expect(await call(other)).toBe('"value"');
      other.disconnect();
    }
    // Time in which it would find again what it reads, were it remembered.
    await sleep(100);
    await redis.acl("SETUSER", "reader", "resetkeys", "~flag");
    await redis.set("flag", "1");
    expect(await lasting).toBe('"NOPERM"');
  });

  test("is anybody, of however many", async () => {
    await redis.set("k", "value");
    await deploy(redis, "undeclared", 'return redis.get("k");');
    for (let number = 0; number < 150; number++) {
      const client = await as(`user-${number}`, "+get", "~k");
      for (let again = 0; again < 3; again++)
        expect(await client.call("LOCUS.CALL", "undeclared", "0")).toBe('"value"');
      client.disconnect();
    }
  });
});

describe("what is found again", () => {
  test("is what it was: texts of any characters, bytes that are none, nothing", async () => {
    const values = { ascii: "a", latin: "\u00E9\u00FF", wide: "\u4E2D\u{1F600}", empty: "", lines: "$3\r\nabc\r\n" };
    const bytes = Buffer.from([0x61, 0xff, 0xed, 0xa0, 0x80, 0x62]);
    await redis.mset(values);
    await redis.set("bytes", bytes);
    await deploy(
      redis,
      "forms",
      `const asText = await Promise.all(keys.map((key) => redis.get(key)));
       const asBytes = await Promise.all(keys.map((key) => redis.getBuffer(key)));
       const [mixed] = await Promise.all([redis.get(keys[0]), redis.getBuffer(keys[0])]);
       return { asText, mixed, asBytes: asBytes.map((one) => one && [...one]) };`,
    );
    const keys = [...Object.keys(values), "bytes", "none"];
    const before = await known(redis);
    for (let again = 0; again < 6; again++) {
      const reply = String(await redis.call("LOCUS.CALL", "forms", keys.length, ...keys));
      expect(JSON.parse(reply)).toEqual({
        asText: [...Object.values(values), bytes.toString("utf8"), null],
        mixed: values.ascii,
        asBytes: [...Object.values(values).map((text) => [...Buffer.from(text)]), [...bytes], null],
      });
    }
    expect(await known(redis)).toBeGreaterThan(before);
  });

  // 6,000 values of 1,000 characters are more than an isolate keeps, and than a round finds.
  test("is what it is now, of more keys than anybody keeps in mind", async () => {
    const KEYS = 6_000;
    await deploy(
      redis,
      "checker",
      `let wrong = 0;
       for (let from = 0; from < args.keys; from += 1_000) {
         const ids = Array.from({ length: 1_000 }, (_, index) => from + index);
         const values = await Promise.all(ids.map((id) => redis.get("many:" + id)));
         values.forEach((value, index) => {
           const id = ids[index];
           if (value !== String(id % 2 === 0 ? args.even : 0).padEnd(1_000, id + ".")) wrong++;
         });
       }
       return wrong;`,
    );
    const before = await known(redis);
    for (let even = 0; even < 3; even++) {
      const values = Array.from({ length: KEYS }, (_, id) => [
        `many:${id}`,
        String(id % 2 === 0 ? even : 0).padEnd(1_000, `${id}.`),
      ]);
      const changed = values.filter((_, id) => even === 0 || id % 2 === 0);
      await redis.mset(...changed.flat());
      for (let again = 0; again < 3; again++) {
        expect(await redis.call("LOCUS.CALL", "checker", "0", JSON.stringify({ keys: KEYS, even }))).toBe("0");
      }
    }
    expect(await known(redis)).toBeGreaterThan(before);
  });
});

describe("it is in use", () => {
  const servers: RedisServer[] = [];
  afterEach(async () => {
    for (const one of servers.splice(0).toReversed()) await one.close();
  });
  const own = async (options: RedisServerOptions): Promise<RedisServer> => {
    const one = await startServer(options);
    servers.push(one);
    return one;
  };

  test("from the first function that reads on, and counts", async () => {
    const one = (await own({})).client();
    expect(await inUse(one)).toBe("no");
    await one.set("k", "v");
    await warm(one, one, "k");
    const info = await readInfo(one);
    expect(info.get("read_cache_in_use")).toBe("yes");
    expect(info.get("read_cache_bytes")).toBe(String(16 << 20));
    const run = (...keys: readonly string[]): Promise<unknown> =>
      one.call("LOCUS.NODE", "RUN", "reader", "*", String(keys.length), ...keys, "{}", "null");
    const [, , usage = ""] = (await run("k")) as string[];
    expect(JSON.parse(usage)).toMatchObject({
      operations: 2,
      rounds: 2,
      findableOperations: 2,
      findableRounds: 2,
      foundOperations: 2,
      foundRounds: 2,
    });
    // What nobody has asked for has to go: with the rest of its round, and alone.
    const [, , mixed = ""] = (await run("k", "new")) as string[];
    expect(JSON.parse(mixed)).toMatchObject({ operations: 4, rounds: 3, foundOperations: 2, foundRounds: 1 });
    await one.set("k", "w");
    expect((await readInfo(one)).get("read_cache_forgotten")).toBe("1");
    await one.flushall();
    expect(Number((await readInfo(one)).get("read_cache_forgot_all"))).toBeGreaterThan(0);
  });

  test("by the host that comes after one that died", async () => {
    const one = (await own({})).client();
    await one.set("k", "v");
    await warm(one, one, "k");
    const before = await hits(one);
    const [, pid = ""] = /pid=(\d+)/.exec((await readInfo(one)).get("host0") ?? "") ?? [];
    process.kill(Number(pid), "SIGKILL");
    await one.set("k", "w");
    await until(async () => (await readings(one, "k").catch(() => []))[0] === "w");
    await warm(one, one, "k");
    expect(await hits(one)).toBeGreaterThan(before);
  });

  test.each<[string, RedisServerOptions]>([
    ["none is wanted", { moduleArguments: ["read-cache-mb", "0"] }],
    ["Redis counts how often keys are used", { config: [["maxmemory-policy", "allkeys-lfu"]] }],
    ["ACL has another name", { config: [["rename-command", "ACL", "LCA"]] }],
    ["EXEC has another name", { config: [["rename-command", "EXEC", "XEQ"]] }],
    ["CONFIG has another name", { config: [["rename-command", "CONFIG", "CFG"]] }],
  ])("not where %s", async (_where, options) => {
    const one = (await own(options)).client();
    await one.set("k", "v");
    for (let again = 0; again < 5; again++) expect(await readings(one, "k")).toEqual(["v"]);
    expect(await inUse(one)).toBe("no");
    expect(await hits(one)).toBe(0);
  });

  test("not while Redis counts how often keys are used, nor with what was there before", async () => {
    const one = (await own({ config: [["enable-debug-command", "local"]] })).client();
    await one.set("k", "v");
    await warm(one, one, "k");
    await one.config("SET", "maxmemory-policy", "volatile-lfu");
    expect(await inUse(one)).toBe("no");
    const before = await hits(one);
    for (let again = 0; again < 3; again++) expect(await readings(one, "k")).toEqual(["v"]);
    expect(await hits(one)).toBe(before);
    await one.config("SET", "maxmemory-policy", "allkeys-lru");
    await warm(one, one, "k");
    const kept = (await readInfo(one)).get("read_cache_kept");
    await one.call("DEBUG", "RELOAD");
    expect(await inUse(one)).toBe("yes");
    expect(await readings(one, "k")).toEqual(["v"]);
    expect((await readInfo(one)).get("read_cache_kept")).not.toBe(kept);
  });

  test("by those alone whose rights were known when they read: a transaction that was queued before the first read", async () => {
    const one = await own({});
    const [admin, waiting] = [one.client(), one.client()];
    await admin.set("k", "v");
    await admin.acl("SETUSER", "reader", "on", ">secret", "+locus.call", "+info", "+get", "~k");
    await waiting.call("MULTI");
    await waiting.call("ACL", "SETUSER", "reader", "-get");
    const client = one.client({ username: "reader", password: "secret" });
    await warm(client, admin, "k");
    await waiting.call("EXEC");
    expect(await readings(client, "k")).toEqual(["-NOPERM"]);
  });

  test("on a primary alone", async () => {
    const primary = await own({});
    const replica = await own({ replicaOf: primary });
    const [one, two] = [primary.client(), replica.client()];
    await one.set("k", "v");
    await one.call("WAIT", "1", "10000");
    await until(async () => (await readings(two, "k").catch(() => []))[0] === "v");
    for (let again = 0; again < 5; again++) await readings(two, "k");
    expect(await inUse(two)).toBe("no");
    await two.call("REPLICAOF", "NO", "ONE");
    await warm(two, two, "k");
    expect(await inUse(two)).toBe("yes");
    await two.set("k", "its own");
    expect(await readings(two, "k")).toEqual(["its own"]);
    await two.call("REPLICAOF", "127.0.0.1", String(primary.port));
    expect(await inUse(two)).toBe("no");
    await until(async () => (await readings(two, "k").catch(() => []))[0] === "v");
  });
});
