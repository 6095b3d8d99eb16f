import { expect, test } from "vitest";
import { call } from "#runtime/function/memory-call.ts";
import sieve from "./sieve.ts";

test.for([
  [0, 0],
  [2, 0],
  [3, 1],
  [100, 25],
  [10_000, 1_229],
] as const)("below %i there are %i primes", async ([below, primes]) => {
  expect(await call(sieve, { below })).toEqual({ primes });
});

test("sieves to a million unless told otherwise", async () => {
  expect(await call(sieve, null)).toEqual({ primes: 78_498 });
});
