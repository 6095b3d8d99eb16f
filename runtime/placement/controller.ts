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
import { BASELINE_MS, judge, type Experiment, type Verdict } from "./experiment.ts";
import {
  FRESH,
  restingState,
  settled,
  type Change,
  type FunctionRecord,
  type FunctionState,
} from "./function-state.ts";
import { backOff, backOffLeftMs, recall, remember, shiftedMemory, type BackOffKey } from "./memory.ts";
import { nextTrial, SLIGHT_PART, trialKey } from "./next-trial.ts";
import { optimalShares, outlookOf, regretOf, type Outlook } from "./optimal-shares.ts";
import { NO_OVERFLOW, overflowOf } from "./overflow.ts";
import type { Placement } from "./plan.ts";
import { allCallsOf, poolUse, type Capacity, type Load, type PoolUse } from "./pool-use.ts";
import { proposal, workParts, type ProposedChange, type ShareChange } from "./proposal.ts";
import type { Situation } from "./situation.ts";
import type { Transition, Why } from "./transition.ts";
import { CALLERS_GROWN_MIN, callersOf, gainingSide, SETTLE_MS, viewOf, type FunctionView } from "./view.ts";
import { visited } from "./visits.ts";

/** What is not believed for the first time is believed again after this, ms of the function's clock. */
const BACK_OFF_MS_MIN = 1_000;
/** A function that has moved is moved again after this. Not sensitive. */
const MOVE_BACK_OFF_MS = 250;
/** After a trial beat the model's plan, the model is not believed for this long at least. Not sensitive. */
const HOLD_MS = 5_000;
/** A trial that made calls longer is not repeated for this long, for each `LOSS` of its loss. */
const LOSS_BACK_OFF_MS = 4_000;
const LOSS = 0.2;
/** Trials may have this part of all calls, and in a row as many as in so many ms of calls. */
const TRIAL_PART = 0.01;
const TRIAL_CREDIT_MS_MAX = 1_000;
/** Longer gaps between steps are pauses of all functions. */
const STEP_MS_MAX = 1_500;

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
}

export const NEW_STATE: ControllerState = {
  functions: new Map(),
  experiment: null,
  changedMs: -Infinity,
  trialCreditMs: TRIAL_CREDIT_MS_MAX,
  steppedMs: -Infinity,
  noise: 0,
};

export interface Step {
  readonly state: ControllerState;
  readonly transitions: readonly Transition[];
  /** Under the shares of this step. */
  readonly outlook: Outlook;
  /** The functions that are called, as this step saw them. */
  readonly views: readonly FunctionView[];
  /** Whether an experiment or a shift waits for the next samples. */
  readonly isAwaited: boolean;
  /** What the functions use of each pool, within the shares that they may have, and those of this step. */
  readonly use: PoolUse;
  readonly shares: Float64Array;
}

/** The state that a step comes to, while it is made. */
class Draft {
  readonly functions = new Map<string, FunctionState>();
  readonly transitions: Transition[] = [];
  /** Functions that should move, but whose code is not warm on the other side. */
  readonly cold = new Set<string>();
  changedMs: number;
  readonly #nowMs: number;

  constructor(changedMs: number, nowMs: number) {
    this.changedMs = changedMs;
    this.#nowMs = nowMs;
  }

  of(name: string): FunctionState {
    return this.functions.get(name)!;
  }

