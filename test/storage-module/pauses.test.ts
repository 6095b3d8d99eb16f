// Redis holds its clients back: CLIENT PAUSE, FAILOVER, SHUTDOWN. A function's write waits as a client's would (writing all the
// same would abort Redis), its reads go on, and what was acknowledged is there afterwards.

import { once } from "node:events";
import { connect } from "node:net";

import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";

import { hasEnded } from "#bench/harness/processes.ts";
import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { readIncrements, startIncrements } from "./increments.ts";
import { runLines, runScript, serversOfTests, until } from "./scripted-host.ts";

const start = serversOfTests();

const startPair = async (): Promise<readonly [RedisServer, RedisServer]> => {
  const primary = await start();
  const replica = await start({ replicaOf: primary });
  await until(async () => (await replica.client().info("replication")).includes("master_link_status:up"));
  return [primary, replica];
};

const info = async (client: Redis, name: string): Promise<string | undefined> => (await readInfo(client)).get(name);
const writesWait = (client: Redis) => until(async () => Number(await info(client, "writes_paused")) > 0);
const idle = (client: Redis) => until(async () => (await info(client, "calls_in_flight")) === "0");

describe("CLIENT PAUSE", () => {
  const reading = { awaits: "go", rounds: [[["GET", "k"]], [["SET", "k", "after"]], [["GET", "k"]]] };
  const read = ["$6\r\nbefore\r\n", "+OK\r\n", "$5\r\nafter\r\n"];
  /** From the moment on at which the call finds its key. */
  const pauseAndGo = (admin: Redis, mode: "ALL" | "WRITE") =>
    admin.multi().set("go", "1").call("CLIENT", "PAUSE", "60000", mode).exec();

  test("WRITE: a call that runs reads on, and writes when it is over", async () => {
    const server = await start();
    const [caller, admin] = [server.client(), server.client()];
    await admin.set("k", "before");
    const running = runScript(caller, reading);
    await until(async () => (await info(admin, "calls_in_flight")) === "1");
    await pauseAndGo(admin, "WRITE");
    await writesWait(admin);
    expect(await admin.get("k")).toBe("before");
    await admin.client("UNPAUSE");
    expect(await running).toEqual(read);
  });

  test("ALL: calls that come wait for its end, and a call that runs waits with its write", async () => {
    const server = await start();
    const [caller, admin] = [server.client(), server.client()];
    const monitor = await startMonitor(server.path);
    await admin.set("k", "before");
    const running = runScript(caller, reading);
    await until(async () => (await info(admin, "calls_in_flight")) === "1");
    await pauseAndGo(admin, "ALL");
    const next = runLines(server.client(), ["PING"]);
    await monitor.until("INFO locus", /^locus_writes_paused:[1-9]/m);
    await monitor.until("INFO clients", /^blocked_clients:2\r/m);
    monitor.close();
    expect(await Promise.all([running, next])).toEqual([read, ["+PONG"]]);
  });

  test("a publication waits as a write does, and a key that has expired is gone though nothing may be deleted", async () => {
    const server = await start();
    const [caller, admin] = [server.client(), server.client()];
    for (const key of ["short", "long"]) await admin.set(key, "x".repeat(key === "long" ? 100 : 1), "PX", 1);
    await admin.client("PAUSE", 60_000, "WRITE");
    await until(async () => (await admin.exists("short", "long")) === 0);
    expect(await runLines(caller, ["GET", "short"], ["GET", "long"], ["STRLEN", "long"])).toEqual(["_", "_", ":0"]);
    const publishing = runLines(caller, ["PUBLISH", "news", "x"], ["PFCOUNT", "hyper"]);
    await writesWait(admin);
    await admin.client("UNPAUSE");
    expect(await publishing).toEqual([":0", ":0"]);
  });

  test("a caller who leaves while its write waits takes the write along", async () => {
    const server = await start();
    const [caller, admin] = [server.client(), server.client()];
    await admin.client("PAUSE", 60_000, "WRITE");
    runLines(caller, ["SET", "k", "late"]).catch(() => {});
    await writesWait(admin);
    caller.disconnect();
    await idle(admin);
    await admin.client("UNPAUSE");
    expect(await runLines(admin, ["EXISTS", "k"])).toEqual([":0"]);
  });

  test("LOAD and DELETE wait, and so does a bundle that was being checked", async () => {
    const server = await start();
    const [caller, admin] = [server.client(), server.client()];
    await admin.client("PAUSE", 60_000, "WRITE");
    const loading = caller.call("LOCUS.FUNCTION", "LOAD", "paused");
    await until(async () => (await admin.info("clients")).includes("blocked_clients:1"));
    expect(await admin.call("LOCUS.FUNCTION", "LIST")).toHaveLength(1);
    await admin.client("UNPAUSE");
    expect(await loading).toEqual(["paused", expect.any(String)]);
  });
});

