import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Channel } from "./channel.ts";
import { COMMAND_ROWS } from "./command-rows.ts";
import type { GuestRedis } from "./guest-redis.ts";
import { guestRedisOver } from "./guest-redis-over.ts";
import { MEMORY_COMMANDS, MemoryChannel } from "./memory-channel.ts";
import { globMatcher } from "./memory/glob.ts";
import { doubleText } from "./memory/reply-writing.ts";
import { channelTo, redisServerExists, startRedis, type RedisProcess } from "./redis-process.ts";
import { decodeReply } from "./reply.ts";

describe("MemoryChannel", () => {
  let nowMs: number;
  let redis: GuestRedis;
  beforeEach(() => {
    nowMs = 1_000_000;
    redis = guestRedisOver(new MemoryChannel(() => nowMs));
  });

  test("answers only commands that functions may call", () => {
    const allowed = new Set(COMMAND_ROWS.filter(({ standing }) => standing === "allowed").map(({ name }) => name));
    expect(MEMORY_COMMANDS.filter((name) => !allowed.has(name))).toEqual([]);
  });

  test("lets a key expire by the clock that it was given", async () => {
    await redis.set("k", "v", "PX", 1_500);
    nowMs += 1_499;
    expect(await redis.get("k")).toBe("v");
    expect(await redis.pttl("k")).toBe(1);
    nowMs += 1;
    expect(await redis.get("k")).toBeNull();
    expect(await redis.dbsize()).toBe(0);
  });

  test("keeps the expiry through changes in place, and drops it with a new value", async () => {
    await redis.hset("h", { a: 1 });
    await redis.expire("h", 10);
    await redis.hset("h", { b: 2 });
    expect(await redis.ttl("h")).toBe(10);
    await redis.set("h", "v");
    expect(await redis.ttl("h")).toBe(-1);
  });

  test("keeps bytes as they are, in keys and in values", async () => {
    const bytes = Uint8Array.of(0, 13, 10, 255);
    await redis.set(bytes, bytes);
    expect(await redis.getBuffer(bytes)).toEqual(bytes);
    expect(await redis.strlen(bytes)).toBe(4);
  });

  test("says of a command that it does not know what Redis says of one", async () => {
    const [reply] = await replies(new MemoryChannel(), ["nonesuch", "k"]);
    expect(reply).toBe("-ERR unknown command 'nonesuch', with args beginning with: 'k' \r\n");
  });

  test("says of a command that only Redis has that it is these values that lack it, and what to do", async () => {
    const lacking =
      "ERR values in memory have no XLEN, a Redis has: openTestSandbox({ redisUrl }), see docs/testing.md";
    await expect(redis.xlen("k")).rejects.toThrow(lacking);
    await expect(redis.xinfo("STREAM", "k")).rejects.toThrow("values in memory have no XINFO, a Redis has");
  });

  test("has the commands that docs/testing.md lists", () => {
    const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");
    const [, table = ""] = /^\| values in memory \|.*\n\|.*\n((?:\|.*\n)+)/m.exec(page) ?? [];
    const listed = [...table.matchAll(/\b[A-Z]{3,}\b/g)].map(([name]) => name.toLowerCase());
    expect(listed.toSorted()).toEqual(MEMORY_COMMANDS.toSorted());
  });

  test("tells the time of the clock that it was given", async () => {
    nowMs = 1_234_567;
    expect(await redis.time()).toEqual(["1234", "567000"]);
  });

  test.each(["hscan", "sscan", "zscan", "scan"] as const)(
    "finds with %s what is there all the time, each once, a few at a time, though others come and go",
    async (command) => {
      const names = Array.from({ length: 200 }, (_, index) => `name-${index}`);
      const put = async (name: string): Promise<unknown> => {
        if (command === "hscan") return redis.hset("k", name, 1);
        if (command === "sscan") return redis.sadd("k", name);
        return command === "zscan" ? redis.zadd("k", 1, name) : redis.set(name, 1);
      };
      const drop = async (name: string): Promise<unknown> => {
        if (command === "hscan") return redis.hdel("k", name);
        if (command === "sscan") return redis.srem("k", name);
        return command === "zscan" ? redis.zrem("k", name) : redis.del(name);
      };
      const width = command === "hscan" || command === "zscan" ? 2 : 1;
      for (const name of [...names, ...names.map((other) => `gone-${other}`)]) await put(name);
      const found: string[] = [];
      let cursor = "0";
      let steps = 0;
      do {
        const key = command === "scan" ? [] : ["k"];
        const [next, items] = (await redis.call(command, ...key, cursor, "COUNT", 7)) as [string, string[]];
        found.push(...items.filter((item, place) => place % width === 0 && item.startsWith("name-")));
        await drop(`gone-name-${steps}`);
        await put(`come-${steps}`);
        cursor = next;
        steps += 1;
        expect(items.length).toBeLessThanOrEqual(8 * width);
      } while (cursor !== "0");
      expect(found.toSorted()).toEqual(names.toSorted());
      expect(steps).toBeGreaterThan(400 / 8);
    },
  );

  describe("draws", () => {
    const members = ["a", "b", "c", "d"];
    const draws: number[] = [];
    beforeEach(async () => {
      draws.length = 0;
      redis = guestRedisOver(new MemoryChannel(Date.now, () => draws.shift() ?? 0.5));
      await redis.hset("h", { a: "1", b: "2", c: "3", d: "4" });
      await redis.sadd("s", ...members);
      await redis.zadd("z", 1, "a", 2, "b", 3, "c", 4, "d");
    });

    test("one member, or key, by the numbers that it was given", async () => {
      draws.push(0, 0.99, 0.25, 0.5);
      expect(await redis.hrandfield("h")).toBe("a");
      expect(await redis.srandmember("s")).toBe("d");
      expect(await redis.zrandmember("z")).toBe("b");
      expect(await redis.randomkey()).toBe("s");
    });

    test("several, each once, or as often as it comes, with their values where asked for", async () => {
      draws.push(0, 0, 0.99, 0.99);
      expect(await redis.hrandfield("h", 2)).toEqual(["a", "b"]);
      expect(await redis.hrandfield("h", -2, "WITHVALUES")).toEqual(["d", "4", "d", "4"]);
      draws.push(0.99, 0, 0, 0, 0);
      expect(await redis.srandmember("s", 2)).toEqual(["d", "a"]);
      expect(await redis.srandmember("s", -3)).toEqual(["a", "a", "a"]);
      draws.push(0.5, 0.99);
      expect(await redis.zrandmember("z", 2, "WITHSCORES")).toEqual(["c", "3", "d", "4"]);
      await expect(redis.srandmember("s", -1_000_001)).rejects.toThrow("drawn 1000000 times at most");
    });

    test("what SPOP takes away", async () => {
      draws.push(0.99, 0.99);
      expect(await redis.spop("s")).toBe("d");
      expect(await redis.spop("s", 1)).toEqual(["c"]);
      expect(await redis.smembers("s")).toEqual(["a", "b"]);
      await redis.spop("s", 2);
      expect(await redis.exists("s")).toBe(0);
    });
  });
});

