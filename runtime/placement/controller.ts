// Decides where functions run, step by step: the model proposes, measuring disposes, one change at a time.
// Pure: everything comes by argument, and the state goes back in with the next step. In this order:
//
//   1. settle     new, pinned, replaced or shifted functions; calls of an earlier kind return to its share
//   2. leave      a side that is closed to a function, at once
//   3. surge      would many more calls fill a pool? then relieve it at once
//   4. judge      the experiment that runs: what it changed stays or is taken back
//   5. propose    if none runs: what the model promises is applied, and verified
//   6. try        if the model promises nothing and a pool is crowded: a trial
//   7. visit      probes and overflow for every function

import { clamp } from "#runtime/clamp.ts";
import { otherSide } from "#runtime/profile/sample.ts";
import { machineNoise } from "./comparison.ts";
import { Draft } from "./draft.ts";
import { BASELINE_MS, judge, LOOK_MS_MAX, type Experiment } from "./experiment.ts";
import type { FunctionRecord, FunctionState } from "./function-state.ts";
import { freeRoom, withinRoom } from "./isolate-room.ts";
import { canTellTrial, nextTrial } from "./next-trial.ts";
import { optimalShares, outlookOf, regretOf, type Outlook } from "./optimal-shares.ts";
import { beginTrial, conclude, endIfGone, giveUp } from "./outcome.ts";
import { NO_OVERFLOW, overflowOf } from "./overflow.ts";
import { OPEN, type BySide } from "./p99-bound.ts";
import { homeOf, type Placement } from "./plan.ts";
import { allCallsOf, poolUse, type Capacity, type PoolUse, type Room } from "./pool-use.ts";
import { proposal, SLIGHT_PART, workParts, type ProposedChange } from "./proposal.ts";
import { hasLeftClosedSide, resumedDraft, settledViews } from "./settling.ts";
import type { Situation } from "./situation.ts";
import { relieve, surgeProposal } from "./surge.ts";
import type { Transition } from "./transition.ts";
import { CALLERS_GROWN_MIN, callersOf, isWarmFor, loadsOf, SETTLE_MS, type FunctionView } from "./view.ts";
import { EXPLORING_PART, visited } from "./visits.ts";

/** In a row, trials may have as many calls as come during two long trials. */
const TRIAL_CREDIT_MS_MAX = LOOK_MS_MAX * 2;

export interface ControllerState {
  readonly functions: ReadonlyMap<string, FunctionState>;
  /** null: nothing is being measured. */
  readonly experiment: Experiment | null;
  /** When any share last changed. */
  readonly changedMs: number;
  /** What trials may still take, in ms of all calls. */
  readonly trialCreditMs: number;
  readonly steppedMs: number;
  /** Of the machine, as last known. */
  readonly noise: number;
  /** The side has more functions than it has room for. */
  readonly isFull: BySide<boolean>;
}

export const NEW_STATE: ControllerState = {
  functions: new Map(),
  experiment: null,
  changedMs: -Infinity,
  trialCreditMs: TRIAL_CREDIT_MS_MAX,
  steppedMs: -Infinity,
  noise: 0,
  isFull: OPEN,
};

export interface Step {
  readonly state: ControllerState;
  readonly transitions: readonly Transition[];
  /** Under the shares of this step. */
  readonly outlook: Outlook;
  /** The functions that are called, as this step saw them. */
  readonly views: readonly FunctionView[];
  /** What the functions use of each pool, within the shares that they may have, and those of this step. */
  readonly use: PoolUse;
  readonly shares: Float64Array;
}

export function advance(before: ControllerState, situation: Situation): Step {
  const { nowMs, heardMs, callersGrown } = situation;
  const draft = new Draft(before.changedMs, nowMs);
  const views = settledViews(draft, before, situation);
  const capacity = { ...situation.capacity, callers: Math.max(situation.capacity.callers, callersOf(views)) };
  const use = poolUse(loadsOf(views), capacity);
  let { noise } = before;
  let experiment = endIfGone(draft, before.experiment);
  let trialCreditMs = creditAfter(before, views, situation);
  if (hasLeftClosedSide(draft, views)) experiment = giveUp(draft, experiment);
  const mayInterrupt = experiment?.kind !== "trying" || callersGrown >= CALLERS_GROWN_MIN;
  const surge = mayInterrupt ? surgeProposal(views, capacity) : [];
  if (surge.length > 0) {
    experiment = giveUp(draft, experiment);
    relieve(draft, views, surge);
  } else if (experiment !== null) {
    const verdict = judge(experiment, views, heardMs);
    if (verdict !== null) {
      if (experiment.kind === "trying") trialCreditMs -= costOfTrial(views, experiment, nowMs);
      experiment = conclude(draft, views, experiment, verdict);
    }
  } else if (nowMs - draft.changedMs >= SETTLE_MS) {
    const steadyMs = steadySinceMs(before, views);
    const proposed = proposal(views, use);
    const applied = apply(draft, views, proposed);
    const isVerified = workPartOf(views, applied) >= SLIGHT_PART;
    const mayTry = proposed.length === 0 && trialCreditMs > 0;
    const tried = mayTry ? nextTrial({ views, use, capacity, heardMs, steadyMs }) : [];
    if (isVerified || tried.length > 0) {
      noise = machineNoise(views, steadyMs, heardMs) ?? noise;
      const baseline = [clamp(steadyMs, heardMs - BASELINE_MS, heardMs - SETTLE_MS), heardMs] as const;
      const begun = { startedMs: nowMs, baseline, noise };
      if (isVerified) experiment = { kind: "verifying", changes: applied, ...begun };
      else if (canTellTrial(noise, heardMs)) {
        beginTrial(draft, tried);
        experiment = { kind: "trying", changes: tried, ...begun };
      }
    }
  }
  const shares = Float64Array.from(views, ({ name }) => draft.of(name).share);
  const free = freeRoom(capacity.room, shares);
  for (const view of views) setVisits(draft, view, capacity, free, experiment);
  const { functions, transitions, changedMs } = draft;
  const isFull = { compute: free.compute < 0, storage: free.storage < 0 };
  return {
    state: { functions, experiment, changedMs, trialCreditMs, steppedMs: nowMs, noise, isFull },
    transitions,
    outlook: outlookOf(use, shares),
    views,
    use: { ...use, ...widestBounds(views) },
    shares,
  };
}

