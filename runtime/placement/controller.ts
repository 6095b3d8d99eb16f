// Decides where functions run, step by step: from profiles, capacity and rules to a placement for each, with the reason for every
// move. Pure: time and all it knows come by argument, and its state is a value that goes back in with the next step. The loop
// around it (compute/node) is thin; the simulator runs the same steps. docs/placement.md tells the states as a picture.

import { clamp } from "#runtime/clamp.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Profiles } from "#runtime/profile/profiles.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { busyUs, type CostConstants } from "./cost-model.ts";
import { functionCosts, NO_PACES, type FunctionCosts, type Paces } from "./function-costs.ts";
import { outlookOf, regretOf, type Outlook } from "./optimal-shares.ts";
import { PROBE_EVERY_MAX, type Placement, type PlacementState } from "./plan.ts";
import { PoolUse, type Capacity } from "./pool-use.ts";
import { BACK_UNKNOWN_US, backCpuUs } from "./push-back.ts";
import {
  BEFORE_MS,
  isHeld,
  isMistake,
  nextTrial,
  NO_TRIALS,
  shareAt,
  STEADY_MS,
  verdictOf,
  type Tried,
  type Trials,
} from "./trials.ts";
import { latencyAt, worthwhileShares, type Candidate, type Choice, type Gain } from "./worthwhile-shares.ts";

/** What people and authors have said about one function. */
export interface Rules {
  /** Where it begins, before anything is known. */
  readonly preferred: Side | null;
  /** Its share at storage, for good; null: free. */
  readonly pinnedShare: number | null;
  /** How much a µs of its callers' time counts beside that of others; 1 is usual. */
  readonly weight: number;
  /** A side whose 99th percentile is above this is not used while the other's is below; null: none. */
  readonly p99UnderUs: number | null;
}

/** All that a step looks at. */
export interface Situation {
  readonly nowMs: number;
  readonly profiles: Profiles;
  /** Functions whose calls are not what they were, since the step before. */
  readonly shifted: ReadonlySet<string>;
  readonly constants: CostConstants;
  readonly capacity: Capacity;
  /** By function: those that are deployed. */
  readonly rules: ReadonlyMap<string, Rules>;
}

/** Why a placement changed, in the numbers that changed it. */
type Why =
  /** Nothing is decided before some calls are known. */
  | { readonly kind: "new" | "shifted" | "pinned" | "freed" }
  | { readonly kind: "profiled"; readonly calls: number }
  | Gain
  /** A move turned out worse than what was before it: what was promised for a call, and what came, µs. */
  | { readonly kind: "reverted"; readonly promisedUs: number; readonly cameUs: number; readonly retryInMs: number }
  /** Calls visit the other side, of which nothing was heard for long; and then something was. All run on a side, to see. */
  | { readonly kind: "probing" | "probed" | "trying"; readonly side: Side }
  /** That is over: what all calls took, to what they took before; null: nothing tells. */
  | { readonly kind: "tried"; readonly side: Side; readonly ratio: number | null; readonly isKept: boolean };

export interface Transition {
  readonly atMs: number;
  readonly function: string;
  readonly from: PlacementState;
  readonly to: PlacementState;
  readonly fromShare: number;
  readonly toShare: number;
  readonly why: Why;
}

export interface FunctionState extends Placement {
  /** When its calls began to be what they are. */
  readonly sinceMs: number;
  /** The last change of the share. */
  readonly moved: {
    readonly atMs: number;
    readonly fromShare: number;
    readonly promisedUs: number;
    /** Whether what came of it was held against what there was before. */
    readonly isJudged: boolean;
  } | null;
  /** After a revert: how long it stays, and until when. */
  readonly backOffMs: number;
  readonly retryAtMs: number;
  readonly moves: number;
  readonly reverts: number;
  /** Moves back within FLAP_MS, whatever the reason. */
  readonly flaps: number;
  /** What is known of each side whatever becomes of its profile. */
  readonly paces: Paces;
  readonly trials: Trials;
}

export type ControllerState = ReadonlyMap<string, FunctionState>;

