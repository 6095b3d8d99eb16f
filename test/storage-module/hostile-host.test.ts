// A sandbox host that lies: whatever it puts on its rings, Redis goes on, the host is replaced, and nothing is read or
// written that its functions' callers may not. The module is built with AddressSanitizer and UndefinedBehaviorSanitizer,
// which tell what they find when the server is closed.

import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readInfo } from "#test/module-info.ts";
import type { RedisServer } from "#test/redis-server.ts";
import { SANITIZED_BUILD_TIMEOUT_MS, WATCHED } from "#test/sanitized-build.ts";
import { outcome, PUSHED_BACK, runLines, type Script, startScriptedServer, until } from "./scripted-host.ts";

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startScriptedServer({ sanitizer: "address" });
  redis = server.client();
  await redis.set("a", "1");
}, SANITIZED_BUILD_TIMEOUT_MS);
afterAll(() => server.close());

const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
const u32 = (...numbers: readonly number[]): string =>
  numbers.map((number) => Buffer.from(Uint32Array.of(number).buffer).toString("hex")).join("");
/** A round's payload: its header, then commands. */
const round = (count: number, commands: string): string => u32(0, count) + hex(commands);
const GET = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

const OUTCOMES = { ring: "outcomes" } as const;
const ASKS_TO_WRITE = 3;
const CONTROL = { ring: "control" } as const;
const READY = 2;
const OPENED = 3;
const CLOSED = 5;

const LIES: readonly (readonly [string, Script])[] = [
  ["a push-back that nobody asked for", { raw: [PUSHED_BACK], mute: true }],
  ["a wish to write that nobody asks about", { raw: [{ ...OUTCOMES, kind: ASKS_TO_WRITE }], mute: true }],
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
  ["a round longer than any may be", { raw: [{ claims: 17 << 20 }], rounds: [], mute: true }],
  ["a frame of four gigabytes", { raw: [{ claims: 0xffff_ffff }], rounds: [], mute: true }],
  ["a torn outcome", { raw: [{ ...OUTCOMES, hex: "00" }] }],
  ["an outcome with lengths that lie", { raw: [{ ...OUTCOMES, hex: outcome({ lengths: [0xffff_ffff, 7, 7] }) }] }],
  ["an outcome with more than its lengths tell", { raw: [{ ...OUTCOMES, hex: outcome(), pad: 1 }] }],
  ["an outcome with a code that there is not", { raw: [{ ...OUTCOMES, hex: outcome({ code: 99_999 }) }] }],
  [
    "a message longer than any may be",
    { raw: [{ ...OUTCOMES, hex: outcome({ code: 1, lengths: [0, 20_000, 0] }), pad: 20_000 }] },
  ],
  ["an outcome longer than any may be", { raw: [{ ...OUTCOMES, claims: 5 << 20 }], rounds: [], mute: true }],
  ["an outcome for a call that it does not have", { raw: [{ ...OUTCOMES, id: 123_456, hex: outcome() }] }],
  ["a result of two lines", { result: '1\n{"result":2}' }],
  ["an unknown kind of outcome", { raw: [{ ...OUTCOMES, kind: 77 }] }],
  ["being ready twice", { raw: [{ ...CONTROL, kind: READY }] }],
  ["an unknown kind of control frame", { raw: [{ ...CONTROL, kind: 77 }] }],
  ["an isolate gone that it does not have", { raw: [{ ...CONTROL, kind: CLOSED, id: 1_000_000 }] }],
  // Mute: an outcome that came first would leave no call to be gone under.
  ["an isolate gone under its call", { raw: [{ ...CONTROL, kind: CLOSED, id: 1 }], rounds: [], mute: true }],
  ["a flood of control frames", { raw: [{ ...CONTROL, kind: OPENED, id: 77, times: 100_000 }] }],
  [
    "a position on the operation ring that cannot be",
    { word: { name: "operations_produced", value: 1_000_000_000 }, rounds: [], mute: true },
  ],
  [
    "a position on the outcome ring that cannot be",
    { word: { name: "outcomes_produced", value: 1_000_000_000 }, rounds: [], mute: true },
  ],
];

