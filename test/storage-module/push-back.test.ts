// LOCUS.NODE RUN with backCpuUs, with the real host: what a call that is pushed back leaves behind for those after it.

import type { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";

import { PATIENT } from "#test/patient-limits.ts";
import { startRedisServer } from "#test/redis-server.ts";
import { until } from "./scripted-host.ts";

/** Keeps a promise from call to call; a heavy call replaces it turn after turn. */
const BUNDLE = `let kept = null;
export default { kind: "locus.function", name: "keeping", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) {
  if (!args.isHeavy) return (await (kept ??= redis.get("a")));
  let mixed = 0;
  for (let step = 0; step < 400; step++) {
    kept = redis.get("a");
    for (let index = 0; index < 3e5; index++) mixed ^= Math.imul(index, mixed + 31);
    await kept;
  }
  return mixed;
} };`;

/** A read set in its parts (runtime/native/read_set.h). */
function partsOf(readSet: Buffer): {
  readonly operations: number;
  readonly commands: string;
  readonly replies: string;
} {
  const [operations, commandBytes, replyBytes] = [0, 4, 8].map((at) => readSet.readUInt32LE(at)) as [
    number,
    number,
    number,
  ];
  expect(readSet).toHaveLength(12 + commandBytes + replyBytes);
  const commands = readSet.toString("latin1", 12, 12 + commandBytes);
  return { operations, commands, replies: readSet.toString("latin1", 12 + commandBytes) };
}

const gets = (...keys: readonly string[]): string =>
  keys.map((key) => `*2\r\n$3\r\nget\r\n$${key.length}\r\n${key}\r\n`).join("");

test("what a call has read goes with it, whether Redis was asked for it or not", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const client: Redis = server.client();
  await client.mset({ a: "1", e: "\u00E9" });
  await client.set("bytes", Buffer.from([0xff, 0x00]));
  await client.call(
    "LOCUS.FUNCTION",
    "LOAD",
    `export default { kind: "locus.function", name: "reading", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) {
       await Promise.all(["a", "e", "none", "bytes"].map((key) => redis.get(key)));
       await Promise.all([redis.get("e"), redis.get(args.last), redis.getBuffer("bytes"), redis.get("a")]);
       let mixed = 0;
       for (let step = 0; args.isHeavy && step < 400; step++) {
         for (let index = 0; index < 3e5; index++) mixed ^= Math.imul(index, mixed + 31);
         await null;
       }
       return mixed;
     } };`,
  );
  const run = (options: object, args: object): Promise<string[]> =>
    client.call("LOCUS.NODE", "RUN", "reading", "*", "0", JSON.stringify(options), JSON.stringify(args)) as Promise<
      string[]
    >;
  // Until all is found that can be: with one key that nobody has asked for before.
  let last = "";
  let readSet = "";
  await until(async () => {
    for (let again = 0; again < 3; again++) await run({}, { last: "none" });
    last = `fresh${last.length}`.padEnd(last.length + 6, "!");
    await client.set(last, "just now");
    const [how, , usage = "", , reads = ""] = await run({ backCpuUs: 20_000 }, { isHeavy: true, last });
    expect(how).toBe("back");
    const { operations, foundOperations } = JSON.parse(usage) as Readonly<Record<string, number>>;
    expect(operations).toBe(8);
    readSet = reads;
    return foundOperations === 7;
  });
  expect(partsOf(Buffer.from(readSet, "base64"))).toEqual({
    operations: 8,
    commands: gets("a", "e", "none", "bytes", "e", last, "bytes", "a"),
    replies:
      "$1\r\n1\r\n$2\r\n\u00C3\u00A9\r\n_\r\n$2\r\n\u00FF\u0000\r\n" +
      "$2\r\n\u00C3\u00A9\r\n$8\r\njust now\r\n$2\r\n\u00FF\u0000\r\n$1\r\n1\r\n",
  });
});

test.each(["none", "a"])("what a call has read fills its read set, and no more: %s", async (key) => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const client: Redis = server.client();
  await client.set("a", "1");
  await client.call(
    "LOCUS.FUNCTION",
    "LOAD",
    `export default { kind: "locus.function", name: "filling", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) {
       for (let round = 0; round < args.rounds; round++)
         await Promise.all(Array.from({ length: 100 }, () => redis.get(args.key)));
       let mixed = 0;
       for (let step = 0; args.isHeavy && step < 1e5; step++) {
         for (let index = 0; index < 3e5; index++) mixed ^= Math.imul(index, mixed + 31);
         await null;
       }
       return mixed;
     } };`,
  );
  const run = async (options: object, args: object) => {
    const reply = client.call("LOCUS.NODE", "RUN", "filling", "*", "0", JSON.stringify(options), JSON.stringify(args));
    const [how, , usage = "", , readSet = ""] = (await reply) as string[];
    return { how, usage: JSON.parse(usage) as Readonly<Record<string, number>>, bytes: Buffer.from(readSet, "base64") };
  };
  await until(async () => (await run({}, { key, rounds: 10 })).usage["foundOperations"] === 1_000);
  const { how, usage, bytes } = await run({ backCpuUs: 1_000_000 }, { key, rounds: 200, isHeavy: true });
  expect(how).toBe("back");
  expect(usage["operations"]).toBe(20_000);
  expect(usage["foundOperations"]).toBeGreaterThan(10_000);
  const round = (100 * bytes.length) / partsOf(bytes).operations;
  expect(bytes.length).toBeLessThanOrEqual(256 * 1024);
  expect(bytes.length).toBeGreaterThan(256 * 1024 - 2 * round);
});

