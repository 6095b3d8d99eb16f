// A move, what came of it, and how it is taken back.

import { clamp } from "#runtime/clamp.ts";
import { otherSide } from "#runtime/profile/sample.ts";
import { FLAP_MS, REST_MS, type CalledFunction } from "./called-function.ts";
import { type Change, type FunctionState, lastMovedMs, restingState, type Why } from "./function-state.ts";
import { allCallsOf } from "./pool-use.ts";
import type { Situation } from "./situation.ts";
import {
  BEFORE_MS,
  beforeMsOf,
  changed,
  isMistake,
  isOtherPace,
  isOtherLoad,
  meanBytes,
  meanUs,
  isCalledThroughout,
  JUDGED_BY_MS,
  lastinglySlowerTimes,
  PIECE_MS,
  SETTLE_MS,
  slowerTimes,
  tookSince,
  TRIAL_MS_MAX,
} from "./before-and-since.ts";
import { heldAgain, refutedAgain } from "./held-function.ts";
import { areSlight, firstWeighty, gainingSide } from "./tried-function.ts";
import { latencyAt, type Choice } from "./worthwhile-shares.ts";

/** From its first call on a function that is called at all is compiled within about this. Chosen. */
const WARM_WITHIN_MS = 5_000;
/** A move that is undone within this time was a mistake; later, the load has changed. */
const VERIFY_MS = 2_000;
/** … and one within this, by the model that wanted it, whatever came of it: no load is known from less. Chosen: about the half-life of rates. */
const UNDONE_MS = 300;
/** What came may be so many times what was promised: others move as well. Chosen; bench `placement` measures mixes. */
const PROMISE_SLACK = 1.1;
/** A split that changes by less follows a load, and takes nothing back. */
const REFINEMENT = 0.1;
const BACK_OFF_MIN_MS = 1_000;
/** A surge that is over in less time was a moment's. Chosen. */
const RELIEF_MIN_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;
/** One that was over so long ago says nothing of the next. */
const BACK_OFF_FORGOTTEN_MS = 60_000;

/** Such calls were here before: they go where they did best, and stay there as they did. null: there is nothing to change, or that side is cold. */
export function recalled(candidate: CalledFunction, nowMs: number): Change | null {
  const { before, share: from, recalled: regime, costs, isWarm } = candidate;
  if (regime === null) return null;
  const { share, proof, refuted } = regime;
  const known = { ...before.trials, ...refutedAgain(refuted, nowMs) };
  const trials = proof === null ? known : heldAgain(known, proof, nowMs);
  const regimes = { ...before.regimes, recalled: [...before.regimes.recalled, regime] };
  if (share === from) return { to: { ...before, trials, regimes }, why: null };
  if (!isWarm[gainingSide(candidate, share)]) return null;
  const [fromUs, promisedUs] = [latencyAt(costs.sides, from), latencyAt(costs.sides, share)];
  const to: FunctionState = {
    ...before,
    state: restingState(share),
    share,
    probeEvery: 0,
    moved: { atMs: nowMs, by: "recall", fromShare: from, promisedUs, isJudged: true },
    // Where it waited for the end of a back-off, that was for what holds no more.
    retryAtMs: 0,
    backTo: null,
    moves: before.moves + 1,
    trials,
    regimes,
  };
  return { to, why: { kind: "recalled", from: fromUs, to: proof?.promisedUs ?? promisedUs } };
}

/** What is called without a break for so long, and then no more, was not called in bursts. Chosen: as a pause counts after as long (pauses.ts). */
const STEADILY_MS = 500;

/**
 * Its callers have gone since about when it was moved: that was for others, who came when they went, as if there were both. So it is back where it was while it was called, and held there
 * as before. null: it is called, or was when it moved, or in bursts; or it may not be there any more.
 */
export function unmoved({ before, profile, isGone, bounds }: CalledFunction, nowMs: number): Change | null {
  const { moved: move } = before;
  if (!isGone || move?.by !== "model" || move.undo === undefined) return null;
  const { calledMs } = profile;
  if (move.atMs < calledMs - PIECE_MS || !isCalledThroughout(profile, calledMs - STEADILY_MS, calledMs)) return null;
  const share = move.fromShare;
  if (share < bounds[0] || share > bounds[1]) return null;
  const { held, ...back } = move.undo;
  const to: FunctionState = {
    ...before,
    ...back,
    state: restingState(share),
    share,
    probeEvery: 0,
    moved: null,
    moves: before.moves + 1,
    flaps: flapsAfter(before, share, nowMs),
    trials: { ...before.trials, held },
  };
  return { to, why: { kind: "stopped", quietMs: nowMs - calledMs } };
}

