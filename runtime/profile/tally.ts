// What the calls of each function came to since someone last asked: sums only, so that recording a call costs a look-up and a
// dozen additions. Every node keeps one and sends it to the controller many times a second; so does the storage side for calls
// that reached it without a node.

import { BUCKETS, bucketOf } from "./histogram.ts";
import type { Sample, Side } from "./sample.ts";

/**
 * What is summed over the calls, and where each is in the sums. Times are µs. A literal: by an object that is made of entries V8 looks names up anew each
 * time, and throws away again and again what it had compiled of who reads many of them.
 */
export const TERM_AT = {
  /** Those that say what the function costs: all sums but those of failures and of what is fixed are theirs. */
  calls: 0,
  /** Ended by an error, whether it says so or not. */
  failed: 1,
  /** From admission to answer, as the caller's door saw it: queues and the way there included. */
  elapsedUs: 2,
  /** In the sandbox, without waiting for an isolate. */
  serviceUs: 3,
  serviceUsSquared: 4,
  queueUs: 5,
  cpuUs: 6,
  waitUs: 7,
  operations: 8,
  rounds: 9,
  bytes: 10,
  lockUs: 11,
  /** Logarithm of the work at the usual pace of cores: what a change detector looks at. */
  logWork: 12,
  logWorkSquared: 13,
  /** Logarithm of the CPU time: by it two sides are compared where that does not go with bytes, since a rare dear call hardly moves its mean. */
  logCpu: 14,
  logCpuSquared: 15,
  /** Calls that came, and do not say what the function costs. */
  untold: 16,
  /** Of these and those that do: calls that ran where they did whatever the plan says. */
  fixed: 17,
  /** Of the operations, and of the rounds: reads that a read cache may answer, and those that one did. */
  findableOperations: 18,
  findableRounds: 19,
  foundOperations: 20,
  foundRounds: 21,
  /** Of `cpuUs`: since cores were slower than they usually are. */
  slowedUs: 22,
} as const;

export type TallyTerm = keyof typeof TERM_AT;

/** In the order of the sums. */
export const TALLY_TERMS = Object.keys(TERM_AT) as readonly TallyTerm[];

/** One function on one side, over a stretch of time. */
export interface Tally {
  readonly function: string;
  readonly version: string;
  readonly side: Side;
  /** In the order of TALLY_TERMS. */
  readonly sums: readonly number[];
  /** `elapsedUs` of the calls, by bucket of `histogram.ts`: bucket, count, bucket, count, … */
  readonly elapsed: readonly number[];
  /** So many more calls of the function have begun meanwhile than ended, on both sides, of those whose side was chosen for them; negative: fewer. Without: as many, or nobody has counted them. */
  readonly begunMore?: number;
}

/** Functions at once; calls of more are counted as `untracked`. What the controller has of each is in profiles.ts. */
export const TALLIED_FUNCTIONS_MAX = 4_096;
/** An operation counts as so much computing in what a change detector sees, so that it sees either change. Chosen: its price at compute. */
export const OPERATION_WORK_US = 5;

export const termOf = (sums: ArrayLike<number>, term: TallyTerm): number => sums[TERM_AT[term]] ?? 0;

/** What callers waited beside the sandbox, µs, of calls whose door was a node. Straight from Redis come calls whose callers' way nobody sees: of theirs it is what the module takes. */
export const callUsOf = (sums: ArrayLike<number>): number =>
  Math.max(0, termOf(sums, "elapsedUs") - termOf(sums, "serviceUs") - termOf(sums, "queueUs"));

/** Of one call, µs: far beyond any deadline, so that a node that was stopped for a while is believed. */
const US_MAX = 1e10;
/** As the greatest limit of a function is. */
const OPERATIONS_MAX = 1e7;
/** Of 1 + so much work. */
const LOG_MAX = Math.log1p(US_MAX * 2);
type BoundTerm = Exclude<TallyTerm, "calls" | "failed" | "untold" | "fixed" | "slowedUs">;

