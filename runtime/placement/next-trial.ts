// What the model cannot know is tried. It is linear: a call costs what it costs, whatever share of its kind is beside it. But rounds that come
// together are served together, so that a core which splits its time between rounds of the one side and requests of the other may do less
// than with either alone, and the best shares lie at a corner that no slope leads to. So where a pool is crowded, and nothing has moved for a while,
// all calls of one function run on one side for a tenth of a second, or two functions change places. And where none is, what the model has do much better on a side that is hardly known.

import type { Heard } from "#runtime/profile/calls-by-time.ts";
import type { Side } from "#runtime/profile/sample.ts";
import {
  BEFORE_MS,
  cameIn,
  CALLS_MIN,
  hasPaused,
  heardOf,
  inFlightIn,
  PIECE_MS,
  STEADY_MS,
  strayedPart,
  TRIAL_MS_MAX,
} from "./before-and-since.ts";
import { atShare } from "./cost-model.ts";
import { isFirmAt } from "./held-function.ts";
import { outlookOf } from "./optimal-shares.ts";
import { betweenCallsMs } from "./pauses.ts";
import { callsOf, type Capacity, type Load, type PoolUse } from "./pool-use.ts";
import type { Situation } from "./situation.ts";
import { BACK_OFF_MS_MAX, FORGOTTEN_MS, LOOKS_MAX, STRAYED_MAX, TRIAL_REST_MS_MAX } from "./trial-verdict.ts";
import { keyOf, patienceOf } from "./trials.ts";
import { areSlight, GAIN_MIN, isProved, isShownWorse, shareAt, type Tried, workOf } from "./tried-function.ts";
import { neededPart, noiseOfWaiting } from "./worthwhile-shares.ts";

/**
 * By the model the busiest pool may be so many times as busy then: what is clearly worse is not tried. Chosen: of 86 trials in the mixes of bench `placement` 42 were beyond
 * this, which came to 1.5 times what calls took before on the mean, and two were kept; of the 44 below 15 were.
 */
const BUSIER_MAX = 1.4;
/**
 * … where several functions share the cores, and all calls of those that are tried leave the side where they all were. Chosen: of 69 such trials beyond this one was kept, and they cost more than all others
 * together. All that a split is made for is lost at either end, by the model, and it may be wrong by that; of a function that is alone a trial tells besides what the other side is like.
 */
const BUSIER_CORNERS_MAX = 1.25;
/** Where the model is wrong: a trial has shown once that it is of this, or the crowd is none by it. */
const BUSIER_ONCE_MAX = 2;
/** What changes less than this is not worth a trial. */
const CHANGE_MIN = 0.1;
/** So many calls for each core, and this part of what they take is waiting for each other: a crowd, whatever the model says of cores. */
const CROWD_PER_CORE = 2;
const CROWD_PART = 0.5;
/** As seen, of so many calls and more: as let a trial begin. */
const CROWD_CALLS_MIN = (CALLS_MIN * BEFORE_MS) / TRIAL_MS_MAX;
/** A function whose work is a smaller part of all can gain little. */
const WORK_MIN = 0.1;
/**
 * Where calls take so much longer on the mean than alone, what ends in a trial is mostly what was in a queue before it. Chosen: half of the longest one. With a thousand calls in flight, of three times what
 * can be done, each took 0.6 s, and the queue of the other side was full of those of trials for as long.
 */
const QUEUED_MS_MAX = TRIAL_MS_MAX / 2;
/** Between two trials there is more time with each that comes to nothing: most that can be tried has been then. */
const TRIAL_REST_GROWS = 1.5;

/**
 * Where nothing is crowded a side is tried on which calls would take so much less alone by the model, of which that is not known well enough to move them there: a few visits, with everything
 * cold, say little more. Chosen: twice as much as a trial has to show.
 */
const PROMISING_MIN = 2 * GAIN_MIN;

/** A load that comes for about as long each time goes on for longer when it has lasted for so many times as long. Chosen: at its end it is not known yet that it has ended. */
const LONGER_TIMES = 1.5;

/** A function's part in a trial that might be begun, by its place among all that are called. */
interface Step {
  readonly index: number;
  readonly side: Side;
  readonly partner: string | null;
}

/** … in one that is. By the model, the busiest pool is so many times as busy then. */
export interface TrialStep extends Step {
  readonly busierTimes: number;
  readonly isCalm?: true;
  /** So many times as long as another it is to be looked at. */
  readonly looks: number;
  /** By then what all that were tried have cost is paid. */
  readonly paidMs: number;
}

