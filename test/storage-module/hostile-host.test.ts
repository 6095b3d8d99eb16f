// A sandbox host that lies: whatever it puts on its rings, Redis goes on, the host is replaced, and nothing is read or
// written that its functions' callers may not.

import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { RedisServer } from "#test/redis-server.ts";
import { readInfo, runLines, type Script, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer();
  redis = server.client();
});
afterAll(() => server.close());

const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
const u32 = (...numbers: readonly number[]): string =>
  numbers.map((number) => Buffer.from(Uint32Array.of(number).buffer).toString("hex")).join("");
/** A round's payload: its header, then commands. */
const round = (count: number, commands: string): string => u32(0, count) + hex(commands);
const GET = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

const LIES: readonly (readonly [string, Script])[] = [
  ["a frame of an unknown kind", { raw: [{ kind: 99 }] }],
  ["a round without a header", { raw: [{ hex: "0102" }] }],
  ["a round of no commands", { raw: [{ hex: round(0, "") }] }],
  ["fewer commands than it counts", { raw: [{ hex: round(2, GET) }] }],
  ["more commands than it counts", { raw: [{ hex: round(1, GET + GET) }] }],
  ["more commands than a round may have", { raw: [{ hex: round(0xffff_ffff, GET) }] }],
  ["a word that is longer than the round", { raw: [{ hex: round(1, "*1\r\n$4294967295\r\nGET\r\n") }] }],
  ["a command of four milliard words", { raw: [{ hex: round(1, "*4294967295\r\n$3\r\nGET\r\n") }] }],
  ["a torn command", { raw: [{ hex: round(1, GET.slice(0, -3)) }] }],
  ["an inline command", { raw: [{ hex: round(1, "FLUSHALL\r\n") }] }],
  ["a torn outcome", { raw: [{ ring: "outcomes", hex: "00" }] }],
  [
    "an outcome with lengths that lie",
    { raw: [{ ring: "outcomes", hex: u32(0, 0xffff_ffff, 7, 7) + "00".repeat(56) }] },
  ],
  ["an outcome for a call that it does not have", { raw: [{ ring: "outcomes", id: 123_456, hex: "00".repeat(72) }] }],
  ["an unknown kind of outcome", { raw: [{ ring: "outcomes", kind: 77 }] }],
  [
    "a position on the operation ring that cannot be",
    { word: { name: "operations_produced", value: 1_000_000_000 }, rounds: [], mute: true },
  ],
  [
    "a position on the outcome ring that cannot be",
    { word: { name: "outcomes_produced", value: 1_000_000_000 }, rounds: [], mute: true },
  ],
];

// A server for each: one whose hosts die again and again waits longer and longer before it starts the next.
test.each(LIES)("%s: the host is ended, its call fails with a type, and the next call works", async (_, lie) => {
  const fooled = await startScriptedServer();
  const client = fooled.client();
  await client.set("a", "1");
  // Whatever comes after the lie shows that it was seen: a lie that is not would be answered.
  const script = JSON.stringify({ rounds: [[["GET", "a"]]], ...lie });
  await expect(client.call("LOCUS.CALL", "script", "0", script)).rejects.toThrow(/^SANDBOXDIED /);
  expect(await runLines(client, ["GET", "a"])).toEqual(["$1", "1"]);
  await fooled.close();
});

test("operations of an invocation that it does not have are not run", async () => {
  const write = round(1, "*3\r\n$3\r\nSET\r\n$6\r\nforged\r\n$1\r\n1\r\n");
  const raw = [0, 1, 2, 1_000_000].map((id) => ({ id: id + 1_000, hex: write }));
  await redis.call("LOCUS.CALL", "script", "0", JSON.stringify({ raw, rounds: [[["PING"]]] }));
  expect(await redis.exists("forged")).toBe(0);
});

test("a call that is over runs nothing any more", async () => {
  const caller = server.client();
  const script = { sleepMs: 150, rounds: [[["SET", "after", "1"]]] };
  const lost = caller.call("LOCUS.NODE", "RUN", "script", "*", "0", '{"deadlineMs":50}', JSON.stringify(script));
  expect(JSON.parse(((await lost) as string[])[4] ?? "")).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
  expect(await redis.exists("after")).toBe(0);
});

test("bits for lanes that are not there are not looked at", async () => {
  const word = { name: "operations_ready", value: 2 ** 52 };
  expect(await redis.call("LOCUS.CALL", "script", "0", JSON.stringify({ word, rounds: [[["PING"]]] }))).toContain(
    "PONG",
  );
});

test("a consumed position that cannot be ends the host when replies are due", async () => {
  const word = { name: "replies_consumed", value: 1_000_000_000 };
  await redis.set("large", Buffer.alloc(300 * 1024, "x"));
  const script = JSON.stringify({ word, rounds: [[["GET", "large"]]] });
  await expect(redis.call("LOCUS.CALL", "script", "0", script)).rejects.toThrow(/^SANDBOXDIED /);
  expect(await runLines(redis, ["PING"])).toEqual(["+PONG"]);
});
