// LOCUS.CALL and LOCUS.NODE: what they take, and what they answer. Who calls, and how a caller goes: callers.test.ts.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { versionOf } from "#runtime/function/version.ts";
import { readInfo } from "#test/module-info.ts";
import { startRedisServer, type RedisServer } from "#test/redis-server.ts";
import { startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
});
afterAll(() => server.close());

/** The scripted host answers args that are no object as they are. */
const call = (...args: readonly (string | Buffer)[]): Promise<unknown> => redis.call("LOCUS.CALL", ...args);
const run = (...args: readonly string[]): Promise<unknown> => redis.call("LOCUS.NODE", "RUN", ...args);

describe("LOCUS.CALL", () => {
  test("no argument after the keys is null, one is JSON text, several are an array of strings", async () => {
    expect(await call("script", "0")).toBe("null");
    expect(await call("script", "2", "a", "b")).toBe("null");
    expect(await call("script", "0", "[1,2]")).toBe("[1,2]");
    expect(await call("script", "1", "a", '"x"')).toBe('"x"');
    expect(await call("script", "0", "a", 'b"\\', "é\n\u0001")).toBe(JSON.stringify(["a", 'b"\\', "é\n\u0001"]));
  });

  test("numkeys must be a number that fits what follows", async () => {
    await expect(call("script", "x")).rejects.toThrow(/^ERR numkeys is "x"/);
    await expect(call("script", "-1")).rejects.toThrow(/^ERR numkeys is "-1"/);
    await expect(call("script", "2", "a")).rejects.toThrow(/^ERR numkeys is 2, but only 1/);
    await expect(call("script")).rejects.toThrow(/^ERR wrong number of arguments/);
  });

  test("bytes that are not UTF-8 are refused, in keys and in arguments", async () => {
    const torn = Buffer.from([0x61, 0xc3]);
    await expect(call("script", "0", torn)).rejects.toThrow(/^ARGSINVALID the argument/);
    await expect(call("script", "0", "a", torn)).rejects.toThrow(/^ARGSINVALID the argument/);
    await expect(call("script", "1", torn)).rejects.toThrow(/^ARGSINVALID the key/);
  });

  test("keys and args together have a bound, empty keys counted", async () => {
    const big = "x".repeat(1024 * 1024);
    await expect(call("script", "0", `"${big}"`)).rejects.toThrow(/^ARGSTOOLARGE .*1048578/);
    const fits = JSON.stringify("x".repeat(1024 * 1024 - 2));
    expect(await call("script", "0", fits)).toBe(fits);
    const keys = Array.from({ length: 262_145 }, () => "");
    await expect(redis.call("LOCUS.CALL", ["script", String(keys.length), ...keys])).rejects.toThrow(/^ARGSTOOLARGE/);
  });

  test("a function that is not there, and an error of the function, are typed errors on one line", async () => {
    await expect(call("nobody", "0")).rejects.toThrow(/^NOFUNCTION there is no function "nobody"/);
    await expect(call("no\r\nbody", "0")).rejects.toThrow(/^NOFUNCTION there is no function "no {2}body"/);
    await expect(call("script", "0", "{")).rejects.toThrow(/^ERR args are no JSON/);
  });

  test("what a function threw comes with its place, on one line; the stack comes with RUN", async () => {
    const own = await startRedisServer();
    const client = own.client();
    const thrower = (what: string) =>
      client.call(
        "LOCUS.FUNCTION",
        "LOAD",
        "REPLACE",
        `const deep = () => { throw ${what}; };\nexport default { kind: "locus.function", name: "thrower", run: () => deep() };`,
      );
    await thrower('new TypeError("two\\nlines")');
    await expect(client.call("LOCUS.CALL", "thrower", "0")).rejects.toThrow(
      /^FUNCTIONFAILED TypeError: two lines at deep \(<function>:1:\d+\)$/,
    );
    const reply = (await client.call("LOCUS.NODE", "RUN", "thrower", "*", "0", "{}", "null")) as string[];
    expect(JSON.parse(reply[4]!)).toMatchObject({ stack: expect.stringMatching(/at deep .*\n.*at run/) });

    await thrower('new Error("a", { cause: new AggregateError([new TypeError("b"), "c"], "all") })');
    await expect(client.call("LOCUS.CALL", "thrower", "0")).rejects.toThrow(
      /^FUNCTIONFAILED Error: a \[cause: AggregateError: all \[errors: TypeError: b; "c"\]\] at deep \(/,
    );

    const refusal = "{ kind: 'locus.callerError', status: 404, data: { user: 7 } }";
    await thrower(`Object.assign(new Error("there is no user 7"), ${refusal})`);
    await expect(client.call("LOCUS.CALL", "thrower", "0")).rejects.toThrow(/^CALLREFUSED there is no user 7$/);

    await thrower('new Error("x".repeat(2000))');
    await expect(client.call("LOCUS.CALL", "thrower", "0")).rejects.toThrow(/xxx at deep \(<function>:1:\d+\)$/);
    await thrower('"text"');
    await expect(client.call("LOCUS.CALL", "thrower", "0")).rejects.toThrow(
      /^FUNCTIONFAILED threw text, which is no Error/,
    );
    await own.close();
  });

  test("clients and clusters find its keys", async () => {
    expect(await redis.command("GETKEYS", "LOCUS.CALL", "f", "2", "a", "b", "arg")).toEqual(["a", "b"]);
    expect(await redis.command("GETKEYS", "LOCUS.NODE", "RUN", "f", "*", "1", "k", "{}", "null")).toEqual(["k"]);
  });

  test("only its own client waits", async () => {
    const slow = server.client().call("LOCUS.CALL", "script", "0", '{"awaits":"go"}');
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
    expect(await redis.ping()).toBe("PONG");
    await redis.set("go", "1");
    expect(await slow).toBe("[]");
  });

  test("a result of megabytes arrives whole", async () => {
    await redis.set("big", "v".repeat(3 * 1024 * 1024));
    const [reply] = JSON.parse(String(await call("script", "0", '{"rounds":[[["GET","big"]]]}'))) as string[];
    expect(reply).toBe(`$${3 * 1024 * 1024}\r\n${"v".repeat(3 * 1024 * 1024)}\r\n`);
  });

  test("a host that ends takes its calls along with a typed error, and the next call finds a new one", async () => {
    await expect(call("script", "0", '{"exit":3}')).rejects.toThrow(/^SANDBOXDIED .*exit code 3/);
    expect(await call("script", "0", "[]")).toBe("[]");
  });
});

describe("LOCUS.NODE TRY", () => {
  test("runs a function that is not deployed, with its own limits and its caller's rights, and leaves none", async () => {
    const own = await startRedisServer();
    const client = own.client();
    const bundle = `export default { kind: "locus.function", name: "visitor", run: ({ redis, args }) => args.spin ? (() => { for (;;); })() : redis.get(args.key) };`;
    const limits = { deadlineMs: 20_000, cpuMs: 300, memoryMb: 64, operations: 10, concurrency: 1 };
    const version = versionOf(new TextEncoder().encode(bundle));
    const described = (change: object) =>
      JSON.stringify({ name: "visitor", version, side: null, limits, input: null, output: null, ...change });
    const attempt = (by: Redis, args: string, change: object = {}) =>
      by.call("LOCUS.NODE", "TRY", bundle, described(change), "0", "{}", args) as Promise<string[]>;
    await client.set("mine", "1");
    const [outcome, ran, usage, , result] = await attempt(client, '{"key":"mine"}');
    expect([outcome, ran, result]).toEqual(["ok", version, '"1"']);
    expect(JSON.parse(usage ?? "")).toMatchObject({ operations: 1, rounds: 1 });
    const [spun, , , , error] = await attempt(client, '{"spin":true}');
    expect([spun, JSON.parse(error ?? "")]).toMatchObject(["error", { code: "CPU_LIMIT" }]);
    await expect(attempt(client, "{}", { version: "0123456789abcdef" })).rejects.toThrow(/^FUNCTIONINVALID /);
    const mistaken = client.call("LOCUS.NODE", "TRY", bundle, described({}), "0", '{"logs":1}', "null");
    await expect(mistaken).rejects.toThrow(/^ERR options of LOCUS.NODE TRY: logs is "1", must be true or false/);
    await client.call("ACL", "SETUSER", "guest", "on", ">secret", "~yours", "+@read", "+locus.node|try");
    const guest = own.client({ username: "guest", password: "secret" });
    const [refused, , , , why] = await attempt(guest, '{"key":"mine"}');
    expect([refused, JSON.parse(why ?? "")]).toMatchObject(["error", { message: expect.stringContaining("NOPERM") }]);
    await expect(guest.call("LOCUS.NODE", "RUN", "visitor", "*", "0", "{}", "null")).rejects.toThrow(/^NOPERM/);
    expect(await client.call("LOCUS.FUNCTION", "LIST")).toEqual([]);
    await own.close();
  });

  test("has nothing of a deployed function's: not its isolates and limits, not its statistics", async () => {
    const own = await startRedisServer();
    const client = own.client();
    const bundle = `export default { kind: "locus.function", name: "visited", run: async ({ redis }) => { for (let at = 0; at < 5; at++) await redis.get("a"); return "done"; } };`;
    const version = versionOf(new TextEncoder().encode(bundle));
    const attempt = async (operations: number): Promise<string> => {
      const limits = { deadlineMs: 20_000, cpuMs: 300, memoryMb: 64, operations, concurrency: 1 };
      const description = JSON.stringify({ name: "visited", version, side: null, limits, input: null, output: null });
      const reply = await client.call("LOCUS.NODE", "TRY", bundle, description, "0", "{}", "null");
      const [outcome, , , , result = ""] = reply as string[];
      return outcome === "ok" ? result : (JSON.parse(result) as { code: string }).code;
    };
    expect(await attempt(1)).toBe("OPERATIONS_LIMIT");
    expect(await attempt(5)).toBe('"done"');
    await client.call("LOCUS.FUNCTION", "LOAD", bundle);
    expect(await client.call("LOCUS.CALL", "visited", "0")).toBe('"done"');
    expect(await attempt(1)).toBe("OPERATIONS_LIMIT");
    const [[, statistics]] = (await client.call("LOCUS.FUNCTION", "STATS", "visited")) as [[string, string]];
    expect(JSON.parse(statistics)).toMatchObject({ calls: 1, inFlight: 0, ok: 1, errors: {} });
    expect((await readInfo(client)).get("calls")).toBe("4");
    await own.close();
  });
});

describe("LOCUS.NODE", () => {
  test("RUN answers outcome, version, usage, logs and result", async () => {
    const reply = await run("script", "*", "0", "{}", '{"rounds":[[["SET","a","1"],["GET","a"]]]}');
    const [outcome, version, usage = "", logs, result = ""] = reply as string[];
    expect([outcome, logs]).toEqual(["ok", "[]"]);
    expect(version).toMatch(/^[0-9a-f]{16}$/);
    expect(JSON.parse(result)).toEqual(["+OK\r\n$1\r\n1\r\n"]);
    expect(Object.keys(JSON.parse(usage) as object)).toEqual(
      "wallUs queueUs startUs cpuUs slowedUs waitUs operations rounds bytesOut bytesIn findableOperations findableRounds foundOperations foundRounds lockUs".split(
        " ",
      ),
    );
    expect((JSON.parse(usage) as { lockUs: number }).lockUs).toBeGreaterThan(0);
  });

  test("RUN answers a function's error as data", async () => {
    const [outcome, , , , error = ""] = (await run("script", "*", "0", "{}", "{")) as string[];
    expect(outcome).toBe("error");
    expect(JSON.parse(error)).toEqual({ code: "REQUEST_INVALID", message: "args are no JSON", stack: "" });
  });

  test("RUN runs the version that is named, current or former, and no other", async () => {
    const [, first = ""] = (await redis.call("LOCUS.FUNCTION", "LOAD", "versions 1")) as string[];
    const [, second = ""] = (await redis.call("LOCUS.FUNCTION", "LOAD", "REPLACE", "versions 2")) as string[];
    for (const [asked, ran] of [
      ["*", second],
      [first, first],
      [second, second],
    ] as const) {
      const [outcome, version] = (await run("versions", asked, "0", "{}", "null")) as string[];
      expect([outcome, version]).toEqual(["ok", ran]);
    }
    await expect(run("versions", "0000000000000000", "0", "{}", "null")).rejects.toThrow(/^NOVERSION /);
    await expect(run("nobody", "*", "0", "{}", "null")).rejects.toThrow(/^NOFUNCTION /);
  });

  test.each([
    ["no json", /is no JSON object/],
    ["[]", /is no JSON object/],
    ['"deadlineMs"', /is no JSON object/],
    ['{"deadlineMs":1} {}', /is no JSON object/],
    ['{"deadline":1}', /none named "deadline"/],
    ['{"deadlineMs":0}', /deadlineMs is "0"/],
    ['{"deadlineMs":1.5}', /deadlineMs is "1.5"/],
    ['{"deadlineMs":300001}', /deadlineMs is "300001"/],
    ['{"deadlineMs":-1}', /deadlineMs is "-1"/],
    ['{"deadlineMs":99999999999999999999}', /deadlineMs is "99999999999999999999"/],
    ['{"deadlineMs":null}', /deadlineMs is null, must be a whole number from 1 to 300000/],
    ['{"deadlineMs":1,"deadlineMs":true}', /deadlineMs is true/],
    ['{"logs":1}', /logs is "1", must be true or false/],
    ['{"id":""}', /id is "", must be a string of 1 to 128 bytes/],
    ['{"id":{"id":"a"}}', /id is an object/],
    ['{"id":["a"]}', /id is an array/],
    ['{"backCpuUs":0}', /backCpuUs is "0"/],
    ['{"backCpuUs":"1"}', /backCpuUs is "1"/],
  ])("options %s are refused", async (options, message) => {
    await expect(run("script", "*", "0", options, "null")).rejects.toThrow(/^ERR options/);
    await expect(run("script", "*", "0", options, "null")).rejects.toThrow(message);
  });

  test("RUN takes exactly options and args after its keys", async () => {
    await expect(run("script", "*", "0", "{}", "null", "more")).rejects.toThrow(/^ERR after its keys/);
    await expect(run("script", "*", "1", "k", "{}")).rejects.toThrow(/^ERR after its keys/);
  });

  test("a deadline in the options holds", async () => {
    const reply = (await run("script", "*", "0", '{"deadlineMs":50}', '{"awaits":"nothing"}')) as string[];
    expect(reply[0]).toBe("error");
    expect(JSON.parse(reply[4] ?? "")).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
  });

  test("CANCEL from another connection ends a run by its id; ids in flight are unique", async () => {
    const other = server.client();
    const slow = other.call("LOCUS.NODE", "RUN", "script", "*", "0", '{"id":"one"}', '{"awaits":"nothing"}');
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
    await expect(run("script", "*", "0", '{"id":"one"}', "null")).rejects.toThrow(/^ERR .*"one" is in flight/);
    const cancel = (): Promise<unknown> => redis.call("LOCUS.NODE", "CANCEL", "one");
    expect(await Promise.all([cancel(), cancel()])).toEqual([1, 0]);
    expect(JSON.parse(((await slow) as string[])[4] ?? "")).toMatchObject({ code: "CANCELLED" });
    expect(await cancel()).toBe(0);
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
  });

  test("nobody cancels another user's run", async () => {
    await redis.acl("SETUSER", "mallory", "on", "nopass", "+@all", "~*", "&*");
    const mallory = server.client({ username: "mallory", password: "x" });
    const slow = server
      .client()
      .call("LOCUS.NODE", "RUN", "script", "*", "0", '{"id":"mine"}', '{"awaits":"released"}');
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
    expect(await mallory.call("LOCUS.NODE", "CANCEL", "mine")).toBe(0);
    await redis.set("released", "1");
    expect(((await slow) as string[])[0]).toBe("ok");
  });
});
