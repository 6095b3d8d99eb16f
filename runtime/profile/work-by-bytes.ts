// Whether what a function does goes with what it reads and writes. A walk of a graph computes for every node that it has fetched: its calls may differ a thousandfold, and
// yet each byte takes as long as in all others. Then how much work calls are is known from their bytes, which are the same on either side, and two sides, or two stretches
// of time, can be held against each other though their calls were others: by work in place of calls (a ratio estimator with an auxiliary variable; Cochran, Sampling Techniques, 1977, ch. 6).
//
// CPU time, or work, = besides + perByte · bytes, by least squares over the windows that bring the calls, each weighted by its calls.

import { HalfLife } from "#runtime/decay.ts";
import type { Layout, Values } from "./layout.ts";

/** A window counts half as much after this time: what a function does with a byte hardly changes. Chosen. */
const HALF_LIFE = new HalfLife(10_000);
/** Of what it varies by, this part or more is by bytes (of walks 0.9 and more); and still so until it is less than the other. Chosen. */
const EXPLAINED_MIN = 0.7;
const EXPLAINED_STILL = 0.4;
/** Windows that say so: of fewer, some are on a line by chance. */
const WINDOWS_MIN = 16;
/** Bytes that vary by less than this, as a share of their mean, make no difference. */
const VARIATION_MIN = 0.1;

/** Sums over windows: of itself, and of its products with itself and with bytes, each ÷ calls; whether it goes with bytes, and if so what a call takes besides. */
const [SUM, SQUARED, WITH_BYTES, IS_KNOWN, BESIDES, LINE_SIZE] = [0, 1, 2, 3, 4, 5] as const;

/** One of what may go with bytes. */
class Line {
  readonly #at: number;

  constructor(layout: Layout) {
    this.#at = layout.take(LINE_SIZE);
  }

  besidesBytes(values: Values): number | null {
    return values[this.#at + IS_KNOWN] === 0 ? null : values[this.#at + BESIDES]!;
  }

  add(values: Values, kept: number, calls: number, bytes: number, sum: number): void {
    const at = this.#at;
    values[at + SUM] = kept * values[at + SUM]! + sum;
    values[at + SQUARED] = kept * values[at + SQUARED]! + (sum * sum) / calls;
    values[at + WITH_BYTES] = kept * values[at + WITH_BYTES]! + (bytes * sum) / calls;
  }

  /** `bytes`: of a call, on average, and `varied` their variance; 0: too little is known of it, or it makes no difference. */
  fit(values: Values, calls: number, bytes: number, varied: number): void {
    const at = this.#at;
    if (varied <= 0) {
      values[at + IS_KNOWN] = 0;
      return;
    }
    const mean = values[at + SUM]! / calls;
    const own = values[at + SQUARED]! / calls - mean ** 2;
    const together = values[at + WITH_BYTES]! / calls - bytes * mean;
    const explained = own > 0 && together > 0 ? together ** 2 / (varied * own) : 0;
    const isKnown = explained >= (values[at + IS_KNOWN] === 0 ? EXPLAINED_MIN : EXPLAINED_STILL);
    values[at + IS_KNOWN] = isKnown ? 1 : 0;
    if (isKnown) values[at + BESIDES] = Math.max(0, (mean * varied) / together - bytes);
  }
}

/** How many windows, sums over them, and when the last was heard of. */
const [WINDOWS, CALLS, BYTES, BYTES_SQUARED, AT_MS, OWN_SIZE] = [0, 1, 2, 3, 4, 5] as const;

export class WorkByBytes {
  readonly #at: number;
  readonly #cpu: Line;
  readonly #work: Line;

  constructor(layout: Layout) {
    this.#at = layout.take(OWN_SIZE);
    this.#cpu = new Line(layout);
    this.#work = new Line(layout);
  }

  /** Sums over calls of one side, whose code was compiled. `workUs`: as a change detector sees it. */
  add(values: Values, calls: number, bytes: number, cpuUs: number, workUs: number, nowMs: number): void {
    const at = this.#at;
    const kept = HALF_LIFE.partAfter(nowMs - values[at + AT_MS]!);
    values[at + AT_MS] = nowMs;
    const windows = (values[at + WINDOWS] = kept * values[at + WINDOWS]! + 1);
    const allCalls = (values[at + CALLS] = kept * values[at + CALLS]! + calls);
    const mean = (values[at + BYTES] = kept * values[at + BYTES]! + bytes) / allCalls;
    const squared = (values[at + BYTES_SQUARED] = kept * values[at + BYTES_SQUARED]! + (bytes * bytes) / calls);
    this.#cpu.add(values, kept, calls, bytes, cpuUs);
    this.#work.add(values, kept, calls, bytes, workUs);
    const varied = squared / allCalls - mean ** 2;
    const isVaried = windows >= WINDOWS_MIN && varied > (VARIATION_MIN * mean) ** 2;
    this.#cpu.fit(values, allCalls, mean, isVaried ? varied : 0);
    this.#work.fit(values, allCalls, mean, isVaried ? varied : 0);
  }

  /** How many calls say so, each of which counts less as it gets older. */
  calls(values: Values): number {
    return values[this.#at + CALLS]!;
  }

  /** CPU time that a call takes whatever its bytes are, as what so many of these take: from 0. null: it does not go with bytes, or nobody knows yet. */
  cpuBesidesBytes(values: Values): number | null {
    return this.#cpu.besidesBytes(values);
  }

  /** The same of its work. */
  workBesidesBytes(values: Values): number | null {
    return this.#work.besidesBytes(values);
  }
}
