// What a call costs on each side: who spends how much time on it, and how long its caller waits. Pure arithmetic over what a
// function moves and computes (its demand, which does not depend on the side) and what moving and computing cost here
// (constants, calibrated against the live Redis). docs/placement.md derives the terms.

import type { Side } from "#runtime/profile/sample.ts";

/** Of one call, on average: what it would need on either side. */
export interface Demand {
  readonly operations: number;
  readonly rounds: number;
  /** Of RESP, both ways. */
  readonly bytes: number;
  /** The function's own turns, on a compute core, µs. */
  readonly cpuUs: number;
}

/** µs, unless the name says otherwise. Calibrated at start, refined from samples; the defaults are in `default-constants.ts`. */
export interface CostConstants {
  readonly compute: {
    /** On a compute core for each call: the gateway, handing it to an isolate and back. */
    readonly callUs: number;
    /** On a compute core for each operation: encoding it, decoding its reply. */
    readonly operationUs: number;
    /** On a compute core for each round: system calls. */
    readonly roundUs: number;
    /** On Redis' thread for each operation that comes over a socket. */
    readonly redisOperationUs: number;
    /** The same for each round: a read and a write of a socket. */
    readonly redisRoundUs: number;
    /** What a round waits beside all that: the network there and back, waking up. */
    readonly roundTripUs: number;
    /** Of the network. */
    readonly bytesPerUs: number;
  };
  readonly storage: {
    /** On a compute core for each call: the gateway, and the Redis client that passes it on. */
    readonly nodeCallUs: number;
    /** On Redis' thread for each call: reading it, replying. */
    readonly redisCallUs: number;
    /** On a storage core for each call: handing it to an isolate and back. */
    readonly callUs: number;
    /** What a call waits on its way there and back. */
    readonly callRoundTripUs: number;
    /** CPU time on a storage core ÷ the same on a compute core. */
    readonly cpuRatio: number;
    /** On a storage core for each operation: encoding, the ring, decoding. */
    readonly operationUs: number;
    /** Of Redis' one thread (its lock) for each operation. */
    readonly lockUs: number;
    /** What a round takes beside all that, on a storage core: waking up there and back. */
    readonly roundUs: number;
  };
}

/** What the caller of one call waits for, µs; their sum is the latency without queues. */
export interface LatencyTerms {
  /** Getting the call there and its reply back. */
  readonly call: number;
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

/** Of all that work for a call, µs. */
export const busyUs = ({ computeUs, storageUs, redisUs }: Cost): number => computeUs + storageUs + redisUs;

/** `cpuRatio`: of the function, where it is known better than that of computing as such. */
export const costOf = (
  side: Side,
  demand: Demand,
  constants: CostConstants,
  cpuRatio = constants.storage.cpuRatio,
): Cost => (side === "compute" ? costAtCompute(demand, constants) : costAtStorage(demand, constants, cpuRatio));

function costAtCompute({ operations, rounds, bytes, cpuUs }: Demand, { compute: of }: CostConstants): Cost {
  const client = operations * of.operationUs + rounds * of.roundUs;
  const redisUs = operations * of.redisOperationUs + rounds * of.redisRoundUs;
  const terms = {
    call: of.callUs,
    cpu: cpuUs,
    operations: operations * (of.operationUs + of.redisOperationUs),
    rounds: rounds * (of.roundUs + of.redisRoundUs + of.roundTripUs),
    bytes: bytes / of.bytesPerUs,
    crowd: 0,
  };
  const latencyUs = sumOf(terms);
  return { latencyUs, aloneUs: latencyUs, terms, computeUs: of.callUs + cpuUs + client, storageUs: 0, redisUs };
}

function costAtStorage({ operations, rounds, cpuUs }: Demand, { storage: of }: CostConstants, cpuRatio: number): Cost {
  const cpu = cpuUs * cpuRatio;
  const terms = {
    call: of.nodeCallUs + of.redisCallUs + of.callUs + of.callRoundTripUs,
    cpu,
    operations: operations * (of.operationUs + of.lockUs),
    rounds: rounds * of.roundUs,
    bytes: 0,
    crowd: 0,
  };
  const latencyUs = sumOf(terms);
  return {
    latencyUs,
    aloneUs: latencyUs,
    terms,
    computeUs: of.nodeCallUs,
    storageUs: of.callUs + cpu + operations * of.operationUs + rounds * of.roundUs,
    redisUs: of.redisCallUs + operations * of.lockUs,
  };
}

const sumOf = ({ call, cpu, operations, rounds, bytes, crowd }: LatencyTerms): number =>
  call + cpu + operations + rounds + bytes + crowd;