/** Of a round, as they are on the wire. */
const replies = async (channel: Channel, ...round: (readonly string[])[]): Promise<string[]> =>
  (
    Buffer.from(await channel.send(round))
      .toString("latin1")
      .match(/[^]*?\r\n/g) ?? []
  ).slice(0, round.length);

describe("globMatcher", () => {
  test("takes no longer for many stars", () => {
    expect(globMatcher("a*".repeat(30) + "b")("a".repeat(300))).toBe(false);
  });
});

describe("doubleText", () => {
  test.each([
    [0, "0"],
    [-0, "-0"],
    [3, "3"],
    [3.1, "3.1000000000000001"],
    [-1.5, "-1.5"],
    [1e16, "10000000000000000"],
    [1e17, "1e+17"],
    [1.5e300, "1.5000000000000001e+300"],
    [0.0001, "0.0001"],
    [0.00001, "1.0000000000000001e-05"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [Number.MIN_VALUE, "4.9406564584124654e-324"],
    [123_456_789.123, "123456789.123"],
  ])("writes %d as C does", (value, text) => {
    expect(doubleText(value)).toBe(text);
  });
});

/**
 * Calls whose arguments are drawn: k a key, v a value, f a field or member, i an integer, n a score, r an end of a range, b the place
 * of a bit, c a cursor, p a pattern.
 */
const CALLS = `
bitcount k | bitcount k i i | bitcount k i i BIT | bitcount k i i BYTE | bitcount k i i v | bitcount k i
append k v | decr k | decrby k i | get k | getbit k b | setbit k b 1 | setbit k b 0 | setbit k b v | getdel k | getex k | getex k EX 1000 | getex k PERSIST | getex k EX i
getrange k i i | getset k v | incr k | incrby k i | mget k k k | mset k v k v | mset k v k | msetnx k v k v
psetex k 1000000 v | psetex k 0 v | psetex k -3 v | psetex k 1.5 v | psetex k x v | set k v | set k v NX | set k v XX | set k v GET | set k v XX GET | set k v NX GET
set k v EX 1000 | set k v EX i | set k v KEEPTTL | set k v EXAT 4102444800 | set k v NX XX | set k v EX | setex k 1000 v
keys p | scan c | scan 0 COUNT 1 | scan 0 COUNT i | scan 0 MATCH p | scan 0 TYPE hash COUNT 2 | scan 0 TYPE v | scan 0 v
set k v EX 1000 KEEPTTL | setex k i v | setnx k v | setrange k 3 v | setrange k i v | strlen k | substr k i i
copy k k | copy k k REPLACE | copy k k v | dbsize | del k k | echo v | exists k k k | expire k 1000 | expire k i
expire k 1000 NX | expire k 2000 GT | expire k 500 LT | expire k 1000 XX | expire k 1000 NX GT | expire k 1000 GT LT
expire k 1000 v | expireat k 4102444800 | expireat k i | persist k | pexpire k 1000000 | pexpireat k 4102444800000 | ping
ping v | ping v v | rename k k | renamenx k k | touch k k | ttl k | type k | unlink k k
hdel k f f | hexists k f | hget k f | hgetall k | hincrby k f i | hkeys k | hlen k | hmget k f f | hmset k f v f v
hrandfield k 100 | hrandfield k 100 WITHVALUES | hrandfield k i v | hrandfield k 0 | hrandfield k -9223372036854775808
hrandfield k 9223372036854775807 WITHVALUES | hscan k c | hscan k 0 COUNT 1 | hscan k 0 MATCH p COUNT 2 | hscan k 0 v
hset k f v | hset k f v f v | hset k f v f | hsetnx k f v | hstrlen k f | hvals k
lindex k i | linsert k BEFORE f v | linsert k AFTER f v | linsert k v f v | llen k | lmove k k LEFT RIGHT
lmove k k RIGHT RIGHT | lmove k k v LEFT | lpos k f | lpos k f RANK i | lpos k f COUNT i | lpos k f MAXLEN i | lpos k f RANK i COUNT 2 MAXLEN 3 | lpos k f COUNT 0
lpos k f RANK | lpos k f v i | lpop k | lpop k i | lpop k i i | lpush k f f | lpushx k f | lrange k i i
lrem k i f | lset k i f | ltrim k i i | rpop k | rpop k i | rpoplpush k k | rpush k f f | rpush k f f f | rpushx k f
sadd k f f | sadd k f | scard k | sdiff k k k | sdiffstore k k k | sinter k k | sinterstore k k k | sismember k f
sintercard 2 k k | sintercard 2 k k LIMIT i | sintercard i k k | sintercard 1 k v | smembers k | smismember k f f
spop k 100 | spop k 0 | spop k -1 | spop k 100 v | srandmember k 100 | srandmember k 0 | srandmember k 100 v
srandmember k x | sscan k c | sscan k 0 COUNT 1 | sscan k 0 MATCH p | sscan k 0 TYPE v | smove k k f | srem k f f | sunion k k | sunionstore k k k
zadd k n f | zadd k n f n f | zadd k NX n f | zadd k XX CH n f | zadd k GT CH n f n f | zadd k LT n f | zadd k INCR n f
zadd k GT INCR n f | zadd k NX INCR n f | zadd k NX XX n f | zadd k GT LT n f | zadd k INCR n f n f | zadd k n f n | zcard k
zcount k r r | zincrby k n f | zmscore k f f | zpopmax k | zpopmax k i | zpopmin k | zpopmin k i | zpopmin k i i
zrandmember k 100 | zrandmember k 100 WITHSCORES | zrandmember k i v | zrandmember k 0 | zrandmember k x
zscan k c | zscan k 0 COUNT 1 | zscan k 0 MATCH p | zrange k i i | zrange k i i WITHSCORES | zrange k i i REV | zrange k r r BYSCORE | zrange k r r BYSCORE REV WITHSCORES
zrange k r r BYSCORE LIMIT i i | zrange k i i LIMIT 0 1 | zrange k i i v | zrangebyscore k r r | zrank k f
zrangebyscore k r r WITHSCORES LIMIT i i | zrem k f f | zremrangebyrank k i i | zremrangebyscore k r r | zrevrange k i i
zrevrange k i i WITHSCORES | zrevrangebyscore k r r | zrevrangebyscore k r r LIMIT 1 2 | zrevrank k f | zscore k f
`
  .split(/[|\n]/)
  .map((call) => call.trim().split(" "))
  .filter(([name]) => name !== "");

const DRAWN: Readonly<Record<string, fc.Arbitrary<string>>> = {
  k: fc.constantFrom("a", "b", "c"),
  v: fc.constantFrom("", "x", "hello world", "7", "-3", "9223372036854775807", "1.5", "\u00e9", "01", " 1"),
  f: fc.constantFrom("a", "b", "c", "5", "\u00e9"),
  i: fc.constantFrom("0", "1", "2", "-1", "-2", "3", "-100", "100", "9223372036854775807", "-9223372036854775808", "x"),
  b: fc.constantFrom("0", "1", "7", "8", "9", "30", "-1", "4294967296", "x"),
  c: fc.constantFrom("0", "", "00", "x", "-", "0x", "18446744073709551616"),
  p: fc.oneof(
    fc.constantFrom("*", "a", "?", "[ab]", "[^a]", "[c-a]", "a*", "\\a", "", "**", "[a", "[", "*[", "[a-", "\\"),
    fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "[", "]", "^", "-", "\\"), maxLength: 6 }),
  ),
  n: fc.constantFrom("0", "1", "2.5", "-1", "1e3", "inf", "-inf", ".1", "nan", "3.1", "x", "-0"),
  r: fc.constantFrom("-inf", "+inf", "0", "1", "(1", "2.5", "(2.5", "(inf", "x", "(x"),
};
const ERROR = "-".charCodeAt(0);
/** What they draw is told by tests of their own. */
const CHANCE = ["hrandfield", "randomkey", "spop", "srandmember", "zrandmember"];
const UNORDERED = new Set(["keys", "smembers", "sdiff", "sinter", "sunion", ...CHANCE]);
/** Each with the place of its cursor, and with how many items belong together. */
const SCANS: Readonly<Record<string, readonly [cursor: number, width: number]>> = {
  scan: [1, 1],
  sscan: [2, 1],
  hscan: [2, 2],
  zscan: [2, 2],
};

