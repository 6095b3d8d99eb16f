// Commands on keys of any type, and the few that name no key.

import type { ExpireCondition, Key, Many, Ok, Page, Value } from "./values.ts";

export interface KeyCommands<Text> {
  /** Copies a value to another key of the same database; 1 or 0. */
  copy(source: Key, destination: Key, replace?: "REPLACE"): Promise<number>;
  /** Deletes; how many there were. */
  del(...keys: Many<Key>): Promise<number>;
  /** The value in Redis' own serialized form. */
  dump(key: Key): Promise<Text | null>;
  /** How many of the keys exist. */
  exists(...keys: Many<Key>): Promise<number>;
  /** Lets the key expire in `seconds`; 1 or 0. */
  expire(key: Key, seconds: number, condition?: ExpireCondition): Promise<number>;
  /** Lets the key expire at a Unix time in seconds; 1 or 0. */
  expireat(key: Key, unixSeconds: number, condition?: ExpireCondition): Promise<number>;
  /** Unix time in seconds at which the key expires; -1 never, -2 no key. */
  expiretime(key: Key): Promise<number>;
  /** All keys that match. Reads the whole database: prefer `scan`. Shows names that begin with `locus:` too. */
  keys(pattern: string | Uint8Array): Promise<Text[]>;
  /** How the value is kept, or null. */
  object(subcommand: "ENCODING", key: Key): Promise<Text | null>;
  object(subcommand: "FREQ" | "IDLETIME" | "REFCOUNT", key: Key): Promise<number | null>;
  /** Bytes that the key and its value take in memory, or null. */
  memory(subcommand: "USAGE", key: Key, ...samples: ["SAMPLES", number] | []): Promise<number | null>;
  /** Takes the expiry away; 1 or 0. */
  persist(key: Key): Promise<number>;
  /** Lets the key expire in `milliseconds`; 1 or 0. */
  pexpire(key: Key, milliseconds: number, condition?: ExpireCondition): Promise<number>;
  /** Lets the key expire at a Unix time in milliseconds; 1 or 0. */
  pexpireat(key: Key, unixMilliseconds: number, condition?: ExpireCondition): Promise<number>;
  /** Unix time in milliseconds at which the key expires; -1 never, -2 no key. */
  pexpiretime(key: Key): Promise<number>;
  /** Milliseconds that the key has left; -1 for ever, -2 no key. */
  pttl(key: Key): Promise<number>;
  /** Any key; null in an empty database. */
  randomkey(): Promise<Text | null>;
  /** Renames, over what is there. */
  rename(key: Key, newKey: Key): Promise<Ok<Text>>;
  /** Renames unless the new key exists; 1 or 0. */
  renamenx(key: Key, newKey: Key): Promise<number>;
  /** A page of the database's keys. */
  scan(cursor: number | string, ...options: Value[]): Promise<Page<Text>>;
  /** Sorts a list, set or sorted set; with STORE how many it stored. BY and GET take patterns that cannot name a `locus:` key. */
  sort(key: Key, ...options: Value[]): Promise<(Text | null)[] | number>;
  /** Sorts, without STORE. */
  sort_ro(key: Key, ...options: Value[]): Promise<(Text | null)[]>;
  /** Marks as used; how many exist. */
  touch(...keys: Many<Key>): Promise<number>;
  /** Seconds that the key has left; -1 for ever, -2 no key. */
  ttl(key: Key): Promise<number>;
  /** "string", "list", "set", "zset", "hash", "stream", or "none". */
  type(key: Key): Promise<Text>;
  /** Deletes, and frees the memory in the background; how many there were. */
  unlink(...keys: Many<Key>): Promise<number>;
}

export interface ServerCommands<Text> {
  /** How many keys the database has. */
  dbsize(): Promise<number>;
  /** The message itself. */
  echo(message: Value): Promise<Text>;
  /** "PONG", or the message. */
  ping(message?: Value): Promise<Text>;
  /** Sends to a channel's subscribers; how many there were. A channel that begins with `locus:` is refused. */
  publish(channel: string | Uint8Array, message: Value): Promise<number>;
  /** `publish` within a cluster's shard. */
  spublish(channel: string | Uint8Array, message: Value): Promise<number>;
  /** Redis' clock: Unix time in seconds, and the microseconds of that second. */
  time(): Promise<[seconds: Text, microseconds: Text]>;
}