export interface Step {
  readonly state: ControllerState;
  readonly transitions: readonly Transition[];
  /** Functions that are called, and all their calls. */
  readonly called: number;
  readonly callsPerSecond: number;
  /** Of all of them, under the shares of this step. */
  readonly outlook: Outlook;
  /** Of what the best shares would give by what is known, the part that these do not: 0 to 1. */
  readonly regret: number;
}

/** Calls that must be known before a function is placed. Chosen: fewer say little, and more take a slow function long. */
export const PROFILED_CALLS_MIN = 8;
/** Fewer do where they are alike: a function that computes for long would take long to be known. Standard errors of their means. */
const ALIKE_CALLS_MIN = 3;
const ALIKE_ERROR_MAX = 0.1;
/** After a move its function rests, so that the next step sees what came of it. */
const REST_MS = 100;
/** A move that is undone within this time was a mistake; later, the load has changed. */
const VERIFY_MS = 2_000;
const FLAP_MS = 10_000;
/** What came may be so many times what was promised: others move as well. Chosen; bench `placement` measures mixes. */
const PROMISE_SLACK = 1.1;
/** A split that changes by less follows a load, and takes nothing back. */
const REFINEMENT = 0.1;
const BACK_OFF_MIN_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;
/** Probes may cost this part of what their function costs anyway … */
const PROBE_COST_SHARE = 0.01;
/** … but come twice in this time at least, so that one is there when it is over. */
const PROBE_INTERVAL_MS = 10_000;
/** A side that was visited so often, and within this time, is warm; no other one is given traffic. First visits are one call in so many. */
export const WARM_MS = 30_000;
export const VISITS_MIN = 3;
const FIRST_VISIT_EVERY = 4;
/** Of one whose function is not called any more. */
const TRIAL_GIVEN_UP_MS = 1_000;
/** Not called for so long: nothing to decide. */
export const ACTIVE_MS = 10_000;

const FRESH: Omit<FunctionState, "state" | "share"> = {
  probeEvery: 0,
  backCpuUs: BACK_UNKNOWN_US,
  sinceMs: -Infinity,
  moved: null,
  backOffMs: 0,
  retryAtMs: 0,
  moves: 0,
  reverts: 0,
  flaps: 0,
  paces: NO_PACES,
  trials: NO_TRIALS,
};

/** Of a function of which nobody has said anything. */
export const FREE_RULES: Rules = { preferred: null, pinnedShare: null, weight: 1, p99UnderUs: null };

interface Named extends Candidate, Tried {
  readonly name: string;
  readonly before: FunctionState;
  readonly profile: FunctionProfile;
}

export function advance(before: ControllerState, situation: Situation): Step {
  const { nowMs, rules, capacity } = situation;
  const transitions: Transition[] = [];
  const state = new Map<string, FunctionState>();
  const enter = (name: string, from: FunctionState | undefined, to: FunctionState, why: Why): FunctionState => {
    const { state: fromState, share: fromShare } = from ?? to;
    transitions.push({ atMs: nowMs, function: name, from: fromState, to: to.state, fromShare, toShare: to.share, why });
    return to;
  };
  const candidates: Named[] = [];
  for (const [name, ruled] of rules) {
    const from = before.get(name);
    const { to, why } = settled(name, from, ruled, situation);
    const settledState = why === null ? to : enter(name, from, to, why);
    state.set(name, settledState);
    const candidate = candidateOf(name, ruled, settledState, situation);
    if (candidate !== null) candidates.push(candidate);
  }
  const tried = candidates.findIndex(({ trials }) => trials.running !== null);
  const { use, choices, best } = worthwhileShares(
    tried < 0 ? withHeld(candidates, capacity) : candidates.map(still),
    capacity,
  );
  const apply = (index: number, { to, why }: Change): void => {
    const { name } = candidates[index]!;
    state.set(name, why === null ? to : enter(name, state.get(name), to, why));
  };
  const nowOf = (index: number): FunctionState => state.get(candidates[index]!.name)!;
  for (const [index, candidate] of candidates.entries()) {
    state.set(candidate.name, candidate.before);
    if (index === tried) continue;
    const choice = choices[index]!;
    const judged = tried < 0 ? judgedMove(candidates, index, nowMs) : null;
    if (judged !== null) apply(index, judged);
    else if (choice.share !== candidate.share && !isWarm(candidate.before, choice.share, nowMs)) {
      apply(index, visiting(candidate.before, candidate, choice.share));
    } else {
      if (choice.share !== candidate.share) apply(index, moved(candidate, choice, nowMs));
      apply(index, probed(nowOf(index), candidate, nowMs));
    }
  }
  if (tried >= 0) {
    const change = trialEnded(candidates, tried, nowMs);
    if (change !== null) apply(tried, change);
  } else if (candidates.every((candidate, index) => isSteady(candidate, nowOf(index), nowMs))) {
    const next = nextTrial(candidates, use, nowMs);
    if (next !== null) apply(next.index, trialBegun(nowOf(next.index), next.side, nowMs));
  }
  const shares = candidates.map(({ name }) => state.get(name)?.share ?? 0);
  const outlook = outlookOf(use, shares);
  const callsPerSecond = candidates.reduce((sum, { load }) => sum + load.callsPerSecond, 0);
  return { state, transitions, called: candidates.length, callsPerSecond, outlook, regret: regretOf(outlook, best) };
}

