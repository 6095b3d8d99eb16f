// What benchmarks put around what they measure: a network of some latency, and others who are at work.

import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sharedLayout } from "#bench/harness/cores.ts";
import { childrenOf, watchCpu } from "#bench/harness/processes.ts";
import { startDelayProxy } from "#bench/placement/delay-proxy.ts";
import { coreBurner, noisyNeighbour } from "#bench/shift/disturbances.ts";
import { startRedisServer, type RedisServer } from "./redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer({ moduleArguments: null });
});
afterAll(() => redis.close());

test("no round trip over a network of so many µs takes less, and what goes over it stays what it is", async () => {
  await using resources = new AsyncDisposableStack();
  for (const roundTripUs of [200, 5_000]) {
    const client = new Redis({ host: "127.0.0.1", port: await startDelayProxy(redis.port, roundTripUs, resources) });
    resources.defer(() => client.disconnect());
    await client.ping();
    for (let trip = 0; trip < 10; trip++) {
      const startedMs = performance.now();
      await client.ping();
      expect((performance.now() - startedMs) * 1e3).toBeGreaterThanOrEqual(roundTripUs);
    }
    const long = "b".repeat(2 ** 20);
    await client.set("long", long);
    expect(await client.get("long")).toBe(long);
  }
});

test("a neighbour of Redis, and one of its cores, are at work from when they start until they stop", async () => {
  await using resources = new AsyncDisposableStack();
  const known = new Set(childrenOf(process.pid));
  const burner = coreBurner(sharedLayout([0]), resources);
  const neighbour = noisyNeighbour(redis);
  const burning = childrenOf(process.pid).filter((pid) => !known.has(pid));
  expect(burning).toHaveLength(1);
  const usedUs = async () => (await watchCpu({ redis: [redis.pid()], burning }, () => sleep(500))).cpuUs;
  const before = await usedUs();
  burner.start();
  neighbour.start();
  const during = await usedUs();
  await Promise.all([burner.stop(), neighbour.stop()]);
  const after = await usedUs();
  for (const who of ["redis", "burning"] as const) {
    expect(during[who]).toBeGreaterThan(2 * before[who] + 5_000);
    expect(during[who]).toBeGreaterThan(2 * after[who] + 5_000);
  }
});