/** A move back, soon and without a shift, after which calls took longer than was promised says that the one before was a mistake. */
export function moved(candidate: CalledFunction, { share, gain }: Choice, nowMs: number): Change {
  const { before } = candidate;
  const { sides } = candidate.costs;
  const [fromUs, promisedUs] = [latencyAt(sides, before.share), latencyAt(sides, share)];
  const last = before.moved;
  const undone = undonePart(before, share);
  const isUndone = last !== null && undone > 0.5 && nowMs - last.atMs < VERIFY_MS;
  // That a bound is broken, or that storage runs nothing any more, says nothing of whether the move was one.
  if (isUndone && gain !== null && isRefuted(candidate, last, { fromUs, nowMs })) {
    const { to, why } = takenBack(before, last, { cameUs: fromUs, ratio: null }, nowMs);
    const moved = { atMs: nowMs, by: "revert", fromShare: before.share, promisedUs, isJudged: true } as const;
    const there = { share, moved, backTo: undone < 1 ? last.fromShare : null };
    // Queues included, as what it is held against.
    const took = tookBefore(candidate, last) ?? { tookUs: promisedUs, tookBytes: 0 };
    return { to: { ...to, ...there, ...took }, why };
  }
  // The rest of the way back, and no new move: what is not to be made again is what was taken back. Not where bounds demand it.
  const isRest = last !== null && candidate.isTakenBack && gain !== null;
  const to: FunctionState = {
    ...before,
    state: restingState(share),
    share,
    probeEvery: 0,
    moved: {
      atMs: nowMs,
      by: isRest ? "revert" : gain === null ? "bound" : "model",
      fromShare: isRest ? last.fromShare : before.share,
      promisedUs,
      isJudged: isRest || gain === null,
      // What a bound demands is not to be undone.
      ...(gain !== null && !isRest && { undo: undoOf(before) }),
      beforeMs: beforeMsOf(nowMs, lastChangedMs(before)),
    },
    // Where it waited for the end of a back-off, that was for what holds no more.
    ...(isRest ? {} : { retryAtMs: 0, backTo: null }),
    moves: before.moves + 1,
    flaps: flapsAfter(before, share, nowMs),
    trials: { ...before.trials, held: null },
  };
  return { to, why: gain ?? boundWhy(candidate, share) };
}

/** Nothing but its bounds makes it move. */
function boundWhy({ p99UnderUs, tailsUs, before }: CalledFunction, share: number): Why {
  if (p99UnderUs === null || tailsUs === null) return { kind: "closed" };
  return { kind: "bound", p99UnderUs, p99Us: tailsUs[otherSide(gainingSide(before, share))] };
}

const undoOf = ({ retryAtMs, backTo, trials: { held } }: FunctionState) => ({ retryAtMs, backTo, held });

/** Of the last move, whoever made it, what part this one undoes; 0 of a split that changes a little, since that follows a load. */
function undonePart({ share: from, moved: last }: Pick<FunctionState, "share" | "moved">, share: number): number {
  return last === null || Math.abs(share - from) < REFINEMENT ? 0 : (share - from) / (last.fromShare - from);
}

/** With a move there, whoever makes it: one that undoes most of the one before within FLAP_MS is one more. */
export function flapsAfter(before: FunctionState, share: number, nowMs: number): number {
  const isFlap = undonePart(before, share) > 0.5 && nowMs - before.moved!.atMs < FLAP_MS;
  return before.flaps + (isFlap ? 1 : 0);
}

/** Whether calls take longer than was promised of the last move by more than slow cores explain, or it is undone before anybody could say what came of it. What a bound demanded was right whatever it cost. */
function isRefuted(
  candidate: CalledFunction,
  last: NonNullable<FunctionState["moved"]>,
  { fromUs, nowMs }: { readonly fromUs: number; readonly nowMs: number },
): boolean {
  if (last.by === "bound" || isBlameless(candidate, last, nowMs)) return false;
  const { atMs, promisedUs, beforeMs = BEFORE_MS } = last;
  const move = { atMs, settledMs: atMs + SETTLE_MS, beforeMs };
  // Of a side that looks dear for a moment, since cores are slow, nothing is known; where they are from the move on, and stay so, it may be that side that always is, and then that counts.
  const slower = slowerTimes([candidate], move, nowMs) / lastinglySlowerTimes([candidate], move, nowMs);
  if (slower > 1 && isOtherPace(slower)) return false;
  return isUndoneAtOnce(last, nowMs) || fromUs > PROMISE_SLACK * Math.max(1, slower) * promisedUs;
}

