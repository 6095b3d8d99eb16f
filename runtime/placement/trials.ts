// What the model cannot know is tried. It is linear: a call costs what it costs, whatever share of its kind is beside it. But rounds that come
// together are served together, so that a core which splits its time between rounds of the one side and requests of the other may do less
// than with either alone, and the best shares lie at a corner that no slope leads to. So where a pool is crowded, and nothing has moved for a while,
// all calls of one function run on one side for a tenth of a second; it stays so if all that is called took less time then, each function's
// calls weighted by how many there were before (an index of Laspeyres'; with callers who wait for each other it is calls/s before ÷ then).

import { clamp } from "#runtime/clamp.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Heard } from "#runtime/profile/calls-by-time.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { busyUs } from "./cost-model.ts";
import { outlookOf } from "./optimal-shares.ts";
import type { Load, PoolUse } from "./pool-use.ts";

/** One function's, and what came of those before. */
export interface Trials {
  readonly running: { readonly side: Side; readonly startedMs: number; readonly fromShare: number } | null;
  /** It stays where a trial has shown that it does better, as long as a call takes about as long as then. */
  readonly held: { readonly sinceMs: number; readonly untilMs: number; readonly promisedUs: number } | null;
  /** Of the last time that it was held. */
  readonly holdMs: number;
  /** After one that was no good, by side: how long, and until when. */
  readonly backOffMs: Readonly<Record<Side, number>>;
  readonly retryAtMs: Readonly<Record<Side, number>>;
  /** Of the last one. */
  readonly endedMs: number;
  /** Where it was held last, whatever its calls were then: what did so once is tried first. */
  readonly keptSide: Side | null;
}

export const NO_TRIALS: Trials = {
  running: null,
  held: null,
  holdMs: 0,
  backOffMs: { compute: 0, storage: 0 },
  retryAtMs: { compute: 0, storage: 0 },
  endedMs: -Infinity,
  keptSide: null,
};

/** One function that is called. */
export interface Tried {
  readonly profile: FunctionProfile;
  readonly share: number;
  readonly load: Load;
  readonly trials: Trials;
  /** Neither pinned nor still to be profiled, nor just taken back. */
  readonly isFree: boolean;
  readonly isWarm: Readonly<Record<Side, boolean>>;
}

/** Nothing has moved for so long, so that what there was before is one thing. Chosen, as the times below; bench `placement` measures them. */
export const STEADY_MS = 150;
/** What there was before is known from so long. */
export const BEFORE_MS = 150;
/** Calls that were under way when it began, and the window that brings the first of it. */
const SETTLE_MS = 50;
const MEASURE_MS = 100;
/** Longer where calls are few. */
const TRIAL_MS_MAX = 500;
const CALLS_MIN = 32;
/** Of what all calls take, so much less … */
const GAIN_MIN = 0.05;
/** … and so many standard errors, or it goes on. */
const GAIN_NOISES = 2;
/** What is clearly worse is over after half of the time. */
const LOSS_CLEAR = 0.2;
/** By the model the busiest pool may be so many times as busy then: what is clearly worse is not tried. */
const BUSIER_MAX = 1.5;
/** Callers may ask for a side. Of a function with more calls than this elsewhere than the plan has them nothing is tried. */
const OFF_PLAN_MAX = 0.15;
/** A function whose work is a smaller part of all can gain little. */
const WORK_MIN = 0.1;
const BACK_OFF_MS_MIN = 1_000;
const BACK_OFF_MS_MAX = 60_000;
const HOLD_MS_MIN = 5_000;
const HOLD_MS_MAX = 60_000;
/** A call takes so many times what it took in the trial, for so long: the load is not what it was. */
const PROMISE_MS = 250;
const PROMISE_SLACK = 1.25;

export const shareAt = (side: Side): number => (side === "storage" ? 1 : 0);

export interface Verdict {
  readonly isKept: boolean;
  /** What all calls took, to what they took before; null: too few ended to tell. */
  readonly ratio: number | null;
  /** What a call of its own took. */
  readonly heldUs: number;
  readonly trials: Trials;
}

