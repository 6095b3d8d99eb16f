// Lists and sets.

import type { Key, Many, Ok, Page, Value } from "./values.ts";

type End = "LEFT" | "RIGHT";

export interface ListCommands<Text> {
  /** The element at `index`, negative from the end, or null. */
  lindex(key: Key, index: number): Promise<Text | null>;
  /** Inserts beside `pivot`; the length after, -1 where there is no pivot. */
  linsert(key: Key, where: "BEFORE" | "AFTER", pivot: Value, element: Value): Promise<number>;
  /** Length. */
  llen(key: Key): Promise<number>;
  /** Moves one element between the ends of two lists; the element, or null. */
  lmove(source: Key, destination: Key, from: End, to: End): Promise<Text | null>;
  /** Pops from the first list that has elements: its key and the elements, or null. */
  lmpop(numkeys: number, ...keysAndOptions: Many<Value>): Promise<[key: Text, elements: Text[]] | null>;
  /** Pops from the head: one element, or up to `count`. */
  lpop(key: Key): Promise<Text | null>;
  lpop(key: Key, count: number): Promise<Text[] | null>;
  /** Where the element is, or null; a list of places with COUNT. */
  lpos(key: Key, element: Value): Promise<number | null>;
  lpos(key: Key, element: Value, ...options: Value[]): Promise<number | number[] | null>;
  /** Pushes to the head; the length after. */
  lpush(key: Key, ...elements: Many<Value>): Promise<number>;
  /** Pushes to the head of a list that exists; the length after. */
  lpushx(key: Key, ...elements: Many<Value>): Promise<number>;
  /** The elements from `start` to `stop`, both included, negative from the end. */
  lrange(key: Key, start: number, stop: number): Promise<Text[]>;
  /** Removes up to `count` such elements (0: all; negative: from the tail); how many. */
  lrem(key: Key, count: number, element: Value): Promise<number>;
  /** Sets the element at `index`. */
  lset(key: Key, index: number, element: Value): Promise<Ok<Text>>;
  /** Keeps the elements from `start` to `stop` only. */
  ltrim(key: Key, start: number, stop: number): Promise<Ok<Text>>;
  /** Pops from the tail: one element, or up to `count`. */
  rpop(key: Key): Promise<Text | null>;
  rpop(key: Key, count: number): Promise<Text[] | null>;
  /** The old name of `lmove(source, destination, "RIGHT", "LEFT")`. */
  rpoplpush(source: Key, destination: Key): Promise<Text | null>;
  /** Pushes to the tail; the length after. */
  rpush(key: Key, ...elements: Many<Value>): Promise<number>;
  /** Pushes to the tail of a list that exists; the length after. */
  rpushx(key: Key, ...elements: Many<Value>): Promise<number>;
}

export interface SetCommands<Text> {
  /** Adds members; how many are new. */
  sadd(key: Key, ...members: Many<Value>): Promise<number>;
  /** How many members. */
  scard(key: Key): Promise<number>;
  /** Members of the first set that no other has. */
  sdiff(...keys: Many<Key>): Promise<Text[]>;
  /** Stores `sdiff`; how many members. */
  sdiffstore(destination: Key, ...keys: Many<Key>): Promise<number>;
  /** Members that all the sets have. */
  sinter(...keys: Many<Key>): Promise<Text[]>;
  /** How many members `sinter` has, counted up to LIMIT. */
  sintercard(numkeys: number, ...keysAndOptions: Many<Value>): Promise<number>;
  /** Stores `sinter`; how many members. */
  sinterstore(destination: Key, ...keys: Many<Key>): Promise<number>;
  /** Whether it is a member; 1 or 0. */
  sismember(key: Key, member: Value): Promise<number>;
  /** All members. */
  smembers(key: Key): Promise<Text[]>;
  /** Whether each is a member; 1 or 0 each. */
  smismember(key: Key, ...members: Many<Value>): Promise<number[]>;
  /** Moves a member from one set to another; 1 or 0. */
  smove(source: Key, destination: Key, member: Value): Promise<number>;
  /** Takes any member out, or up to `count`. */
  spop(key: Key): Promise<Text | null>;
  spop(key: Key, count: number): Promise<Text[]>;
  /** Any member, or `count` of them (negative: with repetition). */
  srandmember(key: Key): Promise<Text | null>;
  srandmember(key: Key, count: number): Promise<Text[]>;
  /** Removes members; how many there were. */
  srem(key: Key, ...members: Many<Value>): Promise<number>;
  /** A page of the set. */
  sscan(key: Key, cursor: number | string, ...options: Value[]): Promise<Page<Text>>;
  /** Members that any of the sets has. */
  sunion(...keys: Many<Key>): Promise<Text[]>;
  /** Stores `sunion`; how many members. */
  sunionstore(destination: Key, ...keys: Many<Key>): Promise<number>;
}
