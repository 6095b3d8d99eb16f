// PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2, RFC 2104) in plain JavaScript: a password hash that is slow on purpose.

import { absorbEnd, BLOCK_BYTES, compress, newSchedule, newState, sha256, toBytes } from "./sha256.ts";

const DIGEST_BYTES = 32;

/** Derives 32 bytes: the first block of the RFC's output. Costs two `compress` per iteration. */
export function pbkdf2(password: Uint8Array, salt: Uint8Array, iterations: number): Uint8Array {
  const inner = keyedState(password, 0x36);
  const outer = keyedState(password, 0x5c);
  // Every message but the first is a digest: 8 words, and behind them the padding of 64 + 32 bytes, which stays in place.
  const schedule = newSchedule();
  schedule[8] = 0x80000000;
  schedule[15] = (BLOCK_BYTES + DIGEST_BYTES) * 8;
  const digest = inner.slice();
  const rehash = (key: Int32Array): void => {
    schedule.set(digest);
    digest.set(key);
    compress(digest, schedule);
  };

  absorbEnd(digest, Uint8Array.of(...salt, 0, 0, 0, 1), BLOCK_BYTES + salt.length + 4);
  rehash(outer);
  const derived = digest.slice();
  for (let iteration = 1; iteration < iterations; iteration++) {
    rehash(inner);
    rehash(outer);
    for (let word = 0; word < derived.length; word++) derived[word]! ^= digest[word]!;
  }
  return toBytes(derived);
}

/** The state after HMAC's key block, from which each of its digests goes on (RFC 2104). */
function keyedState(password: Uint8Array, pad: number): Int32Array {
  const key = password.length > BLOCK_BYTES ? sha256(password) : password;
  const block = new DataView(new ArrayBuffer(BLOCK_BYTES));
  for (let byte = 0; byte < BLOCK_BYTES; byte++) block.setUint8(byte, (key[byte] ?? 0) ^ pad);

  const schedule = newSchedule();
  for (let word = 0; word < 16; word++) schedule[word] = block.getInt32(word * 4);
  const state = newState();
  compress(state, schedule);
  return state;
}
