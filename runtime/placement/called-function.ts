// A function that is called, as a step weighs it up: its profile, what its calls cost on either side, and where it may go.

import { clamp } from "#runtime/clamp.ts";
import { RATE_SECONDS, SURGE_SECONDS, type Rates, type Surge } from "#runtime/profile/coming-calls.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { functionCosts, type FunctionCosts } from "./function-costs.ts";
import { type FunctionState, restingState } from "./function-state.ts";
import { COMFORTABLE_UTILISATION, outlookOf } from "./optimal-shares.ts";
import { ACTIVE_MS, hasStopped } from "./pauses.ts";
import { excessOf, mixingSeen } from "./mixing.ts";
import { NO_OVERFLOW, overflowOf } from "./overflow.ts";
import { allCallsOf, NONE_FIXED, poolUse, type Capacity, type Load, type Offered, type PoolUse } from "./pool-use.ts";
import { breachesNow, isClosedAt, isTailKnown, NO_BREACHES, tailsOf, type Breaches } from "./p99-bound.ts";
import { isWarmAt } from "./probes.ts";
import { backCpuUs } from "./push-back.ts";
import { regimeComeBack, regimesNow, type Regime } from "./regimes.ts";
import type { Rules, Situation } from "./situation.ts";
import { JUDGED_BY_MS, SETTLE_MS, STEADY_MS } from "./before-and-since.ts";
import {
  DOUBTED_MS_MAX,
  isFirmAt,
  isHeld,
  isHoldBroken,
  isPromiseBroken,
  PROMISE_MS,
  type HeldPlan,
} from "./held-function.ts";
import { isCrowded, areCallersMany } from "./next-trial.ts";
import type { Tried } from "./tried-function.ts";
import { type Candidate, errorOf } from "./worthwhile-shares.ts";

/** Of its calls, at least, are reckoned as free to be on either side. */
const FREE_MIN = 0.01;
/** So many times as many in flight as usual are more. Chosen: where callers wait for each other as many are in every window. */
export const CALLERS_GROWN_MIN = 1.1;
/** For so long after calls have become others, their rate is what it has not been. Chosen: four times its half-life. */
const CALLS_NEW_MS = 1_000;
/** Where a smaller part of the calls come that came before the load is another. */
const CALLS_ALIKE = 0.5;
/** After a move its function rests, so that the next step sees what came of it. */
export const REST_MS = SETTLE_MS + JUDGED_BY_MS;
/**
 * When its calls have come back it rests for longer where nothing is full: caches are cold, and nobody knows how many there are. Chosen: about as long as calls are counted for their
 * rate. With 100 ms some moved for what they waited then, away from the best shares and back (0.94 of these in `serveAndScore`, and 1.00 since).
 */
const BACK_REST_MS = 300;
/** A move is lately for so long, and a flap where it is undone within that. */
export const FLAP_MS = 10_000;

export interface CalledFunction extends Candidate, Tried {
  readonly before: FunctionState;
  /** What a typical call has computed on either side lately, in earnest or not; 0: nothing is known there. */
  readonly typicalCpuUs: Readonly<Record<Side, number>>;
  /** Whether storage runs anything. */
  readonly hasStorage: boolean;
  /** No call of it has ended for longer than there is between two, as far as that was heard of. */
  readonly isStopped: boolean;
  /** … and its callers have gone: it fills nothing. */
  readonly isGone: boolean;
  /** On the 99th percentile; null: there is none. */
  readonly p99UnderUs: number | null;
  /** That of either side, µs; null: nobody asks. */
  readonly tailsUs: Readonly<Record<Side, number>> | null;
  /** In a back-off, which nothing has ended before its time. */
  readonly isTakenBack: boolean;
  /** With what comes in these moments, where that is many more than usual; null: it is not. */
  readonly surging: (Load & Pick<Surge, "isNew">) | null;
  /** … where it is far less; null: it is not. */
  readonly ebbing: Load | null;
  /** Its calls have become others a moment ago, and are what they have been in this one. */
  readonly recalled: Regime | null;
}

