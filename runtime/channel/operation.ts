// From a method call to what is sent: arguments flattened and made text as ioredis 6 does it, then RESP. A test compares
// the bytes with those of ioredis itself.

import { displayName, type Argument } from "./refusal.ts";

/** One Redis command: its name and its arguments, as they will be sent. */
export type Operation = readonly Argument[];

/**
 * The operation of `redis.command(...args)` or `redis.call(command, ...args)`. Lists are flattened, one level; HSET,
 * HMSET, MSET and MSETNX take an object or a Map for their pairs. Unlike with ioredis a plain `Uint8Array` is bytes, as a
 * Buffer is: a function has no Buffer.
 *
 * Throws a TypeError that names the argument for what ioredis would send as something that nobody means: nothing (as an empty
 * text), an object ("[object Object]"), a list inside a list ("a,b"), a callback.
 */
export function operationOf(command: string, args: readonly unknown[]): Operation {
  const flat = args.flat();
  return [
    command,
    ...withPairs(command, flat).map((value, index) => {
      const fault = faultOf(value);
      if (fault !== null) throw new TypeError(`${displayName(command)}: argument ${index + 1} is ${fault}`);
      return textOf(value as Sendable);
    }),
  ];
}

/** The operation as RESP: an array of bulk strings. */
export function encodeOperation(operation: Operation): Uint8Array {
  const parts = operation.flatMap((argument) => {
    const bytes = Buffer.from(argument as Uint8Array);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF];
  });
  return Buffer.concat([Buffer.from(`*${operation.length}\r\n`), ...parts]);
}

/** How many bytes that has. */
export function encodedBytes(operation: Operation): number {
  return operation.reduce((sum, argument) => {
    const bytes = Buffer.byteLength(argument);
    return sum + framingBytes(bytes) + bytes + 2;
  }, framingBytes(operation.length));
}

/** Of a mark, a number and the end of its line. */
const framingBytes = (count: number): number => 1 + String(count).length + 2;

const CRLF = Buffer.from("\r\n");

/** How many arguments stand before an object or a Map of pairs. Names in lower case only, as with ioredis. */
const PAIRS_AFTER: ReadonlyMap<string, number> = new Map([
  ["hset", 1],
  ["hmset", 1],
  ["mset", 0],
  ["msetnx", 0],
]);

function withPairs(command: string, args: readonly unknown[]): readonly unknown[] {
  const before = PAIRS_AFTER.get(command);
  const pairs = before === undefined || args.length !== before + 1 ? null : args[before];
  if (typeof pairs !== "object" || pairs === null) return args;
  const entries: readonly unknown[][] = pairs instanceof Map ? [...pairs] : Object.entries(pairs);
  return [...args.slice(0, before), ...entries.flat()];
}

type Sendable = Argument | number | bigint | boolean;

/** What an argument is that is not sent, and what to do instead; null for what is. */
function faultOf(value: unknown): string | null {
  if (value === null || value === undefined) return `${value}; send text, a number or bytes`;
  if (typeof value === "function") return "a function; methods of redis return promises and take no callback";
  if (Array.isArray(value)) return "a list inside a list; lists are spread out, one level";
  if (typeof value !== "object" || value instanceof Uint8Array) return null;
  return "an object; send its text, such as JSON.stringify makes, or bytes as a Uint8Array";
}

function textOf(value: Sendable): Argument {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  // Every digit, where String() would write 1e+21.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return BigInt(value).toString();
  return `${value}`;
}
