// One invocation's usage, as the sandbox measured it: the only value that goes from the data plane up to placement.

export type Side = "compute" | "storage";

export const otherSide = (side: Side): Side => (side === "storage" ? "compute" : "storage");

/** Of what never ran. */
export const NO_USAGE = {
  /** From admission by the supervisor to its reply, µs. */
  wallUs: 0,
  /** Of that: waiting for an isolate, µs. */
  queueUs: 0,
  /** Of that: while the isolate that it got was being opened, µs. */
  startUs: 0,
  /** On the isolate's thread, in the function's own turns, µs. */
  cpuUs: 0,
  /** Of that: what it would not have taken at the pace that the core usually has, µs. */
  slowedUs: 0,
  /** Waiting for replies or timers inside the isolate, µs. */
  waitUs: 0,
  /** Redis commands, those that were found included. */
  operations: 0,
  /** Batches of operations sent and waited for: what pays a round trip. */
  rounds: 0,
  /** RESP bytes of commands. */
  bytesOut: 0,
  /** RESP bytes of replies. */
  bytesIn: 0,
  /** Of the operations, on either side: those of rounds of nothing but reads that a read cache may answer. */
  findableOperations: 0,
  /** Those rounds. */
  findableRounds: 0,
  /** Of the operations, those that the read cache answered without Redis; 0 on the compute side, which has none. */
  foundOperations: 0,
  /** Of the rounds, those that it answered whole: they paid no round trip. */
  foundRounds: 0,
  /** Under Redis' global lock for this invocation, µs; 0 on the compute side, where it cannot be seen. */
  lockUs: 0,
};

/**
 * What one invocation used. Operations, rounds and bytes do not depend on the side, which is what lets placement
 * predict the side where the function is not (runtime/placement/cost-model.ts).
 */
export type Usage = Readonly<Record<keyof typeof NO_USAGE, number>>;

export interface Sample extends Usage {
  readonly function: string;
  readonly version: string;
  readonly side: Side;
  /** `ok`, or the code of the error that ended it. */
  readonly outcome: string;
  /** Its caller asked for the side: no plan could have had it on the other one. No unless said. */
  readonly isFixed?: boolean;
}
