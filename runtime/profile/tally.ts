// Sums over the calls of each function since the last window: to record a call costs a look-up and a
// dozen additions. Each node sends its windows to the controller many times a second. The Redis module
// does the same for calls without a node (storage-module/src/sample_tally.h): terms are its contract.

import { RecentMap } from "#runtime/recent-map.ts";
import { bucketOf } from "./histogram.ts";
import type { Sample, Side } from "./sample.ts";

/** What is summed over the calls, and where each sum is in a tally. Times are µs. */
export const TERM_AT = {
  /** Calls that tell what the function costs. Only they count in the other sums, unless these say otherwise. */
  calls: 0,
  /** Calls that ended with an error, also those that tell nothing. */
  failed: 1,
  /** From admission to answer, as the entrance saw it: queues and the way there included. */
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
  /** Logarithm of 1 + work in µs at the usual pace of cores: the input of the change detector. */
  logWork: 12,
  logWorkSquared: 13,
  /** Logarithm of 1 + CPU time in µs. A rare huge call hardly moves its mean. */
  logCpu: 14,
  logCpuSquared: 15,
  /** Calls that came and do not tell what the function costs. */
  untold: 16,
  /** Calls, told and untold, that ran on their side whatever the plan was. */
  fixed: 17,
  /** Reads that the read cache may answer, and reads that it answered. */
  findableOperations: 18,
  findableRounds: 19,
  foundOperations: 20,
  foundRounds: 21,
  /** The part of `cpuUs` that is due to cores that were slower than usual. */
  slowedUs: 22,
  /** The part of `queueUs` in which the isolate was opened. */
  openingUs: 23,
} as const;

export type TallyTerm = keyof typeof TERM_AT;

/** In the order of the sums. */
export const TALLY_TERMS = Object.keys(TERM_AT) as readonly TallyTerm[];

/** One function on one side, over one window. */
export interface Tally {
  readonly function: string;
  readonly version: string;
  readonly side: Side;
  /** In the order of TALLY_TERMS. */
  readonly sums: readonly number[];
  /** `elapsedUs` of the calls, by bucket of `histogram.ts`: bucket, count, bucket, count, … */
  readonly elapsed: readonly number[];
}

/** Functions at once. The least recently called make room. */
export const TALLIED_FUNCTIONS_MAX = 4_096;
/** Fewer calls or windows tell nothing by themselves. Not sensitive. */
export const FEW = 16;
/** An operation counts as so much computing in `logWork`: about its price at compute. Not sensitive. */
const OPERATION_WORK_US = 5;

export const termOf = (sums: ArrayLike<number>, term: TallyTerm): number => sums[TERM_AT[term]] ?? 0;

/** What callers waited outside the sandbox, µs. It is known only of calls whose entrance was a node. */
export const callUsOf = (sums: ArrayLike<number>): number =>
  Math.max(0, termOf(sums, "elapsedUs") - termOf(sums, "serviceUs") - termOf(sums, "queueUs"));

/** Outcomes of calls that took as long as they did, or would have taken longer. */
const TELLING: ReadonlySet<string> = new Set([
  "ok",
  "RESULT_INVALID",
  "RESULT_TOO_LARGE",
  "DEADLINE_EXCEEDED",
  "CPU_LIMIT",
  "OPERATIONS_LIMIT",
]);
/** Mistakes of callers, refused before the function ran. */
const REFUSED: ReadonlySet<string> = new Set(["ARGS_INVALID", "ARGS_TOO_LARGE", "PERMISSION_DENIED"]);

/** Sums of one function on one side. */
class Sums {
  version: string;
  readonly #sums = new Float64Array(TALLY_TERMS.length);
  /** Calls by bucket. */
  readonly #elapsed = new Map<number, number>();

  constructor(version: string) {
    this.version = version;
  }

  /** Other code under the same name. */
  beginAnew(version: string): void {
    this.version = version;
    this.#sums.fill(0);
    this.#elapsed.clear();
  }

