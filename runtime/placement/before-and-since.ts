// What all calls came to since something changed, a trial or a move, held against what there was before: by what they took, each function's calls
// weighted by how many there were before (an index of Laspeyres'; with callers who wait for each other it is calls/s before ÷ then), and by their work, where that goes with their bytes.

import { clamp } from "#runtime/clamp.ts";
import { type Heard, SLOT_MS } from "#runtime/profile/calls-by-time.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { GAIN_MIN, type Tried, workUsOf } from "./tried-function.ts";

/** What there was before is known from so long. Chosen, as the times below and those of trials; bench `placement` measures them. */
export const BEFORE_MS = 150;
/**
 * What is heard in it after a change is of before: a plan has to get to its nodes, calls that were under way end, and windows bring the first of it. Chosen: where two functions changed
 * places on full cores a fifth fewer calls were heard of until then.
 */
export const SETTLE_MS = 75;
/** Of what comes of a move so much has to be known, or it is not judged yet. */
export const JUDGED_BY_MS = 50;
/** Nothing has moved for so long, so that what there was before is one thing. */
export const STEADY_MS = BEFORE_MS + SETTLE_MS;
export const MEASURE_MS = 100;
/** A load may have begun or paused where no call ends for so long, and those that do next took less than this part of it, as many as there are callers. */
export const PIECE_MS = BEFORE_MS / 2;
const WAITED_PART = 0.5;
/** Longer where calls are few, or their code has still to be compiled. */
export const TRIAL_MS_MAX = 500;
export const CALLS_MIN = 32;
/** Where as many were to be expected, that none has ended says something. */
export const EXPECTED_MIN = 3;
/** So many standard errors make a difference. */
export const GAIN_NOISES = 2;
/**
 * Cores whose paces are within so many times each other are alike. Chosen: where a thread on the other half of a core begins and ends calls take 1.5 times as long for a while, which a trial and what is before
 * and after it tell apart; where a machine holds its clocks down, two to six times, for most of a trial.
 */
const PACE_ALIKE = 1.7;
/** No core is taken for more times as slow as usual, whatever is told of it (runtime/native/lane.h). */
const SLOW_TIMES_MAX = 8;
/** So much more is clearly worse: a trial is over then, after half of the time. */
export const LOSS_CLEAR = 0.2;

/** What all calls came to after something was changed, held against what there was before. */
export interface Comparison {
  /** That ended since, and before. */
  readonly calls: number;
  readonly callsBefore: number;
  /** What they take, to what they took: each function's weighted by its calls before (Laspeyres). */
  readonly ratio: number;
  /** Calls a second before, to those since, by their work and weighted by what they took. */
  readonly slowdown: number;
  /** Standard error of either, as a share of 1. */
  readonly noise: number;
}

/** Of a change: when it was made, and from when on what comes of it is told. */
export interface Changed {
  readonly atMs: number;
  readonly settledMs: number;
  /** What there was before is known from so long. */
  readonly beforeMs: number;
}

/** Of a change at that time, if the one before it was then: not from while calls of that were still under way, as far as there is anything else, and `mostMs` at most. In whole slots of what is heard. */
export const beforeMsOf = (atMs: number, lastChangedMs: number, mostMs = BEFORE_MS): number =>
  clamp(SLOT_MS * Math.floor((atMs - lastChangedMs - SETTLE_MS) / SLOT_MS), PIECE_MS, mostMs);

/**
 * Calls from before it have ended, and those of whoever has gained a side with it have run there often enough to be compiled: a trial on a side that was
 * cold came to 1.24 times what calls took before, and the same one two seconds later to 0.59.
 */
export function changed(
  gaining: readonly { readonly profile: FunctionProfile; readonly side: Side }[],
  atMs: number,
  { measureMs = MEASURE_MS, beforeMs = BEFORE_MS } = {},
): Changed {
  const firstMs = atMs + SETTLE_MS;
  const lastMs = Math.max(firstMs, atMs + TRIAL_MS_MAX - measureMs);
  const warmMs = gaining.map(({ profile, side }) => profile.warmMs(side) ?? lastMs);
  return { atMs, settledMs: clamp(Math.max(firstMs, ...warmMs), firstMs, lastMs), beforeMs };
}

