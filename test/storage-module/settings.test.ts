// LOCUS.INFO, LOCUS.CONFIG, the off switch, and what the module says when it is loaded wrongly.

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";

import { readCoreTimes } from "#compute/node/core-times.ts";
import { cpusOf } from "#compute/placement/machine.ts";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";
import { hasEnded } from "#bench/harness/processes.ts";
import { readInfo } from "#test/module-info.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { runScript, scriptedHost, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer({
    moduleArguments: ["queue-max", "2", "isolate-memory-mb", "5"],
    config: [["enable-debug-command", "yes"]],
  });
  redis = server.client();
});
afterAll(() => server.close());

test("LOCUS.INFO tells the protocol, the host and what calls have done; so does a section of INFO", async () => {
  await runScript(redis, { rounds: [[["GET", "a"]]] });
  const info = await readInfo(redis);
  expect(info.get("protocol")).toBe("2");
  expect(info.get("module_version")).toMatch(/^\d+\.\d+\.\d+$/);
  expect(info.get("host0")).toMatch(/^pid=\d+,state=ready,isolates=1,passing=0,/);
  expect(Number(info.get("operations"))).toBeGreaterThan(0);
  expect(await redis.info("locus")).toContain("locus_protocol:2");
});

test("LOCUS.INFO tells how much there is to compute with: the cores that this process may use, and isolates that there is memory for", async () => {
  const info = await readInfo(redis);
  expect(info.get("cores")).toBe(String(availableCores()));
  expect(Number(info.get("isolates_max"))).toBeGreaterThanOrEqual(2);
  expect(Number(info.get("isolates_max"))).toBeLessThanOrEqual(5);
});

test("LOCUS.INFO tells what became of these cores' time, and how long hosts have waited for one", async () => {
  const info = await readInfo(redis);
  const read = async () => readCoreTimes((await readInfo(redis)).get("core_times"))!;
  const before = await read();
  expect(before.cpus).toBe(cpusOf(info.get("cpus")!).length);
  // More than there are cores for: whoever wakes up waits.
  const burners = Array.from({ length: 2 * before.cpus }, () =>
    spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" }),
  );
  try {
    await until(async () => {
      const began = await read();
      for (let call = 0; call < 20; call++) await runScript(redis, { rounds: [[["GET", "a"]]] });
      const now = await read();
      for (const name of ["clockUs", "redisUs", "hostsUs"] as const) if (now[name] <= before[name]) return false;
      // Of 20 calls that wake up at once it is some tens of µs.
      return now.hostsWaitedUs - began.hostsWaitedUs > 2_000;
    });
  } finally {
    for (const burner of burners) burner.kill("SIGKILL");
    await Promise.all(burners.map((burner) => once(burner, "exit")));
  }
});

test("CONFIG GET takes a pattern; SET checks ranges and names what is fixed", async () => {
  expect(await redis.call("LOCUS.CONFIG", "GET", "QU*")).toEqual(["queue-max", "2", "quantum-us", "200"]);
  expect(await redis.call("LOCUS.CONFIG", "SET", "quantum-us", "150")).toBe("OK");
  expect(await redis.call("LOCUS.CONFIG", "GET", "quantum-us")).toEqual(["quantum-us", "150"]);
  for (const [name, value, message] of [
    ["quantum-us", "9", /^CONFIGINVALID quantum-us is "9", must be a whole number from 10 to 10000/],
    ["quantum-us", "1e3", /^CONFIGINVALID quantum-us is "1e3"/],
    ["enabled", "maybe", /^CONFIGINVALID enabled is "maybe", must be yes or no/],
    ["isolate-memory-mb", "4", /^CONFIGINVALID isolate-memory-mb is fixed/],
    ["host-nice", "5", /^CONFIGINVALID host-nice is fixed/],
    ["launcher", "/bin/sh", /^CONFIGINVALID launcher is fixed/],
    ["confinement", "off", /^CONFIGINVALID confinement is fixed/],
    ["nonsense", "1", /^CONFIGINVALID there is no setting "nonsense"/],
  ] as const) {
    await expect(redis.call("LOCUS.CONFIG", "SET", name, value)).rejects.toThrow(message);
  }
});

