// CLIENT TRACKING and LOCUS.CALL: a client's cache is told of every write of a function, its own calls' included.

import type { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { bundleOf } from "#test/sides.ts";

let server: RedisServer;
let client: Redis;
let other: Redis;
/** The keys that the client was told to forget, in turn. */
let invalidated: string[];
beforeEach(async () => {
  server = await startRedisServer();
  [client, other] = [server.client(), server.client()];
  const listener = server.client({ protocol: 2 });
  invalidated = [];
  listener.on("message", (_channel, keys: unknown) => invalidated.push(String(keys)));
  const id = await listener.client("ID");
  await listener.subscribe("__redis__:invalidate");
  await client.client("TRACKING", "ON", "REDIRECT", id, "NOLOOP");
});
afterEach(() => server.close());

const deploy = async (source: string): Promise<string> => {
  const [name] = (await client.call("LOCUS.FUNCTION", "LOAD", source)) as [string];
  return name;
};

/** What has been invalidated, once the write of another client shows that all before it is here. */
async function settled(): Promise<readonly string[]> {
  await client.get("last");
  await other.set("last", "1");
  await vi.waitUntil(() => invalidated.includes("last"));
  return invalidated.filter((key) => key !== "last");
}

test("NOLOOP does not hold for what the client's own LOCUS.CALL writes, as it does for EVAL", async () => {
  const write = await deploy(bundleOf(({ redis, keys: [key = ""] }) => redis.set(key, "written")));
  await client.get("by a script");
  await client.eval("return redis.call('SET', KEYS[1], 'written')", 1, "by a script");
  await client.get("by a function");
  await client.call("LOCUS.CALL", write, 1, "by a function");
  expect(await settled()).toEqual(["by a function"]);
});

test("a key that only a function has read is not tracked for its caller, as one that a script has read is", async () => {
  const read = await deploy(bundleOf(({ redis, keys: [key = ""] }) => redis.get(key)));
  await client.call("LOCUS.CALL", read, 1, "by a function");
  await client.eval("return redis.call('GET', KEYS[1])", 1, "by a script");
  await other.mset("by a function", "1", "by a script", "1");
  expect(await settled()).toEqual(["by a script"]);
});