/** What all calls came to after something was changed, held against what there was before. */
interface Comparison {
  /** That ended since. */
  readonly calls: number;
  /** What they take, to what they took: each function's weighted by its calls before (Laspeyres). */
  readonly ratio: number;
  /** Calls a second before, to those since, weighted by what they took. */
  readonly slowdown: number;
  /** Standard error of either, as a share of 1. */
  readonly noise: number;
}

/** null: there was nothing before. */
function compared(all: readonly Tried[], atMs: number, nowMs: number): Comparison | null {
  const settledMs = atMs + SETTLE_MS;
  const heardMs = nowMs - settledMs;
  let [tookUs, takesUs, slower, squares, calls] = [0, 0, 0, 0, 0];
  for (const { profile } of all) {
    const before = profile.byTime.between(atMs - BEFORE_MS, atMs);
    const since = profile.byTime.between(settledMs, nowMs);
    // Where none has ended a call takes longer than all that time.
    const takes = before.calls * (meanUs(since) ?? 1e3 * heardMs);
    tookUs += before.elapsedUs;
    takesUs += takes;
    slower += (before.elapsedUs * before.calls * heardMs) / (Math.max(1, since.calls) * BEFORE_MS);
    squares +=
      (variationOf(profile, nowMs) * Math.max(before.elapsedUs, takes)) ** 2 *
      (inverse(before.calls) + inverse(since.calls));
    calls += since.calls;
  }
  if (tookUs <= 0) return null;
  return { calls, ratio: takesUs / tookUs, slowdown: slower / tookUs, noise: Math.sqrt(squares) / tookUs };
}

/** Standard deviation of what a call takes, as a share of it: on the side that has more of them. */
function variationOf(profile: FunctionProfile, nowMs: number): number {
  const [compute, storage] = [profile.estimate("compute", nowMs), profile.estimate("storage", nowMs)];
  const most = (compute?.calls ?? 0) >= (storage?.calls ?? 0) ? compute : storage;
  return most === null ? 1 : most.serviceError * Math.sqrt(most.calls);
}

/** null: it goes on. `all`: that are called. */
export function verdictOf({ profile, trials }: Tried, all: readonly Tried[], nowMs: number): Verdict | null {
  const { running } = trials;
  if (running === null) return null;
  const { startedMs, side } = running;
  const passedMs = nowMs - startedMs;
  if (passedMs < SETTLE_MS + MEASURE_MS / 2) return null;
  const own = profile.byTime.between(startedMs + SETTLE_MS, nowMs);
  // Their callers ask for a side: nothing was tried.
  if (!isFollowed(own, shareAt(side)))
    return { isKept: false, ratio: null, heldUs: 0, trials: voided(trials, side, nowMs) };
  const isOver = passedMs >= TRIAL_MS_MAX;
  const comparison = compared(all, startedMs, nowMs);
  const isTold = comparison !== null && comparison.calls >= CALLS_MIN;
  if (!isTold && !isOver) return null;
  const { ratio, noise } = isTold ? comparison : { ratio: null, noise: 0 };
  const isKept = ratio !== null && ratio <= 1 - Math.max(GAIN_MIN, GAIN_NOISES * noise);
  const mayBeBetter = ratio !== null && ratio <= 1 - GAIN_MIN;
  const isClear = ratio !== null && ratio > 1 + Math.max(LOSS_CLEAR, GAIN_NOISES * noise);
  if (!isOver && !isClear && (passedMs < SETTLE_MS + MEASURE_MS || (mayBeBetter && !isKept))) return null;
  const heldUs = meanUs(own) ?? 0;
  return { isKept, ratio, heldUs, trials: isKept ? held(trials, side, heldUs, nowMs) : takenBack(trials, side, nowMs) };
}

/**
 * Whether calls clearly take longer since a move and fewer end: where more come both do not grow, nor where fewer come. null: it cannot be told yet.
 */
export function isMistake(all: readonly Tried[], movedMs: number, nowMs: number): boolean | null {
  const comparison = compared(all, movedMs, nowMs);
  if (comparison === null) return false;
  const { calls, ratio, slowdown, noise } = comparison;
  if (calls < CALLS_MIN) return nowMs - movedMs < TRIAL_MS_MAX ? null : false;
  return Math.min(ratio, slowdown) > 1 + Math.max(LOSS_CLEAR, GAIN_NOISES * noise);
}

