// SCAN and its kin. A cursor is a place in the order of the names' hashes, so that what is there from the first step to the last
// is found, whatever comes and goes meanwhile, and no step leaves anything behind here.

import { ReplyError } from "../reply-value.ts";
import { at, integer, syntaxError, type MemoryCall } from "./arguments.ts";
import { globMatcher } from "./glob.ts";
import type { Bytes, MemoryReply } from "./reply-writing.ts";

/** Redis' own. */
const COUNT = 10;
const CURSOR_MAX = 2n ** 64n - 1n;

interface ScanOptions {
  readonly count: number;
  readonly matches: (name: Bytes) => boolean;
  /** In lower case; null where it does not matter. */
  readonly type: string | null;
}

/** Throws where the argument at `index` is no cursor. */
export function cursorAt(call: MemoryCall, index: number): bigint {
  const text = at(call, index);
  // What strtoul takes, but for the spaces before.
  const cursor = /^([+-]?[0-9]+)?$/.test(text) ? BigInt(text.replace("+", "")) : null;
  if (cursor === null || cursor > CURSOR_MAX || cursor < -CURSOR_MAX) throw new ReplyError("ERR invalid cursor");
  return BigInt.asUintN(64, cursor);
}

/** From `index` on; `TYPE` only where there are `types`. */
export function scanOptions(call: MemoryCall, index: number, types: boolean): ScanOptions {
  let options: ScanOptions = { count: COUNT, matches: () => true, type: null };
  for (let i = index; i < call.args.length; i += 2) {
    const word = at(call, i).toUpperCase();
    const value = call.args[i + 1];
    if (value === undefined) throw syntaxError();
    if (word === "COUNT") {
      options = { ...options, count: Number(integer(value)) };
      if (options.count < 1) throw syntaxError();
    } else if (word === "MATCH") options = { ...options, matches: globMatcher(value) };
    else if (word === "TYPE" && types) options = { ...options, type: value.toLowerCase() };
    else throw syntaxError();
  }
  return options;
}

/** The next cursor, "0" at the end, and what `told` makes of those of the names whose turn it is. */
export function scanStep(
  names: Iterable<Bytes>,
  cursor: bigint,
  { count, matches }: ScanOptions,
  told: (name: Bytes) => readonly Bytes[],
): MemoryReply {
  const left = Array.from(names, (name) => ({ name, place: placeOf(name) }))
    .filter(({ place }) => BigInt(place) >= cursor)
    .toSorted((a, b) => a.place - b.place);
  const last = left[count - 1]?.place ?? Infinity;
  // Those of one place are told together.
  const next = left.find(({ place }) => place > last);
  const found = left.filter(({ name, place }) => place <= last && matches(name));
  return [String(next?.place ?? 0), found.flatMap(({ name }) => told(name))];
}

/** SSCAN, HSCAN and ZSCAN: of the value under the first argument, undefined where there is none. */
export function scanValue(
  call: MemoryCall,
  read: () => { keys(): Iterable<Bytes> } | undefined,
  told: (name: Bytes) => readonly Bytes[],
): MemoryReply {
  const cursor = cursorAt(call, 1);
  const value = read();
  if (value === undefined) return ["0", []];
  return scanStep(value.keys(), cursor, scanOptions(call, 2, false), told);
}

/** 1 to 2^32: FNV-1a, by http://www.isthe.com/chongo/tech/comp/fnv/, which is good enough to spread names. */
function placeOf(name: Bytes): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash >>> 0) + 1;
}
