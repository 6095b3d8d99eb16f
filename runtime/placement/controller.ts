// Decides where functions run, step by step: from profiles, capacity and rules to a placement for each, with the reason for every
// move. Pure: time and all it knows come by argument, and its state is a value that goes back in with the next step. The loop
// around it (compute/placement/placement-loop.ts) is thin; the simulator runs the same steps. docs/placement.md tells the states as a table.

import { calledFunction, still, withHeld, type CalledFunction } from "./called-function.ts";
import {
  FRESH,
  lastMovedMs,
  restingState,
  settled,
  type Change,
  type FunctionState,
  type Transition,
  type Why,
} from "./function-state.ts";
import { judgedMove, moved } from "./moves.ts";
import { outlookOf, regretOf, type Outlook } from "./optimal-shares.ts";
import type { Placement } from "./plan.ts";
import { isWarm, probed, visiting } from "./probes.ts";
import type { Situation } from "./situation.ts";
import {
  BEFORE_MS,
  heldAlong,
  nextTrial,
  shareAt,
  STEADY_MS,
  tookUs,
  trialsAfter,
  verdictOf,
  type TrialStep,
  type Verdict,
} from "./trials.ts";
import { worthwhileShares } from "./worthwhile-shares.ts";

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

export function advance(before: ControllerState, situation: Situation): Step {
  const { nowMs, rules, capacity } = situation;
  const transitions: Transition[] = [];
  const state = new Map<string, FunctionState>();
  const enter = (name: string, from: FunctionState | undefined, to: FunctionState, why: Why): FunctionState => {
    const { state: fromState, share: fromShare } = from ?? to;
    transitions.push({ atMs: nowMs, function: name, from: fromState, to: to.state, fromShare, toShare: to.share, why });
    return to;
  };
  const candidates: CalledFunction[] = [];
  for (const [name, ruled] of rules) {
    const from = before.get(name);
    const { to, why } = settled(name, from, ruled, situation);
    const settledState = why === null ? to : enter(name, from, to, why);
    state.set(name, settledState);
    const candidate = calledFunction(name, ruled, settledState, situation);
    if (candidate !== null) candidates.push(candidate);
  }
  const tried = [...candidates.keys()].filter((index) => candidates[index]!.trials.running !== null);
  const isTrying = tried.length > 0;
  const { use, choices, best } = worthwhileShares(
    isTrying ? candidates.map(still) : withHeld(candidates, capacity),
    capacity,
  );
  const apply = (index: number, { to, why }: Change): void => {
    const { name } = candidates[index]!;
    state.set(name, why === null ? to : enter(name, state.get(name), to, why));
  };
  /** What a plan has proved to be it is as a whole. */
  const holdOthers = (shown: { readonly fromMs: number; readonly toMs: number }, untilMs: number): void => {
    for (const [index, candidate] of candidates.entries()) {
      const now = nowOf(index);
      if (now.trials.held !== null || now.state !== restingState(now.share)) continue;
      const trials = heldAlong(candidate, shown, untilMs, nowMs);
      state.set(candidate.name, { ...now, trials });
    }
  };
  const nowOf = (index: number): FunctionState => state.get(candidates[index]!.name)!;
  for (const [index, candidate] of candidates.entries()) {
    state.set(candidate.name, candidate.before);
    if (tried.includes(index)) continue;
    const choice = choices[index]!;
    const judged = isTrying ? null : judgedMove(candidates, index, nowMs);
    if (judged !== null) apply(index, judged);
    else if (choice.share !== candidate.share && !isWarm(candidate.before, choice.share, nowMs)) {
      apply(index, visiting(candidate.before, candidate, choice.share));
    } else {
      if (choice.share !== candidate.share) apply(index, moved(candidate, choice, nowMs));
      apply(index, probed(nowOf(index), candidate, nowMs));
    }
  }
  const mistake = candidates.find(({ name }) => {
    const now = state.get(name)!;
    return now.state === "reverting" && now.moved?.atMs === nowMs;
  });
  if (mistake !== undefined) {
    const { atMs } = mistake.before.moved!;
    holdOthers({ fromMs: atMs - BEFORE_MS, toMs: atMs }, state.get(mistake.name)!.retryAtMs);
  }
  if (isTrying) {
    const members = tried.map((index) => candidates[index]!);
    const verdict = verdictOf(members, candidates, nowMs);
    for (const index of verdict === null ? [] : tried) apply(index, trialEnded(candidates[index]!, verdict!, nowMs));
    if (verdict?.came === "kept") {
      const { startedMs } = members[0]!.trials.running!;
      holdOthers({ fromMs: startedMs, toMs: nowMs }, nowOf(tried[0]!).trials.held!.untilMs);
    }
  } else if (candidates.every((candidate, index) => isSteady(candidate, nowOf(index), nowMs))) {
    for (const step of nextTrial(candidates, use, capacity, nowMs))
      apply(step.index, trialBegun(nowOf(step.index), step, nowMs));
  }
  const shares = candidates.map(({ name }) => state.get(name)?.share ?? 0);
  const outlook = outlookOf(use, shares);
  const callsPerSecond = candidates.reduce((sum, { load }) => sum + load.callsPerSecond, 0);
  return { state, transitions, called: candidates.length, callsPerSecond, outlook, regret: regretOf(outlook, best) };
}

/** Where a controller goes on that knows no more than the plan of the one before it. */
export const resumed = (placements: ReadonlyMap<string, Placement>): ControllerState =>
  new Map(Array.from(placements, ([name, { share }]) => [name, { ...FRESH, state: "profiling", share }]));

/** It is what it was for a while, and nothing is about to move it. */
const isSteady = ({ before }: CalledFunction, now: FunctionState, nowMs: number): boolean =>
  now.share === before.share &&
  now.state !== "profiling" &&
  nowMs - Math.max(lastMovedMs(now), now.sinceMs) >= STEADY_MS;

const trialBegun = (now: FunctionState, { side, partner }: TrialStep, nowMs: number): Change => ({
  to: {
    ...now,
    state: "probing",
    share: shareAt(side),
    probeEvery: 0,
    trials: { ...now.trials, running: { side, partner, startedMs: nowMs, fromShare: now.share } },
  },
  why: { kind: "trying", side, partner },
});

function trialEnded(tried: CalledFunction, verdict: Verdict, nowMs: number): Change {
  const { before, share } = tried;
  const { side, partner, fromShare } = before.trials.running!;
  const isKept = verdict.came === "kept";
  const trials = trialsAfter(tried, verdict, nowMs);
  const why: Why = { kind: "tried", side, partner, ratio: verdict.ratio, isKept };
  if (!isKept) return { to: { ...before, state: restingState(fromShare), share: fromShare, trials }, why };
  const moved = { atMs: nowMs, fromShare, promisedUs: tookUs(tried, nowMs), isJudged: true };
  return { to: { ...before, state: restingState(share), moved, moves: before.moves + 1, trials }, why };
}