test("a read set ends where something has left the read cache since: it is read again, and all that came after it", async () => {
  const server = await startRedisServer({ moduleArguments: ["read-cache-mb", "1"] });
  onTestFinished(() => server.close());
  const client: Redis = server.client();
  const fillers = Array.from({ length: 40 }, (_, index) => `filler${index}`);
  await client.mset({ a: "1", ...Object.fromEntries(fillers.map((key) => [key, "v".repeat(60_000)])) });
  const load = (name: string, body: string) =>
    client.call(
      "LOCUS.FUNCTION",
      "LOAD",
      `export default { kind: "locus.function", name: "${name}", limits: ${JSON.stringify(PATIENT)}, async run({ redis, args }) { ${body} } };`,
    );
  await load(
    "waiting",
    `await redis.exists("before");
     await redis.get("a");
     if (!args.isHeavy) return;
     while (!(await redis.exists("gate"))) await new Promise((resolve) => setTimeout(resolve, 1));
     let mixed = 0;
     for (let step = 0; step < 1e5; step++) {
       for (let index = 0; index < 3e5; index++) mixed ^= Math.imul(index, mixed + 31);
       await null;
     }
     return mixed;`,
  );
  await load("filling", "await Promise.all(args.keys.map((key) => redis.get(key)));");
  const run = async (name: string, options: object, args: object) => {
    const other = server.client();
    const reply = other.call("LOCUS.NODE", "RUN", name, "*", "0", JSON.stringify(options), JSON.stringify(args));
    const [how, , usage = "", , readSet = ""] = (await reply) as string[];
    const { foundOperations } = JSON.parse(usage) as Readonly<Record<string, number>>;
    return { how, foundOperations, bytes: Buffer.from(readSet, "base64") };
  };
  await until(async () => (await run("waiting", {}, {})).foundOperations === 1);
  const heavy = run("waiting", { backCpuUs: 1_000_000 }, { isHeavy: true });
  for (let again = 0; again < 3; again++) await run("filling", {}, { keys: fillers });
  await client.set("gate", "open");
  const { how, foundOperations, bytes } = await heavy;
  expect([how, foundOperations]).toEqual(["back", 1]);
  expect(partsOf(bytes)).toEqual({
    operations: 1,
    commands: "*2\r\n$6\r\nexists\r\n$6\r\nbefore\r\n",
    replies: ":0\r\n",
  });
});

test("no later call waits for a reply that a call which was pushed back had asked for", async () => {
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const client = server.client();
  const run = (options: object, args: object): Promise<string[]> =>
    client.call("LOCUS.NODE", "RUN", "keeping", "*", "0", JSON.stringify(options), JSON.stringify(args)) as Promise<
      string[]
    >;
  await client.set("a", "1");
  await client.call("LOCUS.FUNCTION", "LOAD", BUNDLE);
  expect((await run({ backCpuUs: 20_000 }, { isHeavy: true }))[0]).toBe("back");
  const [how, , , , result] = await run({}, { isHeavy: false });
  expect([how, result]).toEqual(["ok", '"1"']);
});

test("a call that is pushed back before its args are checked leaves the others of its isolate theirs", async () => {
  const server = await startRedisServer({ moduleArguments: ["isolate-memory-mb", "2"] });
  onTestFinished(() => server.close());
  const client: Redis = server.client();
  const callers = Array.from({ length: 4 }, () => server.client());
  const came: string[] = [];
  // An isolate opens what checks args with its first call, in a millisecond or two; turns are looked at each 5 ms, and
  // what the function itself does is over in its first.
  for (let version = 0; version < 40 || !came.includes("back"); version++) {
    await client.call(
      "LOCUS.FUNCTION",
      "LOAD",
      "REPLACE",
      `export default { kind: "locus.function", name: "checked", limits: ${JSON.stringify(PATIENT)},
         input: { type: "object", required: ["n"] }, async run() { return ${version}; } };`,
    );
    const options = JSON.stringify({ backCpuUs: 1 });
    const replies = callers.map((caller) => caller.call("LOCUS.NODE", "RUN", "checked", "*", "0", options, '{"n":1}'));
    for (const [how, , , , told] of (await Promise.all(replies)) as string[][]) {
      came.push(how === "error" ? told! : how!);
    }
  }
  expect(new Set(came)).toEqual(new Set(["ok", "back"]));
});
