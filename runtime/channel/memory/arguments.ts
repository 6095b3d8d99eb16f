// Reading arguments as Redis does, with its error texts.

import { ReplyError } from "../reply-value.ts";
import type { Keyspace } from "./keyspace.ts";
import type { Bytes, MemoryReply } from "./reply-writing.ts";

/** One command of the memory channel: what is there, its arguments without the name, and the name for error texts. */
export interface MemoryCall {
  readonly keyspace: Keyspace;
  readonly args: readonly Bytes[];
  readonly name: string;
}

/** Throws a ReplyError, which becomes the reply. */
type MemoryCommand = (call: MemoryCall) => MemoryReply;
export type MemoryCommands = Readonly<Record<string, MemoryCommand>>;

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export const syntaxError = (): ReplyError => new ReplyError("ERR syntax error");
export const wrongArity = (name: string): ReplyError =>
  new ReplyError(`ERR wrong number of arguments for '${name}' command`);

/** The argument at `index`; arity has been checked. */
export const at = ({ args }: MemoryCall, index: number): Bytes => args[index] ?? "";

/** A 64-bit integer; undefined where the text is none. */
export function parseInteger(text: Bytes): bigint | undefined {
  if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value > INT64_MAX || value < INT64_MIN ? undefined : value;
}

export function integer(text: Bytes, otherwise = "ERR value is not an integer or out of range"): bigint {
  const value = parseInteger(text);
  if (value === undefined) throw new ReplyError(otherwise);
  return value;
}

/** A count of what to pop: an integer that is not negative. */
export function positive(text: Bytes): number {
  const otherwise = "ERR value is out of range, must be positive";
  const value = integer(text, otherwise);
  if (value < 0n) throw new ReplyError(otherwise);
  return Number(value);
}

export function sum(value: bigint, increment: bigint): bigint {
  const result = value + increment;
  if (result > INT64_MAX || result < INT64_MIN) {
    throw new ReplyError("ERR increment or decrement would overflow");
  }
  return result;
}

/** A double; undefined where the text is none. */
export function parseDouble(text: Bytes): number | undefined {
  const infinity = /^([+-]?)inf(inity)?$/i.exec(text);
  if (infinity !== null) return infinity[1] === "-" ? -Infinity : Infinity;
  return /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text) ? Number(text) : undefined;
}

/** `start` and `stop` of a range over `length` items, negative ones from the end, as what `slice` takes. */
export function sliceBounds(start: bigint, stop: bigint, length: number): [from: number, to: number] {
  const from = Math.max(Number(start < 0n ? start + BigInt(length) : start), 0);
  const last = Math.min(Number(stop < 0n ? stop + BigInt(length) : stop), length - 1);
  return [from, Math.max(last + 1, from)];
}

/** Unix time in ms at which something expires; `unit`: ms of one unit, `fromMs`: what the time counts from. */
export function expiryMs(amount: bigint, unit: 1 | 1000, fromMs: number, name: string): number {
  const milliseconds = amount * BigInt(unit) + BigInt(fromMs);
  if (amount * BigInt(unit) > INT64_MAX || amount * BigInt(unit) < INT64_MIN || milliseconds > INT64_MAX) {
    throw new ReplyError(`ERR invalid expire time in '${name}' command`);
  }
  return Number(milliseconds);
}
