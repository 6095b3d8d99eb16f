// How much is really worked for calls, to what the constants say: by Redis, by what is beside it, and by the sandbox hosts of nodes. A calibration measures
// that in a tenth of a second, when code has just been loaded and a few calls come at a time; with many of them each costs less, since whoever is awake
// finds more to do at once, or more, since others have had the core and its caches meanwhile. CPU times are told, so once a second what was
// worked is held against what the constants have calls work.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { type Tally, termOf } from "#runtime/profile/tally.ts";
import { overheadUsOf, redisUsOf, withoutFound, type CostConstants, type Moved } from "./cost-model.ts";

/** What calls have come to by constants since somebody asked last, µs. */
export interface ReckonedWork {
  /** Of Redis' one thread, for calls on either side, but for the time that its lock was held for functions: that is measured. */
  readonly redisUs: Readonly<Record<Side, number>>;
  readonly lockUs: number;
  /** Of the sandbox hosts beside Redis, and of the threads that serve them, but for what functions compute: that is measured as well. */
  readonly besideUs: number;
  readonly computedUs: number;
  /** The same of the hosts of nodes that know what these have worked, and that; NaN: nobody knows whose work was whose. */
  readonly hostsUs: number;
  readonly hostsComputedUs: number;
  readonly hostsWorkedUs: number;
  /** That Redis was sent for them: calls that run beside it, and operations of those that do not. */
  readonly commands: number;
  /** Of Redis' one thread, what it takes to run these operations, without reading and writing sockets. */
  readonly commandsUs: number;
  /** Calls, and those that came besides: what these have worked nobody knows. */
  readonly calls: number;
  readonly untold: number;
}

export const NOTHING_RECKONED: ReckonedWork = {
  redisUs: { compute: 0, storage: 0 },
  lockUs: 0,
  besideUs: 0,
  computedUs: 0,
  hostsUs: 0,
  hostsComputedUs: 0,
  hostsWorkedUs: 0,
  commands: 0,
  commandsUs: 0,
  calls: 0,
  untold: 0,
};

/** CPU time that was measured, µs. */
export interface MeasuredWork {
  /** Of Redis' one thread, and time that another held its lock. */
  readonly redisUs: number;
  /** Of the hosts beside it, and of the threads that serve them. */
  readonly besideUs: number;
  /** That came over Redis' connections, whoever sent them; NaN: it does not say. */
  readonly commands: number;
  /** Running commands, whoever sent them, functions beside it included; 0 where it does not say. */
  readonly commandsUs: number;
}

/** So many times what the constants say. */
export interface CallsWork {
  /** For calls on either side: at compute for what they send over sockets, at storage for the calls themselves. */
  readonly redis: Readonly<Record<Side, number>>;
  readonly beside: number;
  readonly hosts: number;
}

export const AS_CALIBRATED: CallsWork = { redis: { compute: 1, storage: 1 }, beside: 1, hosts: 1 };

/** What is beyond these is no work of calls. */
const [REDIS_MIN, REDIS_MAX] = [0.25, 4] as const;
/** What is beyond these is no overhead of calls: a long one computes before its window tells, and hosts that die take their times with them. */
const [HOSTS_MIN, HOSTS_MAX] = [0.25, 2] as const;
/** Calls make it work for so much of the time at least, or it tells nothing; and not for longer than there was, as only somebody would write who is no node. */
const WORKED_MIN = 0.1;
const WORKED_MAX = 2;
/** Where more than this part of the calls fail nothing is learnt: what they have worked is in no window. */
const UNTOLD_MAX = 0.1;
/** Of what one second tells, against what was believed. Chosen. */
const WEIGHT = 0.5;
/** What Redis works for calls of a side goes back to what was calibrated, by half in this time, where nothing tells of it. Chosen: as windows are forgotten. */
const UNTOLD_HALF_LIFE_MS = 10_000;

/** What the calls of a window have moved, all together: at storage without what was found there. */
export function sentBy({ side, sums }: Tally): Moved {
  const moved = {
    operations: termOf(sums, "operations"),
    rounds: termOf(sums, "rounds"),
    bytes: termOf(sums, "bytes"),
  };
  if (side === "compute") return moved;
  return withoutFound(moved, { operations: termOf(sums, "foundOperations"), rounds: termOf(sums, "foundRounds") });
}

