// `node test/fuzz/main-seeds.ts`: writes what the fuzzers of test/fuzz/targets begin with into test/fuzz/corpus/TARGET/seed-NN,
// from golden bytes and by hand. Other files there are what fuzzing has found, and stay.

import { globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { encodeOperation } from "#runtime/channel/operation.ts";
import { REFUSAL_CASES } from "#runtime/channel/refusal-cases.ts";
import goldenReplies from "#runtime/channel/golden-replies.json" with { type: "json" };
import { LIMITS } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";

const CORPUS = join(import.meta.dirname, "corpus");
/** Golden replies and refusals are many alike: so many of each, evenly chosen. */
const OF_MANY = 24;

const some = <Item>(items: readonly Item[]): readonly Item[] =>
  items.filter((_, index) => index % Math.ceil(items.length / OF_MANY) === 0);
const bytes = (...parts: readonly (number | string | Uint8Array)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part as string))));
const u16 = (...numbers: readonly number[]): Buffer => Buffer.from(Uint16Array.from(numbers).buffer);
const u32 = (...numbers: readonly number[]): Buffer => Buffer.from(Uint32Array.from(numbers).buffer);
const u64 = (...numbers: readonly bigint[]): Buffer => Buffer.from(BigUint64Array.from(numbers).buffer);
/** A length byte, then the text. */
const text = (value: string): Buffer => bytes(value.length, value);
const zeros = (count: number): Buffer => Buffer.alloc(count);

const round = (count: number, ...operations: readonly (readonly string[])[]): Buffer =>
  bytes(u32(7, count), ...operations.map(encodeOperation));

const limits = Object.fromEntries(Object.entries(LIMITS).map(([name, range]) => [name, range.default]));
/** Of the empty bundle, or of "abc". */
const VERSIONS = { "": "e3b0c44298fc1c14", abc: "ba7816bf8f01cfea" } as const;
const description = (bundle: keyof typeof VERSIONS, more: object = {}): string =>
  JSON.stringify({ name: "khop", version: VERSIONS[bundle], limits, ...more });
const version = (bundle: keyof typeof VERSIONS): Buffer =>
  bytes(u16(description(bundle).length), description(bundle), u16(bundle.length), bundle);

const given = (isError: number, usage: object, body: string): Buffer =>
  bytes(isError, u16(JSON.stringify(usage).length), JSON.stringify(usage), body);

const reads = (...operations: readonly (readonly [readonly string[], string])[]): Buffer => {
  const commands = Buffer.concat(operations.map(([operation]) => encodeOperation(operation)));
  const replies = operations.map(([, reply]) => reply).join("");
  return bytes(u32(operations.length, commands.length, replies.length), commands, replies);
};

// The steps of supervisor.cc and ring.cc, by their numbers there.
const POLL = 15;
const SUBMIT = bytes(0, 0, 0, 1);
const READY = bytes(4, POLL);
/** Answers what was opened last. */
const OPENED = bytes(5, 0, text("{}"), POLL);
const outcome = (lane: number, code: number, retire: number, lost: number): Buffer =>
  bytes(8 | (lane << 4), code, retire, lost, text("1"), 0, POLL);

