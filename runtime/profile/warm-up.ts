// What a function computes on a side once it runs there in earnest. V8 compiles what runs often: of the functions that placement is measured with the
// first calls took 2 to 20 times the CPU time of those after a hundred, and whoever only visits a side finds its caches as others left them: 20 µs of
// computing were 60 to 130 µs in one call of a hundred that ran there. A side that is new, or visited, would look the dearer one for that alone, and stay so, since nobody
// goes where it is dearer.

import type { Layout, Values } from "./layout.ts";
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

/** What has come, and up to where what is known is kept; whether it is over, and when it was; and whether what was heard last is of before that, all or some of it. */
const [CALLED, COMPUTED_US, CALLED_UP_TO, COMPUTED_UP_TO_US] = [0, 1, 2, 3] as const;
const [IS_OVER, WARM_MS, IS_JUST_OVER, WARM_UP_SIZE] = [4, 5, 6, 7] as const;

/** How far the code of a function has come on one side, from when its version was called first. */
export class WarmUp {
  readonly #at: number;

  constructor(layout: Layout) {
    this.#at = layout.take(WARM_UP_SIZE);
  }

  /** When it was over; null: it is not. */
  warmMs(values: Values): number | null {
    return values[this.#at + IS_OVER] === 0 ? null : values[this.#at + WARM_MS]!;
  }

  /** Calls that have ended. True: what was known of the side was of code that is slower than what runs now. */
  add(values: Values, { sums }: Tally, nowMs: number): boolean {
    const at = this.#at;
    if (values[at + IS_OVER] === 1) {
      const wasJustOver = values[at + IS_JUST_OVER] === 1;
      values[at + IS_JUST_OVER] = 0;
      return wasJustOver;
    }
    const calls = (values[at + CALLED]! += sums[TERM_AT.calls]!);
    const cpuUs = (values[at + COMPUTED_US]! += sums[TERM_AT.cpuUs]!);
    const calledUpTo = Math.max(CALLS_FIRST, values[at + CALLED_UP_TO]!);
    if (calls < calledUpTo && cpuUs < Math.max(CPU_US_FIRST, values[at + COMPUTED_UP_TO_US]!)) return false;
    values[at + CALLED_UP_TO] = Math.min(WARM_CALLS, 2 * Math.max(CALLS_FIRST, calls));
    values[at + COMPUTED_UP_TO_US] = Math.min(WARM_CPU_US, 2 * Math.max(CPU_US_FIRST, cpuUs));
    if (calls >= WARM_CALLS || cpuUs >= WARM_CPU_US) {
      values[at + IS_OVER] = values[at + IS_JUST_OVER] = 1;
      values[at + WARM_MS] = nowMs;
    }
    return true;
  }
}

/** Caches are as full as they get after as many calls as a side is warm after, or this: what the read cache keeps it keeps for a second (kCachedReplyAgeNs in runtime/native/read_cache.h), … */
const USED_MS = 1_000;
/**
 * … without what is between windows with calls where it is more than this: three windows of 25 ms, which are never quite as long as each other; of longer ones, where many functions are called, calls alone
 * count. After as long as that second without any it begins anew: seldom visits are no use, however many there were.
 */
const USED_GAP_MS = 85;

/** 1: it runs there; 0: it is visited. Since then: how long it has run there, when its last calls ended, Infinity: none has come yet; and how many have. */
const [IS_RESIDENT, RAN_MS, LAST_MS, CALLS_SINCE, RESIDENCE_SIZE] = [0, 1, 2, 3, 4] as const;

/** Whether a side is where a function runs, or is visited. */
export class Residence {
  readonly #at: number;

  constructor(layout: Layout) {
    this.#at = layout.take(RESIDENCE_SIZE);
  }

  /** `part`: of the function's calls, that this side has lately. True: it has just come to be where it runs. */
  isNew(values: Values, part: number): boolean {
    const at = this.#at;
    if (part < PART_VISITED) values[at + IS_RESIDENT] = 0;
    if (values[at + IS_RESIDENT] === 1 || !isResident(part)) return false;
    values[at + IS_RESIDENT] = 1;
    this.restart(values);
    return true;
  }

  /** What runs there from now on reads something else. */
  restart(values: Values): void {
    values[this.#at + RAN_MS] = 0;
    values[this.#at + LAST_MS] = Infinity;
    values[this.#at + CALLS_SINCE] = 0;
  }

  /**
   * Calls that have ended. True: it had run there for so long before them that caches know what they read; the first ones of a trial, or after a move, find what visits
   * have left of them.
   */
  add(values: Values, calls: number, nowMs: number): boolean {
    const at = this.#at;
    if (values[at + IS_RESIDENT] === 0) return false;
    const gapMs = nowMs - values[at + LAST_MS]!;
    if (gapMs >= USED_MS) this.restart(values);
    else if (gapMs > 0) values[at + RAN_MS]! += gapMs > USED_GAP_MS ? 0 : gapMs;
    const wasUsed = values[at + CALLS_SINCE]! >= WARM_CALLS || values[at + RAN_MS]! >= USED_MS;
    values[at + LAST_MS] = nowMs;
    values[at + CALLS_SINCE]! += calls;
    return wasUsed;
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

/** Sums over calls. */
const [CALLS, CPU_US, LOG_CPU, BYTES, CPU_TIMES_SIZE] = [0, 1, 2, 3, 4] as const;

/** CPU times of calls in earnest. */
export class CpuTimes {
  readonly #at: number;

  constructor(layout: Layout) {
    this.#at = layout.take(CPU_TIMES_SIZE);
  }

  add(values: Values, { sums }: Tally): void {
    const at = this.#at;
    values[at + CALLS]! += sums[TERM_AT.calls]!;
    values[at + CPU_US]! += sums[TERM_AT.cpuUs]!;
    values[at + LOG_CPU]! += sums[TERM_AT.logCpu]!;
    values[at + BYTES]! += sums[TERM_AT.bytes]!;
  }

  /** By so much less than until now all of them count. */
  decay(values: Values, factor: number): void {
    const at = this.#at;
    // What is left of them in the end says nothing, and would be no number before long.
    const kept = factor * values[at + CALLS]! < CALLS_LEAST ? 0 : factor;
    for (let one = at; one < at + CPU_TIMES_SIZE; one++) values[one]! *= kept;
  }

  /** As it would be after a decay. */
  estimate(values: Values, factor: number): CpuEstimate {
    const at = this.#at;
    const calls = values[at + CALLS]!;
    const per = calls > 0 ? 1 / calls : 0;
    return {
      calls: factor * calls,
      cpuUs: per * values[at + CPU_US]!,
      logCpu: per * values[at + LOG_CPU]!,
      bytes: per * values[at + BYTES]!,
    };
  }

  forget(values: Values): void {
    this.decay(values, 0);
  }
}
