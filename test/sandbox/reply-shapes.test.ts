// One rule for the shape of a reply, wherever a function runs: ioredis shapes what a command's name in lower case asks for, and
// leaves the rest as Redis sent it, maps flat. `redisclient` is ioredis; a container runs the program of a process.

import { afterEach, describe, expect, it } from "vitest";
import { serialRedis } from "#compute/cli/serial-redis.ts";
import { openBrittleConnection } from "#compute/node/redis-connection.ts";
import { guestRedisOver } from "#runtime/channel/guest-redis-over.ts";
import { MEMORY_COMMANDS, MemoryChannel } from "#runtime/channel/memory-channel.ts";
import type { Invocation } from "#runtime/function/define.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { startRedisServer } from "../redis-server.ts";
import { specOf } from "../scheduler/driver-contract.ts";
import { callOf, imageOf } from "../scheduler/driver-fixture.ts";
import { bundleOf, resultOf, SIDE_NAMES, startSide } from "../sides.ts";

type Command = readonly [name: string, ...args: readonly string[]];

const WRITES: readonly Command[] = [
  ["hset", "h", "a", "1", "b", "2"],
  ["zadd", "z", "1", "m", "2.5", "n"],
  ["zadd", "other", "1", "m"],
  ["set", "k", "text"],
  ["geoadd", "g", "13.5", "38.1", "here"],
  ["xadd", "s", "1-1", "f", "v"],
  ["xgroup", "CREATE", "s", "readers", "0"],
];

const ENTRIES = [["1-1", ["f", "v"]]];
const SCORES = ["m", "1", "n", "2.5"];
const SCORE_PAIRS = [
  ["m", "1"],
  ["n", "2.5"],
];

interface Row {
  readonly command: Command;
  readonly lower: unknown;
  /** In upper case; what `lower` is if the name has no shape. */
  readonly upper?: unknown;
}

const ROWS: readonly Row[] = [
  { command: ["hgetall", "h"], lower: { a: "1", b: "2" }, upper: ["a", "1", "b", "2"] },
  { command: ["hgetall", "none"], lower: {}, upper: [] },
  { command: ["zrange", "z", "0", "-1", "WITHSCORES"], lower: SCORES, upper: SCORE_PAIRS },
  { command: ["zrange", "z", "0", "-1"], lower: ["m", "n"] },
  { command: ["zrevrangebyscore", "z", "1", "-inf", "WITHSCORES"], lower: ["m", "1"], upper: [["m", "1"]] },
  { command: ["zdiff", "2", "z", "other", "WITHSCORES"], lower: ["n", "2.5"], upper: [["n", "2.5"]] },
  { command: ["zrandmember", "other", "1", "WITHSCORES"], lower: ["m", "1"], upper: [["m", "1"]] },
  { command: ["hrandfield", "h", "0", "WITHVALUES"], lower: [] },
  { command: ["hmget", "h", "a", "none"], lower: ["1", null] },
  { command: ["zscore", "z", "n"], lower: "2.5" },
  { command: ["get", "k"], lower: "text" },
  { command: ["xread", "STREAMS", "s", "0"], lower: [["s", ENTRIES]], upper: ["s", ENTRIES] },
  {
    command: ["xreadgroup", "GROUP", "readers", "one", "STREAMS", "s", "0"],
    lower: [["s", []]],
    upper: ["s", []],
  },
  { command: ["xread", "STREAMS", "s", "1-1"], lower: null },
  { command: ["xrange", "s", "-", "+"], lower: ENTRIES },
  {
    command: ["xinfo", "GROUPS", "s"],
    lower: [
      expect.arrayContaining(["name", "readers", "consumers", 1, "pending", 0, "last-delivered-id", "0-0", "lag", 1]),
    ],
  },
  {
    command: ["lcs", "k", "k", "IDX"],
    lower: [
      "matches",
      [
        [
          [0, 3],
          [0, 3],
        ],
      ],
      "len",
      4,
    ],
  },
  { command: ["geosearch", "g", "FROMMEMBER", "here", "BYRADIUS", "1", "m", "WITHDIST"], lower: [["here", "0.0000"]] },
  { command: ["zpopmin", "other"], lower: ["m", "1"] },
  { command: ["ZPOPMAX", "z", "2"], lower: SCORE_PAIRS.toReversed() },
];

