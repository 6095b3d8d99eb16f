// What a function computes on a side once it runs there in earnest. V8 compiles what runs often: of the functions that placement is measured with the
// first calls took 2 to 20 times the CPU time of those after a hundred, and whoever only visits a side finds its caches as others left them: 20 µs of
// computing were 60 to 130 µs in one call of a hundred that ran there. A side that is new, or visited, would look the dearer one for that alone, and stay so, since nobody
// goes where it is dearer.

import { TERM_AT, type Tally } from "./tally.ts";

/** After so many calls of a side, or so much computing, what it runs is compiled. Measured: two isolates of a side were within a tenth of their best then. */
export const WARM_CALLS = 128;
const WARM_CPU_US = 200_000;
/** Until then what is known is forgotten each time that calls or computing have doubled, from so much on: it was of slower code. */
const CALLS_FIRST = 16;
const CPU_US_FIRST = 25_000;
/** A side with this part of a function's calls, or more, is one where it runs; with less than the other one it is only visited. Chosen: half of them, and room for noise. */
const PART_RUN = 0.4;
const PART_VISITED = 0.25;
/** Finding caches cold is no great part of a call that computes for so long. Chosen: ten times what was seen. */
const LONG_CALL_US = 500;

/** How far the code of a function has come on one side, from when its version was called first. */
export class WarmUp {
  #calls = 0;
  #cpuUs = 0;
  #calledUpTo = CALLS_FIRST;
  #computedUpTo = CPU_US_FIRST;
  #warmMs: number | null = null;
  /** What was heard last is of before it was over, all or some of it. */
  #isJustOver = false;

  /** When it was over; null: it is not. */
  get warmMs(): number | null {
    return this.#warmMs;
  }

  /** Calls that have ended. True: what was known of the side was of code that is slower than what runs now. */
  add({ sums }: Tally, nowMs: number): boolean {
    if (this.#warmMs !== null) {
      const wasJustOver = this.#isJustOver;
      this.#isJustOver = false;
      return wasJustOver;
    }
    this.#calls += sums[TERM_AT.calls]!;
    this.#cpuUs += sums[TERM_AT.cpuUs]!;
    if (this.#calls < this.#calledUpTo && this.#cpuUs < this.#computedUpTo) return false;
    this.#calledUpTo = Math.min(WARM_CALLS, 2 * Math.max(CALLS_FIRST, this.#calls));
    this.#computedUpTo = Math.min(WARM_CPU_US, 2 * Math.max(CPU_US_FIRST, this.#cpuUs));
    if (this.#calls >= WARM_CALLS || this.#cpuUs >= WARM_CPU_US) {
      this.#warmMs = nowMs;
      this.#isJustOver = true;
    }
    return true;
  }
}

/** Whether a side is where a function runs, or is visited. */
export class Residence {
  #isVisited = true;

  /** `part`: of the function's calls, that this side has lately. True: it has just come to be where it runs. */
  isNew(part: number): boolean {
    if (part < PART_VISITED) this.#isVisited = true;
    if (!this.#isVisited || !isResident(part)) return false;
    this.#isVisited = false;
    return true;
  }
}

/** Whether a side with this part of a function's calls lately is one where it runs. */
export const isResident = (part: number): boolean => part >= PART_RUN;

/**
 * Whether calls say what theirs compute where they run in earnest. `part`: of the function's, that the side has lately; `cpuUs`: of a call there, as it was known before
 * these, or those that met a hub would count and others not.
 */
export const isInEarnest = (part: number, cpuUs: number): boolean => isResident(part) || cpuUs >= LONG_CALL_US;

/** Means of calls, each of which counts less as it gets older. */
export interface CpuEstimate {
  readonly calls: number;
  readonly cpuUs: number;
  /** Mean of the logarithm of 1 + CPU time in µs. */
  readonly logCpu: number;
  readonly bytes: number;
}

const CALLS_LEAST = 1e-3;

/** CPU times of calls in earnest. */
export class CpuTimes {
  #calls = 0;
  #cpuUs = 0;
  #logCpu = 0;
  #bytes = 0;

  add({ sums }: Tally): void {
    this.#calls += sums[TERM_AT.calls]!;
    this.#cpuUs += sums[TERM_AT.cpuUs]!;
    this.#logCpu += sums[TERM_AT.logCpu]!;
    this.#bytes += sums[TERM_AT.bytes]!;
  }

  /** By so much less than until now all of them count. */
  decay(factor: number): void {
    // What is left of them in the end says nothing, and would be no number before long.
    const kept = factor * this.#calls < CALLS_LEAST ? 0 : factor;
    this.#calls *= kept;
    this.#cpuUs *= kept;
    this.#logCpu *= kept;
    this.#bytes *= kept;
  }

  /** As it would be after a decay. */
  estimate(factor: number): CpuEstimate {
    const per = this.#calls > 0 ? 1 / this.#calls : 0;
    const means = { cpuUs: per * this.#cpuUs, logCpu: per * this.#logCpu, bytes: per * this.#bytes };
    return { calls: factor * this.#calls, ...means };
  }

  forget(): void {
    this.decay(0);
  }
}