/** What one call can come to. Of a host that says more, or of whoever else writes windows, no mean is made. */
const TERM_MAX: Readonly<Record<BoundTerm, number>> = {
  elapsedUs: US_MAX,
  serviceUs: US_MAX,
  serviceUsSquared: US_MAX ** 2,
  queueUs: US_MAX,
  cpuUs: US_MAX,
  waitUs: US_MAX,
  operations: OPERATIONS_MAX,
  rounds: OPERATIONS_MAX,
  bytes: 1e15,
  lockUs: US_MAX,
  findableOperations: OPERATIONS_MAX,
  findableRounds: OPERATIONS_MAX,
  foundOperations: OPERATIONS_MAX,
  foundRounds: OPERATIONS_MAX,
  logWork: LOG_MAX,
  logWorkSquared: LOG_MAX ** 2,
  logCpu: LOG_MAX,
  logCpuSquared: LOG_MAX ** 2,
};
/** By term; what is counted, or a part of another term, is looked at by itself. */
const MOST: readonly number[] = TALLY_TERMS.map((term) => (term in TERM_MAX ? TERM_MAX[term as BoundTerm] : Infinity));
/** Calls of one function in one window. */
const CALLS_MAX = 1e9;

const isCount = (value: number | undefined): value is number => Number.isSafeInteger(value) && value! <= CALLS_MAX;

/** Whether calls of a function can have come to that. Sums are numbers from 0. */
export function isPlausible({ sums }: Tally): boolean {
  const calls = sums[TERM_AT.calls];
  const failed = sums[TERM_AT.failed];
  const untold = sums[TERM_AT.untold];
  const fixed = sums[TERM_AT.fixed];
  if (!isCount(calls) || !isCount(failed) || !isCount(untold) || !isCount(fixed)) return false;
  if (Math.max(failed, fixed) > calls + untold || !(sums[TERM_AT.slowedUs]! <= sums[TERM_AT.cpuUs]!)) return false;
  for (let term = 0; term < MOST.length; term++) {
    const most = MOST[term]!;
    if (most < Infinity && !(sums[term]! <= calls * most)) return false;
  }
  return true;
}

/** Ended by what the function did, or by taking too much: they took as long as they did, or would have taken longer. */
const TELLING: ReadonlySet<string> = new Set([
  "ok",
  "RESULT_INVALID",
  "RESULT_TOO_LARGE",
  "DEADLINE_EXCEEDED",
  "CPU_LIMIT",
  "OPERATIONS_LIMIT",
]);
/** Mistakes of callers: never a call of the function. */
const REFUSED: ReadonlySet<string> = new Set(["ARGS_INVALID", "ARGS_TOO_LARGE", "PERMISSION_DENIED", "CALL_REFUSED"]);

const ELAPSED_AT = TALLY_TERMS.length;

/** Mutable: of one function and side. Made once and used for one window after another, since making one takes longer than a sum. */
class Sums {
  version = "";
  /** In the order of TALLY_TERMS, and behind them how many took how long, by bucket: one array, since each of its own is in no cache. */
  readonly #values = new Float64Array(ELAPSED_AT + BUCKETS);
  /** Those that are not 0. */
  readonly #buckets: number[] = [];

