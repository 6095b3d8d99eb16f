// What a call costs on each side: who spends how much time on it, and how long its caller waits. Pure arithmetic over what a
// function moves and computes (its demand, which does not depend on the side) and what moving and computing cost here
// (constants, calibrated against the live Redis). docs/placement.md derives the terms.

import type { Side } from "#runtime/profile/sample.ts";

/** What calls move. */
export interface Moved {
  readonly operations: number;
  readonly rounds: number;
  /** Of RESP, both ways. */
  readonly bytes: number;
}

/** What is left of that at storage where the read cache answers some: for an operation the host works about as much itself, for the rest nobody. */
export interface Sent extends Moved {
  /** Of the operations, those that do not go to Redis. */
  readonly found: number;
}
type MovedOrSent = Moved & Partial<Sent>;

export function withoutFound({ operations, rounds, bytes }: Moved, found: Omit<Moved, "bytes">): Sent {
  const sent = operations > 0 ? Math.max(0, 1 - found.operations / operations) : 1;
  return {
    operations,
    rounds: Math.max(0, rounds - found.rounds),
    bytes: bytes * sent,
    found: operations * (1 - sent),
  };
}

/** Of one call, on average: what it would need on either side. */
export interface Demand extends Moved {
  /** The function's own turns, on a compute core, µs. */
  readonly cpuUs: number;
}

/**
 * Of one side, µs. What a call waits for is of a call that is alone: each round then wakes somebody up. What is worked for it is of calls
 * that come in a crowd, where a core that is awake does several at a time: it decides what cores can bear.
 */
interface SideConstants {
  /** A call waits outside of the sandbox: the gateway, its way there and back. */
  readonly callWaitUs: number;
  /** A call waits in the sandbox beside what it does there: waking the isolate up. */
  readonly enterUs: number;
  readonly operationWaitUs: number;
  readonly roundWaitUs: number;
  /** On the side's cores for each call. */
  readonly callUs: number;
  /** For each operation: encoding it, decoding its reply. */
  readonly operationUs: number;
  /** The same for each round: sending it, waking up. */
  readonly roundUs: number;
  /** The same for each byte: copying it. */
  readonly byteUs: number;
  /** On a compute core for each call: the node itself, which has it run there, as a part of `callUs`, or passes it on. */
  readonly nodeCallUs: number;
  /** Of Redis' one thread for each call: reading it, replying. */
  readonly redisCallUs: number;
  /** The same for each operation; at storage the time that the lock is held. */
  readonly redisOperationUs: number;
  /** The same for each round; at compute a read and a write of a socket. */
  readonly redisRoundUs: number;
  /** The same for each byte; at storage the time that the lock is held. */
  readonly redisByteUs: number;
}

/** Calibrated at start, refined from samples; the defaults are in `default-constants.ts`. */
export interface CostConstants {
  readonly compute: SideConstants & {
    /** Of the network. */
    readonly bytesPerUs: number;
    /** Of the function's own turns, for each round that it waits for: going on with its promises. Of what is found at storage it waits for none. */
    readonly resumeUs: number;
  };
  readonly storage: SideConstants & {
    /** CPU time on a storage core ÷ the same on a compute core. */
    readonly cpuRatio: number;
    /** What the read cache answers of what it may, of a function that does not run there, 0 to 1: of operations, and of rounds. */
    readonly found: number;
  };
}

/** Where constants come from: nobody has measured yet, an earlier controller has, this one has what the network takes and nothing else, this one has all. */
export const CONSTANTS_SOURCES = ["usual", "kept", "network", "measured"] as const;

export type ConstantsSource = (typeof CONSTANTS_SOURCES)[number];

/** What the caller of one call waits for, µs; their sum is the latency without queues. */
export interface LatencyTerms {
  /** Getting the call there and its reply back. */
  readonly call: number;
  /** Waking an isolate up for it. */
  readonly enter: number;
  readonly cpu: number;
  readonly operations: number;
  readonly rounds: number;
  readonly bytes: number;
  /** What calls take longer than all that: queues for cores, neighbours. 0 in the model. */
  readonly crowd: number;
}

/** Of one call on one side, µs. */
export interface Cost {
  readonly latencyUs: number;
  /** The same where nobody else is about: what a crowd adds is its own doing. */
  readonly aloneUs: number;
  readonly terms: LatencyTerms;
  /** On compute cores. */
  readonly computeUs: number;
  /** On storage cores, Redis' thread not counted. */
  readonly storageUs: number;
  /** Of Redis' one thread. */
  readonly redisUs: number;
}

