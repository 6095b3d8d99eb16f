// Where a trial has shown that a function does better it is held, whatever the model says, as long as its calls take about as long as then; and as long
// it is not moved where one has shown that it does worse.

import type { Heard } from "#runtime/profile/calls-by-time.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import {
  CALLS_MIN,
  EXPECTED_MIN,
  GAIN_NOISES,
  inverse,
  meanBytes,
  meanUs,
  slowTimesOf,
  STEADY_MS,
  strayedPart,
  variationOf,
} from "./before-and-since.ts";
import type { Placement } from "./plan.ts";
import { HOLD_MS_MIN, STRAYED_MOSTLY } from "./trial-verdict.ts";
import { patienceOf, type Refutation, type Refuted, type Trials, worseThanBoth } from "./trials.ts";
import type { Load } from "./pool-use.ts";
import { GAIN_MIN, gainingSide, isOtherShare, isProved, shareAt, type Tried } from "./tried-function.ts";

/** A call takes so many times what it took in the trial, for so long: the load is not what it was. */
export const PROMISE_MS = 250;
/** Where few have ended: callers who wait for each other make fewer calls the longer these take. And where cores are slow: for as long that is a moment, and no other load. */
const PROMISE_MS_MAX = 1_500;
const PROMISE_SLACK = 1.25;
/** What is doubted for so long is left: most that may be tried has been by then, and what did worse may do better since. Chosen. */
export const DOUBTED_MS_MAX = HOLD_MS_MIN;

/** What a call took, and the bytes of such a call: without, calls are held against it whatever their work is. */
interface Promised {
  readonly promisedUs: number;
  readonly promisedBytes?: number;
}

/** A share that has done worse, and how many times as long all calls took there. */
type RefutedShare = Pick<NonNullable<Trials["held"]>, "refutedShare" | "worseTimes">;

/** How a plan is held. */
export interface Hold {
  readonly untilMs: number;
  /** Whatever the model promises. */
  readonly isFirm: boolean;
  /** How many times as long all calls took in the plan that did worse. Without: nobody knows. */
  readonly worseTimes?: number;
}

/** Something was tried meanwhile: whoever is held stays so, and how long its calls take is looked at from when they are back. */
export const heldOn = (trials: Trials, nowMs: number): Trials =>
  trials.held === null ? trials : { ...trials, held: { ...trials.held, sinceMs: nowMs + STEADY_MS } };

/**
 * A plan as a whole has proved better than another: whoever took no part stays as well, and whoever is held already is so for longer. It proved so in
 * the `shown` time. `isFirm`: what proved worse was a mistake of the model's, which says nothing of what was shown of others: those that are held for
 * a proof of their own are so as before.
 */
export function heldAlong(
  { profile, trials, share }: Pick<Tried, "profile" | "trials" | "share">,
  shown: { readonly fromMs: number; readonly toMs: number },
  { untilMs, isFirm, worseTimes }: Hold,
  nowMs: number,
): Trials {
  const { held } = trials;
  if (isFirm && isProved({ share, trials })) return trials;
  const firmUntilMs = isFirm ? untilMs : -Infinity;
  const heard = profile.byTime.between(shown.fromMs, shown.toMs);
  const promisedUs = meanUs(heard);
  const worse = worseTimes === undefined ? {} : { worseTimes: worseThanBoth(held, worseTimes) };
  if (held !== null) {
    const longer = { untilMs: Math.max(held.untilMs, untilMs), firmUntilMs: Math.max(held.firmUntilMs, firmUntilMs) };
    // Beside what others do now.
    const anew = isFirm || promisedUs === null ? {} : { promisedUs, promisedBytes: meanBytes(heard), ...worse };
    return { ...trials, held: { ...held, ...longer, ...anew } };
  }
  return promisedUs === null
    ? trials
    : {
        ...trials,
        held: {
          // Calls that are under way tell nothing of it yet.
          sinceMs: nowMs + STEADY_MS,
          untilMs,
          promisedUs,
          promisedBytes: meanBytes(heard),
          refutedShare: share,
          firmUntilMs,
          ...worse,
        },
        fruitless: 0,
      };
}

/** Whether it stays whatever the model promises. */
export const isFirmAt = ({ held }: Trials, nowMs: number): boolean => held !== null && nowMs < held.firmUntilMs;

/** As after a trial: what it would show has been shown before. Calls that are under way tell nothing of it yet. */
export const heldAgain = (
  trials: Trials,
  { promisedUs, promisedBytes = 0, refutedShare, worseTimes }: Promised & RefutedShare,
  nowMs: number,
): Trials => {
  const holdMs = Math.max(trials.holdMs, HOLD_MS_MIN);
  const held = {
    sinceMs: nowMs + STEADY_MS,
    untilMs: nowMs + holdMs,
    promisedUs,
    promisedBytes,
    refutedShare,
    firmUntilMs: -Infinity,
    ...(worseTimes !== undefined && { worseTimes }),
  };
  return { ...trials, held, holdMs };
};

