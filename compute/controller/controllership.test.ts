import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { CONTROLLER_LEASE_KEY, Controllership } from "./controllership.ts";

describe.skipIf(!redisServerExists())("who controls (skipped where there is no Redis)", () => {
  let server: RedisProcess;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ path: server.path });
  });
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });

  test("writes what is the controller's to say as long as Redis says that it is, whatever it believes itself", async () => {
    const controllership = new Controllership({
      address: { host: "", port: 0, path: server.path, tls: false, database: 0 },
      user: { username: null, password: null },
      log: { warn: () => {} },
      nowMs: () => performance.now(),
    });
    try {
      await vi.waitFor(() => expect(controllership.isHeld).toBe(true), 10_000);
      const written = await Promise.all(["one", "two"].map((text) => controllership.write("said", text)));
      expect([written, await redis.get("said")]).toEqual([[true, true], "two"]);
      await redis.set(CONTROLLER_LEASE_KEY, "another");
      expect([await controllership.write("said", "three"), await redis.get("said")]).toEqual([false, "two"]);
      await redis.del(CONTROLLER_LEASE_KEY);
      await vi.waitFor(async () => expect(await controllership.write("said", "four")).toBe(true), 10_000);
      expect(await redis.get("said")).toBe("four");
    } finally {
      await controllership.close();
    }
  });
});
