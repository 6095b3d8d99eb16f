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

/** More at once than this, and what is drawn by multiplying is too small for a double. */
const POISSON_MEAN_MAX = 500;

/** How many come of whom so many do in the middle, and who know nothing of each other: by multiplication of what is drawn (Knuth, TAOCP 3.4.1). Takes as many draws. */
export function poisson(mean: number, random: () => number): number {
  if (mean > POISSON_MEAN_MAX) return poisson(mean / 2, random) + poisson(mean / 2, random);
  const least = Math.exp(-mean);
  let count = 0;
  for (let left = random(); left > least; left *= random()) count++;
  return count;
}

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
