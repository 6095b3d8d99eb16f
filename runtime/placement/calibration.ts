// What moving and computing cost on this machine, from a few measured runs of one function on both sides. Pure arithmetic;
// `compute/placement/calibrate.ts` makes the runs.

import { clamp } from "#runtime/clamp.ts";
import type { CostConstants } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";

/** One run, all in µs: the least disturbed of several. */
export interface CalibrationRun {
  readonly operations: number;
  readonly rounds: number;
  /** In the sandbox, without waiting for an isolate. */
  readonly serviceUs: number;
  /** Of Redis' one thread: its CPU time, and the time that its lock was held. */
  readonly redisUs: number;
  /** Of all threads of the sandbox host; null where they cannot be seen. */
  readonly hostUs: number | null;
  readonly lockUs: number;
}

/** Of one side. */
export interface SideCalibration {
  /** A round for each operation. */
  readonly chain: CalibrationRun;
  /** Many operations in few rounds. */
  readonly batch: CalibrationRun;
  /** CPU time of the same computing on either side. */
  readonly computingUs: number;
  /** Of a call that does nothing: all that its caller waited beside the sandbox, and who worked. */
  readonly call: { readonly waitUs: number; readonly nodeUs: number; readonly redisUs: number };
}

export interface Calibration {
  readonly compute: SideCalibration;
  readonly storage: SideCalibration;
  /** RESP bytes that a round moved, and how much longer it took than one that moved none. */
  readonly bytes: { readonly moved: number; readonly us: number };
}

/** A constant that is so far from the usual one was not measured but disturbed. A round trip may be as long as it likes. */
const DISTANCE_MAX = 30;

export function constantsOf({ compute, storage, bytes }: Calibration): CostConstants {
  const usual = DEFAULT_CONSTANTS;
  const atCompute = solved(compute, "serviceUs");
  const ofRedis = solved(compute, "redisUs");
  const atStorage = solved(storage, "serviceUs");
  const redisOperationUs = near(usual.compute.redisOperationUs, ofRedis.operationUs);
  const redisRoundUs = near(usual.compute.redisRoundUs, ofRedis.roundUs);
  const host = compute.chain.hostUs === null ? null : compute.chain.hostUs / compute.chain.rounds;
  const operationUs = near(usual.compute.operationUs, atCompute.operationUs - redisOperationUs);
  const roundUs = near(usual.compute.roundUs, host === null ? usual.compute.roundUs : host - operationUs);
  const lockUs = near(usual.storage.lockUs, storage.batch.lockUs / storage.batch.operations);
  const nodeCallUs = near(usual.storage.nodeCallUs, storage.call.nodeUs);
  const redisCallUs = near(usual.storage.redisCallUs, storage.call.redisUs);
  return {
    compute: {
      callUs: near(usual.compute.callUs, Math.max(compute.call.waitUs, compute.call.nodeUs)),
      operationUs,
      roundUs,
      redisOperationUs,
      redisRoundUs,
      roundTripUs: Math.max(0, atCompute.roundUs - roundUs - redisRoundUs),
      bytesPerUs: near(usual.compute.bytesPerUs, bytes.us <= 0 ? Infinity : bytes.moved / bytes.us),
    },
    storage: {
      nodeCallUs,
      redisCallUs,
      callUs: usual.storage.callUs,
      callRoundTripUs: Math.max(0, storage.call.waitUs - nodeCallUs - redisCallUs - usual.storage.callUs),
      cpuRatio: near(1, storage.computingUs / compute.computingUs),
      operationUs: near(usual.storage.operationUs, atStorage.operationUs - lockUs),
      lockUs,
      roundUs: near(usual.storage.roundUs, atStorage.roundUs),
    },
  };
}

/** Two runs, two unknowns: what each operation and each round takes of a term. */
function solved(
  { chain, batch }: SideCalibration,
  term: "serviceUs" | "redisUs",
): { readonly operationUs: number; readonly roundUs: number } {
  const perChainRound = chain[term] / chain.rounds;
  const operationUs =
    (batch[term] - batch.rounds * perChainRound) /
    (batch.operations - (batch.rounds * chain.operations) / chain.rounds);
  return { operationUs, roundUs: perChainRound - (operationUs * chain.operations) / chain.rounds };
}

const near = (usual: number, measured: number): number =>
  Number.isNaN(measured) ? usual : clamp(measured, usual / DISTANCE_MAX, usual * DISTANCE_MAX);
