// Hashes: fields and values under one key.

import type { Key, Many, Ok, Page, Pairs, Value } from "./values.ts";

export interface HashCommands<Text> {
  /** Deletes fields; how many there were. */
  hdel(key: Key, ...fields: Many<Value>): Promise<number>;
  /** Whether the field exists; 1 or 0. */
  hexists(key: Key, field: Value): Promise<number>;
  /** The field's value, or null. */
  hget(key: Key, field: Value): Promise<Text | null>;
  /** All fields and values as an object; empty where there is no key. */
  hgetall(key: Key): Promise<Record<string, Text>>;
  /** More by `increment`; the number after. */
  hincrby(key: Key, field: Value, increment: number | string): Promise<number>;
  /** More by a fraction; the number after, as text. */
  hincrbyfloat(key: Key, field: Value, increment: number | string): Promise<Text>;
  /** All fields. */
  hkeys(key: Key): Promise<Text[]>;
  /** How many fields. */
  hlen(key: Key): Promise<number>;
  /** The values in the order of the fields, null where there is none. */
  hmget(key: Key, ...fields: Many<Value>): Promise<(Text | null)[]>;
  /** Sets fields; the old name of `hset`. */
  hmset(key: Key, pairs: Pairs): Promise<Ok<Text>>;
  hmset(key: Key, ...fieldsAndValues: Many<Value>): Promise<Ok<Text>>;
  /** Any field, or `count` of them (negative: with repetition), with the values in turn where asked. */
  hrandfield(key: Key): Promise<Text | null>;
  hrandfield(key: Key, count: number, withValues?: "WITHVALUES"): Promise<Text[]>;
  /** A page of the hash: fields and values in turn. */
  hscan(key: Key, cursor: number | string, ...options: Value[]): Promise<Page<Text>>;
  /** Sets fields; how many are new. */
  hset(key: Key, pairs: Pairs): Promise<number>;
  hset(key: Key, ...fieldsAndValues: Many<Value>): Promise<number>;
  /** Sets the field unless it exists; 1 or 0. */
  hsetnx(key: Key, field: Value, value: Value): Promise<number>;
  /** Length of the field's value in bytes. */
  hstrlen(key: Key, field: Value): Promise<number>;
  /** All values. */
  hvals(key: Key): Promise<Text[]>;
}