/** Of a call with so much of its kind at storage: the mean of both sides. */
export const atShare = (
  { compute, storage }: Readonly<Record<Side, Cost>>,
  share: number,
  of: (cost: Cost) => number,
): number => share * of(storage) + (1 - share) * of(compute);

/** Of all that work for a call, µs. */
export const busyUs = ({ computeUs, storageUs, redisUs }: Cost): number => computeUs + storageUs + redisUs;

/** What was measured of calls beside what the model says of them. */
interface Measured {
  /**
   * In the sandbox they take so many times as long. What callers wait for there, longer or shorter; what cores and Redis' thread spend was measured as such,
   * or is the model's. Nobody can tell which term a crowd makes longer: it is one of its own.
   */
  readonly slowness: number;
  /** The least of it: without a crowd. */
  readonly least: number;
  /** So much longer is Redis' lock held for one, µs. */
  readonly moreLockUs: number;
}

const AS_MODELLED: Measured = { slowness: 1, least: 1, moreLockUs: 0 };

/** `cpuRatio`: of the function, where it is known better than that of computing as such. */
export function costOf(
  side: Side,
  demand: Demand,
  constants: CostConstants,
  cpuRatio = constants.storage.cpuRatio,
  { slowness, least, moreLockUs } = AS_MODELLED,
): Cost {
  const { compute, storage } = constants;
  const isAtStorage = side === "storage";
  const of = isAtStorage ? storage : compute;
  const { operations, rounds, bytes, cpuUs } = demand;
  const call = of.callWaitUs;
  const sandboxUs = sandboxUsOf(side, demand, constants, cpuRatio);
  const cpu = isAtStorage ? cpuUs * cpuRatio : cpuUs;
  const shorter = Math.min(1, slowness);
  const workUs = cpu + overheadUsOf(of, 1, demand);
  return {
    latencyUs: call + sandboxUs * slowness,
    aloneUs: call + sandboxUs * least,
    terms: {
      call,
      enter: shorter * of.enterUs,
      cpu: shorter * cpu,
      operations: shorter * operations * of.operationWaitUs,
      rounds: shorter * rounds * of.roundWaitUs,
      bytes: shorter * networkUsOf(side, bytes, constants),
      crowd: sandboxUs * (slowness - shorter),
    },
    computeUs: isAtStorage ? storage.nodeCallUs : workUs,
    storageUs: isAtStorage ? workUs : 0,
    redisUs: redisUsOf(of, 1, demand) + moreLockUs,
  };
}

/** Of what `costOf` says of a call, the time in the sandbox, µs. */
export function sandboxUsOf(
  side: Side,
  { operations, rounds, bytes, cpuUs }: Demand,
  constants: CostConstants,
  cpuRatio: number,
): number {
  const { enterUs, operationWaitUs, roundWaitUs } = constants[side];
  const computedUs = side === "storage" ? cpuUs * cpuRatio : cpuUs;
  const waitedUs = operations * operationWaitUs + rounds * roundWaitUs + networkUsOf(side, bytes, constants);
  return enterUs + computedUs + waitedUs;
}

const networkUsOf = (side: Side, bytes: number, { compute: { bytesPerUs } }: CostConstants): number =>
  side === "storage" ? 0 : bytes / bytesPerUs;

/** What calls that moved so much work on the cores of a side beside what functions compute, µs. */
export const overheadUsOf = (
  { callUs, operationUs, roundUs, byteUs }: SideConstants,
  calls: number,
  { operations, rounds, bytes }: Moved,
): number => calls * callUs + operations * operationUs + rounds * roundUs + bytes * byteUs;

/** What they work of Redis' one thread, µs. */
export const redisUsOf = (
  { redisCallUs, redisOperationUs, redisRoundUs, redisByteUs }: SideConstants,
  calls: number,
  { operations, rounds, bytes, found = 0 }: MovedOrSent,
): number =>
  calls * redisCallUs + (operations - found) * redisOperationUs + rounds * redisRoundUs + bytes * redisByteUs;

/** Of that at storage, how long the lock is held, µs. */
export const lockUsOf = (
  { redisOperationUs, redisByteUs }: SideConstants,
  { operations, bytes, found = 0 }: Omit<MovedOrSent, "rounds">,
): number => (operations - found) * redisOperationUs + bytes * redisByteUs;
