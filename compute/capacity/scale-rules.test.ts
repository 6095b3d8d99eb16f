import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { ScaleRules } from "./scale-rules.ts";

const KEY = "locus:controller:scale";

describe.skipIf(!redisServerExists())("what is said of functions' instances (skipped where there is no Redis)", () => {
  let server: RedisProcess;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis({ path: server.path });
  });
  beforeEach(async () => void (await redis.flushall()));
  afterAll(async () => {
    redis.disconnect();
    await server.close();
  });

  test("stays until it is taken back, and what is not said stays as it was", async () => {
    const rules = new ScaleRules(redis);
    expect(await rules.say("khop", { min: 2 })).toEqual({ min: 2, max: null });
    expect(await rules.say("khop", { max: 5 })).toEqual({ min: 2, max: 5 });
    const other = new ScaleRules(redis);
    await other.read();
    expect([...other.now]).toEqual([["khop", { min: 2, max: 5 }]]);
    await expect(rules.say("khop", { max: 1 })).rejects.toMatchObject({ code: "REQUEST_INVALID" });
    expect(await rules.say("khop", null)).toEqual({ min: 0, max: null });
    expect(await redis.exists(KEY)).toBe(0);
  });

  test("is left out where it is none that can be said, and bounded", async () => {
    await redis.hset(KEY, {
      a: "{",
      b: '{"min":-1,"max":null}',
      c: '{"min":1.5,"max":3}',
      d: '{"min":3,"max":2}',
      E: '{"min":1,"max":null}',
    });
    const rules = new ScaleRules(redis);
    await rules.read();
    expect([...rules.now]).toEqual([]);
    const many = Array.from({ length: 1_001 }, (_, index) => [`f${index}`, '{"min":1,"max":null}']);
    await redis.hset(KEY, Object.fromEntries(many));
    await rules.read();
    expect(rules.now.size).toBe(1_000);
    await expect(rules.say("another", { min: 1 })).rejects.toMatchObject({ code: "OVERLOADED" });
  });
});