/** Such calls have come back: what others take that are under way says nothing of it. */
export const refutedAgain = ({ backOffs, fruitless }: Refuted, nowMs: number): Refuted => ({
  fruitless,
  backOffs: new Map(
    // That cores were slow in one then says nothing of now.
    Array.from(backOffs, ([key, { ms, untilMs, givesWay, ties, refutation }]) => {
      const again = refutation && { ...refutation, sinceMs: nowMs + STEADY_MS };
      const tied = { ...(givesWay && { givesWay }), ...(ties !== undefined && { ties }) };
      return [key, { ms, untilMs, ...tied, ...(again && { refutation: again }) }];
    }),
  ),
});

/** Whether it stays for what a trial has shown, until the first call after its end: not if its calls are not where the plan has them. */
export function isHeld(
  profile: FunctionProfile,
  { share, trials, overflowMin }: Pick<Tried, "share" | "trials"> & Pick<Placement, "overflowMin">,
  nowMs: number,
): boolean {
  const { held: promise } = trials;
  if (promise === null || profile.calledMs >= promise.untilMs) return false;
  const lately = heardLately(profile, promise.sinceMs, nowMs);
  // What overflows has its reason in the plan.
  return lately === null || overflowMin > 0 || strayedPart(lately, share) <= STRAYED_MOSTLY;
}

/** Whether its calls clearly take longer than in the trial: the load is not what it was, unless the plan is kept as a whole. */
export const isHoldBroken = ({ profile, trials }: Pick<Tried, "profile" | "trials">, nowMs: number): boolean =>
  // What takes now this long and now that says little of where it should be.
  trials.held !== null && takeLonger([{ profile, promise: trials.held }], nowMs, patienceOf([{ trials }], nowMs));

/** What calls of all that are held take to what was promised of them. `kept`: no longer, of several. `better`: less than in the plan that did worse. `broken`: as long as there, or nobody knows. */
export type HeldPlan = "kept" | "better" | "broken";

/**
 * All together, each function's by its weight: those of one by itself may take longer, since callers who wait for the one leave room for the other, and so
 * they go to and fro while as much is done.
 */
export function heldPlanOf(
  all: readonly (Pick<Tried, "profile" | "trials"> & Pick<Load, "weight">)[],
  nowMs: number,
): HeldPlan {
  const held = all.flatMap(({ profile, trials: { held: promise }, weight }) =>
    promise === null ? [] : [{ profile, promise, weight }],
  );
  const kept = keptLately(held, nowMs);
  if (kept === null) return "broken";
  if (held.length > 1 && kept.ratio <= 1 + Math.max(GAIN_MIN, kept.noise)) return "kept";
  // As long as they take less than they did there it is no reason to go there that they took less still.
  const worseTimes = held.flatMap(({ promise: { worseTimes: times } }) => times ?? []);
  return worseTimes.length > 0 && kept.ratio <= Math.min(...worseTimes) ? "better" : "broken";
}

/** Whether calls clearly take longer than was promised: the load is not what it was then. */
export function isPromiseBroken(
  profile: FunctionProfile,
  promise: Promised & { readonly sinceMs: number },
  nowMs: number,
): boolean {
  return takeLonger([{ profile, promise }], nowMs);
}

/**
 * What a trial has shown of all calls on one side, held against about the share of now, where a move would have nearly all there. null: nothing, it was long ago, or calls take longer now than in
 * the plan that did better.
 */
export function refutationOf({ profile, share, trials }: Tried, there: number, nowMs: number): Refutation | null {
  const side = gainingSide({ share }, there);
  const { refutation, untilMs = -Infinity } = trials.backOffs.get(side) ?? {};
  if (there === share || refutation === undefined || nowMs >= untilMs) return null;
  if (isOtherShare(there, shareAt(side)) || isOtherShare(share, refutation.fromShare)) return null;
  return isPromiseBroken(profile, refutation, nowMs) ? null : refutation;
}

/** null: too few have ended to tell. */
function heardLately(profile: FunctionProfile, sinceMs: number, nowMs: number): Heard | null {
  const lately = heardFor(PROMISE_MS, profile, sinceMs, nowMs);
  if (lately.calls >= CALLS_MIN) return lately;
  const longer = heardFor(PROMISE_MS_MAX, profile, sinceMs, nowMs);
  return longer.calls < CALLS_MIN ? null : longer;
}

const heardFor = (ms: number, profile: FunctionProfile, sinceMs: number, nowMs: number): Heard =>
  profile.byTime.between(Math.max(sinceMs, nowMs - ms), nowMs);