/** Before anybody could say what came of it, or at once: by the model that wanted it, which would have it again, and again. */
const isUndoneAtOnce = ({ atMs, by, isJudged }: NonNullable<FunctionState["moved"]>, nowMs: number): boolean =>
  !isJudged || (by === "model" && nowMs - atMs < UNDONE_MS);

/** Of code that was still to be compiled on a side nobody could know what it takes; where it never is, that is no excuse for ever. */
const isBlameless = (
  { profile, before }: CalledFunction,
  { atMs }: NonNullable<FunctionState["moved"]>,
  nowMs: number,
): boolean =>
  nowMs - before.sinceMs < WARM_WITHIN_MS &&
  (["compute", "storage"] as const).some((side) => (profile.warmMs(side) ?? Infinity) > atMs);

/**
 * As `moved`, before a surge: it comes back when that has long been over, and later each time that another follows soon. Not where its calls have only begun to be what they
 * are: there is nothing to come back to.
 */
export function relieved(
  { surging, profile }: Pick<CalledFunction, "surging" | "profile">,
  change: Change,
  nowMs: number,
): Change {
  const usualPerSecond = profile.rates(nowMs).all;
  const callsPerSecond = surging === null ? usualPerSecond : allCallsOf(surging);
  const why: Why | null =
    change.why?.kind === "overload" ? { ...change.why, kind: "surge", callsPerSecond, usualPerSecond } : change.why;
  const { relief, sinceMs: begunMs, moved: move } = change.to;
  if (nowMs - begunMs < RELIEF_MIN_MS) return { ...change, why };
  const sinceMs = relief === null ? Infinity : nowMs - relief.untilMs;
  // While it stays away it is the same surge still.
  const times = sinceMs < 0 ? 1 : sinceMs < FLAP_MS ? 2 : 0;
  const restMs = clamp(times * (relief?.restMs ?? 0), RELIEF_MIN_MS, BACK_OFF_MAX_MS);
  const moved = move === null || move.by !== "model" ? move : ({ ...move, by: "surge" } as const);
  return { to: { ...change.to, moved, relief: { restMs, untilMs: nowMs + restMs } }, why };
}

/** What came of the moves that were made when anything moved last. */
export interface LastMoves {
  readonly atMs: number;
  /** After which calls take longer and fewer end, whatever the model says; null: it cannot be told yet. */
  readonly areMistake: boolean | null;
  /** What all calls took, to what they took before; null: nothing tells. */
  readonly ratio: number | null;
  /** What there was before is known from so long. */
  readonly beforeMs: number;
}

/** When anything moved last, but for what has moved since and does little of the work. */
const lastWeightyMs = (all: readonly CalledFunction[]): number => {
  const latestFirst = all.toSorted((one, other) => lastMovedMs(other.before) - lastMovedMs(one.before));
  return lastMovedMs(firstWeighty(latestFirst)!.before);
};

/** Others have moved since: nobody can tell, and it stays. */
const NOTHING_TOLD = { areMistake: false, ratio: null, beforeMs: BEFORE_MS } as const;

/** Its share, its calls, or whether there are any. */
const lastChangedMs = (state: FunctionState): number => Math.max(lastMovedMs(state), state.sinceMs, state.resumedMs);

const gained = ({ profile, share, before: { moved: move } }: CalledFunction) =>
  ({ profile, side: gainingSide({ share: move!.fromShare }, share) }) as const;

export function lastMoves(all: readonly CalledFunction[], { heardMs }: Pick<Situation, "heardMs">): LastMoves {
  const open = all.filter(({ before: { moved: move } }) => move?.isJudged === false);
  const atMs = open.length === 0 ? -Infinity : lastWeightyMs(all);
  const hasMoved = ({ before: { moved: move } }: CalledFunction): boolean => move?.atMs === atMs;
  const untold = { atMs, areMistake: null, ratio: null, beforeMs: BEFORE_MS };
  const movedThen = open.filter(hasMoved);
  if (movedThen.length === 0) return untold;
  const beforeMs = movedThen.reduce(
    (least, { before }) => Math.min(least, before.moved!.beforeMs ?? BEFORE_MS),
    beforeOthersMs(all, hasMoved, atMs),
  );
  const move = changed(movedThen.map(gained), atMs, { beforeMs });
  if (heardMs - move.settledMs < JUDGED_BY_MS) return untold;
  const areOthers = all.filter(({ sinceMs }) => sinceMs > atMs - BEFORE_MS);
  const isAlone = areSlight(areOthers, all) && !areOthers.some(hasMoved);
  const isTold = isAlone && !isOtherLoad(all, hasMoved, move, heardMs);
  // Cores are slow for a moment; or it is the side that it went to that always is, and then that counts.
  const slower = heardMs - move.settledMs < TRIAL_MS_MAX ? slowerTimes(all, move, heardMs) : 1;
  if (isTold && isOtherPace(slower)) return untold;
  const areMistake = isTold && isMistake(all, move, heardMs, Math.max(1, slower));
  return { atMs, areMistake, ratio: areMistake === true ? tookSince(all, move, heardMs) : null, beforeMs };
}