/** null: there was nothing before. `isByWork`: calls count by their work, where it is known. */
export function compared(
  all: readonly Tried[],
  { atMs, settledMs, beforeMs }: Changed,
  nowMs: number,
  isByWork = true,
): Comparison | null {
  const heardMs = nowMs - settledMs;
  let [tookUs, takesUs, slower, squares, calls] = [0, 0, 0, 0, 0];
  let callsBefore = 0;
  for (const {
    profile,
    load: { weight },
  } of all) {
    const before = profile.byTime.between(atMs - beforeMs, atMs);
    const since = profile.byTime.between(settledMs, nowMs);
    callsBefore += before.calls;
    calls += since.calls;
    const work = isByWork ? workTimes(profile, since, before) : 1;
    const expected = (before.calls * heardMs) / beforeMs;
    // Where none has ended a call takes longer than all that time; but of few it says nothing that none has.
    const isUntold = since.calls <= 0 && expected < EXPECTED_MIN;
    const takes = isUntold ? before.elapsedUs : (before.calls * (meanUs(since) ?? 1e3 * heardMs)) / work;
    tookUs += weight * before.elapsedUs;
    takesUs += weight * takes;
    slower += weight * before.elapsedUs * (isUntold ? 1 : expected / (work * Math.max(1, since.calls)));
    squares +=
      (weight * variationOf(profile, nowMs) * Math.max(before.elapsedUs, takes)) ** 2 *
      (inverse(before.calls) + inverse(since.calls));
  }
  if (tookUs <= 0) return null;
  return { calls, callsBefore, ratio: takesUs / tookUs, slowdown: slower / tookUs, noise: Math.sqrt(squares) / tookUs };
}

/**
 * Whether many calls of functions have come since of which none came before, or none of some that had many: their callers came or went. Those of
 * what was changed may, and all that does little of the work.
 */
export function isOtherLoad<One extends Tried>(
  all: readonly One[],
  wasChanged: (one: One) => boolean,
  { atMs, settledMs }: Changed,
  nowMs: number,
): boolean {
  let [work, other] = [0, 0];
  for (const one of all) {
    const { byTime } = one.profile;
    // Also those that fail: whoever still calls has not gone.
    const before = cameIn(byTime.between(atMs - BEFORE_MS, atMs));
    const since = cameIn(byTime.between(settledMs, nowMs));
    const expected = (before * (nowMs - settledMs)) / BEFORE_MS;
    const workUs = Math.max(expected, since) * workUsOf(one);
    const cameOrWent = (before <= 0 && since >= CALLS_MIN) || (since <= 0 && expected >= CALLS_MIN);
    work += workUs;
    if (cameOrWent && !wasChanged(one)) other += workUs;
  }
  return other > 0 && other >= GAIN_MIN * work;
}

/**
 * How many times as slow cores were since as before, beside what is usual for them, by the CPU time of calls: what these take more by that is not the change's doing. 1 where none ended on
 * one of the two, and nobody can tell.
 */
export function slowerTimes(all: readonly Tried[], { atMs, settledMs, beforeMs }: Changed, nowMs: number): number {
  const [since, before] = [slowTimesIn(all, settledMs, nowMs), slowTimesIn(all, atMs - beforeMs, atMs)];
  return since === null || before === null ? 1 : since / before;
}

/**
 * How many times as slow as before they have been all the time since the first call ended: at the least of either half of TRIAL_MS_MAX from then on, and of what came after that; of what no call ended in
 * nothing is known. 1: they have not, or it is too soon to tell, or calls ended in one of these alone. No moment is as long.
 */
