// The SHA-256 of a value, or, without a key, of 64 KiB that it makes itself: pure computing, which the benchmarks hold
// against the same algorithm in Lua.

import { defineFunction } from "locus/function";
import { sha256 } from "./digest/sha256.ts";

const GENERATED_BYTES = 64 * 1024;

export default defineFunction({
  name: "sha256",
  async run({ redis, keys: [key] }) {
    const value = key === undefined ? generated() : await redis.getBuffer(key);
    if (value === null) throw new Error(`there is no value under the key ${key}`);
    return { sha256: sha256(value).toHex(), bytes: value.length };
  },
});

/** The bytes 0, 1, … 255, again and again. */
const generated = (): Uint8Array => Uint8Array.from({ length: GENERATED_BYTES }, (_, index) => index);
