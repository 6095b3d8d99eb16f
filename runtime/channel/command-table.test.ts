import { Redis } from "ioredis";
import { sortedSetWithScorePairCommands } from "ioredis/built/replyTransformers.js";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import type { AllowedCommand } from "./command-rule.ts";
import { COMMAND_ROWS, GUEST_METHODS, type MethodName } from "./command-rows.ts";
import { ALLOWED } from "./command-table.ts";
import type { GuestRedis } from "./guest-redis.ts";
import { redisServerExists, startRedis, type RedisProcess } from "./redis-process.ts";
import { checkOperation } from "./refusal.ts";

const allowed: readonly AllowedCommand[] = Object.values(ALLOWED).flat();

describe("the command table", () => {
  test("names each command once", () => {
    const names = COMMAND_ROWS.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  });

  test("has exactly the methods of GuestRedis", () => {
    type Methods = MethodName | "call";
    expectTypeOf<keyof GuestRedis>().toEqualTypeOf<Methods | `${Methods}Buffer`>();
    expect(GUEST_METHODS.map(({ name }) => name)).toContain("xgroup");
  });

  test("gives replies the shapes of ioredis' transformers", () => {
    const shaped = (shape: string): string[] =>
      GUEST_METHODS.filter((row) => row.shape === shape).map(({ name }) => name);
    expect(shaped("object")).toEqual(["hgetall"]);
    expect(shaped("pairs")).toEqual([...sortedSetWithScorePairCommands, "hrandfield"].toSorted());
    expect(shaped("streams")).toEqual(["xread", "xreadgroup"]);
  });
});

/** Redis flags these otherwise, or not at all: command-table.ts says why they are writes. */
const WRITES_BY_OUR_JUDGEMENT = new Set(["pfcount", "publish", "spublish", "randomkey"]);

/** Calls of commands whose keys lie where only a look at the arguments tells. */
const MOVABLE_SAMPLES = [
  "zunionstore d 2 a b WEIGHTS 1 2",
  "zinterstore d 2 a b AGGREGATE SUM",
  "zdiffstore d 2 a b",
  "zunion 2 a b WITHSCORES",
  "zinter 2 a b WITHSCORES",
  "zdiff 2 a b WITHSCORES",
  "zintercard 2 a b LIMIT 5",
  "sintercard 2 a b LIMIT 5",
  "lmpop 2 a b LEFT COUNT 2",
  "zmpop 2 a b MIN COUNT 2",
  "sort k BY w:* LIMIT 0 5 GET # GET o:* ASC ALPHA STORE d",
  "sort_ro k BY w:* LIMIT 0 5 GET # DESC",
  "georadius k 1 2 3 m WITHDIST COUNT 1 ANY ASC STORE d",
  "georadius k 1 2 3 m STOREDIST d",
  "georadiusbymember k m 3 m WITHDIST COUNT 1 ANY ASC STORE d",
  "xread COUNT 2 STREAMS a b 0 0",
  "xreadgroup GROUP g c COUNT 2 NOACK STREAMS a b > >",
  "xreadgroup GROUP STREAMS STREAMS STREAMS a b > >",
].map((line) => line.split(" "));

interface ServerCommand {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly string[];
  readonly keys: readonly [first: number, last: number, step: number];
  readonly subcommands: readonly ServerCommand[];
}

type CommandReply = [string, number, string[], number, number, number, string[], unknown, unknown, CommandReply[]];

const serverCommand = ([name, arity, flags, first, last, step, , , , subcommands]: CommandReply): ServerCommand => ({
  name,
  arity,
  flags,
  keys: [first, last, step],
  subcommands: subcommands.map(serverCommand),
});

