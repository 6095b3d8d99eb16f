// How much Redis and what is beside it really work for calls, to what the constants say. A calibration measures that in a tenth of a second, when code has
// just been loaded and a few calls come at a time; with many of them each costs less, since whoever is awake finds more to do at once. Redis tells
// its CPU time, so once a second what was worked is held against what the constants have calls work.

import { clamp } from "#runtime/clamp.ts";
import { type Tally, termOf } from "#runtime/profile/tally.ts";
import type { CostConstants } from "./cost-model.ts";

/** What calls have come to by constants, µs. Grows for as long as somebody counts. */
export interface ReckonedWork {
  /** Of Redis' one thread, but for the time that its lock was held for functions: that is measured. */
  readonly redisUs: number;
  readonly lockUs: number;
  /** Of the sandbox hosts beside Redis, and of the threads that serve them, but for what functions compute: that is measured as well. */
  readonly besideUs: number;
  readonly computedUs: number;
}

export const NOTHING_RECKONED: ReckonedWork = { redisUs: 0, lockUs: 0, besideUs: 0, computedUs: 0 };

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

/** Plain clients make Redis work as well, so that only less than the constants say tells of calls. */
const REDIS_MIN = 0.25;
const [BESIDE_MIN, BESIDE_MAX] = [0.25, 2] as const;
/** Calls make it work for so much of the time at least, or it tells nothing. */
const WORKED_MIN = 0.1;
/** Of what one second tells, against what was believed. Where Redis works more for each call than it did others may have come. Chosen. */
const WEIGHT = 0.5;
const WEIGHT_OF_MORE = 0.05;

/** With what windows have told that calls can have come to. */
export function reckonedWith(
  before: ReckonedWork,
  tallies: readonly Tally[],
  { compute, storage }: CostConstants,
): ReckonedWork {
  let { redisUs, lockUs, besideUs, computedUs } = before;
  for (const { side, sums } of tallies) {
    const [calls, operations, rounds] = [termOf(sums, "calls"), termOf(sums, "operations"), termOf(sums, "rounds")];
    if (side === "compute") {
      redisUs += calls * compute.redisCallUs + operations * compute.redisOperationUs + rounds * compute.redisRoundUs;
      continue;
    }
    redisUs += calls * storage.redisCallUs + rounds * storage.redisRoundUs;
    lockUs += termOf(sums, "lockUs");
    besideUs += calls * storage.callUs + operations * storage.operationUs + rounds * storage.roundUs;
    computedUs += termOf(sums, "cpuUs");
  }
  return { redisUs, lockUs, besideUs, computedUs };
}

/** Between two times. */
export const reckonedSince = (before: ReckonedWork, now: ReckonedWork): ReckonedWork => ({
  redisUs: now.redisUs - before.redisUs,
  lockUs: now.lockUs - before.lockUs,
  besideUs: now.besideUs - before.besideUs,
  computedUs: now.computedUs - before.computedUs,
});

/**
 * As believed after `passedMs`, in which calls came to what was reckoned. Nothing is learnt where they were few, nor where less was measured than their own computing, as where
 * Redis has begun anew.
 */
export function storageWorkAfter(
  { redis, beside }: StorageWork,
  reckoned: ReckonedWork,
  measured: MeasuredWork,
  passedMs: number,
): StorageWork {
  const least = WORKED_MIN * 1e3 * passedMs;
  const [redisUs, besideUs] = [measured.redisUs - reckoned.lockUs, measured.besideUs - reckoned.computedUs];
  const [ofRedis, ofBeside] = [redisUs / reckoned.redisUs, besideUs / reckoned.besideUs];
  const isToldOfRedis = reckoned.redisUs > least && redisUs > 0;
  const isToldOfBeside = reckoned.besideUs > least && besideUs > 0;
  return {
    redis: isToldOfRedis
      ? blended(redis, clamp(ofRedis, REDIS_MIN, 1), ofRedis > redis ? WEIGHT_OF_MORE : WEIGHT)
      : redis,
    beside: isToldOfBeside ? blended(beside, clamp(ofBeside, BESIDE_MIN, BESIDE_MAX), WEIGHT) : beside,
  };
}

const blended = (before: number, now: number, weight: number): number => before + weight * (now - before);

/** What Redis' thread works of that, µs. */
export const redisUsOf = ({ redisUs, lockUs }: ReckonedWork, { redis }: StorageWork): number =>
  redis * redisUs + lockUs;

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