export function lastinglySlowerTimes(
  all: readonly Tried[],
  { atMs, settledMs, beforeMs }: Changed,
  nowMs: number,
): number {
  const before = slowTimesIn(all, atMs - beforeMs, atMs);
  if (before === null) return 1;
  const firstMs = firstEndedMs(all, settledMs, nowMs);
  const firstUntilMs = firstMs + TRIAL_MS_MAX;
  if (nowMs < firstUntilMs) return 1;
  const ends = [firstMs, firstMs + TRIAL_MS_MAX / 2, firstUntilMs, nowMs];
  const times = ends.slice(1).flatMap((endMs, piece) => slowTimesIn(all, ends[piece]!, endMs) ?? []);
  return times.length < 2 ? 1 : Math.max(1, Math.min(...times) / before);
}

/** When a call ended first, to within a slot; Infinity: none did. */
function firstEndedMs(all: readonly Tried[], fromMs: number, toMs: number): number {
  for (let atMs = fromMs; atMs < toMs; atMs += SLOT_MS) if (heardOf(all, atMs, atMs + SLOT_MS).calls > 0) return atMs;
  return Infinity;
}

/** Whether cores were so much quicker or slower that what calls take says nothing of the change. */
export const isOtherPace = (slower: number): boolean => Math.max(slower, 1 / slower) > PACE_ALIKE;

/** As of one function's calls, of all that ended in a time. */
function slowTimesIn(all: readonly Tried[], fromMs: number, toMs: number): number | null {
  let [cpuUs, slowedUs] = [0, 0];
  for (const { profile } of all) {
    const heard = profile.byTime.between(fromMs, toMs);
    cpuUs += heard.cpuUs;
    slowedUs += heard.slowedUs;
  }
  return slowTimesOf({ cpuUs, slowedUs });
}

/** How many times as much CPU time calls took as at the usual pace of cores; null: none ended. */
export const slowTimesOf = ({ cpuUs, slowedUs }: Pick<Heard, "cpuUs" | "slowedUs">): number | null =>
  cpuUs <= 0 ? null : cpuUs / Math.max(cpuUs - slowedUs, cpuUs / SLOW_TIMES_MAX);

/**
 * Whether nobody called for a while, and then somebody again: no call ended for PIECE_MS, and those that did next had not waited for as long, most of
 * them. What came of a trial says nothing then: the callers are others, or as many begin at once. `inFlight`: that there mostly are.
 */
export function hasPaused(all: readonly Tried[], fromMs: number, toMs: number, inFlight: number): boolean {
  let quietSinceMs: number | null = null;
  for (let atMs = fromMs; atMs < toMs; atMs += SLOT_MS) {
    const { calls, elapsedUs } = heardOf(all, atMs, atMs + SLOT_MS);
    if (calls <= 0) quietSinceMs ??= atMs;
    else {
      const quietMs = quietSinceMs === null ? 0 : atMs - quietSinceMs;
      // Not on the mean: behind those that have waited short ones may have come and gone.
      if (quietMs >= PIECE_MS && elapsedUs < Math.min(calls, inFlight) * WAITED_PART * 1e3 * quietMs) return true;
      quietSinceMs = null;
    }
  }
  return false;
}

/** Whether calls of it ended, or failed, in each piece of a time. */
export function isCalledThroughout({ byTime }: FunctionProfile, fromMs: number, toMs: number): boolean {
  for (let atMs = fromMs; atMs < toMs; atMs += PIECE_MS) {
    if (cameIn(byTime.between(atMs, Math.min(toMs, atMs + PIECE_MS))) <= 0) return false;
  }
  return true;
}

/** By how many have ended, and how long they took (Little). */
export const inFlightIn = (all: readonly Tried[], fromMs: number, toMs: number): number =>
  heardOf(all, fromMs, toMs).elapsedUs / (1e3 * (toMs - fromMs));

/**
 * The same now: the median of the last short stretches. Many that wait are in all of them; one call of two seconds is in that in which it ends (in two,
 * where its window is longer than a stretch), and would be twenty in flight on average.
 */
export function inFlightLately(all: readonly Tried[], nowMs: number): number {
  const counts: number[] = [];
  for (let toMs = nowMs; toMs > nowMs - MEASURE_MS; toMs -= SLOT_MS) counts.push(inFlightIn(all, toMs - SLOT_MS, toMs));
  counts.sort((one, other) => one - other);
  const half = counts.length / 2;
  return (counts[Math.ceil(half) - 1]! + counts[Math.floor(half)]!) / 2;
}

