// A load whose demand moves among functions: in each stage one is hot, one is called now and then, one has bursts and one rests, and in the next
// stage each is something else. Calls come at random and differ in how long they work, whatever became of those before.

import { seededRandom } from "#runtime/seeded-random.ts";

export interface Arrival {
  readonly atMs: number;
  /** From 0. */
  readonly of: number;
  readonly cpuMs: number;
}

interface Mode {
  readonly name: string;
  /** Poisson. */
  readonly perSecond: number;
  readonly callsAtOnce: readonly [least: number, most: number];
}

/** With 5 ms a call: 60 % of half a core, 16 %, 15 %, nothing. */
const MODES: readonly Mode[] = [
  { name: "hot", perSecond: 60, callsAtOnce: [1, 1] },
  { name: "now and then", perSecond: 16, callsAtOnce: [1, 1] },
  { name: "bursts", perSecond: 1.5, callsAtOnce: [6, 14] },
  { name: "at rest", perSecond: 0, callsAtOnce: [0, 0] },
];
export const FUNCTIONS = MODES.length;
/** Exponential, within bounds. */
const CPU_MS_MEAN = 5;
const CPU_MS_MIN = 0.5;
const CPU_MS_MAX = 40;

/** In the order of their times. */
export function arrivalsOf(seed: number, stages: number, stageMs: number): readonly Arrival[] {
  const random = seededRandom(seed);
  const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
  const arrivals: Arrival[] = [];
  let shift = 0;
  for (let stage = 0; stage < stages; stage++) {
    // Each function is something else than in the stage before.
    shift = (shift + 1 + Math.floor(random() * (FUNCTIONS - 1))) % FUNCTIONS;
    for (const [index, { perSecond, callsAtOnce }] of MODES.entries()) {
      if (perSecond === 0) continue;
      const of = (index + shift) % FUNCTIONS;
      for (let atMs = exponential(1e3 / perSecond); atMs < stageMs; atMs += exponential(1e3 / perSecond)) {
        const [least, most] = callsAtOnce;
        const calls = least + Math.floor(random() * (most - least + 1));
        for (let call = 0; call < calls; call++) {
          const cpuMs = Math.min(CPU_MS_MAX, Math.max(CPU_MS_MIN, exponential(CPU_MS_MEAN)));
          arrivals.push({ atMs: stage * stageMs + atMs, of, cpuMs });
        }
      }
    }
  }
  return arrivals.toSorted((one, other) => one.atMs - other.atMs);
}

export const loadConfig = { modes: MODES, cpuMs: { mean: CPU_MS_MEAN, min: CPU_MS_MIN, max: CPU_MS_MAX } };