test("a full queue refuses calls", async () => {
  const outcomes: string[] = [];
  const calls = Array.from({ length: 8 }, async () => {
    const called = server.client().call("LOCUS.CALL", "script", "0", '{"awaits":"go"}');
    outcomes.push(await called.then(String, String));
  });
  await until(async () => outcomes.length > 0);
  expect(outcomes.filter((outcome) => !outcome.includes("OVERLOADED"))).toEqual([]);
  await redis.set("go", "1");
  await Promise.all(calls);
  expect(outcomes).toContain("[]");
});

test("switched off, locus answers what runs and refuses the rest, its host ends; switched on, it is back", async () => {
  const pid = Number(/pid=(\d+)/.exec((await readInfo(redis)).get("host0") ?? "")?.[1]);
  const running = server.client().call("LOCUS.CALL", "script", "0", '{"awaits":"nothing"}').then(String, String);
  await until(async () => (await readInfo(redis)).get("calls_in_flight") === "1");
  await redis.call("LOCUS.CONFIG", "SET", "enabled", "no");
  expect(await running).toMatch(/SIDEUNAVAILABLE/);
  await expect(redis.call("LOCUS.CALL", "script", "0")).rejects.toThrow(
    /^SIDEUNAVAILABLE .*LOCUS.CONFIG SET enabled yes/,
  );
  await expect(redis.call("LOCUS.FUNCTION", "LOAD", "x")).rejects.toThrow(/^SIDEUNAVAILABLE/);
  expect(await redis.call("LOCUS.FUNCTION", "LIST")).toHaveLength(1);
  await until(async () => hasEnded(pid));
  await redis.call("LOCUS.CONFIG", "SET", "enabled", "yes");
  expect(await redis.call("LOCUS.CALL", "script", "0", "[1]")).toBe("[1]");
});

test("a call that falls between two switches, however quick, is answered", async () => {
  const clients = Array.from({ length: 4 }, () => server.client());
  const [first = redis, second = redis, ...callers] = clients;
  await Promise.all(clients.map((client) => client.ping()));
  const flip = (client: Redis): Promise<unknown> =>
    Promise.all(["no", "yes"].map((enabled) => client.call("LOCUS.CONFIG", "SET", "enabled", enabled)));
  for (let round = 0; round < 50; round += 1) {
    // While Redis sleeps they queue up, and are then read one after the other.
    const asleep = redis.call("DEBUG", "SLEEP", "0.005");
    const outcomes = [first, ...callers, second].map((client) =>
      callers.includes(client) ? client.call("LOCUS.CALL", "script", "0", "1").then(String, String) : flip(client),
    );
    await Promise.all([asleep, ...outcomes]);
  }
  expect(await redis.call("LOCUS.CALL", "script", "0", "[1]")).toBe("[1]");
});

test("no host outlives its Redis, however that ends", async () => {
  for (const how of ["SIGTERM", "SIGKILL"] as const) {
    const pid = Number(/pid=(\d+)/.exec((await readInfo(redis)).get("host0") ?? "")?.[1]);
    expect(hasEnded(pid)).toBe(false);
    await server.restart(how);
    await until(async () => hasEnded(pid));
    await until(async () => (await readInfo(redis)).get("host0")?.includes("state=ready") === true);
  }
});

test("a wrong argument keeps the module from loading, and the log lists every mistake", async () => {
  const attempt = startRedisServer({ moduleArguments: ["quantum-us", "0", "nonsense", "1"] });
  await expect(attempt).rejects.toThrow(/locus is not loaded: quantum-us is "0".*; there is no setting "nonsense"/);
});

test("without its host program the module loads, says so, and refuses calls with the path", async () => {
  const lame = await startRedisServer({ moduleArguments: [...scriptedHost().slice(0, 2), "host", "/nowhere/main.ts"] });
  expect(lame.log()).toContain("/nowhere/main.ts is missing");
  await expect(lame.client().call("LOCUS.FUNCTION", "LOAD", "x")).rejects.toThrow(
    /^SIDEUNAVAILABLE .*\/nowhere\/main.ts/,
  );
  await lame.close();
});
