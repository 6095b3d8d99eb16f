// Counts the primes below a number with the sieve of Eratosthenes: pure computing over a byte array, which the benchmarks
// hold against the same algorithm in Lua.

import { defineFunction } from "locus/function";

export default defineFunction({
  name: "sieve",
  input: { type: ["object", "null"], properties: { below: { type: "integer", minimum: 0, maximum: 10_000_000 } } },
  run({ args }) {
    const below = args?.below ?? 1_000_000;
    const isComposite = new Uint8Array(below);
    let primes = 0;
    for (let number = 2; number < below; number++) {
      if (isComposite[number] === 1) continue;
      primes++;
      for (let multiple = number * number; multiple < below; multiple += number) isComposite[multiple] = 1;
    }
    return { primes };
  },
});