const drawn = fc
  .constantFrom(...CALLS)
  .chain((call) => fc.tuple(...call.map((word) => DRAWN[word] ?? fc.constant(word))));
/** Those with a time in milliseconds would expire while the test runs. */
const TIMED = ["psetex", "pexpire", "time"];
const carelessNames = MEMORY_COMMANDS.filter((name) => ![...TIMED, ...CHANCE, ...Object.keys(SCANS)].includes(name));
const careless = fc
  .tuple(fc.constantFrom(...carelessNames), fc.array(fc.oneof(...Object.values(DRAWN)), { maxLength: 5 }))
  .map(([name, args]) => [name, ...args]);
const operation = fc.oneof({ weight: 9, arbitrary: drawn }, { weight: 1, arbitrary: careless });

describe.skipIf(!redisServerExists())("a real server, given the same commands (skipped where there is none)", () => {
  let server: RedisProcess;
  let real: Channel & { close(): void };
  beforeAll(async () => {
    server = await startRedis();
    real = await channelTo(server.path);
  });
  afterAll(async () => {
    real.close();
    await server.close();
  });

  /** The reply's bytes; a set's members in order, since Redis keeps them in none. */
  async function answer(channel: Channel, operation: readonly string[]): Promise<unknown> {
    const bytes = await channel.send([operation]);
    const scan = SCANS[operation[0] ?? ""];
    if (scan !== undefined && bytes[0] !== ERROR) return scanned(channel, operation, ...scan);
    const reply = decodeReply(bytes, 0, { shape: "plain", binary: false });
    if (!UNORDERED.has(operation[0] ?? "") || reply === "incomplete" || !Array.isArray(reply.value)) {
      return Buffer.from(bytes).toString("latin1");
    }
    return reply.value.map(String).toSorted();
  }

  /** All that a scan finds, from its beginning to its end: the steps are each server's own. */
  async function scanned(
    channel: Channel,
    operation: readonly string[],
    place: number,
    width: number,
  ): Promise<unknown> {
    const found = new Set<string>();
    let cursor = operation[place] ?? "";
    do {
      const bytes = await channel.send([operation.with(place, cursor)]);
      const reply = decodeReply(bytes, 0, { shape: "plain", binary: false });
      if (reply === "incomplete" || !Array.isArray(reply.value)) throw new Error(Buffer.from(bytes).toString("latin1"));
      const [next, items] = reply.value as [string, string[]];
      for (let i = 0; i < items.length; i += width) found.add(items.slice(i, i + width).join("\0"));
      cursor = next;
    } while (cursor !== "0");
    return [...found].toSorted();
  }

  test("covers every command of the memory channel but those that tell the time exactly, or a key at random", () => {
    const covered = new Set(CALLS.map(([name]) => name));
    expect(MEMORY_COMMANDS.filter((name) => !covered.has(name))).toEqual([
      "expiretime",
      "pexpiretime",
      "pttl",
      "randomkey",
      "time",
    ]);
  });

  test("answers the same bytes", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
        const memory = new MemoryChannel();
        await real.send([["FLUSHALL"]]);
        for (const operation of operations) {
          expect({ operation, reply: await answer(memory, operation) }).toEqual({
            operation,
            reply: await answer(real, operation),
          });
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["nonesuch", "a", "b"],
    ["Nonesuch"],
    ["n".repeat(200), "x".repeat(100), "y".repeat(100), "z"],
    ["none\r\nsuch", "a\r\nb"],
  ])("says the same of the unknown command %s", async (...operation) => {
    expect(await answer(new MemoryChannel(), operation)).toEqual(await answer(real, operation));
  });
});