function held(trials: Trials, side: Side, promisedUs: number, nowMs: number): Trials {
  const holdMs = clamp(2 * trials.holdMs, HOLD_MS_MIN, HOLD_MS_MAX);
  return {
    ...trials,
    running: null,
    held: { sinceMs: nowMs, untilMs: nowMs + holdMs, promisedUs },
    holdMs,
    endedMs: nowMs,
    keptSide: side,
  };
}

function takenBack(trials: Trials, side: Side, nowMs: number): Trials {
  const { backOffMs, retryAtMs } = trials;
  const nextMs = clamp(2 * backOffMs[side], BACK_OFF_MS_MIN, BACK_OFF_MS_MAX);
  return {
    ...trials,
    running: null,
    endedMs: nowMs,
    backOffMs: { ...backOffMs, [side]: nextMs },
    retryAtMs: { ...retryAtMs, [side]: nowMs + nextMs },
  };
}

const voided = (trials: Trials, side: Side, nowMs: number): Trials => ({
  ...trials,
  running: null,
  endedMs: nowMs,
  retryAtMs: { ...trials.retryAtMs, [side]: nowMs + BACK_OFF_MS_MIN },
});

/** Whether calls ran where the plan has them. */
const isFollowed = ({ calls, atStorage }: Heard, share: number): boolean =>
  Math.abs(atStorage - share * calls) <= OFF_PLAN_MAX * calls;

/** Whether it stays for what a trial has shown. */
export function isHeld(profile: FunctionProfile, { held: promise }: Trials, nowMs: number): boolean {
  if (promise === null || nowMs >= promise.untilMs) return false;
  const lately = profile.byTime.between(Math.max(promise.sinceMs, nowMs - PROMISE_MS), nowMs);
  return lately.calls < CALLS_MIN || meanUs(lately)! <= PROMISE_SLACK * promise.promisedUs;
}

/** null: there is nothing to try. `use`: of them all, in their order. */
export function nextTrial(
  all: readonly Tried[],
  use: PoolUse,
  nowMs: number,
): { readonly index: number; readonly side: Side } | null {
  const shares = all.map(({ share }) => share);
  const { crowded, busiest } = outlookOf(use, shares);
  if (!crowded) return null;
  const callsIn = (fromMs: number, toMs: number): number =>
    all.reduce((sum, { profile }) => sum + profile.byTime.between(fromMs, toMs).calls, 0);
  // As many as could come in the longest trial; and not of a load that has only begun.
  const isKnown = callsIn(nowMs - STEADY_MS, nowMs - BEFORE_MS / 2) > 0;
  if (!isKnown || callsIn(nowMs - BEFORE_MS, nowMs) * (TRIAL_MS_MAX / BEFORE_MS) < CALLS_MIN) return null;
  const work = all.map(({ load: { callsPerSecond, costs }, share }) => {
    return callsPerSecond * (share * busyUs(costs.storage) + (1 - share) * busyUs(costs.compute));
  });
  const workMin = WORK_MIN * work.reduce((sum, one) => sum + one, 0);
  let [least, chosen]: [number, { readonly index: number; readonly side: Side } | null] = [BUSIER_MAX, null];
  for (const [index, { profile, share, load, trials, isFree, isWarm }] of all.entries()) {
    if (!isFree || trials.held !== null || work[index]! < workMin) continue;
    if (!isFollowed(profile.byTime.between(nowMs - BEFORE_MS, nowMs), share)) continue;
    for (const side of ["compute", "storage"] as const) {
      const there = shareAt(side);
      if (there === share || there < load.lowest || there > load.highest) continue;
      if (!isWarm[side] || nowMs < trials.retryAtMs[side]) continue;
      const busier = outlookOf(use, shares.with(index, there)).busiest / busiest;
      if (busier >= BUSIER_MAX) continue;
      const rank = side === trials.keptSide ? 0 : busier;
      if (rank < least) [least, chosen] = [rank, { index, side }];
    }
  }
  return chosen;
}

const inverse = (calls: number): number => (calls <= 0 ? 1 : 1 / calls);

const meanUs = ({ calls, elapsedUs }: Heard): number | null => (calls <= 0 ? null : elapsedUs / calls);