  add(sample: Sample, elapsedUs: number): void {
    const { queueUs, cpuUs, operations, outcome } = sample;
    const sums = this.#sums;
    if (sample.isFixed === true) sums[TERM_AT.fixed]! += 1;
    if (outcome !== "ok") {
      if (outcome !== "CALL_REFUSED") sums[TERM_AT.failed]! += 1;
      // A call that threw or refused at once, or never ran, would make its side look faster.
      if (!TELLING.has(outcome) || cpuUs <= 0) {
        sums[TERM_AT.untold]! += 1;
        return;
      }
    }
    const serviceUs = sample.wallUs - queueUs;
    const usualUs = Math.max(0, cpuUs - sample.slowedUs);
    const logWork = Math.log1p(usualUs + OPERATION_WORK_US * operations);
    const logCpu = Math.log1p(cpuUs);
    sums[TERM_AT.calls]! += 1;
    sums[TERM_AT.elapsedUs]! += elapsedUs;
    sums[TERM_AT.serviceUs]! += serviceUs;
    sums[TERM_AT.serviceUsSquared]! += serviceUs * serviceUs;
    sums[TERM_AT.queueUs]! += queueUs;
    sums[TERM_AT.cpuUs]! += cpuUs;
    sums[TERM_AT.waitUs]! += sample.waitUs;
    sums[TERM_AT.operations]! += operations;
    sums[TERM_AT.rounds]! += sample.rounds;
    sums[TERM_AT.bytes]! += sample.bytesOut + sample.bytesIn;
    sums[TERM_AT.lockUs]! += sample.lockUs;
    sums[TERM_AT.logWork]! += logWork;
    sums[TERM_AT.logWorkSquared]! += logWork * logWork;
    sums[TERM_AT.logCpu]! += logCpu;
    sums[TERM_AT.logCpuSquared]! += logCpu * logCpu;
    sums[TERM_AT.findableOperations]! += sample.findableOperations;
    sums[TERM_AT.findableRounds]! += sample.findableRounds;
    sums[TERM_AT.foundOperations]! += sample.foundOperations;
    sums[TERM_AT.foundRounds]! += sample.foundRounds;
    sums[TERM_AT.slowedUs]! += cpuUs - usualUs;
    sums[TERM_AT.openingUs]! += sample.startUs;
    const bucket = bucketOf(elapsedUs);
    this.#elapsed.set(bucket, (this.#elapsed.get(bucket) ?? 0) + 1);
  }

  told(): Pick<Tally, "version" | "sums" | "elapsed"> {
    const sums = Array.from(this.#sums, (sum, term) => Math.round(sum * PARTS_TOLD[term]!) / PARTS_TOLD[term]!);
    return {
      version: this.version,
      sums,
      elapsed: [...this.#elapsed].toSorted(([one], [other]) => one - other).flat(),
    };
  }
}

/** Sums are told to the ns, squares to a square µs, logarithms to a millionth: all digits would double the text. */
const PARTS_TOLD: readonly number[] = TALLY_TERMS.map((term) =>
  term === "serviceUsSquared" ? 1 : term.startsWith("log") ? 1e6 : 1e3,
);

export class SampleTally {
  readonly #sides: Readonly<Record<Side, RecentMap<Sums>>> = {
    compute: new RecentMap(TALLIED_FUNCTIONS_MAX),
    storage: new RecentMap(TALLIED_FUNCTIONS_MAX),
  };

  /** Functions that were called, counted on each side. */
  get size(): number {
    return this.#sides.compute.size + this.#sides.storage.size;
  }

  record(sample: Sample, elapsedUs: number): void {
    if (REFUSED.has(sample.outcome)) return;
    const sums = this.#sides[sample.side].use(sample.function, () => new Sums(sample.version));
    if (sums.version !== sample.version) sums.beginAnew(sample.version);
    sums.add(sample, elapsedUs);
  }

  /** All calls since the last time. */
  take(): { readonly tallies: readonly Tally[] } {
    const tallies: Tally[] = [];
    for (const side of ["compute", "storage"] as const) {
      for (const [name, sums] of this.#sides[side].entries()) tallies.push({ function: name, side, ...sums.told() });
      this.#sides[side].clear();
    }
    return { tallies };
  }
}
