// One invocation's usage, as the sandbox measured it: the only value that goes from the data plane up to placement.

export type Side = "compute" | "storage";

export const otherSide = (side: Side): Side => (side === "storage" ? "compute" : "storage");

/**
 * What one invocation used. Operations, rounds and bytes do not depend on the side, which is what lets placement
 * predict the side where the function is not (runtime/placement/cost-model.ts).
 */
export interface Usage {
  /** From admission by the supervisor to its reply, µs. */
  readonly wallUs: number;
  /** Of that: waiting for an isolate, µs. */
  readonly queueUs: number;
  /** Of that: while the isolate that it got was being opened, µs. */
  readonly startUs: number;
  /** On the isolate's thread, in the function's own turns, µs. */
  readonly cpuUs: number;
  /** Of that: what it would not have taken at the pace that the core usually has, µs. */
  readonly slowedUs: number;
  /** Waiting for replies or timers inside the isolate, µs. */
  readonly waitUs: number;
  /** Redis commands, those that were found included. */
  readonly operations: number;
  /** Batches of operations sent and waited for: what pays a round trip. */
  readonly rounds: number;
  /** RESP bytes of commands. */
  readonly bytesOut: number;
  /** RESP bytes of replies. */
  readonly bytesIn: number;
  /** Of the operations, on either side: those of rounds of nothing but reads that a read cache may answer. */
  readonly findableOperations: number;
  /** Those rounds. */
  readonly findableRounds: number;
  /** Of the operations, those that the read cache answered without Redis; 0 on the compute side, which has none. */
  readonly foundOperations: number;
  /** Of the rounds, those that it answered whole: they paid no round trip. */
  readonly foundRounds: number;
  /** Under Redis' global lock for this invocation, µs; 0 on the compute side, where it cannot be seen. */
  readonly lockUs: number;
}

/** Of what never ran. */
export const NO_USAGE: Usage = {
  wallUs: 0,
  queueUs: 0,
  startUs: 0,
  cpuUs: 0,
  slowedUs: 0,
  waitUs: 0,
  operations: 0,
  rounds: 0,
  bytesOut: 0,
  bytesIn: 0,
  findableOperations: 0,
  findableRounds: 0,
  foundOperations: 0,
  foundRounds: 0,
  lockUs: 0,
};

export interface Sample extends Usage {
  readonly function: string;
  readonly version: string;
  readonly side: Side;
  /** `ok`, or the code of the error that ended it. */
  readonly outcome: string;
  /** Its caller asked for the side: no plan could have had it on the other one. No unless said. */
  readonly isFixed?: boolean;
}
