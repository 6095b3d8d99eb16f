// MD5 (RFC 1321) in plain JavaScript: functions have no cryptographic library. Broken as a signature; here it is work.

const BLOCK_BYTES = 64;
const ROUNDS = 64;

/** The T of section 3.4: the whole part of 2^32 times |sin(i)|, i from 1 in radians. */
const SINES = Int32Array.from({ length: ROUNDS }, (_, round) => Math.floor(Math.abs(Math.sin(round + 1)) * 2 ** 32));
/** How far each round rotates, four in turn for each 16 rounds (section 3.4). */
const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
];
const SHIFT_OF_ROUND = Int32Array.from({ length: ROUNDS }, (_, round) => SHIFTS[round >> 4]![round & 3]!);

/** The digest, 16 bytes. */
export function md5(message: Uint8Array): Uint8Array {
  const padded = new DataView(new ArrayBuffer(Math.ceil((message.length + 9) / BLOCK_BYTES) * BLOCK_BYTES));
  new Uint8Array(padded.buffer).set(message);
  padded.setUint8(message.length, 0x80);
  padded.setBigUint64(padded.byteLength - 8, BigInt(message.length) * 8n, true);

  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const words = new Int32Array(16);
  for (let block = 0; block < padded.byteLength; block += BLOCK_BYTES) {
    for (let word = 0; word < 16; word++) words[word] = padded.getInt32(block + word * 4, true);
    compress(state, words);
  }
  const digest = new DataView(new ArrayBuffer(16));
  state.forEach((word, index) => digest.setInt32(index * 4, word, true));
  return new Uint8Array(digest.buffer);
}

/** Mixes one block of 16 words into the state (section 3.4). */
function compress(state: Int32Array, words: Int32Array): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let round = 0; round < ROUNDS; round++) {
    let mixed: number;
    let word: number;
    if (round < 16) {
      mixed = d ^ (b & (c ^ d));
      word = round;
    } else if (round < 32) {
      mixed = c ^ (d & (b ^ c));
      word = 5 * round + 1;
    } else if (round < 48) {
      mixed = b ^ c ^ d;
      word = 3 * round + 5;
    } else {
      mixed = c ^ (b | ~d);
      word = 7 * round;
    }
    const sum = (a + mixed + SINES[round]! + words[word & 15]!) | 0;
    const shift = SHIFT_OF_ROUND[round]!;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}