/**
 * Before what a trial is held against a load has gone on for so long: where many callers begin at once, and find caches cold, each call takes longer for a while. Chosen: sixteen callers of `serveAndScore` made 0.26, 0.72, 0.91,
 * 0.96 and 1.0 of their calls a second in their first tenths of a second. Calls that are not what they were are another load: of 35 chains that began to compute six were tried at one side half a second later,
 * before it was known where they belong, and were placed after 0.6 to 0.9 s.
 */
export const WARMING_MS = 350;

/** Of none there is nothing to try. `use`: of them all, in their order. */
export function nextTrial(
  all: readonly Tried[],
  use: PoolUse,
  capacity: Capacity,
  { nowMs, heardMs }: Pick<Situation, "nowMs" | "heardMs">,
): readonly TrialStep[] {
  const shares = all.map(({ share }) => share);
  const endedMs = all.reduce((latest, { trials }) => Math.max(latest, trials.endedMs), -Infinity);
  const paidMs = all.reduce((latest, { trials }) => Math.max(latest, trials.paidMs), -Infinity);
  if (nowMs - endedMs < restMs(all) || nowMs < paidMs) return [];
  const begunMs = heardMs - WARMING_MS - patienceOf(all, nowMs) * BEFORE_MS;
  const changed = all.filter(({ sinceMs }) => sinceMs > begunMs);
  if (!areSlight(changed, all)) return [];
  const heavy = heavyOf(all);
  const weighty = weightyOf(all, heavy, nowMs).filter((index) => isCalledSince(all[index]!, begunMs, heardMs));
  if (weighty.length === 0) return [];
  const { busiest, crowded: isBusy } = outlookOf(use, shares);
  const crowd = crowdOf(isBusy, all, capacity, heardMs);
  const isFull = crowd !== null;
  const callsIn = (fromMs: number, toMs: number): number => heardOf(all, fromMs, toMs).calls;
  const isKnown = callsIn(begunMs, begunMs + PIECE_MS) > 0 && callsIn(heardMs - PIECE_MS, heardMs) > 0;
  // As many as could come in the longest trial; and where nothing is crowded, if they took twice as long.
  const callsMin = isFull ? CALLS_MIN : 2 * CALLS_MIN;
  if (!isKnown || callsIn(heardMs - BEFORE_MS, heardMs) * (TRIAL_MS_MAX / BEFORE_MS) < callsMin) return [];
  if (queuedMs(all, heardMs) > QUEUED_MS_MAX) return [];
  const unqueued = weighty.filter((index) => queuedMs([all[index]!], heardMs) <= QUEUED_MS_MAX);
  const calm = isFull ? {} : ({ isCalm: true } as const);
  let [least, chosen]: [Rank, readonly TrialStep[]] = [{ dueMs: Infinity, busier: Infinity }, []];
  for (const steps of trialsOf(all, unqueued, nowMs)) {
    if (!isFull && !(steps.length === 1 && isPromising(all[steps[0]!.index]!, steps[0]!.side))) continue;
    const then = [...shares];
    for (const { index, side } of steps) then[index] = shareAt(side);
    if (!then.some((share, index) => Math.abs(share - shares[index]!) >= CHANGE_MIN)) continue;
    const outlook = outlookOf(use, then);
    const busier = outlook.busiest / busiest;
    const didSoOnce = steps.every(({ index, side }) => all[index]!.trials.keptSide === side);
    const areCorners = steps.every(({ index }) => shares[index] === 0 || shares[index] === 1);
    const worseMax = areCorners && heavy.length > 1 ? BUSIER_CORNERS_MAX : BUSIER_MAX;
    const busierMax = didSoOnce || crowd === "seen" ? BUSIER_ONCE_MAX : worseMax;
    if (isFull ? busier >= busierMax : outlook.crowded) continue;
    const rank = { dueMs: dueSinceMs(steps, all, nowMs), busier: didSoOnce ? -steps.length : busier };
    if (!comesBefore(rank, least)) continue;
    const how = { busierTimes: busier, looks: looksOf(steps, all), paidMs, ...calm };
    [least, chosen] = [rank, steps.map((step) => ({ ...step, ...how }))];
  }
  const isVain = chosen.length > 0 && hasPaused(all, begunMs, heardMs, inFlightIn(all, begunMs, heardMs));
  return isVain ? [] : chosen;
}

