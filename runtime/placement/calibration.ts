// The constants of this machine from a few runs of one function on both sides (compute/calibration/calibrate.ts).
// Pure arithmetic. Also the constants over a network of which only the round trip is known.

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CostConstants } from "./cost-model.ts";
import { DEFAULT_CONSTANTS, DEFAULT_ROUND_TRIP_US } from "./default-constants.ts";
import { BACK_CPU_US_MAX } from "./plan.ts";

/** Of one call, µs. `…Us` without a comment is CPU time of a call among many of the same kind. */
export interface Run {
  readonly operations: number;
  readonly rounds: number;
  /** RESP bytes, both directions. */
  readonly bytes: number;
  /** Time in the sandbox of a single call, without its own computing; and time that its caller waited outside. */
  readonly serviceUs: number;
  readonly outsideUs: number;
  /** The side's cores, the function's own computing not counted. */
  readonly sideUs: number;
  readonly nodeUs: number;
  /** Redis' thread: busy, or its lock held by another; and of that, the lock held for the function. */
  readonly redisUs: number;
  readonly lockUs: number;
}

/** A call that does nothing; a round for each operation; many operations in few rounds; few operations with many bytes. */
export const RUN_KINDS = ["nothing", "chain", "batch", "long"] as const;
export type Runs = Readonly<Record<(typeof RUN_KINDS)[number], Run>>;

export interface Calibration extends Readonly<Record<Side, Runs>> {
  /** CPU time of the same computing at storage ÷ at compute. */
  readonly cpuRatio: number;
}

/** Work this many times off the default was not measured but disturbed. Not sensitive. */
const DISTANCE_MAX = 30;
const WAITS: readonly string[] = ["callWaitUs", "enterUs", "operationWaitUs", "roundWaitUs"];

export function constantsOf({ compute, storage, cpuRatio }: Calibration): CostConstants {
  const usual = DEFAULT_CONSTANTS;
  const { byteUs } = solved(compute, ({ serviceUs }) => serviceUs);
  const lock = solved(storage, ({ lockUs }) => lockUs);
  return {
    compute: {
      ...sideConstants("compute", compute),
      bytesPerUs: near(usual.compute.bytesPerUs, byteUs > 0 ? 1 / byteUs : Infinity),
    },
    storage: {
      ...sideConstants("storage", storage),
      redisOperationUs: near(usual.storage.redisOperationUs, lock.operationUs),
      redisByteUs: near(usual.storage.redisByteUs, lock.byteUs),
      cpuRatio: near(usual.storage.cpuRatio, cpuRatio),
      found: usual.storage.found,
    },
  };
}

function sideConstants(side: Side, runs: Runs) {
  const usual = DEFAULT_CONSTANTS[side];
  const wait = solved(runs, ({ serviceUs }) => serviceUs);
  const work = solved(runs, ({ sideUs }) => sideUs);
  const redis = solved(runs, ({ redisUs }) => redisUs);
  const callUs = near(usual.callUs, work.callUs);
  const nodeCallUs = near(usual.nodeCallUs, runs.nothing.nodeUs);
  return {
    callWaitUs: finite(runs.nothing.outsideUs),
    enterUs: finite(wait.callUs),
    operationWaitUs: finite(wait.operationUs),
    roundWaitUs: finite(wait.roundUs),
    callUs,
    nodeCallUs: side === "compute" ? Math.min(callUs, nodeCallUs) : nodeCallUs,
    operationUs: near(usual.operationUs, work.operationUs),
    roundUs: near(usual.roundUs, work.roundUs),
    byteUs: near(usual.byteUs, work.byteUs),
    redisCallUs: near(usual.redisCallUs, redis.callUs),
    redisOperationUs: near(usual.redisOperationUs, redis.operationUs),
    redisRoundUs: near(usual.redisRoundUs, redis.roundUs),
    redisByteUs: near(usual.redisByteUs, redis.byteUs),
  };
}

/** Four runs, four unknowns. The bytes of all but the long run are so few that they count as none. */
function solved({ nothing, chain, batch, long }: Runs, usOf: (run: Run) => number) {
  const callUs = usOf(nothing);
  const more = (run: Run): number => usOf(run) - callUs;
  const chainRoundUs = more(chain) / chain.rounds;
  const operationUs =
    (more(batch) - batch.rounds * chainRoundUs) / (batch.operations - (batch.rounds * chain.operations) / chain.rounds);
  const roundUs = chainRoundUs - (operationUs * chain.operations) / chain.rounds;
  const byteUs = (more(long) - long.operations * operationUs - long.rounds * roundUs) / long.bytes;
  return { callUs, operationUs, roundUs, byteUs };
}

/** A wait that is this many times as long is of another network. Less may be PINGs that waited for a busy Redis. */
const OTHER_NETWORK_TIMES = 8;

/**
 * With the waits that the network decides as its round trip has them, and the rest as kept from an earlier calibration
 * or by default. Kept constants of about the same network are returned unchanged.
 */
export function constantsOver(roundTripUs: number, kept: CostConstants | null): CostConstants {
  const usual = DEFAULT_CONSTANTS;
  const moreUs = roundTripUs - DEFAULT_ROUND_TRIP_US;
  // Whatever the network is, a round waits for the work at both ends.
  const workUs = usual.compute.roundUs + usual.compute.redisRoundUs;
  const roundWaitUs = finite(Math.max(workUs, usual.compute.roundWaitUs + moreUs));
  const { compute, storage } = kept ?? usual;
  const [less, more] = [compute.roundWaitUs, roundWaitUs].toSorted((one, other) => one - other) as [number, number];
  const isOther = more > OTHER_NETWORK_TIMES * Math.max(less, DEFAULT_ROUND_TRIP_US);
  if (kept !== null && !isOther) return kept;
  const callWaitUs = finite(usual.storage.callWaitUs + moreUs);
  return { compute: { ...compute, roundWaitUs }, storage: { ...storage, callWaitUs } };
}

/** Whether a calibration may have found them. They come from Redis, where others write as well. */
export const arePlausible = (constants: CostConstants): boolean =>
  (["compute", "storage"] as const).every((side) => {
    const usual: Readonly<Record<string, number>> = { ...DEFAULT_CONSTANTS[side] };
    return Object.entries(constants[side]).every(([name, value]) => {
      if (name === "found") return value >= 0 && value <= 1;
      if (WAITS.includes(name)) return value >= 0 && value <= BACK_CPU_US_MAX;
      return value >= usual[name]! / DISTANCE_MAX && value <= usual[name]! * DISTANCE_MAX;
    });
  });

const finite = (us: number): number => (Number.isFinite(us) ? clamp(us, 0, BACK_CPU_US_MAX) : 0);

const near = (usual: number, measured: number): number =>
  Number.isNaN(measured) ? usual : clamp(measured, usual / DISTANCE_MAX, usual * DISTANCE_MAX);
