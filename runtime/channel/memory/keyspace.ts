// The data behind the memory channel: one database of typed values under keys that may expire.

import { ReplyError } from "../reply-value.ts";
import type { Bytes } from "./reply-writing.ts";

/** The types of values, by Redis' own names. */
export interface StoredTypes {
  string: { bytes: Bytes };
  hash: Map<Bytes, Bytes>;
  list: Bytes[];
  set: Set<Bytes>;
  /** Members and their scores. */
  zset: Map<Bytes, number>;
}

export type TypeName = keyof StoredTypes;
export type Stored = { [Type in TypeName]: { readonly type: Type; readonly value: StoredTypes[Type] } }[TypeName];

interface Entry {
  readonly stored: Stored;
  /** Unix time, ms; Infinity for what never expires. */
  expiresAtMs: number;
}

const sizeOf = ({ type, value }: Stored): number => {
  if (type === "string") return 1;
  return type === "list" ? value.length : value.size;
};

export class Keyspace {
  readonly #entries = new Map<Bytes, Entry>();
  readonly #nowMs: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;

  /** `nowMs`: Unix time, ms. */
  constructor(nowMs: () => number, random: () => number) {
    this.#nowMs = nowMs;
    this.random = random;
  }

  get nowMs(): number {
    return this.#nowMs();
  }

  /** Those that have not expired. */
  get keys(): readonly Bytes[] {
    return [...this.#entries.keys()].filter((key) => this.has(key));
  }

  has(key: Bytes): boolean {
    return this.entry(key) !== undefined;
  }

  /** What is under the key, whatever its type. */
  entry(key: Bytes): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAtMs > this.nowMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** The value of that type; undefined where there is no key. Throws WRONGTYPE where the type is another. */
  read<Type extends TypeName>(key: Bytes, type: Type): StoredTypes[Type] | undefined {
    const stored = this.entry(key)?.stored;
    if (stored === undefined) return undefined;
    if (stored.type !== type) {
      throw new ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value");
    }
    return stored.value as StoredTypes[Type];
  }

  /**
   * Changes the value of that type in place, a new one from `empty` where there is no key. What is empty afterwards is
   * gone, as in Redis. The expiry stays.
   */
  change<Type extends TypeName, Result>(
    key: Bytes,
    type: Type,
    empty: StoredTypes[Type],
    change: (value: StoredTypes[Type]) => Result,
  ): Result {
    const value = this.read(key, type) ?? empty;
    const result = change(value);
    this.put(key, { type, value } as Stored, this.entry(key)?.expiresAtMs);
    return result;
  }

  /** Puts a value under the key, over whatever is there. */
  put(key: Bytes, stored: Stored, expiresAtMs = Infinity): void {
    if (sizeOf(stored) === 0) this.#entries.delete(key);
    else this.#entries.set(key, { stored, expiresAtMs });
  }

  /** Whether there was such a key. */
  delete(key: Bytes): boolean {
    return this.has(key) && this.#entries.delete(key);
  }
}
