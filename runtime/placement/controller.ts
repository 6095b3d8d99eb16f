// Decides where functions run, step by step: from profiles, capacity and rules to a placement for each, with the reason for every
// move. Pure: time and all it knows come by argument, and its state is a value that goes back in with the next step. The loop
// around it (compute/placement/placement-loop.ts) is thin; the simulator runs the same steps. docs/placement.md tells the states as a table.

import { clamp } from "#runtime/clamp.ts";
import {
  calledFunction,
  CALLERS_GROWN_MIN,
  gone,
  heldError,
  mayStay,
  still,
  underSurge,
  withHeld,
  withWaiting,
  type CalledFunction,
  type LastTrial,
} from "./called-function.ts";
import {
  backFromTrial,
  FRESH,
  lastMovedMs,
  restingState,
  settled,
  type BrokenOff,
  type Change,
  type FunctionRecord,
  type FunctionState,
  type Transition,
  type Why,
} from "./function-state.ts";
import { flapsAfter, judgedMove, lastMoves, moved, recalled, relieved, unmoved, type LastMoves } from "./moves.ts";
import { optimalShares, outlookOf, regretOf, type Outlook } from "./optimal-shares.ts";
import { mixingAfter } from "./mixing.ts";
import { NO_OVERFLOW } from "./overflow.ts";
import { afterPause, paidLaterMs } from "./pauses.ts";
import type { Placement } from "./plan.ts";
import { callsOf, poolUse, type Capacity, type Load, type PoolUse } from "./pool-use.ts";
import { probed, visiting } from "./probes.ts";
import { LASTED_MS } from "./regimes.ts";
import type { Situation } from "./situation.ts";
import { BEFORE_MS, beforeMsOf, inFlightLately, SETTLE_MS, STEADY_MS, TRIAL_MS_MAX } from "./before-and-since.ts";
import { heldAlong, heldOn, heldPlanOf, isHeld, refutationOf, type Hold } from "./held-function.ts";
import { isCrowded, nextTrial, type TrialStep, WARMING_MS } from "./next-trial.ts";
import {
  isThirdPlan,
  tookUs,
  trialCostMs,
  trialsAfter,
  untold,
  verdictOf,
  type FirstHalf,
  type Told,
  type Verdict,
} from "./trial-verdict.ts";
import { besideOthers, broken, MODEL_ERROR_MAX, patienceOf, type Refutation, type Trials } from "./trials.ts";
import { areSlight, gainingSide, isProvedWorse, shareAt } from "./tried-function.ts";
import { worthwhileShares, type Choice } from "./worthwhile-shares.ts";

export type ControllerState = ReadonlyMap<string, FunctionState>;

export interface Step {
  readonly state: ControllerState;
  readonly transitions: readonly Transition[];
  /** Of all of them, under the shares of this step. */
  readonly outlook: Outlook;
  /** How many functions are called. */
  readonly called: number;
  /** Whether it is still to be seen what comes of a move, or of a trial, or what calls are that were not what they had been. */
  readonly isAwaited: boolean;
  /** Of these: what they use wherever they may be at all, and where they are after this step. As numbers in arrays: what of each function is kept from step to step the collector of garbage copies. */
  readonly unheld: { readonly use: PoolUse; readonly shares: Float64Array };
}

/** By so many times less busy the busiest pool has to become, if what a trial has shown is to count no more: times what the model was wrong by. */
const HOLD_BREAK = 1.3;

/** The state that a step comes to, as far as it is known. */
class Draft {
  readonly state = new Map<string, FunctionState>();
  readonly transitions: Transition[] = [];
  readonly #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** As it was before the step, or as the step has changed it since. */
  of({ name, before }: CalledFunction): FunctionState {
    return this.state.get(name) ?? before;
  }