/** Since when nothing that matters to a measurement has changed: neither shares nor the load. */
function steadySinceMs({ changedMs }: ControllerState, views: readonly FunctionView[]): number {
  const parts = workParts(loadsOf(views));
  return views.reduce(
    (latestMs, { state }, index) =>
      parts[index]! < SLIGHT_PART ? latestMs : Math.max(latestMs, state.sinceMs, state.memory.sinceMs),
    changedMs + SETTLE_MS,
  );
}

/** Functions go where their code is warm; for the others the first visits begin. */
function apply(draft: Draft, views: readonly FunctionView[], proposed: readonly ProposedChange[]) {
  return proposed.filter((change) => {
    const { name, to, goal, gain } = change;
    if (!isWarmFor(views, change)) {
      draft.cold.add(name);
      return false;
    }
    draft.move(name, to, { kind: goal, ...gain }, "moves");
    // A function that moves again and again does so less and less often.
    draft.stay(name, "plan");
    return true;
  });
}

/** The part of all work that these functions do, 0 to 1. */
function workPartOf(views: readonly FunctionView[], named: readonly { readonly name: string }[]): number {
  const parts = workParts(loadsOf(views));
  return views.reduce((sum, { name }, at) => (named.some((one) => one.name === name) ? sum + parts[at]! : sum), 0);
}

/** Trials may take a small part of the calls. A shift renews their credit: there is more to learn. */
function creditAfter(
  { trialCreditMs, steppedMs }: ControllerState,
  views: readonly FunctionView[],
  { shifted, nowMs }: Situation,
): number {
  if (
    workPartOf(
      views,
      views.filter(({ name }) => shifted.has(name)),
    ) >= SLIGHT_PART
  )
    return TRIAL_CREDIT_MS_MAX;
  const passedMs = views.length === 0 ? 0 : nowMs - steppedMs;
  return Math.min(TRIAL_CREDIT_MS_MAX, trialCreditMs + EXPLORING_PART * passedMs);
}

/** In ms of all calls. */
function costOfTrial(views: readonly FunctionView[], { changes, startedMs }: Experiment, nowMs: number): number {
  let [tried, all] = [0, 0];
  for (const { name, load } of views) {
    all += allCallsOf(load);
    if (changes.some((one) => one.name === name)) tried += allCallsOf(load);
  }
  return all > 0 ? (tried / all) * (nowMs - startedMs) : 0;
}

/** Probes, and from how many calls in flight on a call overflows to the other side. */
function setVisits(draft: Draft, view: FunctionView, capacity: Capacity, free: Room, experiment: Experiment | null) {
  const { name } = view;
  const isTrial = experiment?.kind === "trying";
  if (isTrial && experiment.changes.some((one) => one.name === name)) return;
  const before = draft.of(name);
  const { to, why } = visited(view, before, draft.cold.has(name), draft.nowMs);
  const mayOverflow = !isTrial && free[otherSide(homeOf(to))] >= 1;
  const overflow = mayOverflow ? overflowOf(view, to, capacity) : NO_OVERFLOW;
  const isSame = overflow.overflowMin === to.overflowMin && overflow.overflowTimes === to.overflowTimes;
  draft.put(name, before, { to: isSame ? to : { ...to, ...overflow }, why });
}

/** The shares that the functions may have at all, whatever waits or backs off. */
function widestBounds(views: readonly FunctionView[]): Pick<PoolUse, "lowest" | "highest"> {
  const isFixed = ({ state }: FunctionView): boolean => state.state === "pinned" || state.state === "profiling";
  return {
    lowest: Float64Array.from(views, (view) => (isFixed(view) ? view.share : view.closed.compute ? 1 : 0)),
    highest: Float64Array.from(views, (view) => (isFixed(view) ? view.share : view.closed.storage ? 0 : 1)),
  };
}

/** Regret: the fraction (0 to 1) of the optimum's benefit that the shares of the step miss. */
export const regretAfter = ({ use, shares }: Step): number =>
  regretOf(outlookOf(use, shares), outlookOf(use, withinRoom(use, shares, optimalShares(use, shares))));

/** Goes on from the plan of an earlier controller. */
export function resumed(
  placements: ReadonlyMap<string, Placement>,
  records: ReadonlyMap<string, FunctionRecord>,
  nowMs: number,
): Pick<Step, "state" | "transitions"> {
  const { functions, transitions } = resumedDraft(placements, records, nowMs);
  return { state: { ...NEW_STATE, functions }, transitions };
}
