// From a method call to what is sent: arguments flattened and made text as ioredis 6 does it, then RESP. A test compares
// the bytes with those of ioredis itself.

import type { Argument } from "./refusal.ts";

/** One Redis command: its name and its arguments, as they will be sent. */
export type Operation = readonly Argument[];

/**
 * The operation of `redis.command(...args)` or `redis.call(command, ...args)`. Lists are flattened, one level; HSET,
 * HMSET, MSET and MSETNX take an object or a Map for their pairs; nil becomes the empty string, anything else its text.
 * Unlike with ioredis a plain `Uint8Array` is bytes, as a Buffer is: a function has no Buffer.
 *
 * Throws a TypeError for a function among the arguments: ioredis' older form with a callback.
 */
export function operationOf(command: string, args: readonly unknown[]): Operation {
  const flat = args.flat();
  return [command, ...withPairs(command, flat).map(argumentOf)];
}

/** The operation as RESP: an array of bulk strings. */
export function encodeOperation(operation: Operation): Uint8Array {
  const parts = operation.flatMap((argument) => {
    const bytes = Buffer.from(argument as Uint8Array);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF];
  });
  return Buffer.concat([Buffer.from(`*${operation.length}\r\n`), ...parts]);
}

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

function argumentOf(value: unknown): Argument {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  if (value === null || value === undefined) return "";
  if (typeof value === "function") throw new TypeError("a callback was passed: methods of redis return promises");
  // Every digit, where String() would write 1e+21.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return BigInt(value as number).toString();
  return `${value as number}`;
}