  /** From how many calls on they overflow was reckoned for the share that it had. */
  change(name: string, from: FunctionState | undefined, { to: wanted, why }: Change): void {
    const isMoved = from !== undefined && from.share !== wanted.share && wanted.overflowMin > 0;
    const to = isMoved ? { ...wanted, ...NO_OVERFLOW } : wanted;
    this.state.set(name, to);
    if (why === null) return;
    const { state: fromState, share: fromShare } = from ?? to;
    const transition = { from: fromState, to: to.state, fromShare, toShare: to.share, why };
    this.transitions.push({ atMs: this.#nowMs, function: name, ...transition });
  }

  apply(called: CalledFunction, change: Change): void {
    const from = this.of(called);
    this.change(called.name, from, change.to.share === from.share ? change : this.#mixed(called, from, change));
  }

  /** A trial is not where it has gone to. */
  #mixed({ load: { costs } }: CalledFunction, from: FunctionState, { to, why }: Change): Change {
    if (to.trials.running !== null || from.trials.running !== null) return { to, why };
    const move = { from: from.share, to: to.share, costs, nowMs: this.#nowMs };
    return { to: { ...to, mixing: mixingAfter(to.mixing, move) }, why };
  }
}

export function advance(before: ControllerState, situation: Situation): Step {
  const { nowMs, rules, profiles } = situation;
  const draft = new Draft(nowMs);
  const heard: CalledFunction[] = [];
  const lastTrial = lastTrialOf(before, situation);
  const laterMs = paidLaterMs(before, profiles);
  for (const [name, ruled] of rules) {
    const was = before.get(name);
    const profile = profiles.get(name);
    const since = was === undefined || profile === undefined ? was : paidLater(afterPause(was, profile), laterMs);
    const { to, why } = settled(name, since, ruled, situation);
    const called = calledFunction(name, ruled, to, situation, lastTrial);
    draft.change(name, was, { to: called?.before ?? uncalled(to), why });
    if (called !== null) heard.push(called);
  }
  const all = withoutGone(heard, situation);
  const { called: surged, isSurge } = underSurge(all, situation.capacity);
  const capacity = { ...situation.capacity, callers: Math.max(situation.capacity.callers, callersOf(surged)) };
  const tried = all.filter(({ trials }) => trials.running !== null);
  const { use, choices } =
    tried.length > 0
      ? worthwhileShares(surged.map(still), capacity)
      : chosen(isSurge ? surged : withWaiting(surged, capacity, nowMs), capacity, situation, isSurge);
  if (tried.length > 0) {
    const { startedMs } = tried[0]!.trials.running!;
    // Nothing weighty moves but what makes the trial void, since its calls have become others meanwhile.
    const mayMove = (called: CalledFunction): boolean => called.sinceMs >= startedMs || areSlight([called], all);
    for (const called of all) {
      if (called.trials.running !== null) continue;
      const known = unmoved(called, nowMs) ?? (mayMove(called) ? recalled(called, nowMs) : null);
      draft.apply(called, known ?? visited(draft, called, nowMs));
    }
    // What is full is left at once, and what may not be stayed at.
    const isSurged = isSurge && situation.callersGrown >= CALLERS_GROWN_MIN;
    const brokenOff = !all.every(mayStay) ? "bounds" : isSurged ? "surge" : null;
    const verdict = brokenOff === null ? verdictOf(tried, all, situation.heardMs) : untold(tried);
    if (verdict !== null) judgeTrial(draft, all, tried, { verdict, use }, nowMs);
    else if (brokenOff !== null) {
      const endedMs = brokenOff === "surge" ? lastTrial.endedMs : nowMs;
      breakTrial(draft, all, tried, { endedMs, brokenOff }, nowMs);
    }
  } else {
    const known = { lastly: lastMoves(all, situation), isSurge, situation };
    all.forEach((called, index) => decide(draft, called, choices[index]!, known));
    holdAfterMistake(draft, all, known.lastly, nowMs);
    const steadyMs = patienceOf(all, nowMs) * STEADY_MS;
    const moving = all.filter((called) => !isSteady(called, draft.of(called), steadyMs, nowMs));
    // What comes all at once will have gone, or grown, before a trial is over; and who has to leave would break it off.
    if (!isSurge && all.every(mayStay) && areSlight(moving, all)) {
      const steps = nextTrial(all, use, capacity, situation);
      const beforeMs = lookedBackMs(all, steps[0]?.looks ?? 1, nowMs);
      for (const step of steps) {
        const called = all[step.index]!;
        draft.apply(called, trialBegun(draft.of(called), step, beforeMs, nowMs));
      }
    }
  }
  const { state, transitions } = draft;
  const shares = use.lowest.map((_, index) => state.get(all[index]!.name)!.share);
  // What a surge brings is none of what there is.
  const { pools, waiting } = isSurge ? poolUse(all.map(loadOf), capacity) : use;
  const unheld = { use: { pools, waiting, ...boundsUnheld(all) }, shares };
  const isAwaited = all.some(({ name }) => isOpen(state.get(name)!, nowMs));
  return { state, transitions, called: all.length, isAwaited, unheld, outlook: outlookOf(use, shares) };
}

function lastTrialOf(before: ControllerState, { profiles, rules, shifted, nowMs }: Situation): LastTrial {
  let [isRunning, endedMs] = [false, -Infinity];
  const held: (Pick<CalledFunction, "profile" | "trials"> & Pick<Load, "weight">)[] = [];
  for (const [name, state] of before) {
    const { trials } = state;
    isRunning ||= trials.running !== null;
    endedMs = Math.max(endedMs, trials.endedMs);
    if (trials.held === null || shifted.has(name)) continue;
    const [profile, weight] = [profiles.get(name), rules.get(name)?.weight];
    if (profile === undefined || weight === undefined || !isHeld(profile, state, nowMs)) continue;
    held.push({ profile, trials, weight });
  }
  return { isRunning, endedMs, heldPlan: isRunning ? "broken" : heldPlanOf(held, nowMs) };
}

const paidLater = (state: FunctionState, laterMs: number): FunctionState =>
  laterMs <= 0 ? state : { ...state, trials: { ...state.trials, paidMs: state.trials.paidMs + laterMs } };

/** What was warm is so no more when it is called again. */
const uncalled = (state: FunctionState): FunctionState =>
  state.overflowMin > 0 ? { ...state, ...NO_OVERFLOW } : state;

/**
 * Of what the best shares would give by what is known, the part that those after a step do not: 0 to 1. The best are those that pins, bounds on the 99th
 * percentile and what storage can run allow: whoever rests, is held, tried or waits for the end of a back-off is missing something.
 */
export function regretAfter({ unheld: { use, shares } }: Step): number {
  return regretOf(outlookOf(use, shares), outlookOf(use, optimalShares(use, shares)));
}

const loadOf = ({ load }: CalledFunction): Load => load;

/** What is held against what there was before, which a profile does not know for long; and calls that have just become others, which may be known. */
const isOpen = ({ state, sinceMs, moved: move, trials }: FunctionState, nowMs: number): boolean =>
  trials.running !== null || move?.isJudged === false || (state === "profiling" && nowMs - sinceMs < LASTED_MS);

/** Where each may be at all. Of what is still being profiled nobody knows where it should. */
function boundsUnheld(all: readonly CalledFunction[]): Pick<PoolUse, "lowest" | "highest"> {
  const [lowest, highest] = [new Float64Array(all.length), new Float64Array(all.length)];
  all.forEach(({ share, bounds, before }, index) => {
    const isUnknown = before.state === "profiling";
    lowest[index] = isUnknown ? share : bounds[0];
    highest[index] = isUnknown ? share : bounds[1];
  });
  return { lowest, highest };
}

/** In flight, by how many come and how long they take (Little): a sample of few calls mostly finds none. */
const callersOf = (all: readonly CalledFunction[]): number =>
  all.reduce((sum, { load, costs: { sides }, share }) => {
    const { compute, storage } = callsOf(load, share);
    return sum + (compute * sides.compute.cost.latencyUs + storage * sides.storage.cost.latencyUs) / 1e6;
  }, 0);

/**
 * Whose callers have gone is called no more, though its rate takes a quarter of a second to say so: those who call something else in its place would be placed beside it. Not where
 * half as many calls are in flight as it had, and more, beside those of the others: they may only be stuck.
 */
function withoutGone(
  all: readonly CalledFunction[],
  { capacity: { callers }, heardMs }: Pick<Situation, "capacity" | "heardMs">,
): readonly CalledFunction[] {
  const stopped = all.filter(({ isStopped }) => isStopped);
  if (stopped.length === 0) return all;
  const called = all.filter(({ isStopped }) => !isStopped);
  const fewest = callers - callersOf(stopped) / 2;
  // Also by what they were seen to take: where more is called than can be done calls wait longer than is known of them.
  if (callersOf(called) < fewest && inFlightLately(called, heardMs) < fewest) return all;
  return all.map((one) => (one.isStopped ? gone(one) : one));
}

type Choices = ReturnType<typeof worthwhileShares>;

/**
 * Those that a trial has shown to do better where they are stay there, and none goes where one has shown it to do worse, unless the model promises far more. A surge is another load than that of the
 * trials that showed something to be worse.
 */
function chosen(
  all: readonly CalledFunction[],
  capacity: Capacity,
  at: Pick<Situation, "nowMs" | "heardMs">,
  isSurge: boolean,
): Choices {
  const best = (candidates: readonly CalledFunction[]): Choices => {
    const choices = worthwhileShares(candidates, capacity);
    return isSurge ? choices : withoutRefuted(candidates, choices, capacity, at);
  };
  const { firm, held } = withHeld(all, capacity, at);
  const free = best(firm);
  if (held === firm) return free;
  // What has proved to be worse stays so, whatever is promised of it.
  const isOther = all.every((called, index) => {
    return !isProvedWorse(called, free.choices[index]!.share);
  });
  const now = outlookOf(
    free.use,
    all.map(({ share }) => share),
  );
  return isOther && isFarBetter(free.best, now, heldError(all)) ? free : best(held);
}

/** By the model that was wrong by so many times. */
const isFarBetter = (one: Outlook, other: Outlook, modelError: number): boolean =>
  other.busiest > HOLD_BREAK * modelError * one.busiest;

/** Where a move would have a function where a trial has just shown that it does worse, it stays, and what is best for the others is chosen anew; unless that is far worse than with the move. */
function withoutRefuted(
  all: readonly CalledFunction[],
  choices: Choices,
  capacity: Capacity,
  at: Pick<Situation, "nowMs" | "heardMs">,
): Choices {
  let error = 1;
  const refuted = new Set<CalledFunction>();
  all.forEach((called, index) => {
    const { share, gain } = choices.choices[index]!;
    // What its bounds demand is right whatever it costs.
    const refutation = gain === null ? null : refutationOf(called, share, at.nowMs);
    if (refutation === null || haveOthersMoved(called, all, refutation)) return;
    refuted.add(called);
    error = Math.max(error, refutation.modelError);
  });
  if (refuted.size === 0 || !isCrowded(all, choices.use, capacity, at.heardMs)) return choices;
  const left = all.map((called) => (refuted.has(called) ? still(called) : called));
  const without = worthwhileShares(left, capacity);
  if (isFarBetter(choices.best, without.best, error)) return choices;
  // What is best for others now may be what was refuted of them.
  return withoutRefuted(left, without, capacity, at);
}

/** Beside others that were elsewhere then, or called for something else, what was refuted may be so or not. Whoever is where such calls were found to do best is where it was. */
function haveOthersMoved(called: CalledFunction, all: readonly CalledFunction[], { atMs }: Refutation): boolean {
  const others = all.filter((other) => {
    const { moved: move, sinceMs } = other.before;
    const hasMoved = move !== null && move.by !== "recall" && move.atMs > atMs;
    return other.name !== called.name && (hasMoved || sinceMs > atMs);
  });
  return !areSlight(others, all);
}

/** What becomes of one function while nothing is tried. */
function decide(
  draft: Draft,
  called: CalledFunction,
  choice: Choice,
  {
    lastly,
    isSurge,
    situation,
  }: { readonly lastly: LastMoves; readonly isSurge: boolean; readonly situation: Situation },
): void {
  const { nowMs } = situation;
  const { before, share } = called;
  const known = unmoved(called, nowMs) ?? recalled(called, nowMs);
  if (known !== null) return draft.apply(called, known);
  const judged = judgedMove(called, lastly, situation);
  if (judged !== null) return draft.apply(called, judged);
  if (choice.share !== share && !called.isWarm[gainingSide(called, choice.share)]) {
    return draft.apply(called, visiting(before, called, choice.share, nowMs));
  }
  if (choice.share !== share) {
    const change = moved(called, choice, nowMs);
    draft.apply(called, isSurge && choice.gain?.kind === "overload" ? relieved(called, change, nowMs) : change);
  }
  draft.apply(called, visited(draft, called, nowMs));
}

/** How often its calls visit the other side is for those who call it: as it was, until they do again. */
function visited(draft: Draft, called: CalledFunction, nowMs: number): Change {
  const now = draft.of(called);
  return called.isGone ? { to: now, why: null } : probed(now, called, nowMs);
}

/** Before its time, and without a verdict. `endedMs`: since when others rest; of one before it, if nothing is to wait for that. */
function breakTrial(
  draft: Draft,
  all: readonly CalledFunction[],
  tried: readonly CalledFunction[],
  { endedMs, brokenOff }: { readonly endedMs: number; readonly brokenOff: BrokenOff },
  nowMs: number,
): void {
  for (const called of tried) {
    const { before } = called;
    const trials = { ...broken(before.trials, nowMs), endedMs };
    draft.apply(called, backFromTrial(before, trials, { ratio: null, brokenOff }));
  }
  holdOn(draft, all, nowMs);
}

/** What calls have taken in a trial says nothing of where they are held. */
const holdOn = (draft: Draft, all: readonly CalledFunction[], nowMs: number): void =>
  changeTrials(draft, all, (trials) => heldOn(trials, nowMs));

function changeTrials(draft: Draft, some: readonly CalledFunction[], change: (trials: Trials) => Trials): void {
  for (const called of some) {
    const now = draft.of(called);
    const trials = change(now.trials);
    if (trials !== now.trials) draft.apply(called, { to: { ...now, trials }, why: null });
  }
}

function judgeTrial(
  draft: Draft,
  all: readonly CalledFunction[],
  tried: readonly CalledFunction[],
  { verdict, use }: { readonly verdict: Verdict | FirstHalf; readonly use: PoolUse },
  nowMs: number,
): void {
  if ("fromMs" in verdict) {
    for (const called of tried) draft.apply(called, trialShown(called, verdict, nowMs));
    return;
  }
  // Where nothing is crowded calls take no longer for how busy pools are.
  const modelError = tried[0]!.trials.running!.isCalm ? 1 : modelErrorOf(all, use, verdict);
  const of = { modelError, isThird: isThirdPlan(tried) };
  for (const called of tried) draft.apply(called, trialEnded(called, verdict, of, nowMs));
  holdOn(draft, all, nowMs);
  const others = all.filter(({ trials }) => trials.running === null);
  if (verdict.came === "kept" || verdict.came === "as-good") changeTrials(draft, others, besideOthers);
  const { shown } = tried[0]!.trials.running!;
  const untilMs = draft.of(tried[0]!).trials.held?.untilMs;
  if (verdict.came === "kept" && shown !== null && untilMs !== undefined) {
    const worse = verdict.ratio === null ? {} : { worseTimes: 1 / verdict.ratio };
    holdAll(draft, others, shown, { untilMs, isFirm: false, ...worse }, nowMs);
  }
}

/**
 * By how many times the model was wrong of what stays, or was clearly worse: how many times busier it has the plan that was tried than the one before it, beside how much busier it was, or the other way round. Where
 * callers wait for each other calls take as many times longer as the busiest pool has more to do for them. 1: it was right, or nobody asks.
 */
function modelErrorOf(all: readonly CalledFunction[], use: PoolUse, { came, ratio }: Verdict): number {
  if ((came !== "kept" && came !== "as-good" && came !== "worse") || ratio === null) return 1;
  const busiest = (shareOf: (called: CalledFunction) => number): number => outlookOf(use, all.map(shareOf)).busiest;
  const before = busiest(({ share, trials: { running } }) => (running === null ? share : running.fromShare));
  const tried = busiest(({ share, trials: { running } }) => (running === null ? share : shareAt(running.side)));
  if (before <= 0 || tried <= 0 || ratio <= 0) return 1;
  const times = tried / before / ratio;
  return clamp(came === "worse" ? 1 / times : times, 1, MODEL_ERROR_MAX);
}

/** What was there before a move that had to be taken back has proved better: the model will want the next move, and be as wrong. */
function holdAfterMistake(draft: Draft, all: readonly CalledFunction[], { beforeMs }: LastMoves, nowMs: number): void {
  for (const called of all) {
    const { state, moved: move, retryAtMs } = draft.of(called);
    if (state !== "reverting" || move?.atMs !== nowMs) continue;
    const { atMs: movedMs } = called.before.moved!;
    const shown = { fromMs: movedMs - beforeMs, toMs: movedMs };
    return holdAll(draft, all, shown, { untilMs: retryAtMs, isFirm: true }, nowMs);
  }
}

/** What a plan has proved to be it is as a whole: all that rest stay where they are. */
function holdAll(
  draft: Draft,
  all: readonly CalledFunction[],
  shown: { readonly fromMs: number; readonly toMs: number },
  hold: Hold,
  nowMs: number,
): void {
  for (const called of all) {
    const now = draft.of(called);
    if (now.state === "profiling" || now.state === "pinned" || now.state === "reverting") continue;
    if (now.trials.running !== null) continue;
    draft.apply(called, { to: { ...now, trials: heldAlong({ ...called, ...now }, shown, hold, nowMs) }, why: null });
  }
}

/**
 * Where a controller goes on that knows no more than the plan of the one before it, and what that has told (`records`); a trial that was running is over. What is pinned stays so: whoever frees
 * it says so to this one.
 */
export function resumed(
  placements: ReadonlyMap<string, Placement>,
  records: ReadonlyMap<string, FunctionRecord>,
  nowMs: number,
): Pick<Step, "state" | "transitions"> {
  const draft = new Draft(nowMs);
  for (const [name, placement] of placements) {
    const { state: fromState, share: planned, fromShare: share = planned } = placement;
    const { counters, transitions = [] } = records.get(name) ?? {};
    const place = fromState === "pinned" ? PINNED : PROFILED_ANEW;
    const to: FunctionState = { ...FRESH, ...counters, ...place, share };
    const lastMs = transitions.at(-1)?.atMs;
    const sinceLastMs = lastMs === undefined ? null : Math.max(0, nowMs - lastMs);
    const isSame = to.state === fromState && share === planned;
    draft.change(name, { ...to, ...placement }, { to, why: isSame ? null : { kind: "resumed", sinceLastMs } });
  }
  return draft;
}

const PINNED = { state: "pinned", backCpuUs: 0 } as const;
const PROFILED_ANEW = { state: "profiling" } as const;

/** It is what it was for a while, nothing is about to move it, and what came of its last move is known. */
const isSteady = ({ before }: CalledFunction, now: FunctionState, steadyMs: number, nowMs: number): boolean =>
  now.share === before.share &&
  now.state !== "profiling" &&
  (now.moved === null || now.moved.isJudged) &&
  nowMs - Math.max(lastMovedMs(now), now.sinceMs) >= steadyMs;

/**
 * As long before it as it is to be looked at, as far as the load was what it is, after its first moments; null: as long as before any other. No longer than a trial looks for a break of
 * the load.
 */
function lookedBackMs(all: readonly CalledFunction[], looks: number, nowMs: number): number | null {
  const usualMs = patienceOf(all, nowMs) * BEFORE_MS;
  const mostMs = Math.min(looks * BEFORE_MS, WARMING_MS + usualMs);
  if (mostMs <= usualMs) return null;
  const changedMs = ({ before }: CalledFunction): number =>
    Math.max(lastMovedMs(before), Math.max(before.sinceMs, before.resumedMs) + WARMING_MS - SETTLE_MS);
  const lately = all.filter((called) => beforeMsOf(nowMs, changedMs(called), mostMs) < mostMs);
  if (areSlight(lately, all)) return mostMs;
  return Math.max(usualMs, beforeMsOf(nowMs, Math.max(...lately.map(changedMs)), mostMs));
}

const trialBegun = (
  now: FunctionState,
  { side, partner, busierTimes, isCalm, looks, paidMs }: TrialStep,
  beforeMs: number | null,
  nowMs: number,
): Change => ({
  to: {
    ...now,
    state: "probing",
    share: shareAt(side),
    probeEvery: 0,
    trialsBegun: now.trialsBegun + 1,
    trials: {
      ...now.trials,
      paidMs,
      running: {
        side,
        partner,
        startedMs: nowMs,
        fromShare: now.share,
        ...(isCalm && { isCalm }),
        ...(looks > 1 && { looks }),
        ...(beforeMs !== null && { beforeMs }),
        shown: null,
      },
    },
  },
  why: { kind: "trying", side, partner, busierTimes },
});

/** All goes on as before it for a moment, and then it is known whether that is worse again, or better. */
function trialShown({ before }: CalledFunction, { came, ratio, fromMs: sinceMs }: FirstHalf, nowMs: number): Change {
  // Where steps are rare it has lasted for longer than its second half can look back.
  const fromMs = Math.max(sinceMs, nowMs - TRIAL_MS_MAX);
  const running = { ...before.trials.running!, shown: { came, fromMs, toMs: nowMs, ratio } };
  const { side, partner, fromShare: share } = running;
  return {
    to: { ...before, share, trials: { ...before.trials, running } },
    why: { kind: "checking", side, partner, ratio },
  };
}

function trialEnded(tried: CalledFunction, verdict: Verdict, of: Told, nowMs: number): Change {
  const { before } = tried;
  const trials = trialsAfter(tried, verdict, nowMs, of);
  if (verdict.came !== "kept" && verdict.came !== "as-good") {
    const costMs = before.trialCostMs + trialCostMs(tried, verdict, nowMs);
    const came = verdict.came === "slowed" ? "slowed" : { ratio: verdict.ratio, brokenOff: null };
    return backFromTrial({ ...before, trialCostMs: costMs }, trials, came);
  }
  const { side, partner, fromShare } = before.trials.running!;
  const why: Why = { kind: "tried", side, partner, ratio: verdict.ratio, isKept: true, brokenOff: null };
  const share = shareAt(side);
  const moved = { atMs: nowMs, by: "trial", fromShare, promisedUs: tookUs(tried, nowMs), isJudged: true } as const;
  const flaps = flapsAfter(before, share, nowMs);
  return {
    to: { ...before, state: restingState(share), share, moved, backTo: null, moves: before.moves + 1, flaps, trials },
    why,
  };
}