/** What was tried last, with whatever functions, and whether what that promised is kept. */
export interface LastTrial {
  /** It is tried now: how long calls take meanwhile says nothing of where they are held. */
  readonly isRunning: boolean;
  readonly endedMs: number;
  /** Of the calls of all that are held, all together. */
  readonly heldPlan: HeldPlan;
}

const NONE_TRIED: LastTrial = { isRunning: false, endedMs: -Infinity, heldPlan: "broken" };

/** null: it is not called, or nothing is known. */
export function calledFunction(
  name: string,
  rules: Rules,
  before: FunctionState,
  situation: Situation,
  lastTrial = NONE_TRIED,
): CalledFunction | null {
  const { nowMs, heardMs, profiles, constants, capacity } = situation;
  const profile = profiles.get(name);
  if (profile === undefined || nowMs - profile.lastMs > ACTIVE_MS) return null;
  const estimates = profile.estimates(nowMs);
  const costs = functionCosts(estimates, constants, nowMs, before.paces);
  if (costs === null) return null;
  const { compute, storage } = costs.sides;
  const { share } = before;
  const hasStorage = capacity.storageCores > 0;
  const { breaches, sides, tailsUs } = boundedSides(before, rules, { profile, costs, nowMs, hasStorage });
  const isStopped = hasStopped(profile, heardMs);
  const rates = profile.rates(nowMs);
  const seen = profile.surge(rates, nowMs);
  const surge = seen !== null && isSurge(seen, before, situation) ? seen : null;
  const ebb = profile.ebb(rates, nowMs);
  // No move is held against a trial, whosever it was; what comes all at once does not wait for that, nor do calls that have become others since.
  const triedMs = Math.max(lastTrial.endedMs, before.trials.endedMs);
  const isAfterTrial = surge === null && before.sinceMs < triedMs && nowMs - triedMs < STEADY_MS;
  // What comes back goes where it was: how many calls come is not known at once, and there were as many.
  const isBack = surge?.isNew !== true && nowMs - before.resumedMs < STEADY_MS;
  const rests = nowMs - (before.moved?.atMs ?? -Infinity) < REST_MS || isAfterTrial || isBack;
  const isSettled = before.state !== "pinned" && before.state !== "profiling";
  const isTakenBack = nowMs < before.retryAtMs && !isSlowerThanThen(profile, before, nowMs);
  const isStill = !isSettled || rests || isStopped;
  const stays = isStill ? share : isTakenBack ? (before.backTo ?? share) : null;
  const [lowest, highest] = before.state === "pinned" ? [share, share] : boundsOf(share, stays, sides);
  // Made for every function in every step: field by field, which is quicker than spreading.
  const { callsPerSecond, fixedPerSecond } = offeredBy(rates);
  const load = {
    callsPerSecond,
    fixedPerSecond,
    costs: { compute: compute.cost, storage: storage.cost },
    lowest,
    highest,
    weight: rules.weight,
  };
  const back = before.state === "pinned" ? 0 : backCpuUs(estimates, before.backCpuUs);
  const held = lastTrial.isRunning ? before.trials.held : heldNow(profile, before, lastTrial.heldPlan, nowMs);
  const trials = held === before.trials.held ? before.trials : { ...before.trials, held };
  const proof = trials.held?.isProof === false ? null : trials.held;
  const regime = { demand: costs.typical, share, proof, forMs: nowMs - before.sinceMs, nowMs };
  const regimes = isSettled ? regimesNow(before.regimes, regime) : before.regimes;
  const { paces } = costs;
  // Where storage runs nothing there is no other side to warm up beside.
  const isWarm = {
    compute: !hasStorage || isWarmAt(paces, "compute", capacity.nodes, nowMs),
    storage: isWarmAt(paces, "storage", capacity.nodes, nowMs),
  };
  const isEitherSide = isSettled && isWarm.compute && isWarm.storage && sides[0] === 0 && sides[1] === 1;
  // A trial is to show what becomes of all calls on one side; after it all is as before.
  const isTried = before.trials.running?.shown === null;
  const mayOverflow = isEitherSide && !isRelieved(before, nowMs) && !isTried;
  const overflow = mayOverflow
    ? overflowOf({
        share,
        costs: load.costs,
        cpuUs: costs.demand.cpuUs,
        medianUs: (side) => profile.percentileUs(side, 50) ?? costs.sides[side].cost.latencyUs,
        capacity,
        before,
      })
    : NO_OVERFLOW;
  const { overflowMin, overflowTimes } = overflow;
  const mixing = mixingSeen(before.mixing, {
    share: before.trials.running?.fromShare ?? share,
    isTold: before.trials.running === null && !isStopped,
    costs: load.costs,
    capacity,
    resumedMs: before.resumedMs,
    nowMs,
  });
  const known = { ...before, paces, backCpuUs: back, overflowMin, overflowTimes, trials, regimes, breaches, mixing };
  // A split that had to be taken back says nothing of the corners.
  const wasSplit = before.moved !== null && restingState(before.moved.fromShare) === "split";
  const isFree = isSettled && !rests && !isStopped && (!isTakenBack || wasSplit);
  const bounds = before.state === "pinned" ? ([share, share] as const) : sides;
  // However late the first step is that knows them.
  const forMs = before.regimes.now === null ? 0 : regime.forMs;
  const like = isSettled ? regimeComeBack(regimes, regime.demand, forMs) : null;
  const recalled = like !== null && sides[0] <= like.share && like.share <= sides[1] ? like : null;
  const { sinceMs } = before;
  const surging = surge === null ? null : { ...load, ...offeredBy(surge), isNew: surge.isNew };
  const ebbing = ebb === null ? null : { ...load, ...offeredBy(ebb) };
  return {
    name,
    profile,
    before: known,
    typicalCpuUs: {
      compute: Math.expm1(estimates.compute?.logCpu ?? 0),
      storage: Math.expm1(estimates.storage?.logCpu ?? 0),
    },
    hasStorage,
    isStopped,
    isGone: false,
    p99UnderUs: rules.p99UnderUs,
    tailsUs,
    isTakenBack,
    recalled,
    trials,
    sinceMs,
    share,
    costs,
    load,
    error: errorOf(costs.sides),
    surging,
    ebbing,
    isNewSurge: false,
    mixingExcess: excessOf(mixing, load.costs, nowMs),
    rateSeconds: RATE_SECONDS,
    hasMovedLately: before.moved !== null && nowMs - before.moved.atMs < FLAP_MS,
    bounds,
    isFree,
    isWarm,
  };
}