/** As `beforeMsOf`, by what had changed of those that did not move then. */
function beforeOthersMs(
  all: readonly CalledFunction[],
  hasMoved: (called: CalledFunction) => boolean,
  atMs: number,
): number {
  const changedMs = ({ before }: CalledFunction): number => lastChangedMs(before);
  const lately = all.filter((called) => {
    return !hasMoved(called) && changedMs(called) < atMs && beforeMsOf(atMs, changedMs(called)) < BEFORE_MS;
  });
  return areSlight(lately, all) ? BEFORE_MS : beforeMsOf(atMs, Math.max(...lately.map(changedMs)));
}

/**
 * A move that was a mistake is taken back. null: there is nothing to judge yet, or nobody can tell, since something else has moved besides.
 */
export function judgedMove(
  called: CalledFunction,
  lastly: LastMoves,
  { nowMs, heardMs }: Pick<Situation, "nowMs" | "heardMs">,
): Change | null {
  const { before, profile } = called;
  const last = before.moved;
  if (last === null || last.isJudged || heardMs - last.atMs < REST_MS) return null;
  const { areMistake, ratio, beforeMs } = last.atMs === lastly.atMs ? lastly : NOTHING_TOLD;
  if (areMistake === null) return null;
  if (!areMistake) return { to: { ...before, moved: { ...last, isJudged: true } }, why: null };
  const { calls, elapsedUs } = profile.byTime.between(last.atMs, nowMs);
  const { to, why } = takenBack(before, last, { cameUs: elapsedUs / Math.max(1, calls), ratio }, nowMs);
  const took = tookBefore(called, { ...last, beforeMs });
  if (took === null) return { to, why };
  const { tookUs: promisedUs, tookBytes: promisedBytes } = took;
  const proof = { share: to.share, refutedShare: before.share, promisedUs, promisedBytes };
  return { to: { ...to, ...took, regimes: { ...to.regimes, proof } }, why };
}

/** A call, before a move; null: none ended then, or it was long ago. */
function tookBefore(
  { profile }: CalledFunction,
  { atMs, beforeMs = BEFORE_MS }: NonNullable<FunctionState["moved"]>,
): Pick<FunctionState, "tookUs" | "tookBytes"> | null {
  const heard = profile.byTime.between(atMs - beforeMs, atMs);
  const tookUs = meanUs(heard);
  return tookUs === null ? null : { tookUs, tookBytes: meanBytes(heard) };
}

function takenBack(
  before: FunctionState,
  { fromShare, promisedUs }: NonNullable<FunctionState["moved"]>,
  came: { readonly cameUs: number; readonly ratio: number | null },
  nowMs: number,
): Change {
  const lastMs = nowMs > before.doublesUntilMs ? 0 : before.backOffMs;
  const backOffMs = clamp(2 * lastMs, BACK_OFF_MIN_MS, BACK_OFF_MAX_MS);
  return {
    to: {
      ...before,
      state: "reverting",
      share: fromShare,
      probeEvery: 0,
      // Nothing was promised of it: who tries the move again takes nothing back.
      moved: {
        atMs: nowMs,
        by: "revert",
        fromShare: before.share,
        promisedUs: Math.max(promisedUs, came.cameUs),
        isJudged: true,
      },
      backOffMs,
      retryAtMs: nowMs + backOffMs,
      doublesUntilMs: nowMs + backOffMs + BACK_OFF_FORGOTTEN_MS,
      backTo: null,
      tookUs: 0,
      tookBytes: 0,
      moves: before.moves + 1,
      reverts: before.reverts + 1,
      flaps: before.flaps + 1,
      trials: { ...before.trials, held: null },
    },
    why: { kind: "reverted", promisedUs, ...came, retryInMs: backOffMs },
  };
}
