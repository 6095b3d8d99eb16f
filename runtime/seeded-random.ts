// Numbers that look random and depend on the seed alone, on every machine: what the loaders generate must be the same
// wherever it is generated.

/**
 * xoshiro128** (Blackman and Vigna, 2021), its state filled from the seed by splitmix32. The result gives numbers from 0
 * (included) to 1 (excluded), of 32 bits.
 */
export function seededRandom(seed: number): () => number {
  let mixed = seed | 0;
  const splitmix32 = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let bits = mixed ^ (mixed >>> 16);
    bits = Math.imul(bits, 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return bits ^ (bits >>> 15);
  };
  let [a, b, c, d] = [splitmix32(), splitmix32(), splitmix32(), splitmix32()];

  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return (result >>> 0) / 2 ** 32;
  };
}

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