/** Hosts and their history begin anew: those that died again and again would be started ever more slowly. */
const startOver = async (client: Redis): Promise<void> => {
  for (const enabled of ["no", "yes"]) await client.call("LOCUS.CONFIG", "SET", "enabled", enabled);
};

/** One that answers nothing is given up on after `deadlineMs`. Resolves to "ok" or the code, and the result or the error. */
const run = async (script: Script, { deadlineMs = 10_000, name = "script" } = {}): Promise<readonly string[]> => {
  const options = JSON.stringify({ deadlineMs, logs: true });
  const client = server.client();
  const reply = await client.call("LOCUS.NODE", "RUN", name, "*", "0", options, JSON.stringify(script));
  client.disconnect();
  const [how = "", , , logs = "", body = ""] = reply as string[];
  return how === "ok" ? [how, body, logs] : [(JSON.parse(body) as { readonly code: string }).code, body, logs];
};

test.each(LIES)("%s: the host is ended, its call fails with a type, and the next call works", async (_, lie) => {
  await startOver(redis);
  // Whatever comes after the lie shows that it was seen: a lie that is not would be answered.
  const script = JSON.stringify({ rounds: [[["GET", "a"]]], ...lie });
  await expect(redis.call("LOCUS.CALL", "script", "0", script)).rejects.toThrow(/^SANDBOXDIED /);
  expect(await runLines(redis, ["GET", "a"])).toEqual(["$1", "1"]);
});

test("an answer that comes twice costs the host its life, and the answer stands", async () => {
  await startOver(redis);
  const answer = { ...OUTCOMES, hex: outcome({ lengths: [2, 0, 0] }), pad: 2, times: 2 };
  expect((await run({ raw: [answer], mute: true })).slice(0, 2)).toEqual(["ok", "  "]);
  await until(async () => (await readInfo(redis)).get("host_deaths") === "1");
  expect(await runLines(redis, ["GET", "a"])).toEqual(["$1", "1"]);
});

describe("what is not to be believed is not acted upon:", () => {
  test("operations of an invocation that it does not have are not run", async () => {
    const write = round(1, "*3\r\n$3\r\nSET\r\n$6\r\nforged\r\n$1\r\n1\r\n");
    const raw = [0, 1, 2, 1_000_000].map((id) => ({ id: id + 1_000, hex: write }));
    await redis.call("LOCUS.CALL", "script", "0", JSON.stringify({ raw, rounds: [[["PING"]]] }));
    expect(await redis.exists("forged")).toBe(0);
  });

  test("an isolate that it opened for nobody, a reason for a check that nobody asked for", async () => {
    const raw = [OPENED, OPENED + 1].map((kind) => ({ ...CONTROL, kind, id: 5, hex: hex("{}") }));
    expect(await run({ raw, rounds: [[["PING"]]] })).toContain('["+PONG\\r\\n"]');
  });

  test("rounds of nothing but commands that are not allowed", async () => {
    const commands = "*1\r\n$8\r\nFLUSHALL\r\n".repeat(10_000);
    await run({ raw: [{ hex: round(10_000, commands), times: 20 }], mute: true }, { deadlineMs: 300 });
    expect(await redis.get("a")).toBe("1");
  });

  test("a call that is over runs nothing any more", async () => {
    const script = { awaits: "nothing", rounds: [[["SET", "after", "1"]]] };
    expect((await run(script, { deadlineMs: 50 }))[0]).toBe("DEADLINE_EXCEEDED");
    await until(async () => (await readInfo(redis)).get("calls_in_flight") === "0");
    // Its isolate, which has one call at a time, has done with it.
    expect(await runLines(redis, ["EXISTS", "after"])).toEqual([":0"]);
  });

  test("bits for lanes that are not there are not looked at", async () => {
    const word = { name: "operations_ready", value: 4_000 };
    expect((await run({ word, rounds: [[["PING"]]] }))[1]).toContain("PONG");
  });

  test("a consumed position that cannot be ends the host when replies are due", async () => {
    const word = { name: "replies_consumed", value: 1_000_000_000 };
    await redis.set("large", Buffer.alloc(300 * 1024, "x"));
    expect((await run({ word, rounds: [[["GET", "large"]]] }))[0]).toBe("SANDBOX_DIED");
    expect(await runLines(redis, ["PING"])).toEqual(["+PONG"]);
  });
});

