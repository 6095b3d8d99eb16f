// A read of a function leaves everything as the same read of a client does: encodings, memory, bytes, and how lately and how
// often a key was used. Every command of the table that reads has its turn.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";

import { COMMAND_ROWS } from "#runtime/channel/command-rows.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { runScript, startScriptedServer, until } from "./scripted-host.ts";

const lines = (text: string): readonly (readonly string[])[] =>
  text
    .split(/[|\n]/)
    .map((line) => line.trim().split(" "))
    .filter(([word]) => word !== "");

const many = (words: (i: number) => string): string => Array.from({ length: 600 }, (_, i) => words(i)).join(" ");

/** A key for each type, encoding and length that matters: strings to 44 bytes and beyond, small and large collections. */
const VALUES = lines(`
set int 12345 | set embstr short | set most ${"m".repeat(44)} | set raw ${"r".repeat(45)} | set long ${"l".repeat(100_000)}
append grown short | setbit bits 4000 1 | pfadd hll a b c | incrbyfloat float 1.5 | set brief x EX 1000
rpush list a b c | rpush quicklist ${many((i) => `element-${i}`)}
sadd intset 1 2 3 | sadd set a b c | sadd hashset ${many((i) => `m${i}`)}
hset hash f v g w | hset hashtable ${many((i) => `f${i} v${i}`)}
zadd zset 1 a 2 b | zadd skiplist ${many((i) => `${i} m${i}`)}
geoadd geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
xadd stream 1-1 f v | xadd stream 1-2 g w | xgroup CREATE stream group 0
`);
const KEYS = [...new Set(VALUES.map(([name, key, next]) => (name === "xgroup" ? next! : key!)))];

const STRINGS = ["int", "embstr", "most", "raw", "long", "grown", "bits", "float", "brief"];
const READS = lines(`
${STRINGS.map((key) => `get ${key} | get ${key} | strlen ${key} | getrange ${key} 0 1 | substr ${key} 0 1`).join(" | ")}
${STRINGS.map((key) => `bitcount ${key} | bitpos ${key} 1 | getbit ${key} 3 | bitfield_ro ${key} GET u8 0`).join(" | ")}
mget ${STRINGS.join(" ")} | lcs embstr most | lcs int grown LEN | get list | get nothing | get hll | strlen hll
ping | echo x | time | dbsize | keys * | scan 0 | exists ${KEYS.join(" ")}
${KEYS.map((key) => `type ${key} | dump ${key} | ttl ${key} | pttl ${key} | expiretime ${key} | pexpiretime ${key}`).join(" | ")}
${KEYS.map((key) => `object ENCODING ${key} | object FREQ ${key} | object REFCOUNT ${key} | memory USAGE ${key}`).join(" | ")}
object IDLETIME int | touch int raw
hget hash f | hget hashtable f7 | hgetall hash | hgetall hashtable | hmget hash f g | hexists hash f | hkeys hash | hlen hash
hrandfield hash 2 | hscan hash 0 | hscan hashtable 0 | hstrlen hash f | hvals hashtable
lindex list 0 | lindex quicklist 300 | llen list | lrange list 0 -1 | lrange quicklist 0 -1 | lpos quicklist element-7
scard set | sdiff set hashset | sinter intset hashset | sintercard 2 set hashset | sismember intset 2 | sismember hashset m7
smembers intset | smembers hashset | smismember set a z | srandmember set 2 | sscan hashset 0 | sunion intset set
zcard zset | zcount skiplist 1 5 | zdiff 2 zset skiplist | zinter 2 zset skiplist | zintercard 2 zset skiplist
zlexcount zset - + | zmscore zset a z | zrandmember zset 2 | zrange zset 0 -1 WITHSCORES | zrange skiplist 0 -1
zrangebylex zset - + | zrangebyscore skiplist 1 9 | zrank skiplist m7 | zrevrange zset 0 -1 | zrevrangebylex zset + -
zrevrangebyscore zset 9 0 | zrevrank zset a | zscan skiplist 0 | zscore zset a | zscore skiplist m7 | zunion 2 zset skiplist
geodist geo Palermo Catania | geohash geo Palermo | geopos geo Palermo | geosearch geo FROMMEMBER Palermo BYRADIUS 9 km
georadius_ro geo 15 37 200 km | georadiusbymember_ro geo Palermo 200 km
xlen stream | xrange stream - + | xrevrange stream + - | xread STREAMS stream 0 | xpending stream group
xinfo STREAM stream | xinfo GROUPS stream | xinfo CONSUMERS stream group | sort_ro list ALPHA | randomkey
`);

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  // Under this policy, and with this factor, every use of a key counts.
  const config = [
    ["maxmemory-policy", "allkeys-lfu"],
    ["lfu-log-factor", "0"],
    ["lfu-decay-time", "0"],
    ["enable-debug-command", "local"],
  ];
  server = await startScriptedServer({ config });
  redis = server.client();
});
afterAll(() => server.close());

test("every command that reads is tried", () => {
  const tried = new Set(READS.flatMap(([name = "", next = ""]) => [name, `${name}|${next.toLowerCase()}`]));
  const reads = COMMAND_ROWS.filter((row) => row.standing === "allowed" && row.access === "read");
  expect(reads.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
});

/** How each value is kept. */
const kept = () =>
  Promise.all(
    KEYS.map(async (key) => ({
      key,
      encoding: await redis.object("ENCODING", key),
      references: await redis.object("REFCOUNT", key),
      memory: await redis.memory("USAGE", key, "SAMPLES", 0),
      // Whatever order a hash table has them in.
      content: await redis.call("DEBUG", "DIGEST-VALUE", key),
    })),
  );

/** What reading has done to new values: what is kept before and after, and how often each key was used. */
const effectOf = async (read: () => Promise<unknown>) => {
  await redis.flushall();
  for (const [name = "", ...args] of VALUES) await redis.call(name, ...args);
  const before = await kept();
  await read();
  const uses = await Promise.all(KEYS.map(async (key) => [key, await redis.object("FREQ", key)]));
  return { before, uses, after: await kept() };
};

const byFunction = () => effectOf(() => runScript(redis, { rounds: READS.map((words) => [words]) }));

test("all reads leave all values as they were", async () => {
  const { before, after } = await byFunction();
  expect(after).toEqual(before);
});

test("all reads use their keys as often as a client's do, and leave the values as they were, without the shortcut of GET", async () => {
  await redis.call("LOCUS.CONFIG", "SET", "get-shortcut", "no");
  const ofClient = await effectOf(async () => {
    for (const [name = "", ...args] of READS) await redis.call(name, ...args).catch(() => {});
  });
  const ofFunction = await byFunction();
  await redis.call("LOCUS.CONFIG", "SET", "get-shortcut", "yes");
  expect(ofFunction.after).toEqual(ofFunction.before);
  expect(ofFunction.uses).toEqual(ofClient.uses);
});

test("a key that a function reads is not idle", async () => {
  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  await redis.mset("short", "s", "long", "l".repeat(100), "unread", "u");
  await until(async () => Number(await redis.object("IDLETIME", "unread")) >= 2);
  await runScript(redis, {
    rounds: [
      [
        ["GET", "short"],
        ["GET", "long"],
      ],
    ],
  });
  const keys = ["short", "long", "unread"];
  const asked = keys.reduce((all, key) => all.object("IDLETIME", key), redis.multi());
  const [short, long, unread] = ((await asked.exec()) ?? []).map(([, seconds]) => Number(seconds));
  expect(short).toBeLessThan(unread!);
  expect(long).toBeLessThan(unread!);
});