/** null: it is not, or no more, since what was promised was long ago, or holds no more. */
function heldNow(
  profile: FunctionProfile,
  before: FunctionState,
  plan: HeldPlan,
  nowMs: number,
): FunctionState["trials"]["held"] {
  const { trials } = before;
  const { held } = trials;
  if (held === null || !isHeld(profile, before, nowMs)) return null;
  const isLonger = plan !== "kept" && isHoldBroken({ profile, trials }, nowMs);
  const { doubtedMs = nowMs, ...sure } = held;
  // Of what was tried lately nothing is known yet.
  const isTold = nowMs - held.sinceMs >= PROMISE_MS;
  if (!isLonger) return held.doubtedMs === undefined || !isTold ? held : sure;
  if (plan === "broken" || nowMs - doubtedMs >= DOUBTED_MS_MAX) return null;
  return held.doubtedMs === undefined ? { ...held, doubtedMs } : held;
}

/** Callers who wait for each other make more calls whenever these take less: no surge, but where there are more of them, or they call what they have not. */
const isSurge = ({ isNew }: Surge, { sinceMs }: FunctionState, { nowMs, capacity, callersGrown }: Situation): boolean =>
  isNew || nowMs - sinceMs < CALLS_NEW_MS || callersGrown >= CALLERS_GROWN_MIN || !areCallersMany(capacity);

