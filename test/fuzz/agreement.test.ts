// The decoders of replies in TypeScript and in C++ read the same from the same bytes: the golden ones, replies made up, and
// replies with bytes changed.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { ReplyShape } from "#runtime/channel/command-rule.ts";
import goldenReplies from "#runtime/channel/golden-replies.json" with { type: "json" };
import { decodeReply } from "#runtime/channel/reply.ts";
import { LocusError } from "#runtime/errors.ts";
import { WATCHED } from "#test/sanitized-build.ts";
import { askNativeDecoder, type Answer, type Question } from "./native-decoder.ts";

/** As the golden file writes values. */
function tagged(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (value instanceof Error) return { $error: value.message };
  if (Array.isArray(value)) return value.map(tagged);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([field, item]) => [field, tagged(item)]));
}

function askDecoder({ bytes, shape, binary }: Question): Answer {
  try {
    const reply = decodeReply(bytes, 0, { shape, binary });
    return reply === "incomplete" ? reply : { value: tagged(reply.value), end: reply.end };
  } catch (error) {
    if (error instanceof LocusError && error.code === "INTERNAL") return "malformed";
    throw error;
  }
}

/** That there is a value, and which, is for both to say; when a reply is beyond hope they may see at different bytes. */
const essence = (answer: Answer): unknown => (typeof answer === "string" ? "no value" : answer);

interface Told extends Question {
  readonly answer: unknown;
}

/** What the two make of the questions. */
function askBoth(questions: readonly Question[]): { readonly native: readonly Told[]; readonly ours: readonly Told[] } {
  const told = (answers: readonly Answer[]): readonly Told[] =>
    questions.map((question, index) => ({ ...question, answer: essence(answers[index] ?? "malformed") }));
  return { native: told(askNativeDecoder(questions)), ours: told(questions.map(askDecoder)) };
}

const shape = fc.constantFrom<ReplyShape>("plain", "object", "pairs", "streams");
const line = fc.string({ unit: "binary", maxLength: 8 }).map((text) => text.replaceAll(/[\r\n]/g, " "));
const bulk = (type: string) => (bytes: Uint8Array) =>
  Buffer.concat([Buffer.from(`${type}${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
const aggregate =
  (type: string, perEntry = 1) =>
  (items: readonly Buffer[]) =>
    Buffer.concat([
      Buffer.from(`${type}${Math.floor(items.length / perEntry)}\r\n`),
      ...items.slice(0, items.length - (items.length % perEntry)),
    ]);
const text = fc.uint8Array({ maxLength: 8 }).map(bulk("$"));

const { value: reply } = fc.letrec<{ value: Buffer; leaf: Buffer }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 5 }).map(aggregate("*")),
    fc.array(tie("value"), { maxLength: 5 }).map(aggregate("~")),
    fc.array(tie("value"), { maxLength: 6 }).map(aggregate("%", 2)),
    fc
      .tuple(fc.array(tie("value"), { maxLength: 4 }).map(aggregate("|", 2)), tie("value"))
      .map((both) => Buffer.concat(both)),
    fc.array(fc.tuple(text, tie("value")), { maxLength: 3 }).map((pairs) => aggregate("%", 2)(pairs.flat())),
  ),
  leaf: fc.oneof(
    text,
    line.map((value) => Buffer.from(`+${value}\r\n`)),
    line.map((value) => Buffer.from(`-${value}\r\n`)),
    fc.uint8Array({ maxLength: 8 }).map(bulk("!")),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => bulk("=")(Buffer.concat([Buffer.from("txt:"), bytes]))),
    fc
      .oneof(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.integer())
      .map((value) => Buffer.from(`:${value}\r\n`)),
    fc.double().map((value) => Buffer.from(`,${value}\r\n`)),
    fc.bigInt().map((value) => Buffer.from(`(${value}\r\n`)),
    fc.constantFrom("_\r\n", "$-1\r\n", "*-1\r\n", "#t\r\n", "#f\r\n").map((value) => Buffer.from(value)),
  ),
}));
const pushes = fc.array(fc.array(text, { maxLength: 2 }).map(aggregate(">")), { maxLength: 1 });
const stream = fc
  .tuple(pushes, fc.array(reply, { minLength: 1, maxLength: 2 }))
  .map((parts) => Buffer.concat(parts.flat()));

/** Bytes of the wire, most of them where they matter. */
const anyByte = fc.oneof(fc.constantFrom(...Buffer.from("*%~|>$+-:,#_=!(\r\n0123456789")), fc.nat(255));
/** The reply with some bytes changed, put in or left out, perhaps cut. */
const changed = fc
  .tuple(stream, fc.array(fc.tuple(fc.nat(), fc.nat(2), anyByte), { maxLength: 3 }), fc.option(fc.nat()))
  .map(([bytes, changes, cut]) => {
    const all = [...bytes];
    for (const [at, how, byte] of changes)
      all.splice(at % (all.length + 1), how === 0 ? 0 : 1, ...(how === 2 ? [] : [byte]));
    return Buffer.from(all.slice(0, cut === null ? all.length : cut % (all.length + 1)));
  });
const question = (bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Question> =>
  fc.record({ bytes, shape, binary: fc.boolean() });

describe("the decoders in TypeScript and C++", WATCHED, () => {
  test("read the golden replies, whole and cut at every byte, in every shape", () => {
    const golden = (goldenReplies as readonly { readonly hex: string }[]).map(({ hex }) => Buffer.from(hex, "hex"));
    const cuts = golden
      .filter((bytes) => bytes.length < 200)
      .flatMap((bytes) => Array.from({ length: bytes.length }, (_, end) => bytes.subarray(0, end)));
    const shapes: readonly ReplyShape[] = ["plain", "object", "pairs", "streams"];
    const { native, ours } = askBoth(
      [...golden, ...cuts].flatMap((bytes) =>
        shapes.flatMap((shape) => [true, false].map((binary) => ({ bytes, shape, binary }))),
      ),
    );
    expect(native).toEqual(ours);
  });

  test.each([
    ["made up", question(stream), 11],
    ["changed", question(changed), 12],
    ["of any bytes", question(fc.array(anyByte, { maxLength: 40 }).map((bytes) => Buffer.from(bytes))), 13],
  ])("read replies that are %s", (_, arbitrary, seed) => {
    const { native, ours } = askBoth(fc.sample(arbitrary, { numRuns: 10_000, seed }));
    expect(native).toEqual(ours);
  });

  test.each(["+", "-", ":", ",", "(", "$", "*", "%"])("refuse a line of %s that does not end", (type) => {
    const unending = [65_536, 65_537, 65_538, 70_000].map((length) => Buffer.from(type + "1".repeat(length)));
    const ended = [65_535, 65_536, 65_537].map((length) => Buffer.from(`${type}${"1".repeat(length)}\r\n`));
    const questions = [...unending, ...ended].map((bytes) => ({ bytes, shape: "plain", binary: false }) as const);
    const { native, ours } = askBoth(questions);
    expect(native).toEqual(ours);
    expect(askNativeDecoder(questions.slice(2, 4))).toEqual(["malformed", "malformed"]);
  });
});
