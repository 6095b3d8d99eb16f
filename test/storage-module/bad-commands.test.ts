// Every command of the module with too few arguments, too many, and wrong ones: each an error that says what is wrong, nothing left
// behind, and the next good call works.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { runLines, startScriptedServer } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
});
afterAll(() => server.close());

const TORN = Buffer.from([0x61, 0xc3]);
const MEGABYTE = "x".repeat(1024 * 1024);
const ARITY = /^ERR wrong number of arguments for 'locus\.[a-z|]+' command$/;
const NO_SUBCOMMAND = /^ERR unknown subcommand 'nonsense'/;

type Word = string | Buffer;
const BAD: readonly (readonly [words: readonly Word[], told: RegExp])[] = [
  [["locus.call"], ARITY],
  [["locus.call", "script"], ARITY],
  [["locus.call", "nobody", "0"], /^NOFUNCTION .*"nobody"/],
  [["locus.call", "", "0"], /^NOFUNCTION .*""/],
  [["locus.call", TORN, "0"], /^NOFUNCTION /],
  [["locus.call", MEGABYTE, "0"], /^NOFUNCTION .*…"/],
  ...["", "x", "-1", "1.5", " 1", "1 ", "+1", "0x1", "18446744073709551616"].map(
    (count) => [["locus.call", "script", count], /^ERR numkeys is ".*", must be a whole number from 0$/] as const,
  ),
  [["locus.call", "script", "1"], /^ERR numkeys is 1, but only 0 arguments follow it$/],
  [["locus.call", "script", "18446744073709551615", "k"], /^ERR numkeys is 18446744073709551615, but only 1 /],
  [["locus.call", "script", "1", TORN], /^ARGSINVALID the key .* is not UTF-8$/],
  [["locus.call", "script", "0", TORN], /^ARGSINVALID the argument .* is not UTF-8$/],
  [["locus.call", "script", "1", MEGABYTE, "1"], /^ARGSTOOLARGE .* have 1048584 bytes, may have 1048576$/],
  [["locus.call", "script", "0", MEGABYTE, "1"], /^ARGSTOOLARGE /],
  ...["locus.node", "locus.function", "locus.config"].map((name) => [[name, "help", "more"], ARITY] as const),
  [["locus.node"], ARITY],
  [["locus.node", "nonsense"], NO_SUBCOMMAND],
  [["locus.node", "run", "script", "*", "0", "{}"], ARITY],
  [["locus.node", "run", "nobody", "*", "0", "{}", "null"], /^NOFUNCTION /],
  [["locus.node", "run", "script", "", "0", "{}", "null"], /^NOVERSION .*""/],
  [
    ["locus.node", "run", "script", "0000000000000000", "0", "{}", "null"],
    /^NOVERSION .*its current one is [0-9a-f]{16}/,
  ],
  [["locus.node", "samples"], ARITY],
  [["locus.node", "samples", "x"], /^ERR /],
  [["locus.node", "samples", "-1"], /^ERR /],
  [["locus.node", "try", "bundle", "{}", "0", "{}"], ARITY],
  [["locus.node", "try", "bundle", "{", "0", "{}", "null"], /^FUNCTIONINVALID /],
  [["locus.node", "try", "bundle", "[".repeat(5_000), "0", "{}", "null"], /^FUNCTIONINVALID /],
  [["locus.node", "try", `${MEGABYTE}x`, "{}", "0", "{}", "null"], /^BUNDLETOOLARGE .* 1048577 bytes/],
  [["locus.node", "run", "script", "*", "x", "{}", "null"], /^ERR numkeys is "x"/],
  [["locus.node", "run", "script", "*", "1", "{}", "null"], /^ERR after its keys .* takes options and args/],
  [["locus.node", "run", "script", "*", "0", "{}", "null", "more"], /^ERR after its keys .* not 3 arguments/],
  [["locus.node", "run", "script", "*", "0", "{", "null"], /^ERR options .* is no JSON object/],
  [["locus.node", "run", "script", "*", "0", TORN, "null"], /^ERR options .* is no JSON object/],
  [["locus.node", "run", "script", "*", "0", "[".repeat(4_000), "null"], /^ERR options .* is no JSON object/],
  [["locus.node", "run", "script", "*", "0", "[".repeat(5_000), "null"], /^ERR options .* more than 4096 bytes/],
  [["locus.node", "run", "script", "*", "0", '{"deadlineMs":-1}', "null"], /^ERR options .* deadlineMs is "-1"/],
  [["locus.node", "run", "script", "*", "0", '{"deadlineMs":"5"}', "null"], /^ERR options .* deadlineMs is/],
  [["locus.node", "run", "script", "*", "0", '{"deadlineMs":1e400}', "null"], /^ERR options .* deadlineMs is "1e400"/],
  [
    ["locus.node", "run", "script", "*", "0", '{"logs":null}', "null"],
    /^ERR options .* logs is null, must be true or false/,
  ],
  [
    ["locus.node", "run", "script", "*", "0", `{"id":"${"i".repeat(129)}"}`, "null"],
    /^ERR options .* id is ".*", must be a string/,
  ],
  [["locus.node", "run", "script", "*", "0", '{"trace":"t"}', "null"], /^ERR options .* none named "trace"/],
  [["locus.node", "run", "script", "*", "0", "{}", TORN], /^ARGSINVALID /],
  [["locus.node", "run", "script", "*", "0", '{"backCpuUs":0}', "null"], /^ERR options .* backCpuUs is "0"/],
  [["locus.node", "run", "script", "*", "0", '{"backCpuUs":300000001}', "null"], /^ERR options .* backCpuUs is/],
  [["locus.node", "attach", "a"], ARITY],
  [["locus.node", "attach", "a", "0123456789abcdef", "more"], ARITY],
  [["locus.node", "attach", "", "0123456789abcdef"], /^ERR the node's id is ""/],
  [["locus.node", "attach", TORN, "0123456789abcdef"], /^ERR the node's id is /],
  [["locus.node", "attach", "i".repeat(129), "0123456789abcdef"], /^ERR the node's id is .*…"/],
  [["locus.node", "attach", "a", "0123456789abcde"], /^ERR the secret must have 16 to 128 bytes/],
  [["locus.node", "attach", "a", MEGABYTE], /^ERR the secret must have 16 to 128 bytes/],
  [["locus.node", "detach", "a"], ARITY],
  [["locus.node", "detach"], /^ERR this connection is not attached/],
  [["locus.node", "take", "1"], ARITY],
  [["locus.node", "take", "1", "0", "more"], ARITY],
  [["locus.node", "take", "257", "0"], /^ERR max is "257", must be a whole number from 0 to 256/],
  [["locus.node", "take", "1", "60001"], /^ERR timeoutMs is "60001"/],
  [["locus.node", "take", "1", "0"], /^ERR this connection is not attached/],
  [["locus.node", "writes"], ARITY],
  [["locus.node", "writes", "x"], /^ERR id is "x"/],
  [["locus.node", "writes", "1"], /^ERR this connection is not attached/],
  [["locus.node", "give", "1", "OK"], ARITY],
  [["locus.node", "give", "-1", "OK", "{}", "1"], /^ERR id is "-1"/],
  [["locus.node", "give", "1", "OK", "{}", "1"], /^ERR this connection is not attached/],
  [["locus.node", "act"], ARITY],
  [["locus.node", "act", "nobody"], /^STORAGEREFUSED .* node-act is no/],
  [["locus.node", "cancel"], ARITY],
  [["locus.node", "cancel", "a", "b"], ARITY],
  [["locus.node", "act"], ARITY],
  [["locus.node", "act", TORN], /^STORAGEREFUSED the module's setting node-act is no/],
  [["locus.node", "attach", "node"], ARITY],
  [["locus.node", "attach", "node", MEGABYTE], /^ERR the secret must have 16 to 128 bytes/],
  [["locus.node", "attach", "node", "0123456789abcdef", "SPEAKS", "more"], /^ERR wrong number of arguments/],
  [["locus.node", "attach", TORN, "0123456789abcdef"], /^ERR the node's id is/],
  [["locus.node", "detach", "more"], ARITY],
  [["locus.node", "detach"], /^ERR this connection is not attached/],
  [["locus.node", "take", "1"], ARITY],
  [["locus.node", "take", "x", "0"], /^ERR max is "x"/],
  [["locus.node", "take", "1", "0"], /^ERR this connection is not attached/],
  [["locus.node", "writes"], ARITY],
  [["locus.node", "writes", "9007199254740992"], /^ERR id is/],
  [["locus.node", "give", "1", "BACK"], ARITY],
  [["locus.node", "give", "x", "BACK", ""], /^ERR id is "x"/],
  [["locus.node", "give", "1", "OK", "{}", "1"], /^ERR this connection is not attached/],
  [["locus.function"], ARITY],
  [["locus.function", "nonsense"], NO_SUBCOMMAND],
  [["locus.function", "load"], ARITY],
  [["locus.function", "load", "REPLACE", "a", "b"], /^ERR usage: LOCUS\.FUNCTION LOAD \[REPLACE\] bundle/],
  [["locus.function", "load", "NOPLACE", "a"], /^ERR usage: /],
  [["locus.function", "load", "a", "b", "c", "d", "e"], /^ERR usage: /],
  [["locus.function", "load", "REPLACE", "a", "DESCRIPTION", "{}"], /^ERR DESCRIPTION is for replication/],
  [["locus.function", "load", ""], /^FUNCTIONINVALID /],
  [["locus.function", "load", TORN], /^FUNCTIONINVALID /],
  [["locus.function", "load", `${MEGABYTE}x`], /^BUNDLETOOLARGE .* 1048577 bytes, may have 1048576/],
  [["locus.function", "load", "script again"], /^FUNCTIONEXISTS .*REPLACE/],
  [["locus.function", "list", "a"], /^ERR usage: LOCUS\.FUNCTION LIST \[AFTER name\] \[LIMIT count\]$/],
  [["locus.function", "list", "LIMIT", "0"], /^ERR LIMIT is "0", must be a whole number from 1 to 500$/],
  [["locus.function", "list", "AFTER", "a", "LIMIT"], /^ERR usage: /],
  [["locus.function", "changes"], ARITY],
  [["locus.function", "changes", "0", "0"], ARITY],
  [["locus.function", "dump"], ARITY],
  [["locus.function", "dump", "a", "b", "c"], /^ERR wrong number of arguments/],
  [["locus.function", "dump", "nobody"], /^NOFUNCTION /],
  [["locus.function", "dump", "script", "0"], /^NOVERSION /],
  [["locus.function", "delete"], ARITY],
  [["locus.function", "delete", "a", "b"], ARITY],
  [["locus.function", "delete", "nobody"], /^NOFUNCTION /],
  [["locus.function", "stats", "a", "b"], /^ERR usage: LOCUS\.FUNCTION STATS/],
  [["locus.function", "stats", "nobody"], /^NOFUNCTION /],
  [["locus.function", "isolates"], ARITY],
  ...["", "0", "-1", "1.5", "60001", "18446744073709551616"].map(
    (ttl) =>
      [["locus.function", "isolates", ttl], /^ERR ttlMs is ".*", must be a whole number from 1 to 60000$/] as const,
  ),
  [["locus.function", "isolates", "1000", "script"], /^ERR after ttl-ms .* takes names and numbers in turn/],
  ...["", "0", "4096", "x", "4294967297"].map(
    (most) =>
      [["locus.function", "isolates", "1000", "script", most], /^ERR most is ".*", must be a whole number/] as const,
  ),
  [["locus.function", "isolates", "1000", TORN, TORN], /^ERR most is /],
  [["locus.function", "isolates", "1000", "script", "1", "script", "2"], /^ERR the function "script" is named twice$/],
  [["locus.config"], ARITY],
  [["locus.config", "nonsense"], NO_SUBCOMMAND],
  [["locus.config", "get"], ARITY],
  [["locus.config", "get", "a", "b"], ARITY],
  [["locus.config", "set", "enabled"], ARITY],
  [["locus.config", "set", "enabled", "yes", "no"], ARITY],
  [["locus.config", "set", "nonsense", "1"], /^CONFIGINVALID there is no setting "nonsense"/],
  [["locus.config", "set", "spin-us", ""], /^CONFIGINVALID spin-us is ""/],
  [["locus.config", "set", "spin-us", "99999999999999999999"], /^CONFIGINVALID spin-us is /],
  [["locus.config", "set", TORN, "1"], /^CONFIGINVALID /],
  [["locus.trace"], ARITY],
  [["locus.trace", "nonsense"], NO_SUBCOMMAND],
  [["locus.trace", "get", "1", "2"], ARITY],
  [["locus.trace", "get", "-1"], /^ERR count is "-1", must be a whole number from 0 to 2147483647/],
  [["locus.trace", "get", TORN], /^ERR count is /],
  [["locus.trace", "len", "a"], ARITY],
  [["locus.trace", "reset", "a"], ARITY],
  [["locus.trace", "help", "more"], ARITY],
  [["locus.info", "a"], ARITY],
  [["locus.plan"], ARITY],
  [["locus.plan", "nonsense"], NO_SUBCOMMAND],
  [["locus.plan", "get", "a"], ARITY],
  [["locus.plan", "set"], ARITY],
  [["locus.plan", "set", "{"], /^ERR /],
  [["locus.plan", "set", TORN], /^ERR /],
  [["locus.plan", "help", "more"], ARITY],
];

test("every command of the module is tried", async () => {
  const commands = (await redis.call("COMMAND", "LIST", "FILTERBY", "MODULE", "locus")) as string[];
  const containers = commands.filter((name) => commands.some((other) => other.startsWith(`${name}|`)));
  const tried = new Set(BAD.map(([[name, subcommand]]) => `${String(name)}|${String(subcommand)}`));
  const all = [...commands, ...containers];
  expect(all.filter((name) => ![...tried].some((words) => words.startsWith(name)))).toEqual([]);
});

const shown = (word: Word): string =>
  word.length > 40 ? `${word.length} bytes` : JSON.stringify(word.toString("latin1"));

test.each(BAD.map(([words, told]) => ({ words, told, title: words.map(shown).join(" ") })))(
  "$title",
  async ({ words: [name = "", ...args], told }) => {
    const before = await redis.call("LOCUS.FUNCTION", "LIST");
    const answer = await redis.call(String(name), args).then(
      () => "no error",
      (error: Error) => error.message,
    );
    expect(answer).toMatch(told);
    expect(await redis.call("LOCUS.FUNCTION", "LIST")).toEqual(before);
  },
);

test("none of them leaves anything in flight, and the next calls work", async () => {
  const info = await readInfo(redis);
  expect([info.get("calls_in_flight"), info.get("calls_queued")]).toEqual(["0", "0"]);
  expect(info.get("host0")).toContain("restarts=0");
  expect(await redis.info("clients")).toContain("blocked_clients:0");
  expect(await runLines(redis, ["PING"])).toEqual(["+PONG"]);
});

test("names that a cancel does not know are no error", async () => {
  for (const id of ["", "nobody", TORN, MEGABYTE]) expect(await redis.call("LOCUS.NODE", "CANCEL", id)).toBe(0);
});

test("a key and an argument may hold any Unicode, NUL included", async () => {
  const odd = ["\0", "\r\n", "*1\r\n", "\u{10ffff}", "é", "\u2028", '"\\', "locus:not-asked-for"];
  expect(await redis.call("LOCUS.CALL", "script", String(odd.length), ...odd, ...odd)).toBe(JSON.stringify(odd));
});