/** Where a controller goes on that knows no more than the plan of the one before it. */
export const resumed = (placements: ReadonlyMap<string, Placement>): ControllerState =>
  new Map(Array.from(placements, ([name, { share }]) => [name, { ...FRESH, state: "profiling", share }]));

interface Change {
  readonly to: FunctionState;
  /** null: nothing that anyone would ask about. */
  readonly why: Why | null;
}

/** What is so before anything is weighed up: new, pinned, freed, shifted, profiled. */
function settled(name: string, now: FunctionState | undefined, rules: Rules, situation: Situation): Change {
  const { nowMs, profiles, shifted } = situation;
  const { preferred, pinnedShare } = rules;
  if (pinnedShare !== null) {
    const rest = { probeEvery: 0, backCpuUs: 0, moved: null, trials: NO_TRIALS };
    const to: FunctionState = { ...FRESH, ...now, state: "pinned", share: pinnedShare, ...rest };
    return now?.state === "pinned" && now.share === pinnedShare
      ? { to: now, why: null }
      : { to, why: { kind: "pinned" } };
  }
  if (now === undefined) {
    return {
      to: { ...FRESH, state: "profiling", share: preferred === "storage" ? 1 : 0, sinceMs: nowMs },
      why: { kind: "new" },
    };
  }
  if (now.state === "pinned") {
    const to: FunctionState = { ...now, state: restingState(now.share), backCpuUs: BACK_UNKNOWN_US };
    return { to, why: { kind: "freed" } };
  }
  if (now.state === "profiling") {
    const { calls, isEnough } = knownCalls(profiles.get(name), nowMs);
    if (!isEnough) return { to: now, why: null };
    return { to: { ...now, state: restingState(now.share) }, why: { kind: "profiled", calls } };
  }
  const { running } = now.trials;
  if (shifted.has(name)) {
    const share = running?.fromShare ?? now.share;
    // Whoever changes every other second is not tried as often.
    const trials = { ...now.trials, running: null, held: null, holdMs: 0 };
    const none = { sinceMs: nowMs, probeEvery: 0, moved: null, backOffMs: 0, retryAtMs: 0, trials };
    return { to: { ...now, state: "profiling", share, ...none }, why: { kind: "shifted" } };
  }
  if (running !== null && (shifted.size > 0 || nowMs - running.startedMs > TRIAL_GIVEN_UP_MS)) {
    // What comes now says nothing of what was before.
    const { fromShare: share, side } = running;
    const to: FunctionState = { ...now, state: restingState(share), share, trials: { ...now.trials, running: null } };
    return { to, why: { kind: "tried", side, ratio: null, isKept: false } };
  }
  if (now.state === "reverting" && nowMs >= now.retryAtMs) {
    return { to: { ...now, state: restingState(now.share) }, why: null };
  }
  return { to: now, why: null };
}

const restingState = (share: number): "compute" | "storage" | "split" =>
  share <= 0 ? "compute" : share >= 1 ? "storage" : "split";

