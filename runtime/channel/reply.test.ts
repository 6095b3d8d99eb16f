import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCannedServer, type CannedServer } from "./canned-server.ts";
import type { ReplyShape } from "./command-rule.ts";
import goldenReplies from "./golden-replies.json" with { type: "json" };
import { decodeReply } from "./reply.ts";
import { ReplyError } from "./reply-value.ts";

interface GoldenReply {
  readonly title: string;
  readonly shape: ReplyShape;
  readonly binary: boolean;
  readonly hex: string;
  readonly outcome: "value" | "incomplete" | "malformed";
  /** JSON; bytes are `{"$bytes": hex}`, errors `{"$error": text}`. */
  readonly value?: unknown;
  /** Where the next reply begins, if not at the end. */
  readonly end?: number;
  /** Where ioredis does otherwise: what it does. */
  readonly unlikeIoredis?: string;
}

const golden = goldenReplies as readonly GoldenReply[];
const title = ({ title, shape, binary }: GoldenReply): string => `${title} (${shape}${binary ? ", binary" : ""})`;

/** A command whose replies ioredis gives this shape. */
const COMMANDS: Readonly<Record<ReplyShape, string>> = {
  plain: "get",
  object: "hgetall",
  pairs: "zrange",
  streams: "xread",
};

/** As the golden file writes values. */
function tagged(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (value instanceof Error) return { $error: value.message };
  if (Array.isArray(value)) return value.map(tagged);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([field, item]) => [field, tagged(item)]));
}

function decoded(bytes: Uint8Array, shape: ReplyShape, binary: boolean): unknown {
  const reply = decodeReply(bytes, 0, { shape, binary });
  return reply === "incomplete" ? reply : tagged(reply.value);
}

