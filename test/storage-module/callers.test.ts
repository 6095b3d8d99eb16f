// Who calls, from where, and how a caller goes: in a transaction, a script, another module; on a connection that does other things
// as well; unblocked, reset, killed or gone in every state of its call.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import { buildRedisModule } from "#test/native-program.ts";
import type { RedisServerOptions } from "#test/redis-server.ts";
import { runLines, serversOfTests, until } from "./scripted-host.ts";

const start = serversOfTests();

const info = async (client: Redis, name: string): Promise<string | undefined> => (await readInfo(client)).get(name);
const idle = (client: Redis) => until(async () => (await info(client, "calls_in_flight")) === "0");
const running = (client: Redis) => until(async () => (await info(client, "calls_in_flight")) === "1");
const call = (client: Redis, script: object): Promise<string> =>
  client.call("LOCUS.CALL", "script", "0", JSON.stringify(script)).then(String, String);
/** Writes when its caller has gone. */
const lateWrite = { awaits: "nothing", rounds: [[["SET", "late", "1"]]] };

describe("where a call cannot wait", () => {
  const waiting: readonly (readonly [string, readonly string[]])[] = [
    ["LOCUS.CALL", ["script", "0", "[]"]],
    ["LOCUS.NODE", ["RUN", "script", "*", "0", "{}", "[]"]],
    ["LOCUS.NODE", ["TRY", "bundle", "{}", "0", "{}", "[]"]],
    ["LOCUS.FUNCTION", ["LOAD", "elsewhere"]],
  ];

  test.each(waiting)(
    "%s is refused in a transaction, a script, a Redis function and a module's call",
    async (name, args) => {
      const server = await start({ config: [["loadmodule", buildRedisModule("relay_module")]] });
      const client = server.client();
      const refused = /^(?:ReplyError: )?STORAGEREFUSED LOCUS.* cannot be called .*: call it by itself/;
      const quoted = [name, ...args].map((word) => `'${word}'`).join(", ");
      const [[inTransaction] = []] =
        (await client
          .multi()
          .call(name, ...args)
          .exec()) ?? [];
      expect(String(inTransaction)).toMatch(refused);
      await expect(client.eval(`return redis.call(${quoted})`, 0)).rejects.toThrow(/STORAGEREFUSED .*script/);
      const library = `#!lua name=l\nredis.register_function('f', function() return redis.call(${quoted}) end)`;
      await client.call("FUNCTION", "LOAD", library);
      await expect(client.call("FCALL", "f", "0")).rejects.toThrow(/STORAGEREFUSED .*Redis function/);
      await expect(client.call("RELAY", name, ...args)).rejects.toThrow(/STORAGEREFUSED .*module/);
      expect(await client.call("LOCUS.FUNCTION", "LIST")).toHaveLength(1);
      await idle(client);
      expect(await runLines(client, ["PING"])).toEqual(["+PONG"]);
    },
  );

  test("what needs no waiting works there", async () => {
    const server = await start({ config: [["loadmodule", buildRedisModule("relay_module")]] });
    const client = server.client();
    const replies = await client.multi().call("LOCUS.FUNCTION", "LIST").call("LOCUS.INFO").exec();
    expect(replies?.map(([error]) => error)).toEqual([null, null]);
    expect(await client.call("RELAY", "LOCUS.FUNCTION", "LIST")).toContain("script");
    expect(await client.eval("return redis.call('LOCUS.INFO')", 0)).toContain("protocol:2");
  });
});