/** By the model its calls would take less there, as things are or if nobody else were about, and it may be wrong by as much: else they had moved, or what is known of the others is in the way. */
function isPromising({ share, load: { costs }, error }: Tried, side: Side): boolean {
  const promises = (takes: "latencyUs" | "aloneUs", noise: number): boolean => {
    const takesUs = (at: number): number => atShare(costs, at, (cost) => cost[takes]);
    const saved = 1 - takesUs(shareAt(side)) / takesUs(share);
    return saved >= PROMISING_MIN && saved <= neededPart({ noise });
  };
  return promises("latencyUs", noiseOfWaiting(costs, error, share)) || promises("aloneUs", error);
}

/** Where a trial stands among those that may be begun. */
interface Rank {
  /**
   * What came to a tie is due again soon; and where trials are far apart what has come to the longest back-off is so by the time that a few others have had their turn. Either would keep all others waiting, so it
   * gives way to them, and to those of its kind that have been due for longer. Since when it is due; -Infinity: it gives way to none.
   */
  readonly dueMs: number;
  /** By the model, how many times as busy the busiest pool is; below 0: it was kept once. */
  readonly busier: number;
}

const comesBefore = (one: Rank, other: Rank): boolean =>
  one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.busier < other.busier);

const dueSinceMs = (steps: readonly Step[], all: readonly Tried[], nowMs: number): number =>
  steps.reduce((latest, { index, side, partner }) => {
    const {
      givesWay = false,
      ms = 0,
      untilMs = -Infinity,
    } = all[index]!.trials.backOffs.get(keyOf(side, partner)) ?? {};
    return (givesWay || ms >= BACK_OFF_MS_MAX) && nowMs - untilMs < FORGOTTEN_MS ? Math.max(latest, untilMs) : latest;
  }, -Infinity);

/** Twice as long with each tie; where code has still to be compiled as long as any other. */
const looksOf = (steps: readonly Step[], all: readonly Tried[]): number => {
  if (steps.some(({ index, side }) => all[index]!.profile.warmMs(side) === null)) return 1;
  const tiesOf = ({ index, side, partner }: Step): number =>
    all[index]!.trials.backOffs.get(keyOf(side, partner))?.ties ?? 0;
  return Math.min(LOOKS_MAX, 2 ** Math.max(...steps.map(tiesOf)));
};

/** On the mean of those that were heard of lately, beyond what the model has a call take that is alone; what failed is no call here. */
function queuedMs(all: readonly Tried[], heardMs: number): number {
  const { calls, beyondUs } = tookLately(all, heardMs);
  return beyondUs / 1e3 / Math.max(1, calls);
}

/** `beyondUs`: of `elapsedUs`, what is beyond what they take alone on the sides where they ran. */
function tookLately(all: readonly Tried[], heardMs: number) {
  let [calls, beyondUs, elapsedUs] = [0, 0, 0];
  for (const { profile, load } of all) {
    const heard = profile.byTime.between(heardMs - BEFORE_MS, heardMs);
    const part = heard.calls / Math.max(1, heard.calls + heard.untold);
    calls += heard.calls;
    elapsedUs += part * heard.elapsedUs;
    beyondUs += part * heard.elapsedUs - aloneUsOf(load.costs, heard);
  }
  return { calls, beyondUs, elapsedUs };
}

/** What calls that were heard of take alone, where they ran. */
const aloneUsOf = ({ compute, storage }: Load["costs"], { calls, atStorage }: Heard): number =>
  (calls - atStorage) * compute.aloneUs + atStorage * storage.aloneUs;

/** Whether a pool is too busy. */
export function isCrowded(all: readonly Tried[], use: PoolUse, capacity: Capacity, heardMs: number): boolean {
  const shares = all.map(({ share }) => share);
  return crowdOf(outlookOf(use, shares).crowded, all, capacity, heardMs) !== null;
}

/**
 * A pool is too busy: as the model has it, since it is (`isBusy`) or since calls mostly wait for each other, though there are no more of them than cores could
 * serve; or it has none so, and calls are seen to wait. null: none is.
 */
function crowdOf(
  isBusy: boolean,
  all: readonly Tried[],
  capacity: Capacity,
  heardMs: number,
): "modelled" | "seen" | null {
  if (isBusy) return "modelled";
  if (!areCallersMany(capacity)) return null;
  let [waitsUs, takesUs] = [0, 0];
  for (const { load, share } of all) {
    for (const side of ["compute", "storage"] as const) {
      const { terms, latencyUs } = load.costs[side];
      const calls = callsOf(load, share)[side];
      waitsUs += calls * terms.crowd;
      takesUs += calls * latencyUs;
    }
  }
  if (waitsUs > CROWD_PART * takesUs) return "modelled";
  const { calls, beyondUs, elapsedUs } = tookLately(all, heardMs);
  return calls >= CROWD_CALLS_MIN && beyondUs > CROWD_PART * elapsedUs ? "seen" : null;
}