/** What it throws, empty where it does not. */
function errorOf(run: () => unknown): string {
  try {
    run();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("decodeReply", () => {
  test.each(golden.filter(({ outcome }) => outcome === "value").map((reply) => [title(reply), reply] as const))(
    "reads %s",
    (_, { hex, shape, binary, value, end }) => {
      const bytes = Buffer.from(hex, "hex");
      const reply = decodeReply(bytes, 0, { shape, binary });
      expect(reply).not.toBe("incomplete");
      expect(reply).toMatchObject({ end: end ?? bytes.length });
      expect(decoded(bytes, shape, binary)).toEqual(value);
    },
  );

  test.each(golden.filter(({ outcome }) => outcome === "incomplete").map((reply) => [reply.title, reply] as const))(
    "waits for more at %s",
    (_, { hex, shape, binary }) => {
      expect(decoded(Buffer.from(hex, "hex"), shape, binary)).toBe("incomplete");
    },
  );

  test.each(golden.filter(({ outcome }) => outcome === "malformed").map((reply) => [reply.title, reply] as const))(
    "refuses %s",
    (_, { hex, shape, binary }) => {
      expect(() => decoded(Buffer.from(hex, "hex"), shape, binary)).toThrow("bytes that are no RESP");
    },
  );

  test("refuses a line that never ends, whether or not more bytes follow", () => {
    const line = Buffer.alloc(70_000, "a");
    line[0] = 0x2b;
    expect(() => decoded(line, "plain", false)).toThrow("a line of more than 65536 bytes");
  });

  test("gives the longest line that is allowed", () => {
    expect(decoded(Buffer.from(`+${"a".repeat(65_536)}\r\n`), "plain", false)).toHaveLength(65_536);
    expect(() => decoded(Buffer.from(`+${"a".repeat(65_537)}\r\n`), "plain", false)).toThrow("a line of more than");
  });

  test("copies bytes, so that a value outlives the buffer that it was read from", () => {
    const bytes = Buffer.from("$1\r\na\r\n");
    const reply = decodeReply(bytes, 0, { shape: "plain", binary: true });
    bytes.fill(0);
    expect(reply).toEqual({ value: Uint8Array.of(0x61), end: 7 });
  });

  test("gives an error reply as a ReplyError with Redis' text", () => {
    const reply = decodeReply(Buffer.from("-ERR no\r\n"), 0, { shape: "plain", binary: false });
    expect(reply).toEqual({ value: new ReplyError("ERR no"), end: 9 });
  });

  test("takes no prefix of a reply for a reply", () => {
    fc.assert(
      fc.property(respBytes, (bytes) => {
        for (let end = 0; end < bytes.length; end += 1) {
          expect(decoded(bytes.subarray(0, end), "plain", false)).toBe("incomplete");
        }
      }),
      { numRuns: 100 },
    );
  });

  test("ends where the next reply begins", () => {
    fc.assert(
      fc.property(respBytes, respBytes, (first, second) => {
        const options = { shape: "plain", binary: false } as const;
        expect(decodeReply(Buffer.concat([first, second]), 0, options)).toEqual(decodeReply(first, 0, options));
        expect(decodeReply(Buffer.concat([first, second]), first.length, options)).toMatchObject({
          end: first.length + second.length,
        });
      }),
    );
  });

  test("neither hangs nor throws anything but its own error on arbitrary bytes", () => {
    const bytes = fc.array(fc.oneof(fc.constantFrom(...Buffer.from("*%~|>$+-:,#_=!(\r\n0123")), fc.nat(255)));
    fc.assert(
      fc.property(bytes, (values) => {
        const read = (): unknown => decoded(Buffer.from(values), "plain", false);
        expect(errorOf(read)).toMatch(/^$|bytes that are no RESP/);
      }),
      { numRuns: 2_000 },
    );
  });
});

test("makes room for what is there, not for what nested counts announce", () => {
  const bytes = Buffer.alloc(24 * 1024 * 1024, " ");
  let at = 0;
  for (let depth = 0; depth < 64; depth += 1) at += bytes.write("*7000000\r\n", at);
  const before = process.resourceUsage().maxRSS;
  expect(() => decoded(bytes, "plain", false)).toThrow("bytes that are no RESP");
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(256 * 1024);
});

describe("ioredis 6, asked with the same bytes", () => {
  let server: CannedServer;
  beforeAll(async () => {
    server = await startCannedServer();
  });
  afterAll(() => server.close());

  const likeIoredis = golden.filter((reply) => reply.unlikeIoredis === undefined);
  test.each(likeIoredis.map((reply) => [title(reply), reply] as const))(
    "reads %s as we do",
    async (_, { hex, shape, binary, value }) => {
      expect(tagged(await server.ask(COMMANDS[shape], binary, Buffer.from(hex, "hex")))).toEqual(value);
    },
  );

  test("reads arbitrary replies as we do, in every shape and both forms", async () => {
    await fc.assert(
      fc.asyncProperty(
        respBytes,
        fc.constantFrom<ReplyShape>("plain", "pairs"),
        fc.boolean(),
        async (bytes, shape, binary) => {
          const theirs = tagged(await server.ask(COMMANDS[shape], binary, bytes));
          expect(theirs).toEqual(decoded(bytes, shape, binary));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("reads arbitrary maps as we do, as objects and as streams", async () => {
    await fc.assert(
      fc.asyncProperty(
        respMap,
        fc.constantFrom<ReplyShape>("object", "streams"),
        fc.boolean(),
        async (bytes, shape, binary) => {
          const theirs = tagged(await server.ask(COMMANDS[shape], binary, bytes));
          expect(theirs).toEqual(decoded(bytes, shape, binary));
        },
      ),
      { numRuns: 300 },
    );
  });
});

const { array, bigInt, boolean, constant, constantFrom, integer, letrec, oneof, string, tuple, uint8Array } = fc;
const line = string({ unit: "binary" }).map((text) => text.replaceAll(/[\r\n]/g, " "));
const blob = oneof(
  uint8Array(),
  string({ unit: "binary" }).map((text) => Buffer.from(text)),
);
const sized = (type: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${type}${bytes.length}\r\n`), bytes, Buffer.from("\r\n")]);
const aggregate = (type: string, count: number, items: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from(`${type}${count}\r\n`), ...items]);

const bulk = blob.map((bytes) => sized("$", bytes));
const { value: respBytes } = letrec<{ value: Buffer; leaf: Buffer }>((tie) => ({
  value: oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    array(tie("value"), { maxLength: 4 }).map((items) => aggregate("*", items.length, items)),
    array(tie("value"), { maxLength: 4 }).map((items) => aggregate("~", items.length, items)),
    array(tuple(tie("value"), tie("value")), { maxLength: 3 }).map((items) =>
      aggregate("%", items.length, items.flat()),
    ),
  ),
  leaf: oneof(
    bulk,
    line.map((text) => Buffer.from(`+${text}\r\n`)),
    line.map((text) => Buffer.from(`-${text}\r\n`)),
    blob.map((bytes) => sized("!", bytes)),
    blob.map((bytes) => sized("=", Buffer.concat([Buffer.from("txt:"), bytes]))),
    integer().map((number) => Buffer.from(`:${number}\r\n`)),
    fc.double().map((number) => Buffer.from(`,${String(number).replace("Infinity", "inf").replace("NaN", "nan")}\r\n`)),
    boolean().map((flag) => Buffer.from(flag ? "#t\r\n" : "#f\r\n")),
    bigInt().map((number) => Buffer.from(`(${number}\r\n`)),
    constantFrom("_\r\n", "$-1\r\n", "*-1\r\n").map((text) => Buffer.from(text)),
  ),
}));
const field = oneof(bulk, constant(sized("$", Buffer.from("__proto__"))));
const respMap = array(tuple(field, respBytes), { maxLength: 4 }).map((items) =>
  aggregate("%", items.length, items.flat()),
);