describe("a connection", () => {
  test("has what follows a call done after it: SELECT, RESET and others", async () => {
    const server = await start();
    const client = server.client();
    const call = (): Promise<unknown> =>
      client.call("LOCUS.CALL", "script", "0", JSON.stringify({ rounds: [[["SET", "where", "x"]]], repeat: 50 }));
    const order = await Promise.all([call(), client.select(3), call(), client.get("where"), client.call("RESET")]);
    expect(order).toEqual(['["+OK\\r\\n"]', "OK", '["+OK\\r\\n"]', "x", "RESET"]);
    expect(await client.exists("where")).toBe(1);
  });

  test("whose database is swapped sees what is there now, as any client does", async () => {
    const server = await start();
    const [client, admin] = [server.client({ db: 1 }), server.client()];
    await Promise.all([
      server.client({ db: 1 }).set("who", "one"),
      server.client({ db: 2 }).mset("who", "two", "swapped", "1"),
    ]);
    const script = { awaits: "swapped", rounds: [[["GET", "who"]], [["SET", "who", "new"]]] };
    const swapped = call(client, script);
    await running(admin);
    await admin.call("SWAPDB", "1", "2");
    expect(JSON.parse(await swapped)).toEqual(["$3\r\ntwo\r\n", "+OK\r\n"]);
    expect(await client.get("who")).toBe("new");
  });

  test("that is emptied or flushed under a call goes on", async () => {
    const server = await start();
    const [client, admin] = [server.client(), server.client()];
    await admin.set("k", "r".repeat(100));
    const flushed = call(client, { awaits: "go", rounds: [[["GET", "k"]], [["INCR", "k"]]] });
    await running(admin);
    await admin.flushall("ASYNC");
    await admin.set("go", "1");
    expect(JSON.parse(await flushed)).toEqual(["_\r\n", ":1\r\n"]);
  });

  test("goes on after CLIENT UNBLOCK with what follows the call", async () => {
    const server = await start();
    const [client, admin] = [server.client(), server.client()];
    const id = await client.client("ID");
    const [waiting, next] = [call(client, { awaits: "nothing" }), client.echo("next")];
    await running(admin);
    expect(await admin.call("CLIENT", "UNBLOCK", String(id))).toBe(1);
    expect(await waiting).toMatch(/^ReplyError: CANCELLED the call of script was cancelled: CLIENT UNBLOCK/);
    expect(await next).toBe("next");
    expect(await admin.call("CLIENT", "UNBLOCK", String(id))).toBe(0);
    expect(await runLines(client, ["PING"])).toEqual(["+PONG"]);
  });

  test.each(["TIMEOUT", "ERROR"])(
    "that CLIENT UNBLOCK %s meets when its outcome has come gets one reply, or closes",
    async (how) => {
      const server = await start({ config: [["enable-debug-command", "yes"]] });
      const client = server.client({ autoResendUnfulfilledCommands: false, retryStrategy: () => null });
      const [admin, id] = [server.client(), String(await client.client("ID"))];
      expect(await call(client, { rounds: [] })).toBe("[]");
      // While Redis sleeps the call and then the rest queue up; the outcome comes in its next sleep, which ends with UNBLOCK. Where this
      // process had no core in time, the call was answered before.
      let unblocked: unknown = 0;
      while (unblocked === 0) {
        const asleep = server.client().call("DEBUG", "SLEEP", "1");
        await sleep(50);
        const [called, next] = [call(client, { rounds: [] }), client.echo("next").catch(String)];
        await sleep(50);
        [, unblocked] = await Promise.all([
          admin.call("DEBUG", "SLEEP", "1"),
          admin.call("CLIENT", "UNBLOCK", id, how),
          asleep,
        ]);
        expect(await called).toMatch(/^\[\]$|closed|^ReplyError: (CANCELLED|UNBLOCKED) /);
        expect(await next).toMatch(/^next$|closed/);
      }
      expect(unblocked).toBe(1);
      await idle(admin);
      expect(await runLines(admin, ["PING"])).toEqual(["+PONG"]);
    },
  );
});

/** How a caller goes while it waits, and what it is told. */
const WAYS: readonly (readonly [string, (client: Redis, admin: Redis, id: number) => Promise<unknown>, RegExp])[] = [
  ["disconnects", async (client) => client.disconnect(), /closed/],
  ["is killed", (_client, admin, id) => admin.client("KILL", "ID", id), /closed/],
  ["is unblocked", (_client, admin, id) => admin.client("UNBLOCK", id), /^ReplyError: CANCELLED /],
  [
    "is unblocked with an error",
    (_client, admin, id) => admin.client("UNBLOCK", id, "ERROR"),
    /^ReplyError: UNBLOCKED /,
  ],
];