function knownCalls(
  profile: FunctionProfile | undefined,
  nowMs: number,
): { readonly calls: number; readonly isEnough: boolean } {
  const known = (["compute", "storage"] as const).flatMap((side) => profile?.estimate(side, nowMs) ?? []);
  const calls = known.reduce((sum, estimate) => sum + estimate.calls, 0);
  const areAlike = known.some(
    (one) => one.calls >= ALIKE_CALLS_MIN && Math.max(one.logCpuError, one.serviceError) <= ALIKE_ERROR_MAX,
  );
  return { calls, isEnough: calls >= PROFILED_CALLS_MIN || areAlike };
}

/** null: it is not called, or nothing is known. */
function candidateOf(name: string, rules: Rules, before: FunctionState, situation: Situation): Named | null {
  const { nowMs, profiles, constants } = situation;
  const profile = profiles.get(name);
  if (profile === undefined || nowMs - profile.lastMs > ACTIVE_MS) return null;
  const costs = functionCosts(profile, constants, nowMs, before.paces);
  if (costs === null) return null;
  const { compute, storage } = costs.sides;
  const rests = nowMs - lastMovedMs(before) < REST_MS;
  const stays = before.state === "pinned" || before.state === "profiling" || rests || nowMs < before.retryAtMs;
  const [lowest, highest] = stays ? [before.share, before.share] : sidesUnder(rules.p99UnderUs, profile, costs);
  const load = {
    callsPerSecond: profile.callsPerSecond(nowMs),
    costs: { compute: compute.cost, storage: storage.cost },
    lowest,
    highest,
    weight: rules.weight,
  };
  const back = before.state === "pinned" ? 0 : backCpuUs(profile, nowMs, before.backCpuUs);
  // What was promised holds no more, or was long ago.
  const isOver = before.trials.held !== null && !isHeld(profile, before.trials, nowMs);
  const trials = isOver ? { ...before.trials, held: null } : before.trials;
  const known = { ...before, paces: costs.paces, backCpuUs: back, trials };
  const isWarm = { compute: isWarmAt(known, "compute", nowMs), storage: isWarmAt(known, "storage", nowMs) };
  const { share } = before;
  const tried = { trials, isFree: !stays, isWarm };
  return { name, profile, before: known, share, costs, load, ...tried };
}

/** Whatever the reason. */
const lastMovedMs = ({ moved: move, trials }: FunctionState): number =>
  Math.max(move?.atMs ?? -Infinity, trials.endedMs);

/** It stays where it is in this step. */
const still = (candidate: Named): Named => {
  const { load, share } = candidate;
  return { ...candidate, load: { ...load, lowest: share, highest: share } };
};

/** Those that a trial has shown to do better where they are stay there, while it is about what is crowded, and within their bounds. */
function withHeld(candidates: readonly Named[], capacity: Capacity): readonly Named[] {
  const held = new Set(
    candidates.filter(
      ({ trials, load, share }) => trials.held !== null && load.lowest <= share && share <= load.highest,
    ),
  );
  if (held.size === 0) return candidates;
  const loads = candidates.map(({ load }) => load);
  const { crowded } = outlookOf(
    new PoolUse(loads, capacity),
    candidates.map(({ share }) => share),
  );
  return crowded ? candidates.map((candidate) => (held.has(candidate) ? still(candidate) : candidate)) : candidates;
}

/** It is what it was for a while, and nothing is about to move it. */
const isSteady = ({ before }: Named, now: FunctionState, nowMs: number): boolean =>
  now.share === before.share &&
  now.state !== "profiling" &&
  nowMs - Math.max(lastMovedMs(now), now.sinceMs) >= STEADY_MS;

const trialBegun = (now: FunctionState, side: Side, nowMs: number): Change => ({
  to: {
    ...now,
    state: "probing",
    share: shareAt(side),
    probeEvery: 0,
    trials: { ...now.trials, running: { side, startedMs: nowMs, fromShare: now.share } },
  },
  why: { kind: "trying", side },
});

