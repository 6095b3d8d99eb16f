// LOCUS.TRACE: which calls of plain clients leave a trace, what it shows, and what it does not.

import type { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";

import { TRACE_STATES, type TraceStep } from "#compute/node/trace.ts";
import { NO_USAGE, type Usage } from "#runtime/profile/sample.ts";
import { readInfo } from "#test/module-info.ts";
import { type RedisServer, startRedisServer } from "#test/redis-server.ts";
import { PlayedNode } from "./played-node.ts";
import { planScript, PUSHED_BACK, serversOfTests, until } from "./scripted-host.ts";

interface Trace {
  readonly id: number;
  readonly timeS: number;
  readonly elapsedUs: number;
  readonly name: string;
  readonly version: string;
  readonly user: string;
  readonly outcome: string;
  readonly keys: number;
  readonly keyBytes: number;
  readonly argsBytes: number;
  readonly resultBytes: number;
  readonly usage: Usage;
  readonly trace: readonly TraceStep[];
}

const startScripted = serversOfTests();
/** Nothing is kept but what failed or moved, unless said otherwise: no call is as slow. */
const start = (slowerThanUs = 300_000_000, ...moduleArguments: readonly string[]): Promise<RedisServer> =>
  startScripted({ moduleArguments: ["trace-slower-than-us", String(slowerThanUs), ...moduleArguments] });

const raw = async (client: Redis, ...count: readonly string[]): Promise<[number, number, number, ...string[]][]> =>
  (await client.call("LOCUS.TRACE", "GET", ...count)) as [number, number, number, ...string[]][];
/** The last first. */
const traces = async (client: Redis, ...count: readonly string[]): Promise<readonly Trace[]> =>
  (await raw(client, ...count)).map(([id, timeS, elapsedUs, name = "", version = "", json = ""]) => ({
    id,
    timeS,
    elapsedUs,
    name,
    version,
    ...(JSON.parse(json) as Omit<Trace, "id" | "timeS" | "elapsedUs" | "name" | "version">),
  }));
/** The only one, checked against what holds for all: states in the order of their beginnings, none longer than the call. */
const onlyTrace = async (client: Redis): Promise<Trace> => {
  const [one, ...more] = await traces(client, "100");
  if (one === undefined || more.length > 0)
    throw new Error(`there are ${more.length + (one === undefined ? 0 : 1)} traces`);
  const { elapsedUs, trace } = one;
  for (const { state, forUs = 1, atUs = 0 } of trace) {
    expect(TRACE_STATES).toContain(state);
    expect(forUs).toBeGreaterThan(0);
    expect(atUs + forUs).toBeLessThanOrEqual(elapsedUs + 2);
  }
  const begun = trace.flatMap(({ atUs }) => (atUs === undefined ? [] : [atUs]));
  expect(begun).toEqual(begun.toSorted((a, b) => a - b));
  const last = trace.at(-1);
  expect(last?.state).toBe(one.outcome === "ok" ? "done" : "failed");
  expect(Math.abs(last!.atUs! - elapsedUs)).toBeLessThanOrEqual(1);
  return one;
};
/** `state side` of each step. */
const steps = ({ trace }: Trace): readonly string[] => trace.map(({ state, side }) => `${state} ${side}`);
const call = (client: Redis, ...args: readonly string[]): Promise<string> =>
  client.call("LOCUS.CALL", "script", ...(args.length === 0 ? ["0"] : args)).then(String, String);
const set = (client: Redis, slowerThanUs: number): Promise<unknown> =>
  client.call("LOCUS.CONFIG", "SET", "trace-slower-than-us", String(slowerThanUs));
const length = (client: Redis): Promise<unknown> => client.call("LOCUS.TRACE", "LEN");

test("a slow call leaves its states with their times, and lengths in place of what it was called with", async () => {
  const server = await startRedisServer({ moduleArguments: ["trace-slower-than-us", "0"] });
  onTestFinished(() => server.close());
  const client = server.client();
  const bundle = `export default { kind: "locus.function", name: "reading", async run({ redis, args, keys }) {
    let mixed = 0;
    for (let index = 0; index < 3e6; index++) mixed ^= Math.imul(index, mixed + 31);
    await redis.get(keys[0]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [mixed, args];
  } };`;
  await client.call("LOCUS.FUNCTION", "LOAD", bundle);
  const nowS = Math.floor(Date.now() / 1_000);
  const result = await client.call("LOCUS.CALL", "reading", "1", "hidden-key", '"hidden-argument"');
  const one = await onlyTrace(client);
  expect(one).toMatchObject({
    id: 1,
    name: "reading",
    version: expect.stringMatching(/^[0-9a-f]{16}$/),
    user: "default",
    outcome: "ok",
    keys: 1,
    keyBytes: 10,
    argsBytes: 17,
    resultBytes: String(result).length,
    usage: { operations: 1, rounds: 1 },
  });
  expect(one.timeS).toBeGreaterThanOrEqual(nowS - 1);
  expect(one.timeS).toBeLessThanOrEqual(Math.ceil(Date.now() / 1_000));
  // The first call of a function has its isolate opened.
  expect(steps(one).slice(-4)).toEqual(["starting storage", "running storage", "waiting storage", "done storage"]);
  const [starting, running, waiting] = one.trace.slice(-4);
  expect(Math.abs(starting!.atUs! + starting!.forUs! - running!.atUs!)).toBeLessThanOrEqual(2);
  expect(running!.forUs).toBe(Math.round(one.usage.cpuUs));
  expect(waiting!.forUs).toBeGreaterThan(4_000);
  expect(JSON.stringify(await raw(client))).not.toContain("hidden");
});

test("a call that fails has a trace however quick it was, one that ends well only if it is as slow as the setting says", async () => {
  const server = await start();
  const client = server.client();
  expect(await call(client, "0", "[1]")).toBe("[1]");
  expect(await length(client)).toBe(0);
  expect(await call(client, "0", '{"exit":3}')).toMatch(/SANDBOXDIED/);
  expect(await onlyTrace(client)).toMatchObject({ id: 1, name: "script", outcome: "SANDBOX_DIED", resultBytes: 0 });
  await set(client, 0);
  expect(await call(client, "0", "[1]")).toBe("[1]");
  expect((await traces(client)).map(({ id, outcome }) => [id, outcome])).toEqual([
    [2, "ok"],
    [1, "SANDBOX_DIED"],
  ]);
});

test("with -1 none has one, and a node's own RUN never does", async () => {
  const server = await start(-1);
  const client = server.client();
  expect(await call(client, "0", '{"exit":3}')).toMatch(/SANDBOXDIED/);
  await set(client, 0);
  await client.call("LOCUS.NODE", "RUN", "script", "*", "0", "{}", "[2]");
  expect(await length(client)).toBe(0);
  expect(await traces(client)).toEqual([]);
});

test("the last 128 are kept, and shown as many as are asked for, the last first; RESET forgets them, and no id comes twice", async () => {
  const server = await start(0);
  const client = server.client();
  for (let index = 0; index < 130; index++) await call(client, "0", "[1]");
  expect(await length(client)).toBe(128);
  expect((await traces(client)).map(({ id }) => id)).toEqual([130, 129, 128, 127, 126, 125, 124, 123, 122, 121]);
  expect((await traces(client, "2")).map(({ id }) => id)).toEqual([130, 129]);
  expect(await traces(client, "0")).toEqual([]);
  expect((await traces(client, "1000")).map(({ id }) => id).at(-1)).toBe(3);
  expect(await client.call("LOCUS.TRACE", "RESET")).toBe("OK");
  expect(await length(client)).toBe(0);
  await call(client, "0", "[1]");
  expect((await onlyTrace(client)).id).toBe(131);
});

test("of a call that a node ran it shows how long none had it, then what the node says", async () => {
  const server = await start(0, "take-patience-ms", "60000");
  const client = server.client();
  await planScript(client, 0);
  const node = await new PlayedNode(server).attach();
  const replied = call(server.client(), "2", "ab", "c", "[1]");
  await until(async () => (await readInfo(client)).get("calls_handed_waiting") === "1");
  const [id] = await node.takeOne();
  const usage = { ...NO_USAGE, wallUs: 60, queueUs: 20, startUs: 5, cpuUs: 3, waitUs: 1e9, operations: 2 };
  await node.give(id, "OK", JSON.stringify(usage), '"x"');
  expect(await replied).toBe('"x"');
  const one = await onlyTrace(client);
  expect(one).toMatchObject({ outcome: "ok", keys: 2, keyBytes: 3, argsBytes: 3, resultBytes: 3, usage });
  expect(steps(one)).toEqual([
    "queued compute",
    "starting compute",
    "running compute",
    "waiting compute",
    "done compute",
  ]);
  const [queued, starting, running, waiting] = one.trace;
  expect([starting!.forUs, running!.forUs]).toEqual([5, 3]);
  expect(Math.abs(starting!.atUs! + 5 - running!.atUs!)).toBeLessThanOrEqual(1);
  expect(Math.abs(queued!.atUs! + queued!.forUs! - starting!.atUs!)).toBeLessThanOrEqual(2);
  // What cannot be true is not believed.
  expect(waiting!.forUs).toBeLessThan(one.elapsedUs);
});

test("a call that came back from a node shows both sides", async () => {
  const server = await start(300_000_000, "take-patience-ms", "20");
  const client = server.client();
  await planScript(client, 0);
  const node = await new PlayedNode(server).attach();
  expect(await call(client, "0", "[1]")).toBe("[1]");
  const untaken = await onlyTrace(client);
  expect([steps(untaken).at(0), steps(untaken).at(-1)]).toEqual(["queued compute", "done storage"]);
  expect(untaken.trace[0]!.forUs).toBeGreaterThanOrEqual(20_000);

  await client.call("LOCUS.CONFIG", "SET", "take-patience-ms", "60000");
  await client.call("LOCUS.TRACE", "RESET");
  const taken = node.takeOne();
  await until(async () => (await client.info("clients")).includes("blocked_clients:1\r"));
  const given = call(server.client(), "0", "[2]");
  await node.give((await taken)[0], "BACK", "no room");
  expect(await given).toBe("[2]");
  // Nothing of it ran there.
  const back = await onlyTrace(client);
  expect(steps(back).filter((step) => step.endsWith("compute"))).toEqual(["queued compute"]);

  await client.call("LOCUS.TRACE", "RESET");
  const lost = call(server.client(), "0", "[3]");
  await node.takeOne();
  node.giver.disconnect();
  expect(await lost).toBe("[3]");
  const again = await onlyTrace(client);
  expect(again.outcome).toBe("ok");
  expect(steps(again)).toContain("running compute");
  expect(steps(again).at(-1)).toBe("done storage");
});

test("a call that is pushed back shows what it was at on either side", async () => {
  const server = await start();
  const client = server.client();
  const node = await new PlayedNode(server).attach();
  await planScript(client, 1, 1_000);
  const taken = node.takeOne();
  await until(async () => (await client.info("clients")).includes("blocked_clients:1\r"));
  const replied = call(server.client(), "0", JSON.stringify({ raw: [PUSHED_BACK], mute: true }));
  const [id] = await taken;
  await node.give(id, "OK", JSON.stringify(NO_USAGE), '"node"');
  expect(await replied).toBe('"node"');
  const one = await onlyTrace(client);
  expect(steps(one).filter((step) => !/^(?:queued|starting)/.test(step))).toEqual([
    "pushed-back storage",
    "done compute",
  ]);
  expect(one).toMatchObject({ outcome: "ok", resultBytes: 6 });
});

test("showing, counting and forgetting are rights of their own", async () => {
  const server = await start();
  await server.client().acl("SETUSER", "some", "on", "nopass", "+@all", "-locus.trace");
  const some = server.client({ username: "some", password: "x" });
  for (const subcommand of ["GET", "LEN", "RESET"])
    await expect(some.call("LOCUS.TRACE", subcommand)).rejects.toThrow(/^NOPERM/);
});