describe.skipIf(!redisServerExists())("the command table against a real server (skipped where there is none)", () => {
  let server: RedisProcess;
  let client: Redis;
  let commands: Map<string, ServerCommand>;
  let isVersion70: boolean;

  beforeAll(async () => {
    server = await startRedis();
    client = new Redis({ path: server.path });
    const all = ((await client.call("COMMAND")) as CommandReply[]).map(serverCommand);
    commands = new Map(all.flatMap((command) => [command, ...command.subcommands]).map((c) => [c.name, c]));
    isVersion70 = (await client.info("server")).includes("redis_version:7.0.");
  });
  afterAll(async () => {
    client.disconnect();
    await server.close();
  });

  test("forgets no command of the server", ({ skip }) => {
    skip(!isVersion70, "the table is that of Redis 7.0");
    const rows = new Map(COMMAND_ROWS.map((row) => [row.name, row]));
    const covered = (name: string): boolean => {
      const row = rows.get(name) ?? rows.get(name.split("|", 1)[0] ?? "");
      return row !== undefined && (row.standing !== "container" || row.name === name);
    };
    expect([...commands.keys()].filter((name) => !covered(name))).toEqual([]);
    expect([...rows.keys()].filter((name) => !commands.has(name))).toEqual(["pipeline"]);
  });

  test("has the server's arities", () => {
    const arities = (from: (name: string) => number | undefined): unknown =>
      Object.fromEntries(allowed.map(({ name }) => [name, from(name)]));
    const own = new Map(allowed.map(({ name, arity }) => [name, arity]));
    expect(arities((name) => own.get(name))).toEqual(arities((name) => commands.get(name)?.arity));
  });

  test("calls a write what the server calls a write, and more only by judgement", () => {
    const isWrite = (name: string): boolean => commands.get(name)?.flags.includes("write") === true;
    const wrong = allowed.filter(
      ({ name, access }) => (access === "write") !== (isWrite(name) || WRITES_BY_OUR_JUDGEMENT.has(name)),
    );
    expect(wrong).toEqual([]);
  });

  test("calls nothing a read that the server holds back while writes are paused", async () => {
    const reads = allowed.filter(({ access }) => access === "read").map(sampleOf);
    const reader = new Redis({ path: server.path });
    const answered: string[] = [];
    await client.client("PAUSE", 600_000, "WRITE");
    for (const [name = "", ...words] of reads) {
      const answer = (): unknown => answered.push(name);
      reader.call(name, ...words).then(answer, answer);
    }
    await expect.poll(() => answered).toEqual(reads.map(([name]) => name));
    await client.client("UNPAUSE");
    reader.disconnect();
  });

  test("allows nothing that the server keeps from scripts or from ordinary users, or that blocks", () => {
    const kept = allowed.filter(({ name }) => commands.get(name)?.flags.some((flag) => /noscript|admin/.test(flag)));
    expect(kept).toEqual([]);
    const blocking = allowed.filter(({ name }) => commands.get(name)?.flags.includes("blocking"));
    expect(blocking.map(({ name }) => name)).toEqual(["xread", "xreadgroup"]);
  });

  test("looks for keys where the server finds them, at every position of sample calls", async () => {
    const fixed = allowed.filter(({ name }) => commands.get(name)?.flags.includes("movablekeys") === false);
    const samples = [...fixed.map(sampleOf), ...MOVABLE_SAMPLES];
    const differences: unknown[] = [];
    for (const sample of samples) {
      for (let at = 1; at < sample.length; at += 1) {
        const argv = sample.with(at, "locus:x");
        const keys = await keysOf(client, argv);
        if (keys === null) continue;
        const refused = checkOperation(argv)?.message.includes("keys that begin with locus:") === true;
        if (refused !== keys.includes("locus:x")) differences.push({ argv, keys, refused });
      }
    }
    expect(differences).toEqual([]);
    const sampled = new Set(samples.map(([name]) => name));
    expect(GUEST_METHODS.map(({ name }) => name).filter((name) => !sampled.has(name))).toEqual([]);
  });
});

/** A call with as many words as its arity asks for, and two more where it takes more. */
function sampleOf({ name, arity }: AllowedCommand): string[] {
  const words = [...name.split("|"), "a", "b", "c", "d", "e", "f", "g", "h", "i"];
  return words.slice(0, arity < 0 ? 2 - arity : arity);
}

/** The keys that the server sees in the call; null where it cannot tell, since the call is malformed. */
async function keysOf(client: Redis, argv: readonly string[]): Promise<string[] | null> {
  try {
    return (await client.call("COMMAND", "GETKEYS", ...argv)) as string[];
  } catch (error) {
    return (error as Error).message.includes("has no key arguments") ? [] : null;
  }
}
