// What a call costs on a side: demand (operations, rounds, bytes, CPU time) × the constants of the side.
// The demand does not depend on the side. The constants are calibrated (calibration.ts) and corrected
// (corrections.ts). docs/placement.md derives the terms.

import type { Side } from "#runtime/profile/sample.ts";

/** Data that calls move. */
export interface Moved {
  readonly operations: number;
  readonly rounds: number;
  /** RESP bytes, both directions. */
  readonly bytes: number;
  /** At storage: operations that the read cache answers, so that they never reach Redis. */
  readonly found?: number;
}

/** What goes to Redis when the read cache answers so many operations and rounds. */
export function withoutFound({ operations, rounds, bytes }: Moved, found: Omit<Moved, "bytes">): Moved {
  const sent = operations > 0 ? Math.max(0, 1 - found.operations / operations) : 1;
  return {
    operations,
    rounds: Math.max(0, rounds - found.rounds),
    bytes: bytes * sent,
    found: operations * (1 - sent),
  };
}

/** Needs of a mean call. `cpuUs` is the function's own CPU time on a compute core. */
export interface Demand extends Omit<Moved, "found"> {
  readonly cpuUs: number;
}

/**
 * Of one side, µs. Waits are those of a single call: each round wakes a thread. Work is that of a call among
 * many, when a core that is awake serves several at once: it decides how many calls the cores can bear.
 */
interface SideConstants {
  /** Wait of a call outside the sandbox: the way there and back. */
  readonly callWaitUs: number;
  /** Wait of a call until its isolate is awake. */
  readonly enterUs: number;
  readonly operationWaitUs: number;
  readonly roundWaitUs: number;
  /** Work on the side's cores for each call, operation (encoding, decoding), round (sending, waking) and byte. */
  readonly callUs: number;
  readonly operationUs: number;
  readonly roundUs: number;
  readonly byteUs: number;
  /** Work of the node on compute cores for each call. At compute it is a part of `callUs`. */
  readonly nodeCallUs: number;
  /** Work of Redis' thread. At storage, operations and bytes are the time that its lock is held. */
  readonly redisCallUs: number;
  readonly redisOperationUs: number;
  readonly redisRoundUs: number;
  readonly redisByteUs: number;
}

export interface CostConstants {
  readonly compute: SideConstants & {
    /** Bandwidth of the network. */
    readonly bytesPerUs: number;
  };
  readonly storage: SideConstants & {
    /** CPU time on a storage core ÷ the same on a compute core. */
    readonly cpuRatio: number;
    /** Fraction (0–1) of cacheable reads that the read cache answers for a function that has not run there. */
    readonly found: number;
  };
}

/** Defaults; kept from an earlier controller; only the network measured; all measured by this controller. */
export const CONSTANTS_SOURCES = ["usual", "kept", "network", "measured"] as const;

export type ConstantsSource = (typeof CONSTANTS_SOURCES)[number];

/** What the caller waits for, µs. The sum is the latency exactly. */
export interface LatencyTerms {
  /** Outside the sandbox: the way there and back. */
  readonly call: number;
  /** Opening an isolate, on a side that has no room to keep all of them. */
  readonly opening: number;
  /** Until the isolate is awake. */
  readonly enter: number;
  readonly cpu: number;
  readonly operations: number;
  readonly rounds: number;
  readonly bytes: number;
  /** Waiting beyond the model: queues for cores, lack of CPU, neighbours. */
  readonly crowd: number;
}

type SandboxTerms = Omit<LatencyTerms, "call" | "opening" | "crowd">;

/** Of a mean call on one side, µs. */
export interface Cost {
  readonly latencyUs: number;
  /** The latency without the waiting that other calls cause. */
  readonly aloneUs: number;
  readonly terms: LatencyTerms;
  /** Work on compute cores, on storage cores without Redis' thread, and of Redis' thread. */
  readonly computeUs: number;
  readonly storageUs: number;
  readonly redisUs: number;
}

/** Mean over the calls of a function when `share` of them run at storage. */
export const atShare = (
  { compute, storage }: Readonly<Record<Side, Cost>>,
  share: number,
  of: (cost: Cost) => number,
): number => share * of(storage) + (1 - share) * of(compute);