const SEEDS: Readonly<Record<string, readonly Uint8Array[]>> = {
  arguments: [
    bytes(text("0")),
    bytes(text("1"), text("key"), text('{"a":1}')),
    bytes(text("2"), text("a"), text("é"), text("x"), text("y")),
    bytes(text("18446744073709551615"), text("a")),
    bytes(text("1"), 2, 0xc3, 0x28),
  ],
  command: some(REFUSAL_CASES).map(([argv]) => Buffer.from(argv.map(String).join("\n"))),
  description: [
    description(""),
    description("", { input: { type: "object" }, side: "storage" }),
    description("", { limits: { ...limits, memoryMb: 1_025 } }),
    description("", { name: "Khop" }),
    "[".repeat(1_000),
    '{"name":"\\ud800"}',
  ].map((json) => Buffer.from(json)),
  frames: [
    bytes(0, u32(0, 2, 0, 0), zeros(64), "{}"),
    bytes(0, u32(3, 0, 5, 5), zeros(64), "wrong", "stack"),
    bytes(1, zeros(16), u32(100, 2, 11, 4), u32(1), "a", u32(2), "bc", "null"),
    bytes(1, zeros(16), u32(100, 0, 0, 2), "[]"),
    bytes(2, u32(1, 2, 3, 0), "{}", "abc"),
    bytes(3, u32(1, 0, 0, 0, 0, 0)),
    bytes(3, u32(1, 2, 4, 3, 2, 1), "host", "pem", "me", "x"),
  ],
  given: [
    given(0, NO_USAGE, '{"a":1}'),
    given(0, { ...NO_USAGE, wallUs: 1e12, operations: 2 ** 53 - 1 }, "null"),
    given(0, { ...NO_USAGE, cpuUs: -1 }, "1\n2"),
    given(1, NO_USAGE, JSON.stringify({ code: "FUNCTION_FAILED", message: "no", stack: "at run (f.ts:1:2)" })),
    given(1, {}, JSON.stringify({ code: "NOBODY_KNOWS" })),
  ],
  json: ["", "plain", 'a"b\\c', "\n\u0001\u007f", "é€😀", "\ud800"].map((value) => Buffer.from(value)),
  options: [
    "{}",
    '{"deadlineMs":300000,"logs":true,"id":"1a2b-3"}',
    '{"deadlineMs":300001}',
    '{"deadlineMs":18446744073709551615}',
    '{"deadlineMs":1.5,"deadlineMs":1}',
    '{"id":"\\u0000\\ud83d\\ude00"}',
    '{"id":""}',
    `{"deadlineMs":${"[".repeat(900)}${"]".repeat(900)}}`,
    '{"kays":1}',
    "null",
  ].map((json) => Buffer.from(json)),
  plan: [
    { version: 1, placements: {} },
    {
      version: 2 ** 53 - 1,
      placements: {
        khop: { state: "split", share: 0.25, probeEvery: 100, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 },
      },
    },
    {
      version: 2,
      placements: {
        f: { state: "compute", share: 0, probeEvery: 0, backCpuUs: 0, overflowMin: 0, overflowTimes: 0 },
        g: { state: "nowhere" },
      },
    },
    { version: 1.5, placements: [[]] },
    { version: 3, placements: { a: { a: { a: { a: {} } } } } },
  ].map((plan) => Buffer.from(JSON.stringify(plan))),
  reads: [
    bytes(),
    reads([["GET", "a"], "$1\r\nx\r\n"], [["GET", "a"], "_\r\n"]),
    reads([["MGET", "a", "b"], "*2\r\n_\r\n$0\r\n\r\n"]),
    reads([["GET", "a"], "$9\r\nx\r\n"]),
    reads([["GET", "a"], ">1\r\n$1\r\nx\r\n"]),
    bytes(u32(0, 0, 0)),
    bytes(u32(2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)),
  ],
  registry: [
    bytes(0),
    bytes(1, u16(4), "khop", 1, version("")),
    bytes(1, u16(4), "khop", 2, version("abc"), version("")),
    bytes(2, u16(4), "khop", 1, version(""), u16(4), "khop", 1, version("abc")),
    bytes(1, u16(5), "other", 1, version("")),
  ],
  resp: some(goldenReplies as readonly { readonly hex: string }[]).map(({ hex }, index) =>
    bytes((index * 8 + index) % 256, Buffer.from(hex, "hex")),
  ),
  ring: [
    bytes(0, 1, u16(100), 2, 0, 2, u16(0), 2),
    bytes(0, 1, u16(3_000), 0, 2, u16(3_000), 4, 2, 4, 2),
    bytes(0, 1, u16(12_000), 2, 4, 2, 4, 2, 4, 2),
    bytes(0, 1, u16(8), 7, text("\u0001\u0000\u0000\u0000"), 2, 4),
    bytes(5, u16(64), 7, 16, u32(20), u16(1, 0), u64(9n), 2),
    bytes(6, 0, u64(1n << 63n), 2, 0, 1, u16(8)),
    bytes(6, 1, u64(4_096n), 0, 1, u16(4_000), 4),
  ],
  round: [
    round(1, ["GET", "a"]),
    round(3, ["SET", "key", "value"], ["DBSIZE"], ["FLUSHALL"]),
    round(1, ["GET", "locus:x"]),
    round(2, ["MGET", ...Array.from({ length: 40 }, String)], ["XREAD", "COUNT", "1", "STREAMS", "s", "0"]),
    round(2, ["GET", "a"]),
    round(1, ["ECHO", ""]).subarray(0, -1),
  ],
  supervisor: [
    bytes(SUBMIT, READY, OPENED, POLL, outcome(1, 0, 0, 0)),
    bytes(READY, SUBMIT, OPENED, outcome(1, 1, 1, 0), 7 | (1 << 4), text("gone"), POLL),
    bytes(READY, SUBMIT, OPENED, outcome(1, 2, 0, 1), OPENED, outcome(1, 0, 0, 0)),
    bytes(READY, SUBMIT, 6, 0, text("no"), POLL),
    bytes(READY, 1, POLL, OPENED, SUBMIT, SUBMIT, SUBMIT, OPENED, 2, 0, 2, 1, POLL),
    bytes(READY, SUBMIT, OPENED, 9 | (1 << 4), 0, text("a line"), 3 | (1 << 4), 0, u64(1n << 40n), POLL),
    bytes(READY, SUBMIT, OPENED, 10 | (1 << 4), u16(9), 0, text(""), POLL),
    bytes(READY, SUBMIT, OPENED, outcome(1, 0, 0, 2)),
    bytes(READY, SUBMIT, OPENED, 11 | (1 << 4), 0, POLL, outcome(1, 0, 0, 0)),
    bytes(READY, 0, 1, 0, 1, OPENED, 11 | (1 << 4), 0, POLL),
  ],
};

for (const [target, seeds] of Object.entries(SEEDS)) {
  mkdirSync(join(CORPUS, target), { recursive: true });
  for (const old of globSync(join(CORPUS, target, "seed-*"))) rmSync(old);
  for (const [index, seed] of seeds.entries()) {
    writeFileSync(join(CORPUS, target, `seed-${String(index).padStart(2, "0")}`), seed);
  }
}
