// What the calls of each function came to since someone last asked: sums only, so that recording a call costs a look-up and a
// dozen additions. Every node keeps one and sends it to the controller many times a second; so does the storage side for calls
// that reached it without a node.

import { BUCKETS, bucketOf } from "./histogram.ts";
import type { Sample, Side } from "./sample.ts";

/** What is summed over the calls, in this order. Times are µs. */
export const TALLY_TERMS = [
  "calls",
  /** Ended by an error. */
  "failed",
  /** From admission to answer, as the caller's door saw it: queues and the way there included. */
  "elapsedUs",
  /** In the sandbox, without waiting for an isolate. */
  "serviceUs",
  "serviceUsSquared",
  "queueUs",
  "cpuUs",
  "waitUs",
  "operations",
  "rounds",
  "bytes",
  "lockUs",
  /** Logarithm of the work: what a change detector looks at. */
  "logWork",
  "logWorkSquared",
  /** Logarithm of the CPU time: by it two sides are compared, since a rare dear call hardly moves its mean. */
  "logCpu",
  "logCpuSquared",
] as const;

export type TallyTerm = (typeof TALLY_TERMS)[number];

/** One function on one side, over a stretch of time. */
export interface Tally {
  readonly function: string;
  readonly version: string;
  readonly side: Side;
  /** In the order of TALLY_TERMS. */
  readonly sums: ArrayLike<number>;
  /** `elapsedUs` of the calls, by bucket of `histogram.ts`: bucket, count, bucket, count, … */
  readonly elapsed: readonly number[];
}

/** Functions at once; calls of more are counted as `untracked`. Their profiles are 4 KiB each in the controller. */
export const TALLIED_FUNCTIONS_MAX = 4_096;
/** An operation counts as so much computing in what a change detector sees, so that it sees either change. Chosen: its price at compute. */
const OPERATION_WORK_US = 5;

const TERMS = Object.fromEntries(TALLY_TERMS.map((term, index) => [term, index])) as Record<TallyTerm, number>;

export const termOf = (sums: ArrayLike<number>, term: TallyTerm): number => sums[TERMS[term]] ?? 0;

/** Mutable: of one function and side. */
class Sums {
  readonly version: string;
  readonly values = new Float64Array(TALLY_TERMS.length);
  readonly elapsed = new Uint32Array(BUCKETS);

  constructor(version: string) {
    this.version = version;
  }

  add(
    { wallUs, queueUs, cpuUs, waitUs, operations, rounds, bytesOut, bytesIn, lockUs, outcome }: Sample,
    elapsedUs: number,
  ): void {
    const { values } = this;
    const serviceUs = wallUs - queueUs;
    const logWork = Math.log1p(cpuUs + OPERATION_WORK_US * operations);
    const logCpu = Math.log1p(cpuUs);
    // In the order of TALLY_TERMS.
    values[0]! += 1;
    values[1]! += outcome === "ok" ? 0 : 1;
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
    this.elapsed[bucketOf(elapsedUs)]! += 1;
  }
}

export class SampleTally {
  readonly #sides: Readonly<Record<Side, Map<string, Sums>>> = { compute: new Map(), storage: new Map() };
  #untracked = 0;

  /** Under a µs. */
  record(sample: Sample, elapsedUs: number): void {
    const functions = this.#sides[sample.side];
    let sums = functions.get(sample.function);
    if (sums === undefined || sums.version !== sample.version) {
      if (sums === undefined && functions.size >= TALLIED_FUNCTIONS_MAX) {
        this.#untracked += 1;
        return;
      }
      sums = new Sums(sample.version);
      functions.set(sample.function, sums);
    }
    sums.add(sample, elapsedUs);
  }

  /** What has come since the last time. */
  take(): { readonly tallies: readonly Tally[]; readonly untracked: number } {
    const tallies: Tally[] = [];
    for (const [side, functions] of Object.entries(this.#sides) as [Side, Map<string, Sums>][]) {
      for (const [name, { version, values, elapsed }] of functions) {
        tallies.push({ function: name, version, side, sums: values, elapsed: sparse(elapsed) });
      }
      functions.clear();
    }
    const untracked = this.#untracked;
    this.#untracked = 0;
    return { tallies, untracked };
  }
}

function sparse(counts: Uint32Array): number[] {
  const pairs: number[] = [];
  for (let bucket = 0; bucket < counts.length; bucket++) {
    if (counts[bucket]! > 0) pairs.push(bucket, counts[bucket]!);
  }
  return pairs;
}
