// What Redis and its tools are told about the module's commands: HELP, COMMAND INFO, COMMAND DOCS, COMMAND GETKEYS.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";

import { type RedisServer, startRedisServer } from "#test/redis-server.ts";

type CommandInfo = readonly [
  string,
  number,
  string[],
  number,
  number,
  number,
  string[],
  string[],
  unknown[],
  CommandInfo[],
];

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedisServer();
  redis = server.client();
});
afterAll(() => server.close());

const CONTAINERS = {
  "LOCUS.FUNCTION": ["CHANGES", "DELETE", "DUMP", "HELP", "ISOLATES", "LIST", "LOAD", "STATS"],
  "LOCUS.NODE": ["ACT", "ATTACH", "CANCEL", "DETACH", "GIVE", "HELP", "RUN", "SAMPLES", "TAKE", "TRY", "WRITES"],
  "LOCUS.PLAN": ["GET", "HELP", "SET"],
  "LOCUS.TRACE": ["GET", "HELP", "LEN", "RESET"],
  "LOCUS.CONFIG": ["GET", "HELP", "SET"],
};

test.each(Object.entries(CONTAINERS))(
  "%s HELP shows every subcommand with what it takes and does",
  async (name, subcommands) => {
    const [heading, ...lines] = (await redis.call(name.toLowerCase(), "help")) as string[];
    expect(heading).toBe(`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
    const shown = lines.filter((line) => !line.startsWith(" "));
    expect(new Set(shown.map((line) => line.split(" ")[0]))).toEqual(new Set(subcommands));
    expect(shown).toHaveLength(subcommands.length);
    expect(lines.filter((line) => /^ {4}\S.*\.$/.test(line))).toHaveLength(subcommands.length);
    await expect(redis.call(name, "HELP", "more")).rejects.toThrow(/^ERR wrong number of arguments/);
    await expect(redis.call(name, "NONSENSE")).rejects.toThrow(`Try ${name} HELP`);
  },
);

test("COMMAND INFO has arities, flags and where keys stand", async () => {
  const names = ["locus.call", "locus.info", ...Object.keys(CONTAINERS)];
  const infos = (await redis.call("COMMAND", "INFO", ...names)) as CommandInfo[];
  const all = infos.flatMap((info) => [info, ...info[9]]);
  const byName = new Map(all.map((info) => [info[0], { arity: info[1], flags: info[2], keySpecs: info[8] }]));
  const keysBehind = (index: number) => [
    expect.arrayContaining(["begin_search", ["type", "index", "spec", ["index", index]]]),
  ];
  expect(byName.get("locus.call")).toMatchObject({
    arity: -3,
    flags: expect.arrayContaining(["blocking", "movablekeys", "no_mandatory_keys"]),
    keySpecs: keysBehind(2),
  });
  expect(byName.get("locus.node|run")).toMatchObject({ arity: -7, keySpecs: keysBehind(4) });
  expect(byName.get("locus.function|load")).toMatchObject({
    arity: -3,
    flags: expect.arrayContaining(["write", "denyoom", "blocking"]),
  });
  expect(byName.get("locus.function|list")).toMatchObject({ arity: -2, flags: expect.arrayContaining(["readonly"]) });
  expect(byName.get("locus.config|set")).toMatchObject({ arity: 4, flags: expect.arrayContaining(["admin"]) });
  expect(byName.get("locus.info")).toMatchObject({ arity: 1, flags: expect.arrayContaining(["loading", "stale"]) });
  expect(all).toHaveLength(names.length + Object.values(CONTAINERS).flat().length);
});

test("COMMAND DOCS has a summary of each, COMMAND GETKEYS the declared keys", async () => {
  const docs = JSON.stringify(
    await redis.call("COMMAND", "DOCS", "locus.call", "locus.info", ...Object.keys(CONTAINERS)),
  );
  expect(docs.match(/"summary","[^"]+"/g)).toHaveLength(
    2 + Object.keys(CONTAINERS).length + Object.values(CONTAINERS).flat().length,
  );
  expect(await redis.call("COMMAND", "GETKEYS", "LOCUS.CALL", "f", "2", "a", "b", "x")).toEqual(["a", "b"]);
  expect(await redis.call("COMMAND", "GETKEYS", "LOCUS.NODE", "RUN", "f", "*", "1", "k", "{}", "1")).toEqual(["k"]);
});
