// The load of the 2020 contest, made anew from what was published of it: 73,300 calls in twenty minutes; every 200 to 800 ms one function
// fires several at once, and some functions do so only in a part of the run. Functions greet, compute, fill memory or sleep; they are
// dense, sparse or periodic. Seeded.

import { seededRandom } from "#runtime/seeded-random.ts";

interface Function2020 {
  readonly key: string;
  readonly kind: "hello" | "cpu" | "memory" | "sleep";
  readonly memoryMb: number;
  /** What an instance really uses. */
  readonly usedMb: number;
  /** CPU time ÷ execution time, on a node that has it. */
  readonly cpus: number;
  readonly executionMs: number;
  readonly pattern: "dense" | "sparse" | "periodic";
  /** Of the run. */
  readonly activeFrom: number;
  readonly activeTo: number;
}

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

const of = (
  key: string,
  kind: Function2020["kind"],
  memoryMb: number,
  usedMb: number,
  cpus: number,
  executionMs: number,
  pattern: Function2020["pattern"],
  activeFrom = 0,
  activeTo = 1,
): Function2020 => ({ key, kind, memoryMb, usedMb, cpus, executionMs, pattern, activeFrom, activeTo });

/** Memory and CPU of hello world, compute and sleep are as measured of the contest's `dev_function`s; how many there are of each is chosen. */
const FUNCTIONS: readonly Function2020[] = [
  of("function_1", "hello", 512, 4.8, 0.02, 1, "dense"),
  of("function_2", "hello", 128, 4.8, 0.02, 1, "sparse"),
  of("function_3", "hello", 256, 4.8, 0.02, 2, "periodic"),
  of("function_4", "cpu", 512, 4.5, 0.33, 80, "dense"),
  of("function_5", "cpu", 256, 4.5, 0.16, 200, "sparse", 0.3, 0.8),
  of("function_6", "cpu", 512, 4.3, 0.33, 600, "periodic"),
  of("function_7", "memory", 512, 180, 0.1, 120, "dense", 0, 0.6),
  of("function_8", "memory", 1_024, 400, 0.2, 300, "sparse", 0.5, 1),
  of("function_9", "sleep", 128, 5.2, 0.01, 50, "dense"),
  of("function_10", "sleep", 256, 5.2, 0.01, 1_000, "sparse", 0.2, 0.9),
];

export function load2020(seed: number): Load2020 {
  const random = seededRandom(seed);
  const roundMs: number[] = [];
  for (let atMs = 0; atMs < RUN_MS; atMs += ROUND_MS.min + random() * (ROUND_MS.max - ROUND_MS.min)) roundMs.push(atMs);
  const calls: { readonly atMs: number; readonly index: number; readonly durationMs: number }[] = [];
  for (const [round, atMs] of roundMs.entries()) {
    const index = firing(atMs, random);
    // As many as make the whole come out, half of it to half more.
    const left = (CALLS - calls.length) / (roundMs.length - round);
    const together = round === roundMs.length - 1 ? CALLS - calls.length : Math.round(left * (0.5 + random()));
    for (let call = 0; call < together; call++) {
      const durationMs = FUNCTIONS[index]!.executionMs * (1 + SPREAD * (2 * random() - 1));
      calls.push({ atMs: atMs + random(), index, durationMs });
    }
  }
  calls.sort((a, b) => a.atMs - b.atMs);
  return {
    functions: FUNCTIONS,
    functionOf: Int32Array.from(calls, ({ index }) => index),
    startMs: Float64Array.from(calls, ({ atMs }) => atMs),
    durationMs: Float64Array.from(calls, ({ durationMs }) => durationMs),
  };
}

/** A periodic function that is due, else one of those that are active, dense ones more often. */
function firing(atMs: number, random: () => number): number {
  const phase = atMs % PERIOD_MS;
  const weights = FUNCTIONS.map(({ pattern, activeFrom, activeTo }): number => {
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
