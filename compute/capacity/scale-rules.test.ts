import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type RedisProcess, redisServerExists, startRedis } from "#runtime/channel/redis-process.ts";
import { FunctionCache } from "../node/function-cache.ts";
import { MemoryRegistry } from "../node/memory-registry.ts";
import { ScaleRules } from "./scale-rules.ts";

const KEY = "locus:controller:scale";
const VERSION = ":version";

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
    expect(Object.keys(await redis.hgetall(KEY))).toEqual([VERSION]);
  });

  test("has a version that grows with all that is said, whoever says it, and by reading does not", async () => {
    const [rules, other] = [new ScaleRules(redis), new ScaleRules(redis)];
    expect(rules.version).toBe(0);
    await rules.read();
    const versions = [rules.version];
    for (const change of [{ min: 2 }, { max: 5 }, { max: 5 }, null]) {
      await rules.say("khop", change);
      versions.push(rules.version);
    }
    expect(versions[0]).toBeGreaterThan(0);
    expect(new Set(versions).size).toBe(versions.length);
    expect(versions.toSorted((a, b) => a - b)).toEqual(versions);
    await other.read();
    expect(other.version).toBe(rules.version);
    // Though Redis' clock were set back.
    const ahead = rules.version + 1e9;
    await redis.hset(KEY, VERSION, ahead);
    await rules.say("khop", { min: 1 });
    expect(rules.version).toBe(ahead + 1);
  });

  test("is nothing, and newer than all before, where Redis was emptied", async () => {
    const rules = new ScaleRules(redis);
    await rules.say("khop", { min: 2 });
    const before = rules.version;
    await redis.flushall();
    await rules.read();
    expect([...rules.now]).toEqual([]);
    const emptied = rules.version;
    expect(emptied).toBeGreaterThan(before);
    await rules.read();
    expect(rules.version).toBe(emptied);
    // And where what stands there is none.
    await redis.hset(KEY, VERSION, "soon");
    await rules.read();
    expect(rules.version).toBeGreaterThan(emptied);
  });

  test("is what each of those said who say something at once", async () => {
    const others = Array.from({ length: 4 }, () => new Redis({ path: server.path }));
    try {
      const said = others.flatMap((own, index) => {
        const one = new ScaleRules(own);
        return [one.say("khop", index % 2 === 0 ? { max: 9 } : { min: 1 }), one.say(`f${index}`, { min: index + 1 })];
      });
      await Promise.all(said);
      const rules = new ScaleRules(redis);
      await rules.read();
      expect(Object.fromEntries(rules.now)).toEqual({
        khop: { min: 1, max: 9 },
        f0: { min: 1, max: null },
        f1: { min: 2, max: null },
        f2: { min: 3, max: null },
        f3: { min: 4, max: null },
      });
    } finally {
      for (const own of others) own.disconnect();
    }
  });

  test("goes with its function, once the registry has said that it is deployed no more", async () => {
    const limits = { deadlineMs: 1, cpuMs: 1, memoryMb: 1, operations: 1, concurrency: 1 };
    const about = { version: "0", side: null, limits, input: null, output: null };
    const registry = new MemoryRegistry((bundle) => ({ name: Buffer.from(bundle).toString(), ...about }));
    for (const name of ["khop", "stays"]) await registry.load(Buffer.from(name));
    // It has not read of them yet.
    const functions = new FunctionCache(registry, 1);
    const rules = new ScaleRules(redis);
    for (const name of ["khop", "stays", "never"]) await rules.say(name, { min: 2 });
    // Whoever hears of a reading asks again.
    functions.onChange(() => void rules.forgetGone(functions));
    expect(await rules.forgetGone(functions)).toEqual(["never"]);
    await registry.delete("khop");
    await vi.waitFor(async () => expect(Object.keys(await redis.hgetall(KEY)).toSorted()).toEqual([VERSION, "stays"]));
    expect(await rules.forgetGone(functions)).toEqual([]);
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