/** It stays away from a pool that a surge would have filled. */
const isRelieved = ({ relief }: FunctionState, nowMs: number): boolean => relief !== null && nowMs < relief.untilMs;

/** Those that the plan spreads, and the others. Where all callers ask for a side something is left that is to be where it does best, for those who do not. */
function offeredBy({ all, fixed }: Rates): Offered {
  const callsPerSecond = Math.max(FREE_MIN * all, all - fixed.compute - fixed.storage);
  return { callsPerSecond, fixedPerSecond: fixed };
}

/** Whether calls take longer than before the move that was taken back. */
const isSlowerThanThen = (
  profile: FunctionProfile,
  { moved, tookUs, tookBytes }: FunctionState,
  nowMs: number,
): boolean =>
  moved !== null &&
  tookUs > 0 &&
  isPromiseBroken(profile, { sinceMs: moved.atMs + STEADY_MS, promisedUs: tookUs, promisedBytes: tookBytes }, nowMs);

type Bounds = readonly [lowest: number, highest: number];

const COMPUTE_ONLY: Bounds = [0, 0];
const STORAGE_ONLY: Bounds = [1, 1];
const EITHER_SIDE: Bounds = [0, 1];

/** `stays`: it goes no further than there; null: it may. As far as its sides let it: no rest is worth a side that is not there, or too slow. */
const boundsOf = (share: number, stays: number | null, [lowest, highest]: Bounds): Bounds =>
  stays === null
    ? [lowest, highest]
    : [clamp(Math.min(share, stays), lowest, highest), clamp(Math.max(share, stays), lowest, highest)];

/**
 * Where it may be at all, as its share's own bounds. A bound on the 99th percentile closes the side that breaks it, unless both do: then it goes by what makes the least of
 * both, which may be a split that keeps it.
 */
function boundedSides(
  { share, breaches: before }: FunctionState,
  { p99UnderUs: boundUs }: Rules,
  { profile, costs, nowMs, hasStorage }: KnownSides,
): { readonly breaches: Breaches; readonly sides: Bounds } & Pick<CalledFunction, "tailsUs"> {
  if (!hasStorage) return { breaches: before, sides: COMPUTE_ONLY, tailsUs: null };
  if (boundUs === null) return { breaches: NO_BREACHES, sides: EITHER_SIDE, tailsUs: null };
  const tailsUs = tailsOf(profile, costs);
  const known = (side: Side): boolean => isTailKnown(side, profile, costs);
  const bounded = { boundUs, tailsUs, isKnown: { compute: known("compute"), storage: known("storage") }, share, nowMs };
  const breaches = breachesNow(before, bounded);
  const [compute, storage] = [isClosedAt("compute", breaches, bounded), isClosedAt("storage", breaches, bounded)];
  return { breaches, sides: compute === storage ? EITHER_SIDE : compute ? STORAGE_ONLY : COMPUTE_ONLY, tailsUs };
}

interface KnownSides {
  readonly profile: FunctionProfile;
  readonly costs: FunctionCosts;
  readonly nowMs: number;
  readonly hasStorage: boolean;
}

/** Whether its bounds let it. */
export const mayStay = ({ share, load: { lowest, highest } }: CalledFunction): boolean =>
  lowest <= share && share <= highest;

/** Its callers have gone: what its rate has not forgotten yet fills nothing. */
export const gone = (candidate: CalledFunction): CalledFunction => ({
  ...candidate,
  isGone: true,
  surging: null,
  ebbing: null,
  load: { ...candidate.load, callsPerSecond: 0, fixedPerSecond: NONE_FIXED },
});

/** It stays where it is in this step. */
export const still = (candidate: CalledFunction): CalledFunction => {
  const { load, share } = candidate;
  return { ...candidate, load: { ...load, lowest: share, highest: share } };
};

/**
 * What comes all at once counts where it would fill a pool, which has to be left before it has queues. What comes and goes in moments is nothing to move
 * for else: where it fills none it stays until it is known how many calls come, or it would go by what they wait for, which goes with them.
 */
