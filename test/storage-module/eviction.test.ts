// Memory at its limit. Redis makes room when a client's command comes in and not while a function runs: on a full cache functions
// write on, within a bound; where nothing may be evicted they are refused as clients are.

import type { Redis } from "ioredis";
import { afterAll, beforeEach, beforeAll, expect, test } from "vitest";

import type { RedisServer } from "#test/redis-server.ts";
import { runLines, startScriptedServer, until } from "./scripted-host.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.";
const VALUE = "v".repeat(4_000);
/** Room above what an empty server needs. */
const SPACE_BYTES = 16_000_000;
/** Writes of 10 MB together, a few bytes each on the wire. */
const MUCH = Array.from({ length: 1_000 }, (_, i) => ["SETRANGE", `much:${i}`, "9999", "x"]);

let server: RedisServer;
let redis: Redis;
let maxmemory = 0;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
});
afterAll(() => server.close());
beforeEach(async () => {
  await redis.config("SET", "maxmemory", "0");
  await redis.flushall("SYNC");
  maxmemory = (await memory("used_memory")) + SPACE_BYTES;
});

const memory = async (name: string): Promise<number> =>
  Number(new RegExp(`^${name}:(\\d+)`, "m").exec(await redis.info("everything"))?.[1]);
/** Sets what may be evicted, and writes as a client until Redis evicts or refuses. */
const fill = async (policy: string, ...expiry: readonly string[]): Promise<void> => {
  await redis.config("SET", "maxmemory-policy", policy);
  await redis.config("SET", "maxmemory", String(maxmemory));
  const before = await memory("evicted_keys");
  for (let i = 0; (await memory("evicted_keys")) === before; i++) {
    const refused = await redis.call("SET", `fill:${i}`, VALUE, ...expiry).then(
      () => false,
      () => true,
    );
    if (refused) return;
  }
};

test.each(["allkeys-lru", "allkeys-lfu", "volatile-ttl"])(
  "a full cache (%s) takes functions' writes",
  async (policy) => {
    await fill(policy, ...(policy === "volatile-ttl" ? ["PX", "3600000"] : []));
    const evicted = await memory("evicted_keys");
    for (let i = 0; i < 200; i++) {
      const [a, b] = await runLines(redis, ["SET", `f:${i}`, VALUE], ["SET", `g:${i}`, VALUE]);
      expect([a, b]).toEqual(["+OK", "+OK"]);
    }
    expect(await memory("evicted_keys")).toBeGreaterThan(evicted);
    await until(async () => (await memory("used_memory")) < maxmemory * 1.01);
  },
);

test("one call writes no more than a sixteenth beyond the limit, and the next is served again", async () => {
  await fill("allkeys-lru");
  const replies = await runLines(redis, ...MUCH);
  expect(new Set(replies)).toEqual(new Set([":10000", OOM]));
  const written = replies.filter((reply) => reply !== OOM).length * 10_000;
  expect(written).toBeLessThan((maxmemory / 16) * 1.2);
  await until(async () => (await memory("used_memory")) <= maxmemory);
  expect(await runLines(redis, ["SET", "next", VALUE])).toEqual(["+OK"]);
});

test("where there is nothing that may be evicted, functions are refused by and by, and reads go on", async () => {
  await fill("volatile-lru");
  let written = 0;
  const write = () => runLines(redis, ["SETRANGE", `little:${++written}`, "9999", "x"]);
  await until(async () => (await write())[0] === OOM);
  expect(written).toBeLessThan(((maxmemory / 16) * 1.2) / 10_000);
  expect(await runLines(redis, ["STRLEN", "fill:0"], ["DEL", "fill:0"])).toEqual([`:${VALUE.length}`, ":1"]);
});

test("without eviction a write is refused at once, and so is LOAD; when there is room again both work", async () => {
  await fill("noeviction");
  // Buffers that come and go leave no room for a write.
  await redis.config("SET", "maxmemory", String(maxmemory - SPACE_BYTES / 2));
  await expect(redis.call("LOCUS.FUNCTION", "LOAD", "refused")).rejects.toThrow(/^OOM /);
  const told = await runLines(redis, ["SET", "more", VALUE], ["DEL", "fill:0"], ["EXISTS", "more"]);
  expect(told).toEqual([OOM, ":1", ":0"]);
  await redis.flushall("SYNC");
  expect(await redis.call("LOCUS.FUNCTION", "LOAD", "taken")).toEqual(["taken", expect.any(String)]);
  expect(await runLines(redis, ["SET", "more", VALUE])).toEqual(["+OK"]);
});
