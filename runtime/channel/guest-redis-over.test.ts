import { beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import type { Channel } from "./channel.ts";
import { GUEST_METHODS, REFUSED_METHODS } from "./command-rows.ts";
import type { GuestRedis } from "./guest-redis.ts";
import { guestRedisOver } from "./guest-redis-over.ts";
import { MemoryChannel } from "./memory-channel.ts";

describe("guestRedisOver", () => {
  let channel: MemoryChannel;
  let redis: GuestRedis;
  beforeEach(() => {
    channel = new MemoryChannel();
    redis = guestRedisOver(channel);
  });

  test("has a method and its Buffer form for every command of the table", () => {
    const names = [...[...GUEST_METHODS, ...REFUSED_METHODS].map(({ name }) => name), "call"].flatMap((name) => [
      name,
      `${name}Buffer`,
    ]);
    expect(Object.keys(redis).toSorted()).toEqual(names.toSorted());
  });

  test("gives values in ioredis' shapes, as text or as bytes", async () => {
    await redis.hset("h", { f: "v", n: 1 });
    await redis.zadd("z", 1.5, "a", 2, "b");
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    expect(await redis.hgetall("h")).toEqual({ f: "v", n: "1" });
    expect(await redis.hgetallBuffer("h")).toEqual({ f: bytes("v"), n: bytes("1") });
    expect(await redis.zrange("z", 0, -1, "WITHSCORES")).toEqual(["a", "1.5", "b", "2"]);
    expect(await redis.zscoreBuffer("z", "a")).toEqual(bytes("1.5"));
    expect(await redis.get("nothing")).toBeNull();
    expect(await redis.set("k", 1)).toBe("OK");
  });

  test("calls any command by name, in the method's shape only where the name is the method's", async () => {
    await redis.call("HSET", "h", "f", "v");
    expect(await redis.call("hgetall", "h")).toEqual({ f: "v" });
    expect(await redis.call("HGETALL", "h")).toEqual(["f", "v"]);
    expect(await redis.callBuffer("hget", "h", "f")).toEqual(Uint8Array.of(0x76));
  });

  test("rejects with Redis' error text, without harm to the rest of the round", async () => {
    await redis.set("k", "text");
    const results = await Promise.allSettled([redis.incr("k"), redis.get("k"), redis.lpush("k", "x")]);
    expect(results).toMatchObject([
      { reason: { name: "ReplyError", message: "ERR value is not an integer or out of range" } },
      { value: "text" },
      { reason: { message: "WRONGTYPE Operation against a key holding the wrong kind of value" } },
    ]);
    expect(channel.rounds).toBe(2);
  });

  test("rejects what the table refuses before it is sent", async () => {
    const refusing = redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const refused = { code: "COMMAND_REFUSED", message: "BLPOP: functions may not block; see docs/commands.md" };
    await expect(redis.call("blpop", "k", 0)).rejects.toMatchObject(refused);
    await expect(refusing["blpop"]?.("k", 0)).rejects.toMatchObject(refused);
    await expect(refusing["subscribeBuffer"]?.("news", () => {})).rejects.toMatchObject({ code: "COMMAND_REFUSED" });
    await expect(redis.get("locus:plan")).rejects.toMatchObject({ code: "COMMAND_REFUSED" });
    expect(channel.rounds).toBe(0);
  });

  test("throws where a client library would return what commands are chained on", () => {
    const chaining = redis as unknown as Record<"multi" | "pipeline", () => unknown>;
    for (const method of ["multi", "pipeline"] as const) {
      expect(() => chaining[method]()).toThrow("as by Promise.all, shares a round; see docs/commands.md");
    }
  });

  test("rejects an argument that nobody means, naming it", async () => {
    const value = { a: 1 } as unknown as string;
    await expect(redis.set("k", value)).rejects.toThrow("SET: argument 2 is an object; send its text");
    expect(channel.rounds).toBe(0);
  });

  test("sends the operations of one turn as one round, and dependent ones as many", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => redis.set(`k${i}`, i)));
    expect(channel.rounds).toBe(1);
    for (let i = 0; i < 5; i += 1) await redis.get(`k${i}`);
    expect(channel.rounds).toBe(6);
  });

  test("lets chains behind different numbers of awaits share their rounds", async () => {
    const chain = async (awaits: number): Promise<void> => {
      for (let i = 0; i < awaits; i += 1) await Promise.resolve();
      await redis.get("a");
      for (let i = 0; i < awaits; i += 1) await Promise.resolve();
      await redis.get("b");
    };
    await Promise.all([0, 2, 4, 6, 50].map(chain));
    expect(channel.rounds).toBe(2);
  });

  test("runs a round's operations in the order in which they were issued", async () => {
    const replies = await Promise.all([redis.rpush("l", "a"), redis.rpush("l", "b"), redis.lrange("l", 0, -1)]);
    expect(replies).toEqual([1, 2, ["a", "b"]]);
  });

  test("rejects every operation of a round whose channel fails or answers too little", async () => {
    const failing: Channel = { send: () => Promise.reject(new Error("gone")) };
    const short: Channel = { send: () => Promise.resolve(Buffer.from("+OK\r\n")) };
    await expect(guestRedisOver(failing).get("k")).rejects.toThrow("gone");
    const redis = guestRedisOver(short);
    const results = await Promise.allSettled([redis.set("a", 1), redis.set("b", 2)]);
    expect(results).toMatchObject([{ value: "OK" }, { reason: { message: expect.stringContaining("fewer than 2") } }]);
  });
});

test("GuestRedis gives each method the type of its reply, in both forms", () => {
  type Reply<Method extends keyof GuestRedis> = Awaited<ReturnType<GuestRedis[Method]>>;
  expectTypeOf<Reply<"hgetall">>().toEqualTypeOf<Record<string, string>>();
  expectTypeOf<Reply<"hgetallBuffer">>().toEqualTypeOf<Record<string, Uint8Array>>();
  expectTypeOf<Reply<"get">>().toEqualTypeOf<string | null>();
  expectTypeOf<Reply<"getBuffer">>().toEqualTypeOf<Uint8Array | null>();
  expectTypeOf<Reply<"mget">>().toEqualTypeOf<(string | null)[]>();
  expectTypeOf<Reply<"smembers">>().toEqualTypeOf<string[]>();
  expectTypeOf<Reply<"zscore">>().toEqualTypeOf<string | null>();
  expectTypeOf<Reply<"callBuffer">>().toEqualTypeOf<unknown>();

  // Never called: the compiler is the test.
  const typed = async (redis: GuestRedis): Promise<void> => {
    expectTypeOf(await redis.set("k", 1)).toEqualTypeOf<"OK">();
    expectTypeOf(await redis.set("k", 1, "EX", 5, "NX")).toEqualTypeOf<string | null>();
    expectTypeOf(await redis.lpop("k")).toEqualTypeOf<string | null>();
    expectTypeOf(await redis.lpopBuffer("k", 2)).toEqualTypeOf<Uint8Array[] | null>();
    expectTypeOf(await redis.mget(["a", "b"], "c")).toEqualTypeOf<(string | null)[]>();
    expectTypeOf(await redis.xrange("s", "-", "+")).toEqualTypeOf<[id: string, fields: string[]][]>();
    // @ts-expect-error a blocking command is no method
    await redis.blpop("k", 0);
    // @ts-expect-error a value is text, bytes or a number
    await redis.set("k", { a: 1 });
  };
  expect(typed).toBeTypeOf("function");
});