/** A function, and what is promised of its calls. */
interface Due {
  readonly profile: FunctionProfile;
  readonly promise: Promised & { readonly sinceMs: number };
  /** Of its calls among those of others; without: 1. */
  readonly weight?: number;
}

/** What of its calls ended in some time. */
interface Ended extends Due {
  readonly heard: Heard;
}

/** What calls of some functions took, to what was promised of as many; what of that may be chance (GAIN_NOISES standard errors); and how many times as slow as usual cores were. */
interface Kept {
  readonly ratio: number;
  readonly noise: number;
  readonly slowTimes: number;
}

/** By more than slow cores explain; or for so long that they are no excuse. `patience`: so many times as long is not longer. */
function takeLonger(all: readonly Due[], nowMs: number, patience = 1): boolean {
  const isLonger = (kept: Kept | null, { slowTimes = 1, noise = kept?.noise ?? 0 } = {}): boolean =>
    kept !== null && kept.ratio > (PROMISE_SLACK + noise) * patience * slowTimes;
  const lately = keptLately(all, nowMs);
  if (lately === null || !isLonger(lately)) return false;
  if (isLonger(lately, { slowTimes: lately.slowTimes })) return true;
  // In each third of that: else all that takes longer may be of one moment. What is called in waves is called more often, mostly.
  const beganMs = nowMs - PROMISE_MS_MAX;
  if (all.some(({ promise: { sinceMs } }) => beganMs < sinceMs)) return false;
  const thirds = [0, 1, 2].map((third) => beganMs + (third * PROMISE_MS_MAX) / 3);
  const keptIn = (fromMs: number, toMs: number): Kept | null => keptOf(endedIn(all, fromMs, toMs), nowMs);
  return (
    thirds.every((fromMs) => isLonger(keptIn(fromMs, fromMs + PROMISE_MS_MAX / 3), { noise: 0 })) &&
    isLonger(keptIn(beganMs, nowMs))
  );
}

/** null: too few have ended to tell. */
function keptLately(all: readonly Due[], nowMs: number): Kept | null {
  const endedFor = (ms: number): readonly Ended[] => endedIn(all, nowMs - ms, nowMs);
  const areMany = (ended: readonly Ended[]): boolean =>
    ended.reduce((calls, { heard }) => calls + heard.calls, 0) >= CALLS_MIN;
  // Hardly any has ended, and some did before: it is missing among what is done.
  const isMissing = ({ profile, promise, heard }: Ended): boolean =>
    heard.calls < EXPECTED_MIN && heardFor(PROMISE_MS_MAX, profile, promise.sinceMs, nowMs).calls > 0;
  const soon = endedFor(PROMISE_MS);
  if (areMany(soon) && !soon.some(isMissing)) return keptOf(soon, nowMs);
  const late = endedFor(PROMISE_MS_MAX);
  return areMany(late) ? keptOf(late, nowMs) : null;
}

const endedIn = (all: readonly Due[], fromMs: number, toMs: number): readonly Ended[] =>
  all.map((due) => ({ ...due, heard: due.profile.byTime.between(Math.max(fromMs, due.promise.sinceMs), toMs) }));

/** null: none has ended. */
function keptOf(all: readonly Ended[], nowMs: number): Kept | null {
  const ended = all.flatMap(({ profile, promise: { promisedUs, promisedBytes = 0 }, weight = 1, heard }) => {
    const { calls, elapsedUs } = heard;
    if (calls <= 0) return [];
    const work = promisedBytes > 0 ? profile.workTimes(meanBytes(heard), promisedBytes) : 1;
    const weighed = { elapsedUs: weight * elapsedUs, promisedUs: weight * calls * work * promisedUs };
    return [{ ...heard, ...weighed, variation: variationOf(profile, nowMs) }];
  });
  const sum = (of: (one: (typeof ended)[number]) => number): number => ended.reduce((all, one) => all + of(one), 0);
  const promisedUs = sum((one) => one.promisedUs);
  if (promisedUs <= 0) return null;
  const ratio = sum(({ elapsedUs }) => elapsedUs) / promisedUs;
  // What each takes varies, and where one keeps its promise better than others so does how many of it there are.
  const squares = sum((one) => {
    const [ofTimes, ofCounts] = [one.variation * one.promisedUs, one.elapsedUs - ratio * one.promisedUs];
    return (ofTimes ** 2 + ofCounts ** 2) * inverse(one.calls);
  });
  const slowTimes = slowTimesOf({ cpuUs: sum(({ cpuUs }) => cpuUs), slowedUs: sum(({ slowedUs }) => slowedUs) }) ?? 1;
  return { ratio, noise: (GAIN_NOISES * Math.sqrt(squares)) / promisedUs, slowTimes };
}