/** What of the table the values in memory have. */
const IN_MEMORY = new Set(MEMORY_COMMANDS);
const isInMemory = ([name]: Command): boolean => IN_MEMORY.has(name.toLowerCase());

const callEach = async ({ redis, args }: Invocation<Command[]>): Promise<unknown[]> => {
  const replies: unknown[] = [];
  for (const command of args) replies.push(await redis.call(...(command as [string, ...string[]])));
  return replies;
};

/** Runs the function on these commands. */
type Run = (commands: readonly Command[]) => Promise<unknown>;

const opened = new Set<() => Promise<void>>();
afterEach(async () => {
  for (const close of [...opened].toReversed()) await close();
  opened.clear();
});

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const inThisProcess =
  (redis: unknown): Run =>
  async (commands) =>
    asJson(await callEach({ redis, args: commands } as unknown as Invocation<Command[]>));

async function startServer() {
  const server = await startRedisServer({ moduleArguments: null });
  opened.add(() => server.close());
  return server;
}

async function inRedisClient(pipelined: boolean): Promise<Run> {
  const { path } = await startServer();
  const address = { host: "", port: 0, path, tls: false, database: 0 };
  const client = await openBrittleConnection(address, { username: null, password: null }, "test", pipelined);
  opened.add(async () => client.disconnect());
  return inThisProcess(pipelined ? client : serialRedis(client).redis);
}

async function inAProcess(): Promise<Run> {
  const { path } = await startServer();
  const data = { host: "", port: 0, path, database: 0, connections: 1 };
  const driver = new AgentDriver(new ProcessLauncher({ data, cgroups: null, onLog: () => {} }));
  opened.add(() => driver.close());
  const spec = specOf({ image: imageOf(callEach) });
  await driver.start(spec);
  return async (commands) => resultOf(await driver.invoke(spec.id, callOf(commands)));
}

async function onSide(name: (typeof SIDE_NAMES)[number]): Promise<Run> {
  const side = await startSide(name);
  opened.add(() => side.close());
  const { result } = await side.deploy(bundleOf(callEach));
  return (commands) => result({ args: commands });
}

const PLACES: Readonly<Record<string, { readonly start: () => Promise<Run>; readonly has?: typeof isInMemory }>> = {
  redisclient: { start: () => inRedisClient(false) },
  "redisclient --pipelined": { start: () => inRedisClient(true) },
  "a process": { start: inAProcess },
  "the values in memory": { start: async () => inThisProcess(guestRedisOver(new MemoryChannel())), has: isInMemory },
  ...Object.fromEntries(
    SIDE_NAMES.map((name) => [
      `the sandbox over ${name}`,
      { start: () => onSide(name), ...(name === "memory" ? { has: isInMemory } : {}) },
    ]),
  ),
};

describe.each(Object.entries(PLACES))("call in %s", (_title, { start, has = () => true }) => {
  const rows = ROWS.filter(({ command }) => has(command));

  it("shapes what a name in lower case asks for, and leaves maps flat for any other spelling", async () => {
    const run = await start();
    await run(WRITES.filter(has));
    const again = rows.filter(({ command: [name] }) => !/pop/i.test(name));
    const spelled = (change: (name: string) => string) =>
      again.map(({ command: [name, ...args] }): Command => [change(name), ...args]);
    const upper = again.map((row) => row.upper ?? row.lower);
    expect(await run(spelled((name) => name.toUpperCase()))).toEqual(upper);
    expect(await run(spelled((name) => name.slice(0, 1).toUpperCase() + name.slice(1)))).toEqual(upper);
    expect(await run(rows.map(({ command }) => command))).toEqual(rows.map(({ lower }) => lower));
  });
});
