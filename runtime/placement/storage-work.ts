// How much Redis and what is beside it really work for calls, to what the constants say. A calibration measures that in a tenth of a second, when code has
// just been loaded and a few calls come at a time; with many of them each costs less, since whoever is awake finds more to do at once. Redis tells
// its CPU time, so once a second what was worked is held against what the constants have calls work.

import { type Tally, termOf } from "#runtime/profile/tally.ts";
import { overheadUsOf, redisUsOf, type CostConstants } from "./cost-model.ts";

/** What calls have come to by constants since somebody asked last, µs. */
export interface ReckonedWork {
  /** Of Redis' one thread, but for the time that its lock was held for functions: that is measured. */
  readonly redisUs: number;
  readonly lockUs: number;
  /** Of the sandbox hosts beside Redis, and of the threads that serve them, but for what functions compute: that is measured as well. */
  readonly besideUs: number;
  readonly computedUs: number;
  /** Calls, and those that came besides: what these have worked nobody knows. */
  readonly calls: number;
  readonly untold: number;
}

export const NOTHING_RECKONED: ReckonedWork = {
  redisUs: 0,
  lockUs: 0,
  besideUs: 0,
  computedUs: 0,
  calls: 0,
  untold: 0,
};

/** CPU time that was measured, µs. */
export interface MeasuredWork {
  /** Of Redis' one thread, and time that another held its lock. */
  readonly redisUs: number;
  /** Of the hosts beside it, and of the threads that serve them. */
  readonly besideUs: number;
}

/** So many times what the constants say. */
export interface StorageWork {
  readonly redis: number;
  readonly beside: number;
}

export const AS_CALIBRATED: StorageWork = { redis: 1, beside: 1 };

/** Plain clients make Redis work as well: of what is more than the constants say nobody knows whose it is. */
const REDIS_MIN = 0.25;
/** What is beyond these is no overhead of calls: a long one computes before its window tells, and hosts that die take their times with them. */
const [BESIDE_MIN, BESIDE_MAX] = [0.25, 2] as const;
/** Calls make it work for so much of the time at least, or it tells nothing; and not for longer than there was, as only somebody would write who is no node. */
const WORKED_MIN = 0.1;
const WORKED_MAX = 2;
/** Where more than this part of the calls fail nothing is learnt: what they have worked is in no window. */
const UNTOLD_MAX = 0.1;
/** Of what one second tells, against what was believed. Chosen. */
const WEIGHT = 0.5;

/** With what windows have told that calls can have come to. */
export function reckonedWith(
  before: ReckonedWork,
  tallies: readonly Tally[],
  { compute, storage }: CostConstants,
): ReckonedWork {
  let { redisUs, lockUs, besideUs, computedUs, calls: allCalls, untold } = before;
  for (const { side, sums } of tallies) {
    const [calls, operations, rounds] = [termOf(sums, "calls"), termOf(sums, "operations"), termOf(sums, "rounds")];
    allCalls += calls;
    untold += termOf(sums, "untold");
    if (side === "compute") {
      redisUs += redisUsOf(compute, calls, operations, rounds);
      continue;
    }
    // Operations there run while the lock is held.
    redisUs += redisUsOf(storage, calls, 0, rounds);
    lockUs += termOf(sums, "lockUs");
    besideUs += overheadUsOf(storage, calls, operations, rounds);
    computedUs += termOf(sums, "cpuUs");
  }
  return { redisUs, lockUs, besideUs, computedUs, calls: allCalls, untold };
}

/**
 * As believed after `passedMs`, in which calls came to what was reckoned. Nothing is learnt where they were few or failed, nor from what cannot be, as where Redis has begun
 * anew.
 */
export function storageWorkAfter(
  { redis, beside }: StorageWork,
  reckoned: ReckonedWork,
  measured: MeasuredWork,
  passedMs: number,
): StorageWork {
  const { redisUs, lockUs, besideUs, computedUs, calls, untold } = reckoned;
  if (untold > UNTOLD_MAX * (calls + untold)) return { redis, beside };
  const [least, most] = [WORKED_MIN * 1e3 * passedMs, WORKED_MAX * 1e3 * passedMs];
  const ofRedis = (measured.redisUs - lockUs) / redisUs;
  const ofBeside = (measured.besideUs - computedUs) / besideUs;
  const isToldOfRedis = redisUs > least && redisUs + lockUs < most && ofRedis >= REDIS_MIN;
  const isToldOfBeside = besideUs > least && BESIDE_MIN <= ofBeside && ofBeside <= BESIDE_MAX;
  return {
    redis: isToldOfRedis ? redis + WEIGHT * (Math.min(1, ofRedis) - redis) : redis,
    beside: isToldOfBeside ? beside + WEIGHT * (ofBeside - beside) : beside,
  };
}

/** What Redis' thread works of that, µs: calls that fail have worked nothing, or as much as others do. */
export function redisWorkUs(
  { redisUs, lockUs, calls, untold }: ReckonedWork,
  { redis }: StorageWork,
): readonly [least: number, most: number] {
  const told = redis * redisUs + lockUs;
  if (untold <= 0) return [told, told];
  return [told, calls > 0 ? told * (1 + untold / calls) : Infinity];
}

/** What is believed takes the place of what was calibrated. */
export function withStorageWork({ compute, storage }: CostConstants, { redis, beside }: StorageWork): CostConstants {
  return {
    compute: {
      ...compute,
      redisCallUs: redis * compute.redisCallUs,
      redisOperationUs: redis * compute.redisOperationUs,
      redisRoundUs: redis * compute.redisRoundUs,
    },
    storage: {
      ...storage,
      callUs: beside * storage.callUs,
      operationUs: beside * storage.operationUs,
      roundUs: beside * storage.roundUs,
      redisCallUs: redis * storage.redisCallUs,
      redisRoundUs: redis * storage.redisRoundUs,
    },
  };
}
