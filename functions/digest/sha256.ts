// SHA-256 (FIPS 180-4) in plain JavaScript: functions have no cryptographic library. `compress` stands apart because PBKDF2
// spends its time there, on states and blocks of its own.

/** Bytes of a block: what one `compress` takes in. */
export const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** One constant for each round (section 4.2.2). */
const ROUND_CONSTANTS = Int32Array.from([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);

/** The state before the first block (section 5.3.3). */
export const newState = (): Int32Array =>
  Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);

/** The message schedule of one block: its 16 words, then room for those that `compress` derives. */
export const newSchedule = (): Int32Array => new Int32Array(ROUNDS);

/** The digest, 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const state = newState();
  absorbEnd(state, message, message.length);
  return toBytes(state);
}

/**
 * Takes the end of a message into a state, padded (section 5.1.1). `messageBytes` is the length of the whole message,
 * of which blocks may have gone into the state before.
 */
export function absorbEnd(state: Int32Array, end: Uint8Array, messageBytes: number): void {
  const padded = new DataView(new ArrayBuffer(Math.ceil((end.length + 9) / BLOCK_BYTES) * BLOCK_BYTES));
  new Uint8Array(padded.buffer).set(end);
  padded.setUint8(end.length, 0x80);
  padded.setBigUint64(padded.byteLength - 8, BigInt(messageBytes) * 8n);

  const schedule = newSchedule();
  for (let block = 0; block < padded.byteLength; block += BLOCK_BYTES) {
    for (let word = 0; word < 16; word++) schedule[word] = padded.getInt32(block + word * 4);
    compress(state, schedule);
  }
}

/** Mixes one block into the state (section 6.2.2); overwrites the schedule beyond the block's 16 words. */
export function compress(state: Int32Array, schedule: Int32Array): void {
  for (let t = 16; t < ROUNDS; t++) {
    const w2 = schedule[t - 2]!;
    const w15 = schedule[t - 15]!;
    const sigma1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    const sigma0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    schedule[t] = sigma1 + schedule[t - 7]! + sigma0 + schedule[t - 16]!;
  }
  // Eight variables, and element by element: V8 keeps these in registers, and is a third slower with destructuring.
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let t = 0; t < ROUNDS; t++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = g ^ (e & (f ^ g));
    const t1 = (h + sum1 + choice + ROUND_CONSTANTS[t]! + schedule[t]!) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (c & (a ^ b));
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + sum0 + majority) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

const rotate = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));

/** A state's words as bytes, the most significant first. */
export function toBytes(state: Int32Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(state.length * 4));
  state.forEach((word, index) => bytes.setInt32(index * 4, word));
  return new Uint8Array(bytes.buffer);
}
