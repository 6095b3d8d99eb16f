// What the model proposes: shares that promise more than the model may be wrong by.
//
// While no pool is crowded each function moves to the side where its callers wait less. Near saturation
// the linear programme relieves the busiest pool, and the plan is judged as a whole.

import { atShare, busyUs } from "./cost-model.ts";
import { withinRoom } from "./isolate-room.ts";
import { isBackedOff } from "./memory.ts";
import { COMFORTABLE_UTILISATION, growthOf, optimalShares, outlookOf } from "./optimal-shares.ts";
import { allCallsOf, type Load, type PoolUse } from "./pool-use.ts";
import type { Gain } from "./transition.ts";
import type { FunctionView } from "./view.ts";

/** A change must save this part of the latency, or of the busiest pool's use. Smaller gains are noise. */
export const GAIN_MIN = 0.05;
/**
 * A function split in halves costs this part more of all that is not computing: calls that arrive
 * together are served together. docs/placement.md has its worth.
 */
const SPLIT_COST = 0.3;

/** Functions that do less of all work than this, together, change no measurement. */
export const SLIGHT_PART = 0.05;

/** One function's share, and what that promises. */
export interface ShareChange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface ProposedChange extends ShareChange {
  /** `room`: it makes room for a function that saves more. */
  readonly goal: "latency" | "capacity" | "room";
  /** Latency of a call, µs, or utilisation of the busiest pool. */
  readonly gain: Gain;
}

/** In the order of the views, whose loads make `use`. */
export function proposal(views: readonly FunctionView[], use: PoolUse): readonly ProposedChange[] {
  const shares = Float64Array.from(views, ({ share }) => share);
  const now = outlookOf(use, shares);
  const free = plannedShares(views, use, shares);
  type Promise = Pick<ProposedChange, "goal" | "gain">;
  const changesTo = (plan: Float64Array, promiseOf: (view: FunctionView, index: number) => Promise) =>
    views.flatMap((view, index): readonly ProposedChange[] => {
      const [from, to] = [view.share, plan[index]!];
      return to === from ? [] : [{ name: view.name, from, to, ...promiseOf(view, index) }];
    });
  const isHeld = views.map(({ state: { memory } }) => isBackedOff(memory, "plan"));
  const held = isHeld.includes(true) ? heldUse(use, shares, isHeld) : use;
  const byLatency = (plan: Float64Array): readonly ProposedChange[] => {
    const isWanted = views.map((view, index) => !isHeld[index] && isShorter(view, plan[index]!));
    const wanted = shares.map((share, index) => (isWanted[index] ? plan[index]! : share));
    const within = withinRoom(held, shares, wanted);
    const goalOf = (index: number) => (isWanted[index] ? "latency" : "room");
    return changesTo(within, (view, index) => ({ goal: goalOf(index), gain: latencyGain(view, within[index]!) }));
  };
  if (!now.crowded && !outlookOf(use, free).crowded) return byLatency(free);
  const busy = (plan: ArrayLike<number>): number => busiestWithSplits(views, use, plan);
  const wanted = held === use ? free : plannedShares(views, held, shares);
  const plan = withinRoom(held, shares, wanted);
  const error = planError(views, plan);
  const [from, to] = [busy(shares), busy(plan)];
  // Many figures go into a joint plan, so it must promise two standard errors.
  if (1 - to / from > Math.max(GAIN_MIN, 2 * error)) {
    return changesTo(plan, () => ({ goal: "capacity", gain: { from, to, error } }));
  }
  return now.crowded ? [] : byLatency(wanted);
}

/** Its callers wait clearly less there. */
function isShorter(view: FunctionView, share: number): boolean {
  const { from, to, error } = latencyGain(view, share);
  return 1 - to / from > Math.max(GAIN_MIN, error);
}

/** Mean latency of a call at its share and at another one, µs, and the error of the difference. */
export function latencyGain({ load: { costs }, share, costError }: FunctionView, other: number): Gain {
  const latencyAt = (at: number): number => atShare(costs, at, ({ latencyUs }) => latencyUs);
  return { from: latencyAt(share), to: latencyAt(other), error: costError };
}

const heldUse = (use: PoolUse, shares: Float64Array, isHeld: readonly boolean[]): PoolUse => ({
  ...use,
  lowest: use.lowest.map((lowest, index) => (isHeld[index] ? shares[index]! : lowest)),
  highest: use.highest.map((highest, index) => (isHeld[index] ? shares[index]! : highest)),
});

/** The best shares. A split that is worth less than it costs becomes one side. */
function plannedShares(views: readonly FunctionView[], use: PoolUse, shares: Float64Array): Float64Array {
  let best = optimalShares(use, shares);
  const isNearlyCrowded =
    Math.max(outlookOf(use, shares).busiest, outlookOf(use, best).busiest) > 0.95 * COMFORTABLE_UTILISATION;
  // Callers who wait for answers call more often when a pool is relieved: plan for those calls as well.
  if (isNearlyCrowded) best = optimalShares(use, shares, growthOf(use, shares));
  // A tenth of the calls is not worth a split.
  best = best.map((share, index) => {
    if (share < 2 * SLIGHT_PART && use.lowest[index] === 0) return 0;
    return share > 1 - 2 * SLIGHT_PART && use.highest[index] === 1 ? 1 : share;
  });
  if (!isNearlyCrowded) return best;
  for (const [index, share] of best.entries()) {
    if (share <= 0 || share >= 1) continue;
    for (const side of [0, 1]) {
      if (side < use.lowest[index]! || side > use.highest[index]!) continue;
      const other = best.with(index, side);
      if (busiestWithSplits(views, use, other) < busiestWithSplits(views, use, best)) best = other;
    }
  }
  return best;
}

/** Utilisation of the busiest pool, at least the comfortable one, with what splits cost. */
const busiestWithSplits = (views: readonly FunctionView[], use: PoolUse, shares: ArrayLike<number>): number =>
  Math.max(COMFORTABLE_UTILISATION, outlookOf(use, shares).busiest) * splitTimes(views, shares);

function splitTimes(views: readonly FunctionView[], shares: ArrayLike<number>): number {
  const parts = workParts(views.map(({ load }) => load));
  return views.reduce((times, { load: { costs } }, index) => {
    const share = shares[index]!;
    if (share <= 0 || share >= 1) return times;
    const notComputing = Math.min(
      ...[costs.compute, costs.storage].map((cost) => 1 - Math.min(1, cost.terms.cpu / Math.max(1e-9, busyUs(cost)))),
    );
    return times + SPLIT_COST * notComputing * parts[index]! * 4 * share * (1 - share);
  }, 1);
}

/** Each function's part of all work, wherever that is dearer. */
export function workParts(loads: readonly Load[]): readonly number[] {
  const work = loads.map((load) => allCallsOf(load) * Math.max(busyUs(load.costs.compute), busyUs(load.costs.storage)));
  const sum = work.reduce((total, one) => total + one, 0);
  return work.map((one) => (sum > 0 ? one / sum : 0));
}

/** Standard error of what a plan promises: those of the costs of the functions that it moves, by their work. */
function planError(views: readonly FunctionView[], plan: ArrayLike<number>): number {
  const parts = workParts(views.map(({ load }) => load));
  return Math.hypot(...views.map(({ share, costError }, index) => parts[index]! * (plan[index]! - share) * costError));
}
