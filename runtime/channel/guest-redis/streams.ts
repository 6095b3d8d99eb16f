// Streams and consumer groups. Nothing here waits: BLOCK is refused.

import type { Key, Many, Ok, StreamEntry, Value } from "./values.ts";

export interface StreamCommands<Text> {
  /** Acknowledges entries; how many were pending. */
  xack(key: Key, group: Value, ...ids: Many<Value>): Promise<number>;
  /** Adds an entry ("*": Redis gives the id); its id, null with NOMKSTREAM where there is no stream. */
  xadd(key: Key, ...optionsIdAndFields: Many<Value>): Promise<Text | null>;
  /** Takes over entries idle for long: next cursor, entries, ids deleted meanwhile. */
  xautoclaim(
    key: Key,
    group: Value,
    consumer: Value,
    minIdleMs: number,
    start: Value,
    ...options: Value[]
  ): Promise<[cursor: Text, entries: StreamEntry<Text>[] | Text[], deleted: Text[]]>;
  /** Takes over these entries; the entries, or their ids with JUSTID. */
  xclaim(
    key: Key,
    group: Value,
    consumer: Value,
    minIdleMs: number,
    ...idsAndOptions: Many<Value>
  ): Promise<StreamEntry<Text>[] | Text[]>;
  /** Deletes entries; how many. */
  xdel(key: Key, ...ids: Many<Value>): Promise<number>;
  /** Makes, moves and removes consumer groups and consumers. */
  xgroup(subcommand: "CREATE" | "SETID", key: Key, group: Value, id: Value, ...options: Value[]): Promise<Ok<Text>>;
  xgroup(subcommand: "DESTROY", key: Key, group: Value): Promise<number>;
  xgroup(subcommand: "CREATECONSUMER" | "DELCONSUMER", key: Key, group: Value, consumer: Value): Promise<number>;
  /** What Redis knows about a stream, its groups, a group's consumers: names and values in turn. */
  xinfo(subcommand: "STREAM", key: Key, ...full: Value[]): Promise<unknown[]>;
  xinfo(subcommand: "GROUPS", key: Key): Promise<unknown[][]>;
  xinfo(subcommand: "CONSUMERS", key: Key, group: Value): Promise<unknown[][]>;
  /** How many entries. */
  xlen(key: Key): Promise<number>;
  /** A group's pending entries: a summary, or with a range each one. */
  xpending(
    key: Key,
    group: Value,
  ): Promise<[count: number, first: Text | null, last: Text | null, consumers: [Text, Text][] | null]>;
  xpending(
    key: Key,
    group: Value,
    ...range: Value[]
  ): Promise<[id: Text, consumer: Text, idleMs: number, deliveries: number][]>;
  /** The entries from `start` to `end`, both included ("-", "+": all). */
  xrange(key: Key, start: Value, end: Value, ...count: ["COUNT", number] | []): Promise<StreamEntry<Text>[]>;
  /** `xrange` from the end down. */
  xrevrange(key: Key, end: Value, start: Value, ...count: ["COUNT", number] | []): Promise<StreamEntry<Text>[]>;
  /** Entries after the given ids: `xread("STREAMS", key, id)`; null where there are none. */
  xread(...optionsStreamsAndIds: Many<Value>): Promise<[key: Text, entries: StreamEntry<Text>[]][] | null>;
  /** Entries for a consumer of a group: `xreadgroup("GROUP", group, consumer, "STREAMS", key, ">")`. */
  xreadgroup(
    ...optionsStreamsAndIds: Many<Value>
  ): Promise<[key: Text, entries: [id: Text, fields: Text[] | null][]][] | null>;
  /** Sets the stream's last id. */
  xsetid(key: Key, lastId: Value, ...options: Value[]): Promise<Ok<Text>>;
  /** Removes the oldest entries; how many. */
  xtrim(key: Key, strategy: "MAXLEN" | "MINID", ...options: Value[]): Promise<number>;
}