/** null: it goes on. */
function trialEnded(candidates: readonly Named[], index: number, nowMs: number): Change | null {
  const { before, trials, share } = candidates[index]!;
  const verdict = verdictOf(candidates[index]!, candidates, nowMs);
  if (verdict === null || trials.running === null) return null;
  const { side, fromShare } = trials.running;
  const { isKept, ratio, heldUs } = verdict;
  const why: Why = { kind: "tried", side, ratio, isKept };
  if (!isKept) {
    return { to: { ...before, state: restingState(fromShare), share: fromShare, trials: verdict.trials }, why };
  }
  const move = { atMs: nowMs, fromShare, promisedUs: heldUs, isJudged: true };
  return {
    to: { ...before, state: restingState(share), moved: move, moves: before.moves + 1, trials: verdict.trials },
    why,
  };
}

/** A bound on the 99th percentile closes the side that breaks it, unless both do. The share's own bounds. */
function sidesUnder(
  p99UnderUs: number | null,
  profile: FunctionProfile,
  { sides }: FunctionCosts,
): readonly [number, number] {
  if (p99UnderUs === null) return [0, 1];
  const measured = (side: Side): number | null =>
    sides[side].calls < PROFILED_CALLS_MIN ? null : profile.percentileUs(side, 99);
  // Where a side was not measured its tail is to its mean as that of the other.
  const p99Us = (side: Side, other: Side): number => {
    const tail = (measured(other) ?? sides[other].cost.latencyUs) / sides[other].cost.latencyUs;
    return measured(side) ?? tail * sides[side].cost.latencyUs;
  };
  const breaksAtCompute = p99Us("compute", "storage") > p99UnderUs;
  const breaksAtStorage = p99Us("storage", "compute") > p99UnderUs;
  if (breaksAtCompute === breaksAtStorage) return [0, 1];
  return breaksAtCompute ? [1, 1] : [0, 0];
}

const gainingSide = ({ share: from }: Placement, to: number): Side => (to > from ? "storage" : "compute");

/** Whether the side that is to get more of its calls has had one lately. */
const isWarm = (now: FunctionState, share: number, nowMs: number): boolean =>
  isWarmAt(now, gainingSide(now, share), nowMs);

function isWarmAt({ paces }: FunctionState, side: Side, nowMs: number): boolean {
  const pace = paces[side];
  return pace !== null && pace.calls >= VISITS_MIN && nowMs - pace.atMs <= WARM_MS;
}

/** A few calls go there first: they warm it, and say whether the move is as good as the model has it. */
function visiting(now: FunctionState, candidate: Named, share: number): Change {
  const side = gainingSide(now, share);
  const probeEvery = failsAt(candidate, side) ? probeEveryOf(candidate, side) : FIRST_VISIT_EVERY;
  return {
    to: { ...now, state: "probing", probeEvery },
    why: now.state === "probing" ? null : { kind: "probing", side },
  };
}

/** Nothing is known of a side where every visit fails, and no more than probes should find that out. */
const failsAt = ({ profile, costs }: Named, side: Side): boolean =>
  costs.sides[side].calls === 0 && profile.untold(side) >= VISITS_MIN;

/** One call in so many: as dear as allowed, and seldom enough. */
function probeEveryOf({ load: { callsPerSecond, costs } }: Named, other: Side): number {
  const side: Side = other === "compute" ? "storage" : "compute";
  const cheapEnough = Math.ceil(busyUs(costs[other]) / (PROBE_COST_SHARE * busyUs(costs[side])));
  const oftenEnough = Math.ceil((callsPerSecond * PROBE_INTERVAL_MS) / 2e3);
  return clamp(Math.min(cheapEnough, oftenEnough), 2, PROBE_EVERY_MAX);
}

/**
 * A move after which calls take longer and fewer end was a mistake, whatever the model says; it is taken back. null: there is nothing to judge yet, or nobody can
 * tell, since something else has moved besides.
 */