  put(name: string, from: FunctionState | undefined, { to, why }: Change): void {
    this.functions.set(name, to);
    if (why === null) return;
    const { state: fromState, share: fromShare } = from ?? to;
    const change = { from: fromState, to: to.state, fromShare, toShare: to.share, why };
    this.transitions.push({ atMs: this.#nowMs, function: name, ...change });
  }

  /** A change of the share. `counts`: the counter that it adds to, if any. */
  move(name: string, share: number, why: Why, counts: "moves" | "reverts" | "trials" | null): void {
    const { fromShare: _, ...from } = this.of(name);
    const to: FunctionState = {
      ...from,
      share,
      state: restingState(share),
      probeEvery: 0,
      ...NO_OVERFLOW,
      ...(counts !== null && { [counts]: from[counts] + 1 }),
      memory: { ...from.memory, movedMs: this.#nowMs },
    };
    this.put(name, from, { to, why });
    this.changedMs = this.#nowMs;
  }

  backOff(name: string, key: BackOffKey, minMs: number): void {
    const state = this.of(name);
    this.functions.set(name, { ...state, memory: backOff(state.memory, key, minMs) });
  }
}

export function advance(before: ControllerState, situation: Situation): Step {
  const { nowMs, heardMs, callersGrown } = situation;
  const draft = new Draft(before.changedMs, nowMs);
  const views = settledViews(draft, before, situation);
  const capacity = { ...situation.capacity, callers: Math.max(situation.capacity.callers, callersOf(views)) };
  const use = poolUse(loadsOf(views), capacity);
  let { experiment, noise } = before;
  let trialCreditMs = creditAfter(before, views, situation);
  if (hasLeft(draft, views)) experiment = givenUp(draft, experiment);
  const surge =
    experiment?.kind !== "trying" || callersGrown >= CALLERS_GROWN_MIN ? surgeProposal(views, capacity) : [];
  if (surge.length > 0) {
    experiment = givenUp(draft, experiment);
    relieve(draft, views, surge);
  } else if (experiment !== null) {
    const verdict = judge(experiment, views, heardMs);
    if (verdict !== null) {
      if (experiment.kind === "trying") {
        trialCreditMs -= callsPartOf(views, experiment.changes) * (nowMs - experiment.startedMs);
      }
      experiment = concluded(draft, views, experiment, verdict, nowMs);
    } else apply(draft, views, slightChanges(proposal(views, use), views, experiment.changes));
  } else if (nowMs - draft.changedMs >= SETTLE_MS) {
    const steadyMs = steadySinceMs(before, views);
    noise = machineNoise(views, steadyMs, heardMs) ?? noise;
    const proposed = proposal(views, use);
    const applied = apply(draft, views, proposed);
    const baseline = [clamp(steadyMs, heardMs - BASELINE_MS, heardMs - SETTLE_MS), heardMs] as const;
    const begun = { startedMs: nowMs, baseline, noise };
    if (partOf(views, applied) >= SLIGHT_PART) {
      experiment = { kind: "verifying", changes: applied, ...begun };
    } else if (proposed.length === 0 && trialCreditMs > 0 && heardMs - steadyMs >= BASELINE_MS) {
      const changes = nextTrial({ views, use, capacity, nowMs, heardMs, noise });
      if (changes.length > 0) {
        begin(draft, changes);
        experiment = { kind: "trying", changes, ...begun };
      }
    }
  }
  for (const view of views) finish(draft, view, capacity, experiment, nowMs);
  const shares = Float64Array.from(views, ({ name }) => draft.of(name).share);
  const { functions, transitions, changedMs } = draft;
  return {
    state: { functions, experiment, changedMs, trialCreditMs, steppedMs: nowMs, noise },
    transitions,
    outlook: outlookOf(use, shares),
    views,
    isAwaited: experiment !== null || views.some(({ state }) => state.memory.mayRecall),
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

const loadsOf = (views: readonly FunctionView[]): readonly Load[] => views.map(({ load }) => load);

/** Step 1: everything that is so before a plan is made. */
function settledViews(draft: Draft, before: ControllerState, situation: Situation): readonly FunctionView[] {
  const { nowMs, profiles, shifted, rules } = situation;
  const views: FunctionView[] = [];
  for (const [name, ruled] of rules) {
    const was = before.functions.get(name);
    const change = settled(name, was, ruled, situation);
    let { to } = change;
    const profile = profiles.get(name);
    if (profile !== undefined && to.state !== "pinned") {
      const { memory } = to;
      to = {
        ...to,
        memory: shifted.has(name)
          ? shiftedMemory(memory, to.fromShare ?? to.share, nowMs)
          : remember(memory, profile.calledMs, nowMs),
      };
    }
    draft.put(name, was, { to, why: change.why });
    const view = viewOf(name, ruled, to, situation);
    if (view === null) continue;
    draft.functions.set(name, view.state);
    views.push(recalled(draft, view, ruled, situation));
  }
  return views;
}

/** Calls of an earlier kind return to the share that was best for them. */
function recalled(draft: Draft, view: FunctionView, rules: FunctionView["rules"], situation: Situation): FunctionView {
  const { name, state, costs, closed } = view;
  if (state.state === "profiling" || state.state === "pinned") return view;
  const { memory, recalled: share } = recall(state.memory, costs.typical, situation.nowMs);
  draft.functions.set(name, { ...state, memory });
  if (share === null) return { ...view, state: { ...state, memory } };
  draft.backOff(name, "plan", HOLD_MS);
  if (share !== view.share && !(share > 0 ? closed.storage : closed.compute)) {
    draft.move(name, share, { kind: "recalled" }, "moves");
  }
  return viewOf(name, rules, draft.of(name), situation) ?? view;
}

/** Step 2. True: a function had to leave a closed side. */
function hasLeft(draft: Draft, views: readonly FunctionView[]): boolean {
  let isAny = false;
  for (const { name, share, load, state, rules, p99Us } of views) {
    const to = share < load.lowest ? load.lowest : share > load.highest ? load.highest : share;
    if (to === share || state.state === "pinned") continue;
    const from = gainingSide(to, share);
    const why: Why =
      p99Us === null ? { kind: "closed" } : { kind: "bound", p99UnderUs: rules.p99UnderUs!, p99Us: p99Us[from] };
    draft.move(name, to, why, "moves");
    isAny = true;
  }
  return isAny;
}

/** Step 3. What the model proposes for the calls of this moment, if these would crowd a pool. */
function surgeProposal(views: readonly FunctionView[], capacity: Capacity): readonly ProposedChange[] {
  if (views.every(({ surge }) => surge === null)) return [];
  const surged = views.map((view) => (view.surge === null ? view : { ...view, load: view.surge }));
  const use = poolUse(loadsOf(surged), capacity);
  if (
    !outlookOf(
      use,
      views.map(({ share }) => share),
    ).crowded
  )
    return [];
  return proposal(surged, use).filter((change) => isWarmFor(views, change));
}

/** A surge passes: for a while the function does not return to where it came from. */
function relieve(draft: Draft, views: readonly FunctionView[], changes: readonly ProposedChange[]): void {
  for (const change of changes) {
    const { name, to } = change;
    draft.move(name, to, whyOfSurge(viewNamed(views, name), change), "moves");
    draft.backOff(name, "plan", BACK_OFF_MS_MIN);
  }
}

const whyOfSurge = (view: FunctionView, { gain: { from, to } }: ProposedChange): Why => ({
  kind: "surge",
  from,
  to,
  callsPerSecond: allCallsOf(view.surge ?? view.load),
  usualPerSecond: allCallsOf(view.load),
});

/** An experiment that is not waited for: a trial is taken back. */
function givenUp(draft: Draft, experiment: Experiment | null): null {
  if (experiment?.kind !== "trying") return null;
  for (const change of experiment.changes) {
    if (draft.of(change.name).share === change.to) takeBack(draft, experiment, change, "invalid", null);
  }
  return null;
}

function takeBack(
  draft: Draft,
  { changes }: Experiment,
  { name, from, to }: ShareChange,
  outcome: "rejected" | "inconclusive" | "invalid",
  ratio: number | null,
): void {
  draft.move(name, from, { kind: "tried", ...triedBy({ name, from, to }, changes), outcome, ratio }, null);
}

const triedBy = ({ name, from, to }: ShareChange, changes: readonly ShareChange[]) => ({
  side: gainingSide(from, to),
  partner: changes.find((one) => one.name !== name)?.name ?? null,
});

/** Step 4: the verdict is carried out. */
function concluded(
  draft: Draft,
  views: readonly FunctionView[],
  experiment: Experiment,
  verdict: Verdict,
  nowMs: number,
): Experiment | null {
  const { changes, kind } = experiment;
  const { outcome } = verdict;
  if (kind === "verifying") {
    if (outcome === "rejected") {
      for (const { name, from } of changes) {
        draft.backOff(name, "plan", BACK_OFF_MS_MIN);
        const retryInMs = backOffLeftMs(draft.of(name).memory, "plan");
        draft.move(name, from, { kind: "reverted", ratio: verdict.ratio, retryInMs }, "reverts");
      }
    }
    draft.changedMs = nowMs;
    return null;
  }
  if (outcome === "promising") {
    for (const { name, from } of changes) draft.move(name, from, triedWhy(changes, name), null);
    const { during, ratio } = verdict;
    return { ...experiment, kind: "checking", endedMs: nowMs, during, ratio };
  }
  for (const change of changes) {
    const { name, to } = change;
    const ratio = "ratio" in verdict ? verdict.ratio : null;
    if (outcome === "accepted") {
      draft.move(name, to, { kind: "tried", ...triedBy(change, changes), outcome, ratio }, "moves");
      // It may return, but less and less often.
      draft.backOff(name, otherSide(gainingSide(change.from, to)), HOLD_MS);
      continue;
    }
    if (kind === "trying") takeBack(draft, experiment, change, outcome, ratio);
    if (outcome === "invalid") continue;
    const lossMs = outcome === "rejected" ? Math.max(1, (verdict.ratio - 1) / LOSS) * LOSS_BACK_OFF_MS : 0;
    draft.backOff(name, trialKey(change, changes), Math.max(BACK_OFF_MS_MIN, lossMs));
  }
  // The plan as a whole did better than what the model wants: it is not believed for a while.
  if (outcome === "accepted") for (const { name } of views) draft.backOff(name, "plan", HOLD_MS);
  draft.changedMs = nowMs;
  return null;
}

/** Of a trial that begins, or is taken back to be checked. */
const triedWhy = (changes: readonly ShareChange[], name: string): Why => ({
  kind: "trying",
  ...triedBy(
    changes.find((one) => one.name === name)!,
    changes,
  ),
});

function begin(draft: Draft, changes: readonly ShareChange[]): void {
  for (const { name, from, to } of changes) {
    draft.move(name, to, triedWhy(changes, name), "trials");
    draft.functions.set(name, { ...draft.of(name), state: "probing", fromShare: from });
  }
}

/** Step 5. Functions go where their code is warm; for the others the first visits begin. */
function apply(
  draft: Draft,
  views: readonly FunctionView[],
  proposed: readonly ProposedChange[],
): readonly ProposedChange[] {
  const applied: ProposedChange[] = [];
  for (const change of proposed) {
    const { name, from, to, goal, gain } = change;
    if (!isWarmFor(views, change)) {
      draft.cold.add(name);
      continue;
    }
    draft.move(name, to, { kind: goal, ...gain }, "moves");
    // A function that moves again and again does so less and less often.
    draft.backOff(name, "plan", MOVE_BACK_OFF_MS);
    applied.push({ name, from, to, goal, gain });
  }
  return applied;
}

const isWarmFor = (views: readonly FunctionView[], { name, from, to }: ShareChange): boolean =>
  viewNamed(views, name).isWarm[gainingSide(from, to)];

const viewNamed = (views: readonly FunctionView[], name: string): FunctionView =>
  views.find((view) => view.name === name)!;

/** The part of all work that the changed functions do. */
function partOf(views: readonly FunctionView[], changes: readonly ShareChange[]): number {
  const parts = workParts(views.map(({ load }) => load));
  return views.reduce((sum, { name }, index) => {
    return changes.some((one) => one.name === name) ? sum + parts[index]! : sum;
  }, 0);
}

/** The part of all calls that the changed functions have. */
function callsPartOf(views: readonly FunctionView[], changes: readonly ShareChange[]): number {
  let [changed, all] = [0, 0];
  for (const { name, load } of views) {
    all += allCallsOf(load);
    if (changes.some((one) => one.name === name)) changed += allCallsOf(load);
  }
  return all > 0 ? changed / all : 0;
}

/** The first of these changes that are so little of the work, together, that no measurement would notice. */
function slightChanges(
  proposed: readonly ProposedChange[],
  views: readonly FunctionView[],
  measured: readonly ShareChange[],
): readonly ProposedChange[] {
  const others = proposed.filter(({ name }) => !measured.some((one) => one.name === name));
  return partOf(views, others) < SLIGHT_PART ? others : [];
}

/** Trials may take a small part of the calls. A shift renews their credit: there is more to learn. */
function creditAfter(
  { trialCreditMs, steppedMs }: ControllerState,
  views: readonly FunctionView[],
  { shifted, nowMs }: Situation,
): number {
  const heavy = views.filter(({ name }) => shifted.has(name));
  if (
    partOf(
      views,
      heavy.map(({ name, share }) => ({ name, from: share, to: share })),
    ) >= SLIGHT_PART
  ) {
    return TRIAL_CREDIT_MS_MAX;
  }
  const passedMs = views.length === 0 ? 0 : Math.min(nowMs - steppedMs, STEP_MS_MAX);
  return Math.min(TRIAL_CREDIT_MS_MAX, trialCreditMs + TRIAL_PART * passedMs);
}

/** Step 7: probes, and from how many calls on they overflow to the other side. */
function finish(
  draft: Draft,
  view: FunctionView,
  capacity: Capacity,
  experiment: Experiment | null,
  nowMs: number,
): void {
  const { name } = view;
  const before = draft.of(name);
  const isTried = experiment?.kind === "trying" && experiment.changes.some((one) => one.name === name);
  if (isTried) return;
  const { to: now, why } = visited(view, before, draft.cold.has(name), nowMs);
  const overflow = experiment?.kind === "trying" ? NO_OVERFLOW : overflowNow(view, now, capacity);
  const isSame = overflow.overflowMin === now.overflowMin && overflow.overflowTimes === now.overflowTimes;
  draft.put(name, before, { to: isSame ? now : { ...now, ...overflow }, why });
}

function overflowNow({ load, costs, profile, isWarm, closed }: FunctionView, now: FunctionState, capacity: Capacity) {
  const isPlaced = now.state !== "profiling" && now.state !== "pinned";
  if (!isPlaced || !isWarm.compute || !isWarm.storage || closed.compute || closed.storage) return NO_OVERFLOW;
  return overflowOf({
    share: now.share,
    costs: load.costs,
    cpuUs: costs.demand.cpuUs,
    medianUs: (side) => profile.percentileUs(side, 50) ?? costs.sides[side].cost.latencyUs,
    capacity,
    before: now,
  });
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
  regretOf(outlookOf(use, shares), outlookOf(use, optimalShares(use, shares)));

/** Goes on from the plan of an earlier controller. What it had learnt is gone: every function is profiled again. */
export function resumed(
  placements: ReadonlyMap<string, Placement>,
  records: ReadonlyMap<string, FunctionRecord>,
  nowMs: number,
): Pick<Step, "state" | "transitions"> {
  const draft = new Draft(-Infinity, nowMs);
  for (const [name, placement] of placements) {
    const { fromShare, ...planned } = placement;
    const share = fromShare ?? planned.share;
    const { counters, transitions = [] } = records.get(name) ?? {};
    const isPinned = planned.state === "pinned";
    const to: FunctionState = {
      ...FRESH,
      ...counters,
      share,
      state: isPinned ? "pinned" : "profiling",
      ...(isPinned && { backCpuUs: 0 }),
    };
    const lastMs = transitions.at(-1)?.atMs;
    const sinceLastMs = lastMs === undefined ? null : Math.max(0, nowMs - lastMs);
    const isSame = to.state === planned.state && share === planned.share;
    draft.put(name, { ...to, ...planned }, { to, why: isSame ? null : { kind: "resumed", sinceLastMs } });
  }
  return { state: { ...NEW_STATE, functions: draft.functions }, transitions: draft.transitions };
}
