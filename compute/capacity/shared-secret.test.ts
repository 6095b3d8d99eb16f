import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { SharedSecret } from "./shared-secret.ts";

const KEY = "locus:controller:secret";

describe.skipIf(!redisServerExists())("the nodes' secret (skipped where there is no Redis)", () => {
  let server: RedisProcess;
  let redis: Redis;
  let nowMs: number;
  const told = vi.fn();
  const open = (): Promise<SharedSecret> =>
    SharedSecret.open({ redis, log: { info: told as never }, nowMs: () => nowMs });
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ path: server.path });
  });
  beforeEach(async () => {
    nowMs = 1;
    told.mockClear();
    await redis.flushall();
  });
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });

  test("is made by the first, and kept for those that come later, though somebody empties Redis", async () => {
    const first = await open();
    expect(first.now).toMatch(/^[\w-]{32}$/);
    expect((await open()).now).toBe(first.now);
    await redis.flushall();
    await first.agree();
    expect((await open()).now).toBe(first.now);
    expect(told).not.toHaveBeenCalled();
  });

  test("is read anew where it is doubted, however often once in a second", async () => {
    const secret = await open();
    await redis.set(KEY, "another");
    secret.doubt();
    await vi.waitFor(() => expect(secret.now).toBe("another"));
    expect(told).toHaveBeenCalledTimes(1);
    await redis.set(KEY, "a-third");
    nowMs = 1_000;
    for (let doubts = 0; doubts < 100; doubts++) secret.doubt();
    // What had been sent before this has been answered before it.
    await redis.ping();
    expect(secret.now).toBe("another");
    nowMs = 1_001;
    secret.doubt();
    await vi.waitFor(() => expect(secret.now).toBe("a-third"));
  });

  test.each([
    ["none at all", ""],
    ["no header's", "two\nlines"],
    ["without end", "x".repeat(257)],
  ])("is not one that is %s", async (_title, kept) => {
    const secret = await open();
    const before = secret.now;
    await redis.set(KEY, kept);
    await expect(open()).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(KEY) });
    await expect(secret.agree()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(secret.now).toBe(before);
  });
});
