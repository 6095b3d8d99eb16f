import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Channel } from "./channel.ts";
import { COMMAND_ROWS } from "./command-rows.ts";
import type { GuestRedis } from "./guest-redis.ts";
import { guestRedisOver } from "./guest-redis-over.ts";
import { MEMORY_COMMANDS, MemoryChannel } from "./memory-channel.ts";
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
    await expect(redis.xlen("k")).rejects.toThrow("ERR unknown command 'xlen', with args beginning with: 'k' ");
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

/** Calls whose arguments are drawn: k a key, v a value, f a field or member, i an integer, n a score, r an end of a range. */
const CALLS = `
append k v | decr k | decrby k i | get k | getdel k | getex k | getex k EX 1000 | getex k PERSIST | getex k EX i
getrange k i i | getset k v | incr k | incrby k i | mget k k k | mset k v k v | mset k v k | msetnx k v k v
psetex k 1000000 v | psetex k 0 v | psetex k v v | set k v | set k v NX | set k v XX | set k v GET | set k v XX GET | set k v NX GET
set k v EX 1000 | set k v EX i | set k v KEEPTTL | set k v EXAT 4102444800 | set k v NX XX | set k v EX | setex k 1000 v
set k v EX 1000 KEEPTTL | setex k i v | setnx k v | setrange k 3 v | setrange k i v | strlen k | substr k i i
copy k k | copy k k REPLACE | copy k k v | dbsize | del k k | echo v | exists k k k | expire k 1000 | expire k i
expire k 1000 NX | expire k 2000 GT | expire k 500 LT | expire k 1000 XX | expire k 1000 NX GT | expire k 1000 GT LT
expire k 1000 v | expireat k 4102444800 | expireat k i | persist k | pexpire k 1000000 | pexpireat k 4102444800000 | ping
ping v | ping v v | rename k k | renamenx k k | touch k k | ttl k | type k | unlink k k
hdel k f f | hexists k f | hget k f | hgetall k | hincrby k f i | hkeys k | hlen k | hmget k f f | hmset k f v f v
hset k f v | hset k f v f v | hset k f v f | hsetnx k f v | hstrlen k f | hvals k
lindex k i | linsert k BEFORE f v | linsert k AFTER f v | linsert k v f v | llen k | lmove k k LEFT RIGHT
lmove k k RIGHT RIGHT | lmove k k v LEFT | lpop k | lpop k i | lpop k i i | lpush k f f | lpushx k f | lrange k i i
lrem k i f | lset k i f | ltrim k i i | rpop k | rpop k i | rpoplpush k k | rpush k f f | rpush k f f f | rpushx k f
sadd k f f | sadd k f | scard k | sdiff k k k | sdiffstore k k k | sinter k k | sinterstore k k k | sismember k f
sintercard 2 k k | sintercard 2 k k LIMIT i | sintercard i k k | sintercard 1 k v | smembers k | smismember k f f
smove k k f | srem k f f | sunion k k | sunionstore k k k
zadd k n f | zadd k n f n f | zadd k NX n f | zadd k XX CH n f | zadd k GT CH n f n f | zadd k LT n f | zadd k INCR n f
zadd k GT INCR n f | zadd k NX INCR n f | zadd k NX XX n f | zadd k GT LT n f | zadd k INCR n f n f | zadd k n f n | zcard k
zcount k r r | zincrby k n f | zmscore k f f | zpopmax k | zpopmax k i | zpopmin k | zpopmin k i | zpopmin k i i
zrange k i i | zrange k i i WITHSCORES | zrange k i i REV | zrange k r r BYSCORE | zrange k r r BYSCORE REV WITHSCORES
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
  n: fc.constantFrom("0", "1", "2.5", "-1", "1e3", "inf", "-inf", ".1", "nan", "3.1", "x", "-0"),
  r: fc.constantFrom("-inf", "+inf", "0", "1", "(1", "2.5", "(2.5", "(inf", "x", "(x"),
};
const UNORDERED = new Set(["smembers", "sdiff", "sinter", "sunion"]);

const drawn = fc
  .constantFrom(...CALLS)
  .chain((call) => fc.tuple(...call.map((word) => DRAWN[word] ?? fc.constant(word))));
/** Those with a time in milliseconds would expire while the test runs. */
const carelessNames = MEMORY_COMMANDS.filter((name) => !["psetex", "pexpire"].includes(name));
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
    const reply = decodeReply(bytes, 0, { shape: "plain", binary: false });
    if (!UNORDERED.has(operation[0] ?? "") || reply === "incomplete" || !Array.isArray(reply.value)) {
      return Buffer.from(bytes).toString("latin1");
    }
    return reply.value.map(String).toSorted();
  }

  test("covers every command of the memory channel but those that tell the time exactly", () => {
    const covered = new Set(CALLS.map(([name]) => name));
    expect(MEMORY_COMMANDS.filter((name) => !covered.has(name))).toEqual(["expiretime", "pexpiretime", "pttl"]);
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
