// Strings and counters.

import { ReplyError } from "../reply-value.ts";
import {
  at,
  expiryMs,
  integer,
  sliceBounds,
  sum,
  syntaxError,
  wrongArity,
  type MemoryCall,
  type MemoryCommands,
} from "./arguments.ts";
import { OK, type Bytes, type MemoryReply } from "./reply-writing.ts";

const STRING_BYTES_MAX = 512 * 1024 * 1024;
const BITS_MAX = 8n * BigInt(STRING_BYTES_MAX);

export const STRING_COMMANDS: MemoryCommands = {
  append: (call) => replace(call, stringOf(call, 0) + at(call, 1)).length,
  bitcount,
  decr: (call) => add(call, -1n),
  decrby: (call) => {
    const decrement = integer(at(call, 1));
    if (decrement === -(2n ** 63n)) throw new ReplyError("ERR decrement would overflow");
    return add(call, -decrement);
  },
  get: (call) => readString(call),
  getbit: (call) => {
    const offset = bitOffset(at(call, 1));
    return bitOf(stringOf(call, 0), offset);
  },
  getdel: (call) => {
    const value = readString(call);
    call.keyspace.delete(at(call, 0));
    return value;
  },
  getex: (call) => {
    const options = setOptions(call, 1, ["PERSIST"]);
    const value = readString(call);
    const entry = call.keyspace.entry(at(call, 0));
    if (entry === undefined) return null;
    const expiresAtMs = options.expiresAtMs();
    if (options.words.has("PERSIST") || expiresAtMs !== Infinity) entry.expiresAtMs = expiresAtMs;
    return value;
  },
  getrange,
  getset: (call) => {
    const before = readString(call);
    put(call, at(call, 1));
    return before;
  },
  incr: (call) => add(call, 1n),
  incrby: (call) => add(call, integer(at(call, 1))),
  mget: ({ keyspace, args }) =>
    args.map((key) => {
      const stored = keyspace.entry(key)?.stored;
      return stored?.type === "string" ? stored.value.bytes : null;
    }),
  mset: (call) => {
    putPairs(call);
    return OK;
  },
  msetnx: (call) => {
    if (pairsOf(call).some(([key]) => call.keyspace.has(key))) return 0;
    putPairs(call);
    return 1;
  },
  psetex: (call) => setWithExpiry(call, 1),
  set,
  setbit: (call) => {
    const offset = bitOffset(at(call, 1));
    const bit = at(call, 2);
    if (bit !== "0" && bit !== "1") throw new ReplyError("ERR bit is not an integer or out of range");
    const value = stringOf(call, 0);
    const place = offset >>> 3;
    const mask = 0x80 >> (offset & 7);
    const byte = value.charCodeAt(place) || 0;
    const changed = String.fromCharCode(bit === "1" ? byte | mask : byte & ~mask);
    replace(call, value.slice(0, place).padEnd(place, "\0") + changed + value.slice(place + 1));
    return bitOf(value, offset);
  },
  setex: (call) => setWithExpiry(call, 1000),
  setnx: (call) => {
    if (call.keyspace.has(at(call, 0))) return 0;
    put(call, at(call, 1));
    return 1;
  },
  setrange: (call) => {
    const offset = Number(integer(at(call, 1)));
    if (offset < 0) throw new ReplyError("ERR offset is out of range");
    const value = stringOf(call, 0);
    const patch = at(call, 2);
    if (patch === "") return value.length;
    if (offset + patch.length > STRING_BYTES_MAX) {
      throw new ReplyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    const before = value.slice(0, offset).padEnd(offset, "\0");
    return replace(call, before + patch + value.slice(offset + patch.length)).length;
  },
  strlen: (call) => stringOf(call, 0).length,
  substr: getrange,
};

const readString = (call: MemoryCall): Bytes | null => call.keyspace.read(at(call, 0), "string")?.bytes ?? null;
const stringOf = (call: MemoryCall, index: number): Bytes => call.keyspace.read(at(call, index), "string")?.bytes ?? "";

/** Puts a string under the call's first argument and gives it back. */
function put(call: MemoryCall, bytes: Bytes, expiresAtMs?: number): Bytes {
  call.keyspace.put(at(call, 0), { type: "string", value: { bytes } }, expiresAtMs);
  return bytes;
}

/** The same, leaving the expiry that is there. */
const replace = (call: MemoryCall, bytes: Bytes): Bytes =>
  put(call, bytes, call.keyspace.entry(at(call, 0))?.expiresAtMs);

function add(call: MemoryCall, increment: bigint): MemoryReply {
  const result = sum(integer(readString(call) ?? "0"), increment);
  replace(call, String(result));
  return result;
}

/** Bits count from the highest of the first byte. */
function bitOffset(text: Bytes): number {
  const otherwise = "ERR bit offset is not an integer or out of range";
  const offset = integer(text, otherwise);
  if (offset < 0n || offset >= BITS_MAX) throw new ReplyError(otherwise);
  return Number(offset);
}

/** 0 beyond the end. */
const bitOf = (value: Bytes, offset: number): number =>
  ((value.charCodeAt(offset >>> 3) || 0) >> (7 - (offset & 7))) & 1;

function bitcount(call: MemoryCall): MemoryReply {
  const value = readString(call);
  if (value === null) return 0;
  const [, from, to, unit = "BYTE", ...more] = call.args;
  const ones = (start: number, end: number): number => {
    let count = 0;
    for (let bit = start; bit < end; bit += 1) count += bitOf(value, bit);
    return count;
  };
  if (from === undefined) return ones(0, 8 * value.length);
  if (to === undefined || more.length > 0) throw syntaxError();
  const [start, stop] = [integer(from), integer(to)];
  if (start < 0n && stop < 0n && start > stop) return 0;
  const width = { BYTE: 8, BIT: 1 }[unit.toUpperCase()];
  if (width === undefined) throw syntaxError();
  const length = (8 * value.length) / width;
  const bounds = sliceBounds(start, stop < 0n && -stop > BigInt(length) ? 0n : stop, length);
  return ones(bounds[0] * width, bounds[1] * width);
}

function getrange(call: MemoryCall): MemoryReply {
  const [start, end] = [integer(at(call, 1)), integer(at(call, 2))];
  const value = stringOf(call, 0);
  // Redis answers this before it looks at the length, and so clamps differently for ranges by negative numbers.
  if (start < 0n && end < 0n && start > end) return "";
  const bounds = sliceBounds(start, end < 0n && -end > BigInt(value.length) ? 0n : end, value.length);
  return value.slice(...bounds);
}

function set(call: MemoryCall): MemoryReply {
  const options = setOptions(call, 2, ["NX", "XX", "GET", "KEEPTTL"]);
  if (options.words.has("NX") && options.words.has("XX")) throw syntaxError();
  const expiresAtMs = options.expiresAtMs();
  const before = options.words.has("GET") ? readString(call) : null;
  const exists = call.keyspace.has(at(call, 0));
  if (options.words.has(exists ? "NX" : "XX")) return before;
  if (options.words.has("KEEPTTL")) replace(call, at(call, 1));
  else put(call, at(call, 1), expiresAtMs);
  return options.words.has("GET") ? before : OK;
}

function setWithExpiry(call: MemoryCall, unit: 1 | 1000): MemoryReply {
  put(call, at(call, 2), positiveExpiryMs(call, integer(at(call, 1)), unit, call.keyspace.nowMs));
  return OK;
}

interface SetOptions {
  readonly words: ReadonlySet<string>;
  /** Infinity where none was asked for. Read late, since Redis tells of a bad time after a bad option. */
  readonly expiresAtMs: () => number;
}

const EXPIRY_UNITS: Readonly<Record<string, 1 | 1000>> = { EX: 1000, EXAT: 1000, PX: 1, PXAT: 1 };

/** Reads the options from `index` on: the words that are allowed, and one time of expiry. */
function setOptions(call: MemoryCall, index: number, allowed: readonly string[]): SetOptions {
  const words = new Set<string>();
  let expiry: { readonly word: string; readonly amount: Bytes } | undefined;
  for (let i = index; i < call.args.length; i += 1) {
    const word = at(call, i).toUpperCase();
    const amount = call.args[i + 1];
    if (allowed.includes(word)) words.add(word);
    else if (word in EXPIRY_UNITS && amount !== undefined && expiry === undefined) {
      expiry = { word, amount };
      i += 1;
    } else throw syntaxError();
  }
  if (expiry !== undefined && (words.has("KEEPTTL") || words.has("PERSIST"))) throw syntaxError();
  return {
    words,
    expiresAtMs: () => {
      if (expiry === undefined) return Infinity;
      const fromMs = expiry.word.endsWith("AT") ? 0 : call.keyspace.nowMs;
      return positiveExpiryMs(call, integer(expiry.amount), EXPIRY_UNITS[expiry.word] ?? 1, fromMs);
    },
  };
}

function positiveExpiryMs(call: MemoryCall, amount: bigint, unit: 1 | 1000, fromMs: number): number {
  if (amount <= 0n) throw new ReplyError(`ERR invalid expire time in '${call.name}' command`);
  return expiryMs(amount, unit, fromMs, call.name);
}

function pairsOf({ args, name }: MemoryCall): [key: Bytes, value: Bytes][] {
  if (args.length % 2 !== 0) throw wrongArity(name);
  return Array.from({ length: args.length / 2 }, (_, pair) => [args[2 * pair] ?? "", args[2 * pair + 1] ?? ""]);
}

function putPairs(call: MemoryCall): void {
  for (const [key, bytes] of pairsOf(call)) call.keyspace.put(key, { type: "string", value: { bytes } });
}
