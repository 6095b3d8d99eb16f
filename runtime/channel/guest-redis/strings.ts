// Strings, counters, bitmaps and HyperLogLogs: what one key's bytes can do.

import type { Key, Many, Ok, Pairs, Value } from "./values.ts";

type SetOption = "EX" | "PX" | "EXAT" | "PXAT" | "NX" | "XX" | "KEEPTTL" | "GET" | number;

export interface StringCommands<Text> {
  /** Appends; the length after. */
  append(key: Key, value: Value): Promise<number>;
  /** One less; the number after. */
  decr(key: Key): Promise<number>;
  /** Less by `decrement`; the number after. */
  decrby(key: Key, decrement: number | string): Promise<number>;
  /** The value, or null. */
  get(key: Key): Promise<Text | null>;
  /** The value, and deletes the key. */
  getdel(key: Key): Promise<Text | null>;
  /** The value, and sets or removes the key's expiry. */
  getex(key: Key, ...expiry: ("EX" | "PX" | "EXAT" | "PXAT" | "PERSIST" | number)[]): Promise<Text | null>;
  /** The bytes from `start` to `end`, both included, negative from the end. */
  getrange(key: Key, start: number, end: number): Promise<Text>;
  /** Sets the value, answers the one before. */
  getset(key: Key, value: Value): Promise<Text | null>;
  /** One more; the number after. */
  incr(key: Key): Promise<number>;
  /** More by `increment`; the number after. */
  incrby(key: Key, increment: number | string): Promise<number>;
  /** More by a fraction; the number after, as text. */
  incrbyfloat(key: Key, increment: number | string): Promise<Text>;
  /** The longest common subsequence of two values. */
  lcs(key1: Key, key2: Key): Promise<Text>;
  lcs(key1: Key, key2: Key, length: "LEN"): Promise<number>;
  lcs(key1: Key, key2: Key, ...options: Value[]): Promise<unknown>;
  /** The values in the order of the keys, null where there is none. */
  mget(...keys: Many<Key>): Promise<(Text | null)[]>;
  /** Sets several keys at once. */
  mset(pairs: Pairs): Promise<Ok<Text>>;
  mset(...keysAndValues: Many<Value>): Promise<Ok<Text>>;
  /** Sets several keys unless one of them exists; 1 or 0. */
  msetnx(pairs: Pairs): Promise<number>;
  msetnx(...keysAndValues: Many<Value>): Promise<number>;
  /** Sets the value, which expires after `milliseconds`. */
  psetex(key: Key, milliseconds: number, value: Value): Promise<Ok<Text>>;
  /** Sets the value; null where NX or XX forbade it, the value before with GET. */
  set(key: Key, value: Value): Promise<Ok<Text>>;
  set(key: Key, value: Value, ...options: SetOption[]): Promise<Text | null>;
  /** Sets the value, which expires after `seconds`. */
  setex(key: Key, seconds: number, value: Value): Promise<Ok<Text>>;
  /** Sets the value unless the key exists; 1 or 0. */
  setnx(key: Key, value: Value): Promise<number>;
  /** Overwrites from `offset` on; the length after. */
  setrange(key: Key, offset: number, value: Value): Promise<number>;
  /** Length in bytes; 0 where there is no key. */
  strlen(key: Key): Promise<number>;
  /** The old name of getrange. */
  substr(key: Key, start: number, end: number): Promise<Text>;
}

export interface BitmapCommands<Text> {
  /** How many bits are set, in the whole value or in a range of it. */
  bitcount(key: Key, start?: number, end?: number, unit?: "BYTE" | "BIT"): Promise<number>;
  /** Reads and changes integers of any width inside the value; null where OVERFLOW FAIL forbade one. */
  bitfield(key: Key, ...operations: Value[]): Promise<(number | null)[]>;
  /** `bitfield` with GET only. */
  bitfield_ro(key: Key, ...operations: Value[]): Promise<number[]>;
  /** Combines values into `destination`; its length. */
  bitop(operation: "AND" | "OR" | "XOR" | "NOT", destination: Key, ...keys: Many<Key>): Promise<number>;
  /** Where the first such bit is; -1 where there is none. */
  bitpos(key: Key, bit: 0 | 1, start?: number, end?: number, unit?: "BYTE" | "BIT"): Promise<number>;
  /** The bit at `offset`. */
  getbit(key: Key, offset: number): Promise<number>;
  /** Sets the bit at `offset`; the bit before. */
  setbit(key: Key, offset: number, bit: 0 | 1): Promise<number>;
  /** Counts an element; 1 where the estimate changed. */
  pfadd(key: Key, ...elements: Many<Value>): Promise<number>;
  /** About how many different elements the keys have counted. Rewrites the key's cached estimate: a write. */
  pfcount(...keys: Many<Key>): Promise<number>;
  /** Merges the sources into `destination`. */
  pfmerge(destination: Key, ...sources: Many<Key>): Promise<Ok<Text>>;
}
