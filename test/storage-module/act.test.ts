// LOCUS.NODE ACT: a connection that takes on another user is in no way different from one of that user's own.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { runScript, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer({ moduleArguments: ["node-act", "yes"] });
  redis = server.client();
  await redis.mset("a:1", "r".repeat(100), "b:1", "r".repeat(100));
});
afterAll(() => server.close());

const act = (client: Redis, user: string): Promise<unknown> => client.call("LOCUS.NODE", "ACT", user);
const user = (name: string, ...rules: readonly string[]): Promise<unknown> =>
  redis.acl("SETUSER", name, "reset", "on", ">secret", "+acl|whoami", ...rules);
/** A connection that cannot come back as somebody else. */
const connect = (): Redis => server.client({ retryStrategy: () => null, autoResendUnfulfilledCommands: false });
const answer = (client: Redis, [name = "", ...args]: readonly string[]): Promise<string> =>
  client.call(name, ...args).then(String, (error: Error) => `-${error.message}`);

describe("a connection that acts", () => {
  const COMMANDS = [
    ["GET", "a:1"],
    ["GET", "b:1"],
    ["STRLEN", "a:1"],
    ["STRLEN", "b:1"],
    ["SET", "a:1", "x"],
    ["DEL", "a:1"],
    ["PUBLISH", "open:1", "x"],
    ["PUBLISH", "closed", "x"],
  ];

  test.each([
    ["reader", ["+locus.call", "+get", "+strlen", "+set", "%R~a:*"]],
    ["selective", ["+locus.call", "+strlen", "~a:*", "(+get ~b:*)"]],
    ["publisher", ["+locus.call", "+publish", "&open:*"]],
    ["nobody", ["+locus.call"]],
  ])("is told the same as %s's own, and as a function of that user's is", async (name, rules) => {
    await user(name, ...rules);
    const [own, acting] = [server.client({ username: name, password: "secret" }), connect()];
    await act(acting, name);
    expect(await acting.acl("WHOAMI")).toBe(name);
    const told = await Promise.all(COMMANDS.map((command) => answer(acting, command)));
    expect(told).toEqual(await Promise.all(COMMANDS.map((command) => answer(own, command))));
    expect(told.some((reply) => reply.startsWith("-NOPERM"))).toBe(true);
    const inside = await runScript(own, { rounds: COMMANDS.map((command) => [command]) });
    expect(inside.map((reply) => reply.startsWith("-NOPERM"))).toEqual(
      told.map((reply) => reply.startsWith("-NOPERM")),
    );
  });

  test("has none of its former rights, and cannot act once more", async () => {
    await user("poor", "+get", "~a:*");
    const acting = connect();
    await act(acting, "poor");
    await expect(acting.set("a:1", "x")).rejects.toThrow(/^NOPERM/);
    await expect(act(acting, "default")).rejects.toThrow(/^NOPERM/);
  });

  test("loses what its user loses, and goes with its user", async () => {
    await user("leaving", "+get", "~a:*");
    const acting = connect();
    await act(acting, "leaving");
    expect(await acting.get("a:1")).toHaveLength(100);
    await redis.acl("SETUSER", "leaving", "-get");
    await expect(acting.get("a:1")).rejects.toThrow(/^NOPERM/);
    await redis.acl("DELUSER", "leaving");
    await until(async () => acting.status === "end");
  });
});

describe("acting is refused", () => {
  test("for a user who does not exist or is off, and the connection stays what it was", async () => {
    await user("disabled");
    await redis.acl("SETUSER", "disabled", "off");
    const client = connect();
    for (const name of ["missing", "disabled", "", "defaul", "default\0"]) {
      await expect(act(client, name)).rejects.toThrow(/^ERR there is no user ".*", or it is off/);
    }
    expect(await client.acl("WHOAMI")).toBe("default");
  });

  test("to whoever has not the right to it", async () => {
    await user("almost", "+@all", "-locus.node|act", "~*");
    const client = server.client({ username: "almost", password: "secret" });
    await expect(act(client, "default")).rejects.toThrow(/^NOPERM/);
  });

  test("in a transaction and in a script", async () => {
    const client = connect();
    const [[refused] = []] = (await client.multi().call("LOCUS.NODE", "ACT", "default").exec()) ?? [];
    expect(String(refused)).toMatch(/STORAGEREFUSED .*transaction/);
    await expect(client.eval("return redis.call('LOCUS.NODE', 'ACT', 'default')", 0)).rejects.toThrow(/not allowed/);
  });

  test("where the operator has not said yes when the module was loaded", async () => {
    const other = await startScriptedServer();
    const client = other.client();
    await expect(act(client, "default")).rejects.toThrow(/^STORAGEREFUSED the module's setting node-act is no/);
    await expect(client.call("LOCUS.CONFIG", "SET", "node-act", "yes")).rejects.toThrow(/is fixed while Redis runs/);
    expect(await client.call("LOCUS.CONFIG", "GET", "node-act")).toEqual(["node-act", "no"]);
    await other.close();
  });
});

test("an attached connection that acts gets its node the calls of that user", async () => {
  await user("caller", "+locus.call", "~*");
  const placements = {
    script: { state: "compute", share: 0, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 },
  };
  await redis.call("LOCUS.PLAN", "SET", JSON.stringify({ version: 1, placements }));
  const [taker, speaker, caller] = [connect(), connect(), server.client({ username: "caller", password: "secret" })];
  for (const connection of [taker, speaker]) {
    await connection.call("LOCUS.NODE", "ATTACH", "node-1", "0123456789abcdef");
  }
  expect(await caller.call("LOCUS.CALL", "script", "0", "[1]")).toBe("[1]");
  expect((await readInfo(redis)).get("calls_not_handed")).toBe("user=1");
  const take = () => taker.call("LOCUS.NODE", "TAKE", "1", "60000") as Promise<[(readonly unknown[])[], [], unknown[]]>;
  expect((await take())[2]).toEqual([["caller", 0]]);
  await act(speaker, "caller");
  const taken = take();
  const replied = caller.call("LOCUS.CALL", "script", "0", "[1]");
  const [[call]] = await taken;
  expect(call?.[4]).toBe("caller");
  await taker.call("LOCUS.NODE", "GIVE", String(call?.[0]), "BACK", "tried");
  expect(await replied).toBe("[1]");
});
