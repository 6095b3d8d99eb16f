import { inspect } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCannedServer, type CannedServer } from "./canned-server.ts";
import { encodedBytes, encodeOperation, operationOf } from "./operation.ts";
import { decodeReply } from "./reply.ts";

const text = (command: string, ...args: unknown[]): string =>
  Buffer.from(encodeOperation(operationOf(command, args))).toString();

describe("operationOf and encodeOperation", () => {
  test("write what reads as the same words again", () => {
    const words = fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.uint8Array()), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(words, ([command = "get", ...args]) => {
        const bytes = encodeOperation(operationOf(String(command), args));
        expect(encodedBytes(operationOf(String(command), args))).toBe(bytes.length);
        const expected = [String(command), ...args].map((word) => new Uint8Array(Buffer.from(word as Uint8Array)));
        const read = decodeReply(bytes, 0, { shape: "plain", binary: true });
        expect(read).toEqual({ value: expected, end: bytes.length });
      }),
    );
  });

  test("write a command as an array of bulk strings", () => {
    expect(text("set", "k", "é")).toBe("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$2\r\né\r\n");
  });

  test("send bytes as they are", () => {
    expect(operationOf("set", ["k", Uint8Array.of(0, 255)])).toEqual(["set", "k", Uint8Array.of(0, 255)]);
    const bytes = encodeOperation(["get", Uint8Array.of(0, 255)]);
    expect(bytes).toEqual(Buffer.from("*2\r\n$3\r\nget\r\n$2\r\n\0\xff\r\n", "latin1"));
  });

  test.each([
    ["set", ["k", null], "SET: argument 2 is null; send text"],
    ["set", ["k", undefined], "SET: argument 2 is undefined; send text"],
    ["set", ["k", { a: 1 }], "SET: argument 2 is an object; send its text, such as JSON.stringify makes"],
    ["set", ["k", new Date(0)], "SET: argument 2 is an object"],
    [
      "set",
      ["k", new ArrayBuffer(1)],
      "SET: argument 2 is an object; send its text, such as JSON.stringify makes, or bytes",
    ],
    ["mget", ["a", ["b", ["c", "d"]]], "MGET: argument 3 is a list inside a list"],
    ["hset", ["k", { f: 1, g: null }], "HSET: argument 5 is null"],
    ["hset", ["k", new Map([["f", {}]])], "HSET: argument 3 is an object"],
    ["hset", ["k", "f", { a: 1 }], "HSET: argument 3 is an object"],
    ["HSET", ["k", { f: 1 }], "HSET: argument 2 is an object"],
    ["mset", [null], "MSET: argument 1 is null"],
    ["get", ["k", () => {}], "GET: argument 2 is a function; methods of redis return promises and take no callback"],
  ])("refuse what nobody means: %s %j", (command, args, message) => {
    expect(() => operationOf(command, args)).toThrow(new RegExp(`^${message}`));
  });

  describe("send what ioredis sends", () => {
    let server: CannedServer;
    beforeAll(async () => {
      server = await startCannedServer();
    });
    afterAll(() => server.close());

    const pairs = { a: 1, "": "empty", __proto__: 2, bytes: Buffer.from([0, 255]) };
    const calls: [command: string, args: unknown[]][] = [
      ["ping", []],
      ["PING", []],
      ["mget", [["a", "b"]]],
      ["set", ["k", true]],
      ["set", ["k", -0]],
      ["set", ["k", 1.5]],
      ["set", ["k", 1e21]],
      ["set", ["k", -1e300]],
      ["set", ["k", Number.MAX_SAFE_INTEGER + 1]],
      ["set", ["k", Number.NaN]],
      ["set", ["k", -Infinity]],
      ["set", ["k", 12_345_678_901_234_567_890n]],
      ["set", ["k", "\ud800"]],
      ["set", ["k", Buffer.from([0, 255])]],
      ["hset", ["k", pairs]],
      ["hset", ["k", new Map<unknown, unknown>(Object.entries(pairs))]],
      ["hset", ["k", new Map([[1, Buffer.from("b")]])]],
      ["hset", [["k", "f", "v"]]],
      ["hset", ["k", {}]],
      ["hmset", ["k", pairs]],
      ["mset", [pairs]],
      ["mset", [new Map([["a", "b"]])]],
      ["mset", [["a", "b"]]],
      ["msetnx", [pairs]],
    ];
    test.each(calls.map((call) => [inspect(call), ...call] as const))("%s", async (_, command, args) => {
      expect(await server.sent(command, args)).toEqual(encodeOperation(operationOf(command, args)));
    });

    test("for arbitrary arguments", async () => {
      const value = fc.oneof(
        fc.string({ unit: "binary" }),
        fc.double(),
        fc.integer(),
        fc.bigInt(),
        fc.boolean(),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      );
      const pairs = fc.dictionary(
        fc.string().map((name) => `field ${name}`),
        value,
        { noNullPrototype: true },
      );
      const argument = fc.oneof(value, fc.array(value, { maxLength: 3 }));
      const words = fc.array(argument, { maxLength: 4 });
      const call = fc.oneof(
        fc.tuple(fc.constantFrom("get", "hset", "hmset", "mset", "msetnx", "MSET"), words),
        fc.tuple(fc.constantFrom("hset", "hmset"), fc.tuple(value, pairs)),
        fc.tuple(fc.constantFrom("mset", "msetnx"), fc.tuple(pairs)),
      );
      await fc.assert(
        fc.asyncProperty(call, async ([command, args]) => {
          expect(await server.sent(command, args)).toEqual(encodeOperation(operationOf(command, args)));
        }),
        { numRuns: 300 },
      );
    });
  });
});
