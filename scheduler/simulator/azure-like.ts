// Synthetic traces with the published statistics of Azure Functions (Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, sections 3.2
// to 3.5). Seeded: the same seed gives the same trace on every machine.
//
// Taken from there: 45 % of applications are called once an hour or less and 81 % once a minute or less (here a log-normal rate through
// both points); 15.6 % of functions are on timers, and as many of the rest as a fifth are as regular; two fifths have gaps whose
// coefficient of variation is above 1, the others are Poisson, with a day's rhythm; mean execution times are log-normal (log mean −0.38, σ 2.36, in s),
// memory is Burr (c 11.652, k 0.221, λ 107.083, in MB). Not in the paper, and taken from the 2023 contest's metas: what a start takes,
// log-normal with a median of 325 ms and a 90th percentile of 4,495 ms.

import { seededRandom } from "#runtime/seeded-random.ts";
import type { Trace, TraceFunction } from "./trace.ts";

export interface AzureLikeOptions {
  readonly seed: number;
  readonly functions: number;
  readonly hours: number;
  /** Busier functions are called that often: they are few, and would be nearly all calls. */
  readonly callsPerHourMax: number;
}

const HOUR_MS = 3_600e3;
const DAY_MS = 24 * HOUR_MS;
/** Of log10 of calls a day. */
const RATE = { mean: 1.603, sigma: 1.772 };
const TIMERS = 0.156;
const REGULAR = 0.2;
const BURSTY = 0.4;
/** What timers are set to, in minutes. Chosen. */
const PERIODS_MINUTES = [1, 5, 10, 15, 30, 60, 120, 360, 720, 1_440];
/** A timer's jitter. Chosen: what is seen of timers that a queue stands behind. */
const JITTER_MS = 50;
const EXECUTION = { mean: -0.38, sigma: 2.36, maxSeconds: 600 };
/** Of one function's calls around its mean. Chosen. */
const CALL_SIGMA = 0.4;
const MEMORY = { c: 11.652, k: 0.221, scaleMb: 107.083, minMb: 64, maxMb: 4_096 };
const START = { medianMs: 325, sigma: 2.05, maxMs: 60_000 };
/** A burst's calls: 1 + geometric of this mean, so far apart. Chosen. */
const BURST = { mean: 6, gapMs: 400 };
const CALLS_MAX = 20_000_000;

type Pattern = "timer" | "regular" | "bursty" | "poisson";

export function azureLikeTrace({ seed, functions: count, hours, callsPerHourMax }: AzureLikeOptions): Trace {
  const random = new Draws(seededRandom(seed));
  const endMs = hours * HOUR_MS;
  const functions: TraceFunction[] = [];
  const calls: { readonly atMs: number; readonly index: number; readonly durationMs: number }[] = [];
  for (let index = 0; index < count; index++) {
    const executionMs = Math.min(EXECUTION.maxSeconds, random.logNormal(EXECUTION.mean, EXECUTION.sigma)) * 1e3;
    functions.push({
      key: `f${index}`,
      runtime: "custom",
      memoryMb: Math.round(
        Math.min(MEMORY.maxMb, Math.max(MEMORY.minMb, random.burr(MEMORY.c, MEMORY.k) * MEMORY.scaleMb)),
      ),
      initMs: Math.round(Math.min(START.maxMs, random.logNormal(Math.log(START.medianMs), START.sigma))),
      timeoutMs: EXECUTION.maxSeconds * 1e3,
    });
    const perDay = Math.min(10 ** (RATE.mean + RATE.sigma * random.normal()), callsPerHourMax * 24);
    for (const atMs of arrivals(patternOf(random), DAY_MS / perDay, endMs, random)) {
      if (calls.length >= CALLS_MAX) break;
      calls.push({ atMs, index, durationMs: Math.max(1, Math.round(executionMs * random.logNormal(0, CALL_SIGMA))) });
    }
  }
  calls.sort((a, b) => a.atMs - b.atMs || a.index - b.index);
  return {
    name: `azure-like-${seed}`,
    functions,
    functionOf: Int32Array.from(calls, (call) => call.index),
    epochMs: 0,
    startMs: Float64Array.from(calls, (call) => call.atMs),
    durationMs: Float64Array.from(calls, (call) => call.durationMs),
    statusCode: new Uint16Array(calls.length).fill(200),
  };
}

const patternOf = (random: Draws): Pattern => {
  if (random.uniform() < TIMERS) return "timer";
  const draw = random.uniform();
  return draw < REGULAR ? "regular" : draw < REGULAR + BURSTY ? "bursty" : "poisson";
};

function* arrivals(pattern: Pattern, meanMs: number, endMs: number, random: Draws): Generator<number, void> {
  const phaseMs = random.uniform() * DAY_MS;
  switch (pattern) {
    case "timer": {
      const periods = PERIODS_MINUTES.map((minutes) => minutes * 60e3);
      const periodMs = periods.find((period) => period >= meanMs) ?? DAY_MS;
      return yield* regular(periodMs, JITTER_MS, endMs, random);
    }
    case "regular":
      return yield* regular(meanMs, meanMs * 0.02, endMs, random);
    case "bursty":
      return yield* bursts(meanMs * BURST.mean, endMs, random);
    case "poisson":
      return yield* poisson(meanMs, phaseMs, endMs, random);
    default:
      return pattern satisfies never;
  }
}

function* regular(periodMs: number, jitterMs: number, endMs: number, random: Draws): Generator<number> {
  for (let dueMs = random.uniform() * periodMs; dueMs < endMs; dueMs += periodMs) {
    const atMs = Math.round(dueMs + Math.abs(random.normal()) * jitterMs);
    if (atMs < endMs) yield atMs;
  }
}

function* bursts(meanMs: number, endMs: number, random: Draws): Generator<number> {
  for (let atMs = random.exponential(meanMs); atMs < endMs; atMs += random.exponential(meanMs)) {
    let inBurstMs = atMs;
    do {
      yield Math.round(inBurstMs);
      inBurstMs += random.exponential(BURST.gapMs);
    } while (inBurstMs < endMs && random.uniform() > 1 / BURST.mean);
  }
}

/** By thinning: at night half of what it is on the mean, at noon half more. */
function* poisson(meanMs: number, phaseMs: number, endMs: number, random: Draws): Generator<number> {
  for (let atMs = random.exponential(meanMs / 1.5); atMs < endMs; atMs += random.exponential(meanMs / 1.5)) {
    const rhythm = 1 + 0.5 * Math.sin(((atMs + phaseMs) / DAY_MS) * 2 * Math.PI);
    if (random.uniform() < rhythm / 1.5) yield Math.round(atMs);
  }
}

/** Numbers of the distributions that are needed, from uniform ones. */
class Draws {
  readonly uniform: () => number;

  constructor(uniform: () => number) {
    this.uniform = uniform;
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  /** Box and Muller (1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  logNormal(mean: number, sigma: number): number {
    return Math.exp(mean + sigma * this.normal());
  }

  /** Burr of type XII, by its inverse. */
  burr(c: number, k: number): number {
    return ((1 - this.uniform()) ** (-1 / k) - 1) ** (1 / c);
  }
}
