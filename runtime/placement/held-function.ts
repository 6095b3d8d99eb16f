// Where a trial has shown that a function does better it is held, whatever the model says, as long as its calls take about as long as then; and as long
// it is not moved where one has shown that it does worse.

import type { Heard } from "#runtime/profile/calls-by-time.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import {
  CALLS_MIN,
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
import { patienceOf, type Refutation, type Refuted, type Trials } from "./trials.ts";
import { shareAt, type Tried } from "./tried-function.ts";

/** A call takes so many times what it took in the trial, for so long: the load is not what it was. */
const PROMISE_MS = 250;
/** Where few have ended: callers who wait for each other make fewer calls the longer these take. And where cores are slow: for as long that is a moment, and no other load. */
const PROMISE_MS_MAX = 1_500;
const PROMISE_SLACK = 1.25;
/** Of the calls of a function so many are elsewhere in another plan. */
const SHARE_OTHER = 0.2;

/** What a call took, and the bytes of such a call: without, calls are held against it whatever their work is. */
interface Promised {
  readonly promisedUs: number;
  readonly promisedBytes?: number;
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
  { untilMs, isFirm }: { readonly untilMs: number; readonly isFirm: boolean },
  nowMs: number,
): Trials {
  const { held } = trials;
  if (isFirm && isProved({ share, trials })) return trials;
  const firmUntilMs = isFirm ? untilMs : -Infinity;
  if (held !== null) {
    const longer = { untilMs: Math.max(held.untilMs, untilMs), firmUntilMs: Math.max(held.firmUntilMs, firmUntilMs) };
    return { ...trials, held: { ...held, ...longer } };
  }
  const heard = profile.byTime.between(shown.fromMs, shown.toMs);
  const promisedUs = meanUs(heard);
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
        },
        fruitless: 0,
      };
}

/** Whether it stays whatever the model promises. */
export const isFirmAt = ({ held }: Trials, nowMs: number): boolean => held !== null && nowMs < held.firmUntilMs;

/** Whether it was shown of the function itself that it does better where it is, and not of others that it is held along with. */
export const isProved = ({ share, trials: { held } }: Pick<Tried, "share" | "trials">): boolean =>
  held !== null && held.refutedShare !== share;

/** As after a trial: what it would show has been shown before. Calls that are under way tell nothing of it yet. */
export const heldAgain = (
  trials: Trials,
  { promisedUs, promisedBytes = 0, refutedShare }: Promised & { readonly refutedShare: number },
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
  };
  return { ...trials, held, holdMs };
};

/** Such calls have come back: what others take that are under way says nothing of it. */
export const refutedAgain = ({ backOffs, fruitless }: Refuted, nowMs: number): Refuted => ({
  fruitless,
  backOffs: new Map(
    // That cores were slow in one then says nothing of now.
    Array.from(backOffs, ([key, { ms, untilMs, givesWay, refutation }]) => {
      const again = refutation && { ...refutation, sinceMs: nowMs + STEADY_MS };
      return [key, { ms, untilMs, ...(givesWay && { givesWay }), ...(again && { refutation: again }) }];
    }),
  ),
});

/** Whether it stays for what a trial has shown, until the first call after its end: not if its calls are not where the plan has them, or take longer than in the trial. */
export function isHeld(
  profile: FunctionProfile,
  { share, trials, overflowMin }: Pick<Tried, "share" | "trials"> & Pick<Placement, "overflowMin">,
  nowMs: number,
): boolean {
  const { held: promise } = trials;
  if (promise === null || profile.calledMs >= promise.untilMs) return false;
  const lately = heardLately(profile, promise.sinceMs, nowMs);
  if (lately === null) return true;
  // What takes now this long and now that says little of where it should be.
  const patience = patienceOf([{ trials }], nowMs);
  // What overflows has its reason in the plan.
  const isElsewhere = overflowMin === 0 && strayedPart(lately, share) > STRAYED_MOSTLY;
  return !isElsewhere && !takesLonger(profile, lately, promise, nowMs, patience);
}

/** Whether calls clearly take longer than was promised: the load is not what it was then. */
export function isPromiseBroken(
  profile: FunctionProfile,
  promise: Promised & { readonly sinceMs: number },
  nowMs: number,
): boolean {
  const lately = heardLately(profile, promise.sinceMs, nowMs);
  return lately !== null && takesLonger(profile, lately, promise, nowMs);
}

/** Whether two shares are different plans, or nearly the same one. */
export const isOtherShare = (one: number, other: number): boolean => Math.abs(one - other) >= SHARE_OTHER;

/**
 * What a trial has shown of all calls on one side, held against about the share of now, where a move would have nearly all there. null: nothing, it was long ago, or calls take longer now than in
 * the plan that did better.
 */
export function refutationOf({ profile, share, trials }: Tried, there: number, nowMs: number): Refutation | null {
  const side = there > share ? "storage" : "compute";
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

/** By more than slow cores explain; or for so long that they are no excuse. `patience`: so many times as long is not longer. */
function takesLonger(
  profile: FunctionProfile,
  lately: Heard,
  { sinceMs, promisedUs, promisedBytes = 0 }: Promised & { readonly sinceMs: number },
  nowMs: number,
  patience = 1,
): boolean {
  const noiseOf = ({ calls }: Heard): number => GAIN_NOISES * variationOf(profile, nowMs) * Math.sqrt(inverse(calls));
  const takes = (heard: Heard, slowTimes = 1, noise = noiseOf(heard)): boolean => {
    const work = promisedBytes > 0 ? profile.workTimes(meanBytes(heard), promisedBytes) : 1;
    return (meanUs(heard) ?? 0) > (PROMISE_SLACK + noise) * patience * slowTimes * work * promisedUs;
  };
  if (!takes(lately)) return false;
  if (takes(lately, slowTimesOf(lately) ?? 1)) return true;
  // In each third of that: else all that takes longer may be of one moment. What is called in waves is called more often, mostly.
  const beganMs = nowMs - PROMISE_MS_MAX;
  if (beganMs < sinceMs) return false;
  const thirds = [0, 1, 2].map((third) => beganMs + (third * PROMISE_MS_MAX) / 3);
  const areLonger = thirds.every((fromMs) => takes(profile.byTime.between(fromMs, fromMs + PROMISE_MS_MAX / 3), 1, 0));
  return areLonger && takes(heardFor(PROMISE_MS_MAX, profile, sinceMs, nowMs));
}
