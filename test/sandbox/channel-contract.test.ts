// One contract for all channels: what a function sees of Redis does not depend on how it gets there.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleOf, errorOf, resultOf, SIDE_NAMES, startSide, type TestSide } from "../sides.ts";

describe.each(SIDE_NAMES)("the channel of %s", (name) => {
  let side: TestSide;
  beforeAll(async () => {
    side = await startSide(name);
  });
  afterAll(() => side.close());

  it("gives each type of reply as ioredis does", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("text", "héllo");
        await redis.hset("hash", { a: "1", b: "2" });
        await redis.rpush("list", "x", "y", "z");
        await redis.sadd("set", "one");
        await redis.zadd("zset", 1.5, "m", 2, "n");
        return {
          ok: await redis.set("other", "1"),
          text: await redis.get("text"),
          missing: await redis.get("missing"),
          number: await redis.incr("counter"),
          double: await redis.zscore("zset", "m"),
          hash: await redis.hgetall("hash"),
          noHash: await redis.hgetall("missing"),
          list: await redis.lrange("list", 0, -1),
          set: await redis.smembers("set"),
          pairs: await redis.zrange("zset", 0, -1, "WITHSCORES"),
          many: await redis.mget("text", "missing"),
          called: await redis.call("GET", "text"),
          length: await redis.strlen("text"),
        };
      }),
    );
    expect(await result()).toEqual({
      ok: "OK",
      text: "héllo",
      missing: null,
      number: 1,
      double: "1.5",
      hash: { a: "1", b: "2" },
      noHash: {},
      list: ["x", "y", "z"],
      set: ["one"],
      pairs: ["m", "1.5", "n", "2"],
      many: ["héllo", null],
      called: "héllo",
      length: 6,
    });
  });

  it("keeps every byte of a value in the Buffer forms", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
        await redis.set("bytes", bytes);
        const back = await redis.getBuffer("bytes");
        const several = await redis.mgetBuffer("bytes", "missing");
        return {
          same: back !== null && back.length === 256 && back.every((byte, i) => byte === i),
          isBytes: back instanceof Uint8Array,
          several: [several[0]?.length, several[1]],
          called: ((await redis.callBuffer("GET", "bytes")) as Uint8Array).length,
        };
      }),
    );
    expect(await result()).toEqual({ same: true, isBytes: true, several: [256, null], called: 256 });
  });

  it("rejects with Redis' own text", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("string", "x");
        const caught = async (promise: Promise<unknown>) => {
          try {
            return await promise;
          } catch (error) {
            return `${(error as Error).name}: ${(error as Error).message}`;
          }
        };
        return [await caught(redis.lpush("string", "y")), await caught(redis.call("GET")), await redis.get("string")];
      }),
    );
    expect(await result()).toEqual([
      "ReplyError: WRONGTYPE Operation against a key holding the wrong kind of value",
      "ReplyError: ERR wrong number of arguments for 'get' command",
      "x",
    ]);
  });

  it("refuses what functions may not call, before it is sent", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<[string, ...string[]]>(async ({ redis, args }) => {
        try {
          return await redis.call(...args);
        } catch (error) {
          return `${(error as { code: string }).code}: ${(error as Error).message}`;
        }
      }),
    );
    for (const args of [["SELECT", "1"], ["BLPOP", "a", "1"], ["FLUSHALL"], ["EVAL", "return 1", "0"], ["NOSUCH"]]) {
      expect(await result({ args })).toMatch(/^COMMAND_REFUSED: /);
    }
    expect(await result({ args: ["GET", "locus:functions"] })).toMatch(/^COMMAND_REFUSED: .*locus:/);
    const { usage } = await outcome({ args: ["SELECT", "1"] });
    expect(usage.operations).toBe(0);
  });

  it("has methods of commands that functions may not call, which say why", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const methods = redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
        const said = (error: unknown): string => `${(error as { code: string }).code}: ${(error as Error).message}`;
        const rejections = await Promise.all(
          ["blpop", "flushall", "subscribeBuffer", "exec"].map((name) => methods[name]!("k", () => {}).catch(said)),
        );
        const throws = ["multi", "pipeline"].map((name) => {
          try {
            return void methods[name]!();
          } catch (error) {
            return said(error);
          }
        });
        return [...rejections, ...throws];
      }),
    );
    const chained =
      "functions have no transactions and no pipelines; what is issued together, as by Promise.all, shares a round";
    expect(await result()).toEqual(
      [
        "BLPOP: functions may not block",
        "FLUSHALL: functions may not administer the server or look into it",
        "SUBSCRIBE: functions may not change their connection",
        "EXEC: functions have no transactions",
        `MULTI: ${chained}`,
        `PIPELINE: ${chained}`,
      ].map((message) => `COMMAND_REFUSED: ${message}; see docs/commands.md`),
    );
    expect((await outcome()).usage.operations).toBe(0);
  });

  it("refuses arguments that nobody means, naming each", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf(({ redis }) => {
        const methods = redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
        const sent = [
          methods["set"]!("k", { a: 1 }),
          methods["set"]!("k", undefined),
          methods["set"]!("k", () => {}),
          methods["hset"]!("h", { f: 1, g: null }),
          methods["hset"]!("h", ["f", ["v"]]),
          redis.call("hset", "h", "f", { a: 1 }),
          redis.callBuffer("Set", "k", new ArrayBuffer(1) as never),
        ];
        return Promise.all(sent.map((one) => one.catch(String)));
      }),
    );
    const object = "an object; send its text, such as JSON.stringify makes, or bytes as a Uint8Array";
    expect(await result()).toEqual([
      `TypeError: SET: argument 2 is ${object}`,
      "TypeError: SET: argument 2 is undefined; send text, a number or bytes",
      "TypeError: SET: argument 2 is a function; methods of redis return promises and take no callback",
      "TypeError: HSET: argument 5 is null; send text, a number or bytes",
      "TypeError: HSET: argument 3 is a list inside a list; lists are spread out, one level",
      `TypeError: HSET: argument 3 is ${object}`,
      `TypeError: SET: argument 2 is ${object}`,
    ]);
    expect((await outcome()).usage.operations).toBe(0);
  });

  it("sends what is issued together as one round, and what is awaited one by one as many", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args === "together") await Promise.all(Array.from({ length: 100 }, (_, i) => redis.get(`k${i}`)));
        else for (let i = 0; i < 10; i++) await redis.get(`k${i}`);
      }),
    );
    expect((await outcome({ args: "together" })).usage).toMatchObject({ operations: 100, rounds: 1 });
    expect((await outcome({ args: "one by one" })).usage).toMatchObject({ operations: 10, rounds: 10 });
  });

  it("lets chains behind different numbers of awaits share their rounds", async () => {
    const { outcome } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const chain = async (awaits: number) => {
          for (let round = 0; round < 2; round++) {
            for (let i = 0; i < awaits; i++) await Promise.resolve();
            await redis.get("k");
          }
        };
        await Promise.all([0, 2, 4, 6, 50].map(chain));
      }),
    );
    expect((await outcome()).usage).toMatchObject({ operations: 10, rounds: 2 });
  });

  it("carries values of megabytes and arrays of many thousands", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const large = "abcdefgh".repeat(512 * 1024);
        await redis.set("large", large);
        await redis.rpush("long", ...Array.from({ length: 20_000 }, (_, i) => `item-${i}`));
        const [back, long] = await Promise.all([redis.get("large"), redis.lrange("long", 0, -1)]);
        await redis.del("large", "long");
        return { same: back === large, items: long.length, last: long.at(-1) };
      }),
    );
    expect(await result()).toEqual({ same: true, items: 20_000, last: "item-19999" });
  });

  it("takes thousands of operations in one turn", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const sets = await Promise.all(Array.from({ length: 5_000 }, (_, i) => redis.set(`many:${i}`, String(i))));
        const gets = await Promise.all(Array.from({ length: 5_000 }, (_, i) => redis.get(`many:${i}`)));
        return sets.every((ok) => ok === "OK") && gets.every((value, i) => value === String(i));
      }),
    );
    expect(await result()).toBe(true);
    expect((await outcome()).usage).toMatchObject({ operations: 10_000, rounds: 2 });
  });

  it("lets all others go on while one waits for its reply, those in its isolate too", async () => {
    const { result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        const shared = globalThis as { waits?: boolean };
        if (args === "write") {
          shared.waits = true;
          return await redis.set("held back", "1");
        }
        await redis.get("k");
        return shared.waits ?? false;
      }),
    );
    const another = await side.deploy(bundleOf(({ redis }) => redis.get("k")));
    const release = await side.holdWrites();
    const ended: string[] = [];
    const held = result({ args: "write" }).then(() => ended.push("the held one"));
    await expect.poll(() => side.inFlight()).toBe(1);
    const inItsIsolate = async (): Promise<boolean> =>
      (await Promise.all(Array.from({ length: 40 }, () => result({ args: "read" })))).includes(true);
    await expect.poll(inItsIsolate).toBe(true);
    expect(await another.result()).toBeNull();
    ended.push("the others");
    await release();
    await held;
    expect(ended).toEqual(["the others", "the held one"]);
  });

  it("reads on while more functions wait to write than there are connections", async () => {
    const writers = await Promise.all(
      Array.from({ length: 4 }, () =>
        side.deploy(
          bundleOf<string>(async ({ redis, args }) => {
            const before = await redis.get(args);
            await redis.set(args, "written");
            return [before, await redis.get(args)];
          }),
        ),
      ),
    );
    const reader = await side.deploy(
      bundleOf(async ({ redis }) => {
        const read: unknown[] = [];
        for (let i = 0; i < 10; i++) read.push(...(await redis.mget("waited:0", "waited:7")));
        return new Set(read).size;
      }),
    );
    const release = await side.holdWrites();
    const waiting = writers.flatMap(({ result }, i) => [0, 1].map((j) => result({ args: `waited:${i * 2 + j}` })));
    await expect.poll(() => side.inFlight()).toBe(waiting.length);
    for (let i = 0; i < 20; i++) expect(await reader.result()).toBe(1);
    expect(await side.inFlight()).toBe(waiting.length);
    await release();
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => [null, "written"]));
  });

  it("keeps what an invocation does in its order, whatever it has not awaited", async () => {
    const { result } = await side.deploy(
      bundleOf<number>(async ({ redis, args }) => {
        const key = `ordered:${args}`;
        const nextTurn = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 0));
        const seen: Promise<unknown>[] = [];
        for (let i = 0; i < 20; i++) {
          seen.push(redis.get(key));
          await nextTurn();
          void redis.set(key, String(i));
          if (i % 3 === 0) await nextTurn();
          seen.push(redis.strlen(key));
          if (i % 2 === 0) await nextTurn();
        }
        return await Promise.all(seen);
      }),
    );
    const expected = Array.from({ length: 20 }, (_, i) => [i === 0 ? null : String(i - 1), String(i).length]).flat();
    const all = await Promise.all(Array.from({ length: 16 }, (_, i) => result({ args: i })));
    for (const seen of all) expect(seen).toEqual(expected);
  });

  it("keeps several invocations apart", async () => {
    const { result } = await side.deploy(
      bundleOf<number>(async ({ redis, args }) => {
        const seen: unknown[] = [];
        for (let i = 0; i < 20; i++) {
          await redis.set(`own:${args}:${i}`, `${args}-${i}`);
          seen.push(await redis.get(`own:${args}:${i}`));
        }
        return seen.every((value, i) => value === `${args}-${i}`);
      }),
    );
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => result({ args: i })));
    expect(all).toEqual(Array.from({ length: 50 }, () => true));
  });

  it("answers after the operations that were not awaited", async () => {
    const { result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args === "read") return await redis.get("unawaited");
        void redis.set("unawaited", "written");
        return "done";
      }),
    );
    expect(await result()).toBe("done");
    expect(await result({ args: "read" })).toBe("written");
  });

  it("does nothing more for a function that has returned, whatever goes on in it", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        if (args === "look") return await redis.mget("floating:sent", "floating:later", "floating:timer");
        const goOn = async (): Promise<void> => {
          await redis.set("floating:sent", "1");
          await redis.set("floating:later", "1");
        };
        void goOn();
        setTimeout(() => void redis.set("floating:timer", "1"), 0);
        return "returned";
      }),
    );
    const returned = await outcome({ args: "return", logs: true });
    expect(resultOf(returned)).toBe("returned");
    expect(returned.logs).toContainEqual(
      expect.stringMatching(
        /^error: a promise was rejected and nobody handled it: (Error: )?an operation came after its invocation had ended/,
      ),
    );
    expect(returned.usage.operations).toBe(1);
    expect(await result({ args: "look" })).toEqual(["1", null, null]);
  });

  it("does nothing more for a function whose deadline has passed", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        const shared = globalThis as { late?: () => Promise<unknown> };
        if (args === "look") {
          const code = await shared.late?.().catch((error: { code?: string }) => error.code);
          return [code, await redis.exists("late:floating", "late:timer", "late:kept")];
        }
        shared.late = () => redis.set("late:kept", "1");
        setTimeout(() => void redis.set("late:timer", "1"), 300);
        void new Promise((resolve) => setTimeout(resolve, 300)).then(() => redis.set("late:floating", "1"));
        return await new Promise(() => {});
      }),
    );
    expect(errorOf(await outcome({ args: "sleep", deadlineMs: 100 })).code).toBe("DEADLINE_EXCEEDED");
    await sleep(400);
    const [code, left] = (await result({ args: "look" })) as [string | undefined, number];
    // Who has a promise that nothing settles any more gets a fresh isolate.
    expect(code ?? "CANCELLED").toBe("CANCELLED");
    expect(left).toBe(0);
  });

  it("does not end well when a write that was not awaited was refused, unless its function says that it may be", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        await redis.set("a text", "1");
        const refused = redis.rpush("a text", "2");
        if (args === "heard") refused.catch(() => {});
        return "done";
      }),
    );
    const { code, message } = errorOf(await outcome());
    expect(code).toBe("FUNCTION_FAILED");
    expect(message).toMatch(/^a write was not awaited \(RPUSH of a text\), and ReplyError: WRONGTYPE /);
    expect(await result({ args: "heard" })).toBe("done");
  });

  it("names the write that was not awaited, of several that were refused, with its first key", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(async ({ redis, args }) => {
        await redis.set("a text", "1");
        await redis.set("x".repeat(100), "1");
        await redis.setBuffer(new Uint8Array([0x6b, 0xff, 0x0a, 0x6b]), "1");
        const writes: Record<string, () => Promise<unknown>> = {
          heard: () => redis.lpush("a text", "first"),
          set: () => redis.set("other", "2"),
          get: () => redis.get("other"),
          counted: () => redis.zmpop(2, "a text", "b", "MIN"),
          call: () => redis.call("hset", "a text", "f", "v"),
          long: () => redis.sadd("x".repeat(100), "m"),
          bytes: () => redis.zaddBuffer(new Uint8Array([0x6b, 0xff, 0x0a, 0x6b]), 1, "m"),
          subcommand: () => redis.xgroup("CREATE", "a text", "g", "0"),
        };
        writes["heard"]?.().catch(() => {});
        for (const name of ["set", "get", args, "counted"]) void writes[name]?.();
        return "done";
      }),
    );
    const told = async (args: string) =>
      /\((.*)\), and (?=ReplyError: )/.exec(errorOf(await outcome({ args })).message)?.[1];
    expect(await told("counted")).toBe("ZMPOP of a text");
    expect(await told("call")).toBe("HSET of a text");
    expect(await told("long")).toBe(`SADD of ${"x".repeat(60)}…`);
    expect(await told("bytes")).toBe("ZADD of k\ufffd k");
    expect(await told("subcommand")).toBe("XGROUP CREATE of a text");
  });

  it("tells of many writes that were refused and not awaited as of one", async () => {
    const { outcome } = await side.deploy(
      bundleOf(async ({ redis }) => {
        await redis.set("a text", "1");
        for (let i = 0; i < 1_000; i += 1) {
          const refused = redis.lpush("a text", "x");
          if (i < 100) refused.catch(() => {});
        }
      }),
    );
    expect(errorOf(await outcome()).message).toMatch(
      /^a write was not awaited \(LPUSH of a text\), and ReplyError: WRONGTYPE /,
    );
  });

  it("passes keys and args as they came", async () => {
    const { result } = await side.deploy(bundleOf(({ args, keys }) => ({ args, keys })));
    expect(await result()).toEqual({ args: null, keys: [] });
    const args = { text: "ünïcode ✓ \u0000", list: [1, 2.5, null, true], nested: { a: {} } };
    expect(await result({ args, keys: ["a b", "ключ", ""] })).toEqual({ args, keys: ["a b", "ключ", ""] });
  });

  it("refuses args that are not JSON", async () => {
    const typed = `export default { kind: "locus.function", name: "typed", input: { type: "object" }, run: () => 1 };`;
    for (const bundle of [bundleOf(({ args }) => args), typed]) {
      const { outcome } = await side.deploy(bundle);
      expect(errorOf(await outcome({ argsJson: "{nope" }))).toMatchObject({
        code: "ARGS_INVALID",
        message: expect.stringMatching(/^args are not JSON: Expected property name/),
      });
    }
  });

  it("finishes every invocation that waits for one promise", async () => {
    const { result } = await side.deploy(
      bundleOf(async ({ redis }) => {
        const shared = globalThis as { loading?: Promise<string | null> };
        const load = async (): Promise<string | null> => {
          await redis.set("memoised", "once");
          await new Promise((resolve) => setTimeout(resolve, 20));
          return await redis.get("memoised");
        };
        return await (shared.loading ??= load());
      }),
    );
    expect(await Promise.all(Array.from({ length: 12 }, () => result()))).toEqual(
      Array.from({ length: 12 }, () => "once"),
    );
  });

  it("ends a call that never settles while its isolate is busy with others", async () => {
    const { outcome } = await side.deploy(
      bundleOf<string>(
        async ({ redis, args }) => {
          if (args === "never") return await new Promise(() => {});
          return await redis.get("k");
        },
        { limits: { concurrency: 4 } },
      ),
    );
    const never = Array.from({ length: 4 }, () => outcome({ args: "never", deadlineMs: 200 }));
    const until = performance.now() + 600;
    let calls = 0;
    const load = async (): Promise<void> => {
      while (performance.now() < until || calls <= 10) {
        const { ok } = await outcome({ args: "read" });
        if (ok) calls++;
      }
    };
    await Promise.all([load(), load(), load(), load()]);
    expect((await Promise.all(never)).map((ended) => ended.ok)).toEqual([false, false, false, false]);
    expect(calls).toBeGreaterThan(10);
  });

  it("refuses an operation of a million arguments, and goes on", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(
        async ({ redis, args }) => {
          // A list of millions is mostly holes, each of them undefined.
          const many: string[] = args > 1_000_000 ? [] : Array.from({ length: args }, () => "k");
          if (args > 1_000_000) many.length = args;
          return await redis.exists("a", "b", ...(args > 0 ? [many as unknown as string] : []));
        },
        { limits: { memoryMb: 256 } },
      ),
    );
    expect(errorOf(await outcome({ args: 4_000_000_000 })).message).toContain("EXISTS: argument 3 is undefined");
    expect(errorOf(await outcome({ args: 1_000_000 })).code).toBe("OPERATIONS_LIMIT");
    expect(await result({ args: 0 })).toBe(0);
  });

  it("bounds what is sent without waiting for its replies", async () => {
    const { outcome, result } = await side.deploy(
      bundleOf<number>(
        async ({ redis, args }) => {
          const value = "v".repeat(1024 * 1024);
          for (let i = 0; i < args; i++) void redis.set("unawaited", value).catch(() => {});
          return "issued";
        },
        { limits: { memoryMb: 256 } },
      ),
    );
    expect(errorOf(await outcome({ args: 100 })).code).toBe("OPERATIONS_LIMIT");
    expect(await result({ args: 2 })).toBe("issued");
  });

  it("leaves a lane clean for the function that gets it next", async () => {
    // More functions than there are lanes, each leaving large frames behind when it goes.
    const large = "l".repeat(300_000);
    for (let i = 0; i < 24; i++) {
      const { outcome, result } = await side.deploy(
        bundleOf<string>(async ({ redis, args }) => {
          await redis.set("lane", args);
          const controller = redis.get("lane");
          return args.length > 10 ? [await controller, args].join("").length : await controller;
        }),
      );
      expect(await result({ args: large })).toBe(600_000);
      await outcome({ args: large, deadlineMs: 1 });
      expect(await result({ args: "small" })).toBe("small");
    }
  });
});
