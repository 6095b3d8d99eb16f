import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { networkOf } from "#runtime/placement/calibration.ts";
import { openBrittleConnection } from "../node/redis-connection.ts";
import { askNetwork } from "./ask-network.ts";

describe.skipIf(!redisServerExists())("asking a real server (skipped where there is none)", () => {
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

  const LONG = { timeout: 60_000 };
  const told = async () => {
    const { pingsUs, inTurn } = await askNetwork(redis);
    return { pings: pingsUs.length, inTurn: inTurn.pingsUs.length, echos: inTurn.echosUs.length };
  };

  test("has many answers to PINGs, and some to ECHOs", async () => {
    // A machine that stands still takes the time of some.
    await vi.waitFor(
      async () => expect(await told()).toEqual({ pings: expect.any(Number), inTurn: 9, echos: 8 }),
      LONG,
    );
    await vi.waitFor(async () => expect((await told()).pings).toBeGreaterThan(10), LONG);
  });

  test("goes without ECHOs where the user may not, and counts PINGs that it may not", async () => {
    await redis.call("ACL", "SETUSER", "default", "-ping", "-echo");
    await vi.waitFor(async () => expect((await told()).pings).toBeGreaterThan(10), LONG);
    expect(await told()).toMatchObject({ inTurn: 1, echos: 0 });
  });

  test("comes to nothing without a connection", async () => {
    redis.disconnect();
    expect(networkOf(await askNetwork(redis))).toBeNull();
  });
});
