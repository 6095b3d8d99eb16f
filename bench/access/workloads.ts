// The pieces of work that `access` gives to all peers alike, and what each must come to.

import type { ChainArgs } from "./chain-gets.ts";
import type { FanoutArgs } from "./fanout-gets.ts";
import { keyOf, ringEnd, VALUE_BYTES } from "./values.ts";

/** GETs of a turn in a fan-out. */
export const FANOUT_WIDTH = 100;

/** Computing alone: primes below a number. */
export const SIEVE = { below: 1_000_000, primes: 78_498 };

/** The same: of the bytes 0 … 255, again and again, 64 KiB, as `sha256` answers. */
export const GENERATED_DIGEST = {
  sha256: "7daca2095d0438260fa849183dfc67faa459fdf4936e1bc91eec6b281b27e4c2",
  bytes: 64 * 1024,
};

export interface Workload<Args> {
  readonly args: Args;
  readonly keys: readonly string[];
  /** GETs of one call. */
  readonly reads: number;
  /** What every peer must answer. */
  readonly expected: unknown;
}

export const chainOf = (reads: number, seed: number): Workload<ChainArgs> => ({
  args: { first: keyOf(0), reads },
  keys: [],
  reads,
  expected: ringEnd(seed, reads),
});

/** `reads`: a multiple of FANOUT_WIDTH. */
export const fanoutOf = (reads: number): Workload<FanoutArgs> => ({
  args: { turns: reads / FANOUT_WIDTH },
  keys: Array.from({ length: FANOUT_WIDTH }, (_, index) => keyOf(index)),
  reads,
  expected: reads * VALUE_BYTES,
});
