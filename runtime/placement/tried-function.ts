// A function that is called, as trials see it, and how much of all work some of them do.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { atShare, busyUs } from "./cost-model.ts";
import { callsOf, type Load } from "./pool-use.ts";
import type { Trials } from "./trials.ts";

/** One function that is called. */
export interface Tried {
  readonly name: string;
  readonly profile: FunctionProfile;
  readonly share: number;
  readonly load: Load;
  /** Standard error of the difference between the sides, as a share of what a call costs. */
  readonly error: number;
  readonly trials: Trials;
  /** When its calls began to be what they are. */
  readonly sinceMs: number;
  /** Neither pinned nor still to be profiled, nor just taken back from where a trial would have it. */
  readonly isFree: boolean;
  /** Its share may be from here to there. */
  readonly bounds: readonly [lowest: number, highest: number];
  readonly isWarm: Readonly<Record<Side, boolean>>;
}

/** Of what all calls take, so much less is a gain. */
export const GAIN_MIN = 0.05;

/** Of the calls of a function so many are elsewhere in another plan. */
const SHARE_OTHER = 0.2;

/** Whether two shares are different plans, or nearly the same one. */
export const isOtherShare = (one: number, other: number): boolean => Math.abs(one - other) >= SHARE_OTHER;

export const shareAt = (side: Side): number => (side === "storage" ? 1 : 0);

/** That is to get more of its calls. */
export const gainingSide = ({ share: from }: Pick<Tried, "share">, to: number): Side =>
  to > from ? "storage" : "compute";

/** Whether it was shown of the function itself that it does better where it is, and not of others that it is held along with. */
export const isProved = ({ share, trials: { held } }: Pick<Tried, "share" | "trials">): boolean =>
  held !== null && held.refutedShare !== share;

/** … than at another share, or about there. */
export const isProvedWorse = (one: Pick<Tried, "share" | "trials">, there: number): boolean =>
  isProved(one) && !isOtherShare(there, one.trials.held!.refutedShare);

/** That a call works where the plan has it, µs. */
export const workUsOf = ({ load: { costs }, share }: Tried): number => atShare(costs, share, busyUs);

/** One of those whose shares another plan changes: where it is, and would be. */
interface Changing extends Pick<Tried, "share" | "trials"> {
  readonly there: number;
}

/** … of whom it was shown that it does worse there, beside what the others do now. */
const isShownWorseAt = (one: Changing): boolean =>
  one.trials.held?.isBesideOthers === undefined && isProvedWorse(one, one.there);

/** Whether a plan is about what has done worse as a whole, than what they are held in. Of those that one trial has kept some may be held no more. */
export function isShownWorse(plan: readonly Changing[]): boolean {
  const keptMs = plan[0]?.trials.keptMs ?? -Infinity;
  const areOfOne = keptMs > -Infinity && plan.every(({ trials }) => trials.keptMs === keptMs);
  const isOver = ({ trials: { held } }: Changing): boolean => areOfOne && held === null;
  return plan.some(isShownWorseAt) && plan.every((one) => isShownWorseAt(one) || isOver(one));
}

/** Of all calls, µs per second. */
export const workOf = (some: readonly Tried[]): number =>
  some.reduce((sum, { load, share }) => {
    const { compute, storage } = callsOf(load, share);
    return sum + compute * busyUs(load.costs.compute) + storage * busyUs(load.costs.storage);
  }, 0);

/** Whether some of all that are called do so little of the work that nothing that becomes of them could be taken for a gain. */
export const areSlight = (some: readonly Tried[], all: readonly Tried[]): boolean =>
  some.length === 0 || workOf(some) < GAIN_MIN * workOf(all);

/** Of all, in some order: with it those that come before are slight no more. */
export function firstWeighty<One extends Tried>(all: readonly One[]): One | undefined {
  let left = GAIN_MIN * workOf(all);
  return all.find((one) => (left -= workOf([one])) <= 0);
}