/** Whether each core could have two. */
export const areCallersMany = ({ callers, computeCores, storageMachineCores }: Capacity): boolean =>
  callers >= CROWD_PER_CORE * (computeCores + storageMachineCores);

/** Between two trials. */
function restMs(all: readonly Tried[]): number {
  const fruitless = all.reduce((sum, { trials }) => sum + trials.fruitless, 0);
  return Math.min(TRIAL_REST_MS_MAX, STEADY_MS * TRIAL_REST_GROWS ** fruitless);
}

/** Each function alone to either side, and each two that change places; those that may be tried now. */
function* trialsOf(all: readonly Tried[], weighty: readonly number[], nowMs: number): Iterable<readonly Step[]> {
  for (const index of weighty) {
    for (const side of ["compute", "storage"] as const) {
      if (mayTry(all[index]!, side, null, nowMs)) yield [{ index, side, partner: null }];
    }
    for (const other of weighty) {
      const [here, there] = [all[index]!, all[other]!];
      if (other === index || !mayTry(here, "storage", there.name, nowMs)) continue;
      if (!mayTry(there, "compute", here.name, nowMs)) continue;
      // Of two corners beside a split either does better than that: only what did worse as a whole has been tried.
      const plan = [
        { ...here, there: shareAt("storage") },
        { ...there, there: shareAt("compute") },
      ];
      if (!plan.some(isDoubted) && isShownWorse(plan)) continue;
      yield [
        { index, side: "storage", partner: there.name },
        { index: other, side: "compute", partner: here.name },
      ];
    }
  }
}

/** Those whose work is a part of all that is worth a trial. */
function heavyOf(all: readonly Tried[]): readonly number[] {
  const workMin = WORK_MIN * workOf(all);
  return [...all.keys()].filter((index) => workOf([all[index]!]) >= workMin);
}

/** … and whose calls are where the plan has them, so that it may be made. */
function weightyOf(all: readonly Tried[], heavy: readonly number[], nowMs: number): readonly number[] {
  return heavy.filter((index) => {
    const one = all[index]!;
    const { profile, share, trials, isFree } = one;
    if (!isFree || isFirmAt(trials, nowMs) || mayPause(one, nowMs)) return false;
    return strayedPart(profile.byTime.between(nowMs - BEFORE_MS, nowMs), share) <= STRAYED_MAX;
  });
}

/**
 * Whether it is called, and was when `begunMs` was over, or its calls are too few to tell: of one that nobody calls any more, or not yet for long, a trial would tell what becomes of
 * others.
 */
function isCalledSince({ profile }: Tried, begunMs: number, heardMs: number): boolean {
  const withinMs = betweenCallsMs(profile, heardMs);
  const isCalledAt = (atMs: number): boolean => cameIn(profile.byTime.between(atMs - withinMs, atMs)) > 0;
  return withinMs === Infinity || (isCalledAt(begunMs + PIECE_MS) && isCalledAt(heardMs));
}

/** Its calls have not come for longer than when they paused in a trial: of one that is begun now nothing may be told either. */
const mayPause = ({ profile, trials: { pausedIn } }: Tried, nowMs: number): boolean =>
  pausedIn !== null && nowMs < pausedIn.untilMs && nowMs - profile.comingSinceMs < LONGER_TIMES * pausedIn.cameForMs;

/** It is looked at anew. */
const isDoubted = ({ trials: { held } }: Pick<Tried, "trials">): boolean => held?.doubtedMs !== undefined;

function mayTry(one: Tried, side: Side, partner: string | null, nowMs: number): boolean {
  const { share, bounds, trials, isWarm, load } = one;
  const there = shareAt(side);
  // It has proved to do better where it is, beside what others do now.
  const isSettled = isProved(one) && !isDoubted(one) && trials.held?.isBesideOthers === undefined;
  if (partner === null && isSettled) return false;
  if (there === share || there < bounds[0] || there > bounds[1] || !isWarm[side]) return false;
  // Those whose callers ask for the other side stay there.
  const { compute, storage } = callsOf(load, there);
  if ((side === "storage" ? compute : storage) > STRAYED_MAX * (compute + storage)) return false;
  return nowMs >= (trials.backOffs.get(keyOf(side, partner))?.untilMs ?? -Infinity);
}