describe("FAILOVER", () => {
  test("under load loses no write that was acknowledged, and the new primary takes calls", async () => {
    const [primary, replica] = await startPair();
    const load = startIncrements(primary);
    await until(async () => load.acknowledged() > 200);
    await primary.client().call("FAILOVER");
    await until(async () => (await replica.client().info("replication")).includes("role:master"));
    await until(async () => (await primary.client().info("replication")).includes("role:slave"));
    // From here on they are refused, but for what was acknowledged and is still on its way.
    await load.answered();
    const before = load.acknowledged();
    const { acknowledged, refusals } = await load.stop();
    expect(acknowledged - before).toBe(0);
    expect([...refusals.keys()].filter((word) => !["UNBLOCKED", "READONLY", "closed"].includes(word))).toEqual([]);
    const there = await readIncrements(replica);
    expect(there).toBeGreaterThanOrEqual(acknowledged);
    expect(there).toBeLessThanOrEqual(acknowledged + (refusals.get("UNBLOCKED") ?? 0) + (refusals.get("closed") ?? 0));
    await idle(primary.client());
    expect(await runLines(replica.client(), ["INCR", "increments"])).toEqual([`:${there + 1}`]);
    expect(await runLines(primary.client(), ["SET", "k", "x"])).toEqual([expect.stringMatching(/^-READONLY /)]);
  });

  test("a call that waits for its write when the primary steps down is told, and writes nowhere", async () => {
    const [primary, replica] = await startPair();
    const admin = primary.client();
    process.kill(replica.pid(), "SIGSTOP");
    await admin.set("ahead", "1");
    await admin.call("FAILOVER", "TIMEOUT", "60000");
    const client = primary.client({ autoResendUnfulfilledCommands: false, retryStrategy: () => null });
    const waiting = runLines(client, ["SET", "k", "x"]).then(String, String);
    await writesWait(admin);
    process.kill(replica.pid(), "SIGCONT");
    expect(await waiting).toMatch(/UNBLOCKED/);
    await idle(admin);
    await until(async () => (await replica.client().info("replication")).includes("role:master"));
    expect(await replica.client().mget("ahead", "k")).toEqual(["1", null]);
  });

  test("that is given up lets the write through", async () => {
    const [primary, replica] = await startPair();
    const admin = primary.client();
    process.kill(replica.pid(), "SIGSTOP");
    await admin.set("ahead", "1");
    await admin.call("FAILOVER", "TIMEOUT", "60000");
    const waiting = runLines(primary.client(), ["SET", "k", "x"]);
    await writesWait(admin);
    await admin.call("FAILOVER", "ABORT");
    expect(await waiting).toEqual(["+OK"]);
    process.kill(replica.pid(), "SIGCONT");
  });
});

describe("SHUTDOWN with a replica behind", () => {
  test("keeps what was acknowledged, on the replica as well, and takes the hosts along", async () => {
    const [primary, replica] = await startPair();
    const load = startIncrements(primary);
    await until(async () => load.acknowledged() > 100);
    process.kill(replica.pid(), "SIGSTOP");
    const before = load.acknowledged();
    await until(async () => load.acknowledged() > before + 100);
    const admin = primary.client({ autoResendUnfulfilledCommands: false, retryStrategy: () => null });
    const host = Number(/pid=(\d+)/.exec((await info(admin, "host0")) ?? "")?.[1]);
    const gone = admin.call("SHUTDOWN", "NOSAVE").then(String, String);
    await until(async () => primary.log().includes("replicas before shutting down"));
    process.kill(replica.pid(), "SIGCONT");
    expect(await gone).toMatch(/closed/);
    const { acknowledged, refusals } = await load.stop();
    expect([...refusals.keys()]).toEqual(["closed"]);
    expect(await readIncrements(replica)).toBeGreaterThanOrEqual(acknowledged);
    await until(async () => hasEnded(host));
  });

  test("that is given up lets the write through", async () => {
    const [primary, replica] = await startPair();
    const admin = primary.client();
    process.kill(replica.pid(), "SIGSTOP");
    await admin.set("ahead", "1");
    const gone = primary.client().call("SHUTDOWN", "NOSAVE").then(String, String);
    await until(async () => primary.log().includes("replicas before shutting down"));
    const waiting = runLines(primary.client(), ["GET", "ahead"], ["SET", "k", "x"]);
    await writesWait(admin);
    await admin.call("SHUTDOWN", "ABORT");
    expect(await waiting).toEqual(["$1", "1", "+OK"]);
    expect(await gone).toMatch(/Errors trying to SHUTDOWN/);
    process.kill(replica.pid(), "SIGCONT");
  });
});

/** A client that watches counts as a replica to Redis, and those no pause holds back. It ends the pause when it is closed. */
async function startMonitor(path: string) {
  const socket = connect(path).setEncoding("utf8");
  let said = "";
  socket.on("data", (text: string) => (said += text));
  socket.write("MONITOR\r\n");
  return {
    /** Asks until the answer is that. */
    until: (command: string, answer: RegExp) =>
      until(async () => {
        said = "";
        socket.write(`${command}\r\n`);
        await once(socket, "data");
        return answer.test(said);
      }),
    close: () => void socket.end("CLIENT UNPAUSE\r\n"),
  };
}