describe.each(WAYS)("a caller who %s", (_way, leave, told) => {
  /** A server, a caller who stays away when it is gone, its id, and somebody who looks on. */
  const cast = async (options: RedisServerOptions = {}) => {
    const server = await start(options);
    const client = server.client({ autoResendUnfulfilledCommands: false, retryStrategy: () => null });
    return { server, client, id: await client.client("ID"), admin: server.client() };
  };

  test("while its function runs takes the next operation along", async () => {
    const { client, id, admin } = await cast();
    const lost = call(client, lateWrite);
    await running(admin);
    await leave(client, admin, id);
    expect(await lost).toMatch(told);
    await idle(admin);
    // It is counted when its outcome is told, after it is over.
    await until(async () => (await info(admin, "calls_failed_by_code")) === "CANCELLED=1");
    // Its isolate, which has one call at a time, has done with it.
    expect(await runLines(admin, ["EXISTS", "late"])).toEqual([":0"]);
  });

  test("while its call is queued leaves the queue", async () => {
    const { server, client, id, admin } = await cast({ moduleArguments: ["isolate-memory-mb", "2"] });
    const first = call(server.client(), { awaits: "go" });
    await running(admin);
    const queued = call(client, lateWrite);
    await until(async () => (await info(admin, "calls_queued")) === "1");
    await leave(client, admin, id);
    expect(await queued).toMatch(told);
    await until(async () => (await info(admin, "calls_queued")) === "0");
    await admin.set("go", "1");
    expect(await first).toBe("[]");
    expect(await runLines(admin, ["EXISTS", "late"])).toEqual([":0"]);
  });

  test("while its isolate starts leaves nothing to run in it", async () => {
    const { client, id, admin } = await cast();
    const host = Number(/pid=(\d+)/.exec((await info(admin, "host0")) ?? "")?.[1]);
    process.kill(host, "SIGSTOP");
    const lost = call(client, { rounds: lateWrite.rounds });
    await until(async () => /blocked_clients:1/.test(await admin.info("clients")));
    await leave(client, admin, id);
    expect(await lost).toMatch(told);
    await idle(admin);
    process.kill(host, "SIGCONT");
    expect(await runLines(admin, ["EXISTS", "late"])).toEqual([":0"]);
  });

  test("while its write waits takes the write along", async () => {
    const { client, id, admin } = await cast();
    await admin.client("PAUSE", 60_000, "WRITE");
    const lost = call(client, { rounds: lateWrite.rounds });
    await until(async () => Number(await info(admin, "writes_paused")) > 0);
    await leave(client, admin, id);
    expect(await lost).toMatch(told);
    await idle(admin);
    await admin.client("UNPAUSE");
    expect(await runLines(admin, ["EXISTS", "late"])).toEqual([":0"]);
  });

  test("while its bundle is checked deploys nothing", async () => {
    const { client, id, admin } = await cast();
    const host = Number(/pid=(\d+)/.exec((await info(admin, "host0")) ?? "")?.[1]);
    process.kill(host, "SIGSTOP");
    const lost = client.call("LOCUS.FUNCTION", "LOAD", "unwanted").then(String, String);
    await until(async () => /blocked_clients:1/.test(await admin.info("clients")));
    await leave(client, admin, id);
    expect(await lost).toMatch(told);
    process.kill(host, "SIGCONT");
    expect(await admin.call("LOCUS.FUNCTION", "LOAD", "wanted")).toEqual(["wanted", expect.any(String)]);
    const names = ((await admin.call("LOCUS.FUNCTION", "LIST")) as string[][]).map(([name]) => name);
    expect(names).toEqual(["script", "wanted"]);
  });
});

describe("a client that does not read its replies", () => {
  test("is dropped at Redis' own bound, and its call's result with it", async () => {
    const config = [["client-output-buffer-limit", "normal 1mb 1mb 1"]];
    const server = await start({ config });
    const admin = server.client();
    await admin.set("big", "v".repeat(3 * 1024 * 1024));
    const before = await memoryOf(admin);
    const sockets = await Promise.all(Array.from({ length: 8 }, () => deafSocket(server.path)));
    const closed = sockets.map((socket) => once(socket, "close"));
    for (const socket of sockets) socket.write(words("LOCUS.CALL", "script", "0", '{"rounds":[[["GET","big"]]]}'));
    await until(async () => /connected_clients:[12]\r/.test(await admin.info("clients")));
    await idle(admin);
    for (const socket of sockets) socket.resume();
    await Promise.all(closed);
    expect(await runLines(admin, ["STRLEN", "big"])).toEqual([`:${3 * 1024 * 1024}`]);
    await until(async () => (await memoryOf(admin)) < before + 4 * 1024 * 1024);
  });

  test("that leaves in the middle of a result leaves nothing behind", async () => {
    const server = await start();
    const admin = server.client();
    await admin.set("big", "v".repeat(3 * 1024 * 1024));
    const socket = await deafSocket(server.path);
    socket.write(words("LOCUS.CALL", "script", "0", '{"rounds":[[["GET","big"]]]}'));
    await until(async () => /omem=[1-9]/.test(String(await admin.client("LIST"))));
    socket.destroy();
    await until(async () => /connected_clients:[12]\r/.test(await admin.info("clients")));
    expect(await info(admin, "calls_in_flight")).toBe("0");
    expect(await runLines(admin, ["PING"])).toEqual(["+PONG"]);
  });
});

const memoryOf = async (client: Redis): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);

const words = (...all: readonly string[]): string =>
  `*${all.length}\r\n${all.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

/** Connected, and reading nothing until it is resumed. */
async function deafSocket(path: string): Promise<Socket> {
  const socket = connect(path).pause();
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}