/** With what a window has told that calls can have come to. `hostsWorkedUs`: by the hosts of whoever tells, NaN and null as above and where it does not know. */
export function reckonedWith(
  before: ReckonedWork,
  tallies: readonly Tally[],
  { compute, storage }: CostConstants,
  hostsWorkedUs: number | null,
): ReckonedWork {
  const [here, there] = [new Totals(), new Totals()];
  for (const tally of tallies) (tally.side === "compute" ? here : there).add(tally);
  const redisUs = {
    compute: before.redisUs.compute + redisUsOf(compute, here.calls, here),
    // Operations there run while the lock is held.
    storage:
      before.redisUs.storage + redisUsOf(storage, there.calls, { operations: 0, rounds: there.rounds, bytes: 0 }),
  };
  const hosts = { ...compute, callUs: Math.max(0, compute.callUs - compute.nodeCallUs) };
  const ofHosts = {
    hostsUs: before.hostsUs + (hostsWorkedUs === null ? 0 : overheadUsOf(hosts, here.calls, here)),
    hostsComputedUs: before.hostsComputedUs + (hostsWorkedUs === null ? 0 : here.cpuUs),
    hostsWorkedUs: before.hostsWorkedUs + (hostsWorkedUs ?? 0),
  };
  const ranUs = here.operations * compute.redisOperationUs + here.bytes * compute.redisByteUs;
  return {
    redisUs,
    lockUs: before.lockUs + there.lockUs,
    besideUs: before.besideUs + overheadUsOf(storage, there.calls, there),
    computedUs: before.computedUs + there.cpuUs,
    ...ofHosts,
    commands: before.commands + here.operations + there.calls,
    commandsUs: before.commandsUs + ranUs,
    calls: before.calls + here.calls + there.calls,
    untold: before.untold + here.untold + there.untold,
  };
}

/** What all calls on one side have come to. */
class Totals implements Moved {
  calls = 0;
  untold = 0;
  operations = 0;
  rounds = 0;
  bytes = 0;
  cpuUs = 0;
  lockUs = 0;

  add(tally: Tally): void {
    const { sums } = tally;
    const { operations, rounds, bytes } = sentBy(tally);
    this.calls += termOf(sums, "calls");
    this.untold += termOf(sums, "untold");
    this.operations += operations;
    this.rounds += rounds;
    this.bytes += bytes;
    this.cpuUs += termOf(sums, "cpuUs");
    this.lockUs += termOf(sums, "lockUs");
  }
}

/**
 * As believed after `passedMs`, in which calls came to what was reckoned. Nothing is learnt where they were few or failed, nor from what cannot be, as where Redis has begun
 * anew, or its counts. Plain clients make Redis work as well: what is more than the constants say is theirs by their part of its commands, and by the time of commands that are dearer than the constants have any.
 */
export function callsWorkAfter(
  work: CallsWork,
  reckoned: ReckonedWork,
  measured: MeasuredWork,
  passedMs: number,
): CallsWork {
  const { lockUs, besideUs, computedUs, hostsUs, hostsComputedUs, hostsWorkedUs, calls, untold } = reckoned;
  const redisUs = reckoned.redisUs.compute + reckoned.redisUs.storage;
  if (untold > UNTOLD_MAX * (calls + untold)) return work;
  const [least, most] = [WORKED_MIN * 1e3 * passedMs, WORKED_MAX * 1e3 * passedMs];
  const ofRedis = (measured.redisUs - lockUs) / redisUs;
  const isBegunAnew = measured.commands < 0 || measured.commandsUs < 0;
  const isToldOfRedis = redisUs > least && redisUs + lockUs < most && ofRedis >= REDIS_MIN && !isBegunAnew;
  const redisMost = clamp(
    Math.min(ofRedis * oursOf(reckoned, measured), ofRedis - dearUs(reckoned, measured) / redisUs),
    1,
    REDIS_MAX,
  );
  const towards = (believed: number, told: number): number => believed + WEIGHT * (told - believed);
  const ofHosts = (believed: number, overheadUs: number, workedUs: number): number => {
    const told = workedUs / overheadUs;
    return overheadUs > least && HOSTS_MIN <= told && told <= HOSTS_MAX ? towards(believed, told) : believed;
  };
  return {
    redis: isToldOfRedis
      ? ofRedisAfter(work.redis, reckoned.redisUs, {
          workedUs: redisUs * Math.min(redisMost, ofRedis),
          most: ofRedis > redisMost ? redisMost : Infinity,
          passedMs,
        })
      : work.redis,
    beside: ofHosts(work.beside, besideUs, measured.besideUs - computedUs),
    hosts: ofHosts(work.hosts, hostsUs, hostsWorkedUs - hostsComputedUs),
  };
}