/** Work of all cores for a call, µs. */
export const busyUs = ({ computeUs, storageUs, redisUs }: Cost): number => computeUs + storageUs + redisUs;

/** What measurements add to the model for one function on one side. */
interface Measured {
  /** CPU time at storage ÷ at compute. */
  readonly cpuRatio: number;
  /** Time in the sandbox ÷ the modelled time. It changes what callers wait for, not the work. */
  readonly slowness: number;
  /** The smallest slowness of late: without waiting for other calls. */
  readonly least: number;
  /** Time that a call holds Redis' lock beyond the model, µs. */
  readonly moreLockUs: number;
  readonly openingUs: number;
}

export function costOf(
  side: Side,
  demand: Demand & Moved,
  constants: CostConstants,
  measured: Partial<Measured> = {},
): Cost {
  const { cpuRatio = constants.storage.cpuRatio, slowness = 1, least = 1, moreLockUs = 0, openingUs = 0 } = measured;
  const isAtStorage = side === "storage";
  const of = constants[side];
  const alone = sandboxTerms(side, demand, constants, cpuRatio);
  const sandboxUs = sumOf(alone);
  // Nobody can tell which term was slower, so the excess is a term of its own. Faster calls shorten all terms alike.
  const times = Math.min(1, slowness);
  const terms: LatencyTerms = {
    call: of.callWaitUs,
    opening: openingUs,
    enter: times * alone.enter,
    cpu: times * alone.cpu,
    operations: times * alone.operations,
    rounds: times * alone.rounds,
    bytes: times * alone.bytes,
    crowd: sandboxUs * (slowness - times),
  };
  const workUs = alone.cpu + openingUs + overheadUsOf(of, 1, demand);
  return {
    latencyUs: terms.call + openingUs + sumOf(terms) + terms.crowd,
    aloneUs: terms.call + sandboxUs * least,
    terms,
    computeUs: isAtStorage ? of.nodeCallUs : workUs,
    storageUs: isAtStorage ? workUs : 0,
    redisUs: redisUsOf(of, 1, demand) + moreLockUs,
  };
}

/** Modelled time of a call in the sandbox, µs. */
export const sandboxUsOf = (side: Side, demand: Demand, constants: CostConstants, cpuRatio: number): number =>
  sumOf(sandboxTerms(side, demand, constants, cpuRatio));

function sandboxTerms(
  side: Side,
  { operations, rounds, bytes, cpuUs }: Demand,
  { [side]: of, compute: { bytesPerUs } }: CostConstants,
  cpuRatio: number,
): SandboxTerms {
  return {
    enter: of.enterUs,
    cpu: side === "storage" ? cpuUs * cpuRatio : cpuUs,
    operations: operations * of.operationWaitUs,
    rounds: rounds * of.roundWaitUs,
    bytes: side === "storage" ? 0 : bytes / bytesPerUs,
  };
}

const sumOf = ({ enter, cpu, operations, rounds, bytes }: SandboxTerms): number =>
  enter + cpu + operations + rounds + bytes;

/** Work on the side's cores for so many calls, the functions' own CPU time not counted, µs. */
export const overheadUsOf = (
  { callUs, operationUs, roundUs, byteUs }: Pick<SideConstants, "callUs" | "operationUs" | "roundUs" | "byteUs">,
  calls: number,
  { operations, rounds, bytes }: Moved,
): number => calls * callUs + operations * operationUs + rounds * roundUs + bytes * byteUs;

type RedisConstants = Pick<SideConstants, "redisCallUs" | "redisOperationUs" | "redisRoundUs" | "redisByteUs">;

/** Work of Redis' thread for so many calls, µs. */
export const redisUsOf = ({ redisCallUs, redisRoundUs, ...of }: RedisConstants, calls: number, moved: Moved): number =>
  calls * redisCallUs + moved.rounds * redisRoundUs + lockUsOf(of, moved);

/** Of that, operations and bytes: at storage the time that the lock is held, µs. */
export const lockUsOf = (
  { redisOperationUs, redisByteUs }: Pick<RedisConstants, "redisOperationUs" | "redisByteUs">,
  { operations, bytes, found = 0 }: Omit<Moved, "rounds">,
): number => (operations - found) * redisOperationUs + bytes * redisByteUs;
