import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { openBrittleConnection } from "../node/redis-connection.ts";
import { roundTripUsTo } from "./ask-network.ts";

describe.skipIf(!redisServerExists())("the round trip to a real server (skipped without one)", () => {
  let server: RedisProcess;
  let redis: Redis;
  beforeEach(async () => {
    server = await startRedis();
    const address = { host: "", port: 0, path: server.path, tls: false, database: 0 };
    redis = await openBrittleConnection(address, { username: null, password: null }, "network");
  });
  afterEach(async () => {
    redis.disconnect();
    await server.close();
  });

  test("is measured, also for a user who may not PING", async () => {
    expect(await roundTripUsTo(redis)).toBeGreaterThan(0);
    await redis.call("ACL", "SETUSER", "default", "-ping");
    expect(await roundTripUsTo(redis)).toBeGreaterThan(0);
  });

  test("is unknown without a connection", async () => {
    redis.disconnect();
    expect(await roundTripUsTo(redis)).toBeNull();
  });
});
