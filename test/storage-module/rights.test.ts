// Rights: a user needs one for each command of locus, and a function runs with the rights of the user who calls it.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { runLines, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
  await redis.mset("a:1", "r".repeat(100), "b:1", "r".repeat(100));
});
afterAll(() => server.close());

/** A client of a user with just these rights. */
async function as(name: string, ...rules: readonly string[]): Promise<Redis> {
  await redis.acl("SETUSER", name, "reset", "on", ">secret", ...rules);
  return server.client({ username: name, password: "secret" });
}

describe("commands", () => {
  test("each is a right of its own, subcommands included", async () => {
    const caller = await as("caller", "+locus.call", "+locus.function|list", "~*");
    expect(await caller.call("LOCUS.CALL", "script", "0")).toBe("null");
    expect(await caller.call("LOCUS.FUNCTION", "LIST")).toHaveLength(1);
    for (const denied of [
      ["LOCUS.FUNCTION", "DUMP", "script"],
      ["LOCUS.FUNCTION", "LOAD", "x"],
      ["LOCUS.FUNCTION", "DELETE", "script"],
      ["LOCUS.FUNCTION", "ISOLATES", "1000", "script", "1"],
      ["LOCUS.NODE", "RUN", "script", "*", "0", "{}", "null"],
      ["LOCUS.CONFIG", "GET", "*"],
      ["LOCUS.INFO"],
    ]) {
      const [name = "", ...args] = denied;
      await expect(caller.call(name, ...args)).rejects.toThrow(/^NOPERM/);
    }
  });

  test("who may do all else but call a function starts nothing", async () => {
    const barred = await as("barred", "+@all", "-locus.call", "~*", "&*");
    const before = (await readInfo(redis)).get("calls");
    const script = '{"rounds":[[["SET","barred","1"]]]}';
    await expect(barred.call("LOCUS.CALL", "script", "0", script)).rejects.toThrow(/^NOPERM/);
    const info = await readInfo(redis);
    expect([info.get("calls"), info.get("calls_in_flight")]).toEqual([before, "0"]);
    expect(await barred.exists("barred")).toBe(0);
  });

  test("settings can be denied to those who may do all else", async () => {
    const all = await as("nearlyall", "+@all", "-locus.config", "~*", "&*");
    expect(await all.call("LOCUS.INFO")).toContain("protocol:2");
    await expect(all.call("LOCUS.CONFIG", "SET", "enabled", "no")).rejects.toThrow(/^NOPERM/);
  });

  test("a key that is declared must be one that the user has some right to", async () => {
    const limited = await as("limited", "+locus.call", "%R~a:*");
    expect(await limited.call("LOCUS.CALL", "script", "1", "a:1", "[]")).toBe("[]");
    await expect(limited.call("LOCUS.CALL", "script", "1", "b:1", "[]")).rejects.toThrow(/^NOPERM/);
  });
});

/** What a client is told when it runs the command itself: functions are told the same. */
const denial = (client: Redis, name: string, ...args: readonly string[]): Promise<string> =>
  client.call(name, ...args).then(String, (error: Error) => `-${error.message}`);

describe("operations", () => {
  test("run with the caller's rights to commands and keys, in a client's words", async () => {
    const reader = await as("reader", "+locus.call", "+get", "+strlen", "+set", "%R~a:*");
    const denied = [
      ["STRLEN", "b:1"],
      ["SET", "a:1", "x"],
      ["GET", "b:1"],
      ["DEL", "a:1"],
    ];
    const told = await Promise.all(denied.map(([name = "", ...args]) => denial(reader, name, ...args)));
    expect(told).toEqual(denied.map(() => expect.stringMatching(/^-NOPERM /)));
    expect(await runLines(reader, ["STRLEN", "a:1"], ...denied)).toEqual([":100", ...told]);
  });

  test("a GET that takes the shortcut needs the same rights", async () => {
    const some = await as("some", "+locus.call", "+get", "~a:*");
    const [first, , denied] = await runLines(some, ["GET", "a:1"], ["GET", "b:1"]);
    expect([first, denied]).toEqual(["$100", await denial(some, "GET", "b:1")]);
    const none = await as("none", "+locus.call", "+strlen", "~*");
    expect(await runLines(none, ["GET", "a:1"])).toEqual([await denial(none, "GET", "a:1")]);
  });

  test("rights that hold only together are not taken apart", async () => {
    const selector = await as("selector", "+locus.call", "+strlen", "~a:*", "(+get ~b:*)");
    const [get, strlen, allowed] = await runLines(selector, ["GET", "a:1"], ["STRLEN", "b:1"], ["STRLEN", "a:1"]);
    expect([get, strlen]).toEqual([expect.stringMatching(/^-NOPERM /), expect.stringMatching(/^-NOPERM /)]);
    expect(allowed).toBe(":100");
    expect((await runLines(selector, ["GET", "b:1"]))[0]).toBe("$100");
  });

  test("channels are rights as well", async () => {
    const publisher = await as("publisher", "+locus.call", "+publish", "&open:*");
    const [open, closed] = await runLines(publisher, ["PUBLISH", "open:1", "x"], ["PUBLISH", "closed", "x"]);
    expect([open, closed]).toEqual([":0", await denial(publisher, "PUBLISH", "closed", "x")]);
  });

  test("a right that is taken away while a call runs is gone for its next operation", async () => {
    const changing = await as("changing", "+locus.call", "+get", "+exists", "~*");
    const script = JSON.stringify({ awaits: "go", rounds: [[["GET", "a:1"]]] });
    const slow = changing.call("LOCUS.CALL", "script", "0", script);
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
    await redis.acl("SETUSER", "changing", "-get");
    await redis.set("go", "1");
    expect(JSON.parse(String(await slow))).toEqual([`${await denial(changing, "GET", "a:1")}\r\n`]);
  });

  test("a user who is deleted while a call runs takes it along", async () => {
    const leaving = await as("leaving", "+locus.call", "+exists", "+set", "~*");
    const slow = leaving.call("LOCUS.CALL", "script", "0", '{"awaits":"nothing","rounds":[[["SET","left","1"]]]}');
    slow.catch(() => {});
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
    await redis.acl("DELUSER", "leaving");
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
    // Its isolate, which has one call at a time, has done with it.
    expect(await runLines(redis, ["EXISTS", "left"])).toEqual([":0"]);
  });
});