export function underSurge(
  all: readonly CalledFunction[],
  capacity: Capacity,
): { readonly called: readonly CalledFunction[]; readonly isSurge: boolean } {
  if (!all.some(({ surging }) => surging !== null)) return { called: all, isSurge: false };
  // What has gone in these moments fills nothing either.
  const surged = all.map((called) => {
    const load = called.surging ?? called.ebbing;
    const isNewSurge = called.surging?.isNew === true;
    return load === null ? called : { ...called, load, isNewSurge, rateSeconds: SURGE_SECONDS };
  });
  if (isFull(surged, capacity)) return { called: surged, isSurge: true };
  const stays = (called: CalledFunction): boolean => called.surging !== null && mayStay(called);
  return { called: all.map((called) => (stays(called) ? still(called) : called)), isSurge: false };
}

/** Those that have left a pool before a surge stay away from it for a while, and those that have come back where they were, unless something is full. */
export function withWaiting(
  all: readonly CalledFunction[],
  capacity: Capacity,
  nowMs: number,
): readonly CalledFunction[] {
  const stays = (called: CalledFunction): boolean => {
    const { before } = called;
    return (isRelieved(before, nowMs) || nowMs - before.resumedMs < BACK_REST_MS) && mayStay(called);
  };
  return all.some(stays) && !isFull(all, capacity)
    ? all.map((called) => (stays(called) ? still(called) : called))
    : all;
}

/** Whether a pool has more to do than it comfortably can, with all where they are. */
function isFull(all: readonly CalledFunction[], capacity: Capacity): boolean {
  const loads = all.map(({ load }) => load);
  const shares = all.map(({ share, load: { lowest, highest } }) => clamp(share, lowest, highest));
  return outlookOf(poolUse(loads, capacity), shares).crowded;
}

/** How many times the model was wrong, at most, of what those that are held have proved. */
export const heldError = (all: readonly CalledFunction[]): number =>
  all.reduce((most, { trials: { held } }) => Math.max(most, held?.modelError ?? 1), 1);

/**
 * Whether a pool has too much to do in the plan that has proved to be worse, by a model that is as wrong of it as it was: while as many calls come as then, or
 * half as many. What only calls have shown to be crowded is so no more when they have left it.
 */
function wouldCrowd(all: readonly CalledFunction[], use: PoolUse): boolean {
  const alike = all.filter(
    ({ load, trials: { held } }) => allCallsOf(load) >= CALLS_ALIKE * (held?.callsPerSecond ?? Infinity),
  );
  const shares = all.map(({ share, trials: { held } }) => held?.refutedShare ?? share);
  return alike.length > 0 && heldError(alike) * outlookOf(use, shares).busiest > COMFORTABLE_UTILISATION;
}

/**
 * Those that are held stay where they are, while a pool is crowded, or would be in the plan that proved worse, and within their bounds: `firm`, whoever is held whatever is promised;
 * `held`, all of them, and the same list where those are all.
 */
export function withHeld(
  all: readonly CalledFunction[],
  capacity: Capacity,
  { nowMs, heardMs }: Pick<Situation, "nowMs" | "heardMs">,
): { readonly firm: readonly CalledFunction[]; readonly held: readonly CalledFunction[] } {
  const stays = (called: CalledFunction): boolean => called.trials.held !== null && mayStay(called);
  const none = { firm: all, held: all };
  if (!all.some(stays)) return none;
  const use = poolUse(
    all.map(({ load }) => load),
    capacity,
  );
  if (!isCrowded(all, use, capacity, heardMs) && !wouldCrowd(all, use)) return none;
  const isFirm = (called: CalledFunction): boolean => stays(called) && isFirmAt(called.trials, nowMs);
  const firm = all.map((called) => (isFirm(called) ? still(called) : called));
  const held = all.map((called, index) => (stays(called) && !isFirm(called) ? still(called) : firm[index]!));
  return { firm, held: held.some((called, index) => called !== firm[index]) ? held : firm };
}