test("the file of its shared memory cannot be shrunk, grown or sealed under the module", async () => {
  await startOver(redis);
  const [how, outcomes] = await run({ reshapes: true });
  expect([how, JSON.parse(outcomes!)]).toEqual(["ok", ["EPERM", "EPERM", "EPERM", "EPERM"]]);
  expect(await runLines(redis, ["GET", "a"])).toEqual(["$1", "1"]);
  expect((await readInfo(redis)).get("host_deaths")).toBe("0");
});

describe("what it says is kept within bounds:", () => {
  test("lines of a log, empty ones too", async () => {
    const raw = [{ ...OUTCOMES, kind: 2, times: 200_000 }];
    const [how, , logs = "[]"] = await run({ raw, rounds: [] });
    expect(how).toBe("ok");
    expect((JSON.parse(logs) as unknown[]).length).toBeLessThanOrEqual(64 * 1024 + 1);
  });

  test("how long a call has computed that it does not end", async () => {
    const word = { name: "computed_ns", value: Number.MAX_SAFE_INTEGER };
    const [code, error = ""] = await run({ word, mute: true }, { deadlineMs: 50 });
    const [, computedMs = ""] = /it had computed for ([\d.]+) ms and waited for 0\.0 ms/.exec(error) ?? [];
    expect(code).toBe("DEADLINE_EXCEEDED");
    expect(Number(computedMs)).toBeGreaterThanOrEqual(50);
    expect(Number(computedMs)).toBeLessThan(60_000);
    // It is still at it, and is ended for that.
    await startOver(redis);
  });

  test("why an isolate is gone", async () => {
    await startOver(redis);
    const [code, error = ""] = await run({ raw: [{ ...CONTROL, kind: CLOSED, id: 1, pad: 1 << 20 }], mute: true });
    expect(code).toBe("SANDBOX_DIED");
    expect(error.length).toBeLessThan(4 * 1024);
  });

  test("why an isolate did not come up, told to each of many callers", async () => {
    await redis.call("LOCUS.FUNCTION", "LOAD", "late");
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => run({}, { name: "late" })));
    for (const [code, error = ""] of outcomes) {
      expect(code).toBe("FUNCTION_INVALID");
      expect(error.length).toBeLessThan(32 * 1024);
    }
  });
});

describe("it changes what it has said:", () => {
  test.each(["operations", "outcomes", "control"])("bytes of the ring of %s, while they are read", async (flip) => {
    for (let turn = 0; turn < 5; turn += 1) {
      await startOver(redis);
      const [how] = await run({ flip, rounds: [[["GET", "a"]]], repeat: 2_000 }, { deadlineMs: 500 });
      expect(["ok", "SANDBOX_DIED", "DEADLINE_EXCEEDED"]).toContain(how);
      expect(await redis.get("a")).toBe("1");
    }
  });

  test("lies of any kind, in any order", WATCHED, async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      await startOver(redis);
      // It forges outcomes as well: the one call may end in any way, the next must not.
      await run({ noise: { seed, steps: 50 }, mute: true }, { deadlineMs: 100 });
      await startOver(redis);
      expect(await runLines(redis, ["GET", "a"])).toEqual(["$1", "1"]);
    }
  });
});

test(
  "a Redis that has been lied to for long has no more memory than one that was lied to for a while",
  async () => {
    const plain = await startScriptedServer();
    const client = plain.client();
    await client.set("a", "1");
    const residentBytes = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${plain.pid()}/status`, "utf8"))?.[1]) * 1024;
    const lie = async (seed: number): Promise<void> => {
      await startOver(client);
      const script = JSON.stringify({ noise: { seed, steps: 50 }, mute: true });
      await client.call("LOCUS.NODE", "RUN", "script", "*", "0", '{"deadlineMs":50}', script);
    };
    for (let seed = 100; seed < 140; seed += 1) await lie(seed);
    const before = residentBytes();
    for (let seed = 100; seed < 180; seed += 1) await lie(seed);
    expect(residentBytes() - before).toBeLessThan(16 << 20);
    await plain.close();
  },
  SANITIZED_BUILD_TIMEOUT_MS,
);