/**
 * As believed when `workedUs` are told of both sides' calls together: what is missing, or too much, is of each side's by its part, a normalised step of least mean squares (Nagumo and Noda, 1967). Where less than
 * half of the work is for a side's calls, little is told of them: what was known of it goes back to what was calibrated. Where what is worked may be others', no side's calls are taken to work more than
 * `most` times what the constants say, or come closer to that.
 */
function ofRedisAfter(
  believed: CallsWork["redis"],
  { compute, storage }: CallsWork["redis"],
  { workedUs, most, passedMs }: { readonly workedUs: number; readonly most: number; readonly passedMs: number },
): CallsWork["redis"] {
  const rested = (factor: number, reckonedUs: number): number => {
    const untold = Math.max(0, 1 - (2 * reckonedUs) / (compute + storage));
    return 1 + (factor - 1) * (1 - untold * (1 - decayOf(passedMs, UNTOLD_HALF_LIFE_MS)));
  };
  const before = { compute: rested(believed.compute, compute), storage: rested(believed.storage, storage) };
  const missingUs = WEIGHT * (workedUs - before.compute * compute - before.storage * storage);
  const perUs = missingUs / (compute ** 2 + storage ** 2);
  const corrected = (factor: number, reckonedUs: number): number =>
    clamp(
      Math.min(factor + perUs * reckonedUs, most + (1 - WEIGHT) * Math.max(0, factor - most)),
      REDIS_MIN,
      REDIS_MAX,
    );
  return { compute: corrected(before.compute, compute), storage: corrected(before.storage, storage) };
}

/** Of the commands that Redis was sent, the part that calls can account for. */
const oursOf = ({ commands }: ReckonedWork, measured: MeasuredWork): number =>
  measured.commands > 0 ? Math.min(1, commands / measured.commands) : 0;

/** Of the time that commands took, what is no overhead of calls: other clients' few commands may take long, and so may those of functions at compute. */
const dearUs = ({ commandsUs, lockUs }: ReckonedWork, measured: MeasuredWork): number =>
  Math.max(0, measured.commandsUs - lockUs - REDIS_MAX * commandsUs);

/** What Redis' thread works of that, µs: calls that fail have worked nothing, or as much as others do. */
export function redisWorkUs(
  { redisUs, lockUs, calls, untold }: ReckonedWork,
  { redis }: CallsWork,
): readonly [least: number, most: number] {
  const told = redis.compute * redisUs.compute + redis.storage * redisUs.storage + lockUs;
  if (untold <= 0) return [told, told];
  return [told, calls > 0 ? told * (1 + untold / calls) : Infinity];
}

/** What is believed takes the place of what was calibrated. */
export function withCallsWork({ compute, storage }: CostConstants, { redis, beside, hosts }: CallsWork): CostConstants {
  const { nodeCallUs } = compute;
  return {
    compute: {
      ...compute,
      callUs: nodeCallUs + hosts * Math.max(0, compute.callUs - nodeCallUs),
      operationUs: hosts * compute.operationUs,
      roundUs: hosts * compute.roundUs,
      byteUs: hosts * compute.byteUs,
      redisCallUs: redis.compute * compute.redisCallUs,
      redisOperationUs: redis.compute * compute.redisOperationUs,
      redisRoundUs: redis.compute * compute.redisRoundUs,
      redisByteUs: redis.compute * compute.redisByteUs,
    },
    storage: {
      ...storage,
      callUs: beside * storage.callUs,
      operationUs: beside * storage.operationUs,
      roundUs: beside * storage.roundUs,
      byteUs: beside * storage.byteUs,
      redisCallUs: redis.storage * storage.redisCallUs,
      redisRoundUs: redis.storage * storage.redisRoundUs,
    },
  };
}