/** Of all of them. */
export function heardOf(all: readonly Tried[], fromMs: number, toMs: number): Pick<Heard, "calls" | "elapsedUs"> {
  let [calls, elapsedUs] = [0, 0];
  for (const { profile } of all) {
    const heard = profile.byTime.between(fromMs, toMs);
    calls += heard.calls;
    elapsedUs += heard.elapsedUs;
  }
  return { calls, elapsedUs };
}

/** Standard deviation of what a call takes, as a share of it: on the side that has more of them. */
export function variationOf(profile: FunctionProfile, nowMs: number): number {
  const { compute, storage } = profile.estimates(nowMs);
  const most = (compute?.calls ?? 0) >= (storage?.calls ?? 0) ? compute : storage;
  return most === null ? 1 : most.serviceError * Math.sqrt(most.calls);
}

/**
 * Whether calls clearly take longer since a move and fewer end: where more come both do not grow, nor where fewer come. null: it cannot be told yet. Whatever calls are
 * counted by: what callers mostly wait for, as round trips, need not go with their work. `slower`: calls take so many times as long since cores are slow, 1 and more.
 */
export function isMistake(all: readonly Tried[], move: Changed, nowMs: number, slower = 1): boolean | null {
  const byCalls = isWorse(all, move, nowMs, { isByWork: false, slower });
  return byCalls === true ? isWorse(all, move, nowMs, { isByWork: true, slower }) : byCalls;
}

function isWorse(
  all: readonly Tried[],
  move: Changed,
  nowMs: number,
  { isByWork, slower }: { readonly isByWork: boolean; readonly slower: number },
): boolean | null {
  const comparison = compared(all, move, nowMs, isByWork);
  if (comparison === null) return false;
  const { calls, callsBefore, ratio, slowdown, noise } = comparison;
  if (calls < CALLS_MIN) {
    if (nowMs - move.settledMs < TRIAL_MS_MAX - SETTLE_MS) return null;
    // Where many ended before that is what it did.
    if (callsBefore < CALLS_MIN || slowdown <= slower * (1 + LOSS_CLEAR)) return false;
  } else if (Math.min(ratio, slowdown) <= slower * (1 + Math.max(LOSS_CLEAR, GAIN_NOISES * noise))) return false;
  // What was so before is not its doing: a side that has just become slow is what it is made for.
  const lately = compared(all, { ...move, beforeMs: PIECE_MS }, nowMs, isByWork);
  if (lately === null) return true;
  return (calls < CALLS_MIN ? lately.slowdown : Math.min(lately.ratio, lately.slowdown)) > slower * (1 + LOSS_CLEAR);
}

/** What all calls take since something changed, to what they took before, as far as fewer end as well; null: nothing tells. */
export function tookSince(all: readonly Tried[], change: Changed, nowMs: number): number | null {
  const comparison = compared(all, change, nowMs);
  return comparison === null ? null : Math.min(comparison.ratio, comparison.slowdown);
}

/** Of the calls, those that ran elsewhere than the plan has them. */
export const strayedPart = ({ calls, atStorage }: Heard, share: number): number =>
  calls <= 0 ? 0 : Math.abs(atStorage - share * calls) / calls;

export const inverse = (calls: number): number => (calls <= 0 ? 1 : 1 / calls);

/** Whatever became of them. */
export const cameIn = ({ calls, untold }: Heard): number => calls + untold;

export const meanUs = ({ calls, elapsedUs }: Heard): number | null => (calls <= 0 ? null : elapsedUs / calls);

/** Of a call, both ways; 0: none is known. */
export const meanBytes = ({ calls, bytes }: Heard): number => (calls <= 0 ? 0 : bytes / calls);

/** How many times the work of a call of the others one of these is; 1 where that is not known. */
const workTimes = (profile: FunctionProfile, these: Heard, others: Heard): number =>
  these.calls <= 0 || others.calls <= 0 ? 1 : profile.workTimes(meanBytes(these), meanBytes(others));