function judgedMove(candidates: readonly Named[], index: number, nowMs: number): Change | null {
  const { before, profile } = candidates[index]!;
  const last = before.moved;
  if (last === null || last.isJudged || nowMs - last.atMs < REST_MS) return null;
  const isAlone = candidates.every(
    ({ before: other }) => lastMovedMs(other) <= last.atMs && other.sinceMs <= last.atMs - BEFORE_MS,
  );
  const verdict = isAlone && isMistake(candidates, last.atMs, nowMs);
  if (verdict === null) return null;
  if (!verdict) return { to: { ...before, moved: { ...last, isJudged: true } }, why: null };
  const { calls, elapsedUs } = profile.byTime.between(last.atMs, nowMs);
  return takenBack(before, last, elapsedUs / Math.max(1, calls), nowMs);
}

function takenBack(
  before: FunctionState,
  { fromShare, promisedUs }: NonNullable<FunctionState["moved"]>,
  cameUs: number,
  nowMs: number,
): Change {
  const backOffMs = clamp(2 * before.backOffMs, BACK_OFF_MIN_MS, BACK_OFF_MAX_MS);
  return {
    to: {
      ...before,
      state: "reverting",
      share: fromShare,
      probeEvery: 0,
      moved: { atMs: nowMs, fromShare: before.share, promisedUs, isJudged: true },
      backOffMs,
      retryAtMs: nowMs + backOffMs,
      moves: before.moves + 1,
      reverts: before.reverts + 1,
      flaps: before.flaps + 1,
      trials: { ...before.trials, held: null },
    },
    why: { kind: "reverted", promisedUs, cameUs, retryInMs: backOffMs },
  };
}

/** A move back, soon and without a shift, after which calls took longer than was promised says that the one before was a mistake. */
function moved(candidate: Named, { share, gain }: Choice, nowMs: number): Change {
  const { before } = candidate;
  const { sides } = candidate.costs;
  const [fromUs, promisedUs] = [latencyAt(sides, before.share), latencyAt(sides, share)];
  const last = before.moved;
  const back = last === null ? 0 : (share - before.share) / (last.fromShare - before.share);
  const isBack = last !== null && back > 0.5 && Math.abs(share - before.share) >= REFINEMENT;
  if (isBack && nowMs - last.atMs < VERIFY_MS && fromUs > PROMISE_SLACK * last.promisedUs) {
    const { to, why } = takenBack(before, last, fromUs, nowMs);
    return { to: { ...to, share, moved: { atMs: nowMs, fromShare: before.share, promisedUs, isJudged: true } }, why };
  }
  const to: FunctionState = {
    ...before,
    state: restingState(share),
    share,
    probeEvery: 0,
    moved: { atMs: nowMs, fromShare: before.share, promisedUs, isJudged: false },
    moves: before.moves + 1,
    flaps: before.flaps + (isBack && nowMs - last.atMs < FLAP_MS ? 1 : 0),
    trials: { ...before.trials, held: null },
  };
  // Bounds that changed (a tail too long) move without a gain.
  return { to, why: gain ?? { kind: "latency", from: fromUs, to: promisedUs, noise: 0 } };
}

/** Sends a few calls to the side where it is not, as dear as allowed. */
function probed(now: FunctionState, candidate: Named, nowMs: number): Change {
  if (now.state !== "compute" && now.state !== "storage" && now.state !== "probing") {
    return { to: now.probeEvery === 0 ? now : { ...now, probeEvery: 0 }, why: null };
  }
  const other: Side = now.share > 0 ? "compute" : "storage";
  const pace = now.paces[other];
  const isKnown = pace !== null && pace.calls >= VISITS_MIN;
  const cheap = probeEveryOf(candidate, other);
  const wanted = isKnown || failsAt(candidate, other) ? cheap : Math.min(cheap, FIRST_VISIT_EVERY);
  // A step of a tenth is no news to those who follow the plan.
  const probeEvery = Math.abs(wanted / Math.max(1, now.probeEvery) - 1) < 0.1 ? now.probeEvery : wanted;
  const isStale = !isKnown || nowMs - pace.atMs > PROBE_INTERVAL_MS;
  const state = isStale ? "probing" : restingState(now.share);
  if (state === now.state) return { to: probeEvery === now.probeEvery ? now : { ...now, probeEvery }, why: null };
  return { to: { ...now, state, probeEvery }, why: { kind: isStale ? "probing" : "probed", side: other } };
}