  add(sample: Sample, elapsedUs: number): void {
    const { wallUs, queueUs, cpuUs, slowedUs, waitUs, operations, rounds, bytesOut, bytesIn, lockUs, outcome } = sample;
    const { findableOperations, findableRounds, foundOperations, foundRounds, isFixed = false } = sample;
    const values = this.#values;
    if (isFixed) values[17]! += 1;
    if (outcome !== "ok") {
      values[1]! += 1;
      // A call that threw at once, was turned away or was over before it ran would make its side look the faster one.
      if (!TELLING.has(outcome) || cpuUs <= 0) {
        values[16]! += 1;
        return;
      }
    }
    const serviceUs = wallUs - queueUs;
    const usualUs = Math.max(0, cpuUs - slowedUs);
    const logWork = Math.log1p(usualUs + OPERATION_WORK_US * operations);
    const logCpu = Math.log1p(cpuUs);
    // In the order of TALLY_TERMS.
    values[0]! += 1;
    values[2]! += elapsedUs;
    values[3]! += serviceUs;
    values[4]! += serviceUs * serviceUs;
    values[5]! += queueUs;
    values[6]! += cpuUs;
    values[7]! += waitUs;
    values[8]! += operations;
    values[9]! += rounds;
    values[10]! += bytesOut + bytesIn;
    values[11]! += lockUs;
    values[12]! += logWork;
    values[13]! += logWork * logWork;
    values[14]! += logCpu;
    values[15]! += logCpu * logCpu;
    values[18]! += findableOperations;
    values[19]! += findableRounds;
    values[20]! += foundOperations;
    values[21]! += foundRounds;
    values[22]! += cpuUs - usualUs;
    const bucket = bucketOf(elapsedUs);
    if (values[ELAPSED_AT + bucket] === 0) this.#buckets.push(bucket);
    values[ELAPSED_AT + bucket]! += 1;
  }

  /** And begins anew. */
  take(): Pick<Tally, "version" | "sums" | "elapsed"> {
    const values = this.#values;
    const sums: number[] = [];
    for (let term = 0; term < ELAPSED_AT; term++) {
      const parts = PARTS_TOLD[term]!;
      sums.push(Math.round(values[term]! * parts) / parts);
      values[term] = 0;
    }
    const elapsed: number[] = [];
    for (const bucket of this.#buckets.toSorted((one, other) => one - other)) {
      elapsed.push(bucket, values[ELAPSED_AT + bucket]!);
      values[ELAPSED_AT + bucket] = 0;
    }
    this.#buckets.length = 0;
    return { version: this.version, sums, elapsed };
  }
}

/** Sums are told to the ns, squares to a square µs, logarithms to a millionth: all that a double has would be half as much text again, and takes as much longer to read. */
const PARTS_TOLD: readonly number[] = TALLY_TERMS.map((term) =>
  term === "serviceUsSquared" ? 1 : term.startsWith("log") ? 1e6 : 1e3,
);

/** Kept for the next windows, of 2 KiB each. */
const SPARE_SUMS_MAX = 1_024;

export class SampleTally {
  readonly #sides: Readonly<Record<Side, Map<string, Sums>>> = { compute: new Map(), storage: new Map() };
  readonly #spare: Sums[] = [];
  #untracked = 0;

  /** Functions that were called, counted on each side. */
  get size(): number {
    return this.#sides.compute.size + this.#sides.storage.size;
  }

  /** Under a µs. */
  record(sample: Sample, elapsedUs: number): void {
    if (sample.outcome !== "ok" && REFUSED.has(sample.outcome)) return;
    const functions = this.#sides[sample.side];
    let sums = functions.get(sample.function);
    if (sums === undefined || sums.version !== sample.version) {
      if (sums === undefined && functions.size >= TALLIED_FUNCTIONS_MAX) {
        this.#untracked += 1;
        return;
      }
      sums = this.#spare.pop() ?? new Sums();
      sums.version = sample.version;
      functions.set(sample.function, sums);
    }
    sums.add(sample, elapsedUs);
  }

  /** What has come since the last time. */
  take(): { readonly tallies: readonly Tally[]; readonly untracked: number } {
    const tallies: Tally[] = [];
    for (const side of ["compute", "storage"] as const) {
      for (const [name, sums] of this.#sides[side]) {
        tallies.push({ function: name, side, ...sums.take() });
        if (this.#spare.length < SPARE_SUMS_MAX) this.#spare.push(sums);
      }
      this.#sides[side].clear();
    }
    const untracked = this.#untracked;
    this.#untracked = 0;
    return { tallies, untracked };
  }
}
