// The load of the 2020 contest, made anew from what was published of it: 73,300 calls in twenty minutes; every 200 to 800 ms one function
// fires several at once, and some functions do so only in a part of the run (functions-2020.ts). Seeded.

import { seededRandom } from "#runtime/seeded-random.ts";
import { FUNCTIONS_2020, type Function2020 } from "./functions-2020.ts";

export interface Load2020 {
  readonly functions: readonly Function2020[];
  readonly functionOf: Int32Array;
  readonly startMs: Float64Array;
  readonly durationMs: Float64Array;
}

const CALLS = 73_300;
const RUN_MS = 20 * 60e3;
const ROUND_MS = { min: 200, max: 800 };
/** Dense functions fire in so many rounds for one of sparse ones. Chosen. */
const DENSE_WEIGHT = 6;
/** Of one function's executions around their mean. Chosen: nearly constant, as was published of most. */
const SPREAD = 0.1;
const PERIOD_MS = 30_000;

/** `functions`: one that is not periodic is active at any time. */
export function load2020(seed: number, functions = FUNCTIONS_2020): Load2020 {
  const random = seededRandom(seed);
  const roundMs: number[] = [];
  for (let atMs = 0; atMs < RUN_MS; atMs += ROUND_MS.min + random() * (ROUND_MS.max - ROUND_MS.min)) roundMs.push(atMs);
  const calls: { readonly atMs: number; readonly index: number; readonly durationMs: number }[] = [];
  for (const [round, atMs] of roundMs.entries()) {
    const index = firing(functions, atMs, random);
    // As many as make the whole come out, half of it to half more.
    const left = (CALLS - calls.length) / (roundMs.length - round);
    const together = round === roundMs.length - 1 ? CALLS - calls.length : Math.round(left * (0.5 + random()));
    for (let call = 0; call < together; call++) {
      const durationMs = functions[index]!.executionMs * (1 + SPREAD * (2 * random() - 1));
      calls.push({ atMs: atMs + random(), index, durationMs });
    }
  }
  calls.sort((a, b) => a.atMs - b.atMs);
  return {
    functions,
    functionOf: Int32Array.from(calls, ({ index }) => index),
    startMs: Float64Array.from(calls, ({ atMs }) => atMs),
    durationMs: Float64Array.from(calls, ({ durationMs }) => durationMs),
  };
}

/** A periodic function that is due, else one of those that are active, dense ones more often. */
function firing(functions: readonly Function2020[], atMs: number, random: () => number): number {
  const phase = atMs % PERIOD_MS;
  const weights = functions.map(({ pattern, activeFrom, activeTo }): number => {
    const isActive = atMs >= activeFrom * RUN_MS && atMs < activeTo * RUN_MS;
    if (!isActive) return 0;
    if (pattern === "periodic") return phase < ROUND_MS.max ? 100 : 0;
    return pattern === "dense" ? DENSE_WEIGHT : 1;
  });
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  return Math.max(
    0,
    weights.findIndex((weight) => (left -= weight) < 0),
  );
}
