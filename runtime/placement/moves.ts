// A move, what came of it, and how it is taken back.

import { clamp } from "#runtime/clamp.ts";
import { REST_MS, type CalledFunction } from "./called-function.ts";
import { type Change, type FunctionState, lastMovedMs, restingState } from "./function-state.ts";
import { BEFORE_MS, isMistake } from "./trials.ts";
import { latencyAt, type Choice } from "./worthwhile-shares.ts";

/** A move that is undone within this time was a mistake; later, the load has changed. */
const VERIFY_MS = 2_000;
const FLAP_MS = 10_000;
/** What came may be so many times what was promised: others move as well. Chosen; bench `placement` measures mixes. */
const PROMISE_SLACK = 1.1;
/** A split that changes by less follows a load, and takes nothing back. */
const REFINEMENT = 0.1;
const BACK_OFF_MIN_MS = 1_000;
const BACK_OFF_MAX_MS = 60_000;

/** A move back, soon and without a shift, after which calls took longer than was promised says that the one before was a mistake. */
export function moved(candidate: CalledFunction, { share, gain }: Choice, nowMs: number): Change {
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
    // What a bound demands is right whatever it costs.
    moved: { atMs: nowMs, fromShare: before.share, promisedUs, isJudged: gain === null },
    moves: before.moves + 1,
    flaps: before.flaps + (isBack && nowMs - last.atMs < FLAP_MS ? 1 : 0),
    trials: { ...before.trials, held: null },
  };
  // Bounds that changed (a tail too long) move without a gain.
  return { to, why: gain ?? { kind: "latency", from: fromUs, to: promisedUs, noise: 0 } };
}

/**
 * A move after which calls take longer and fewer end was a mistake, whatever the model says; it is taken back. null: there is nothing to judge yet, or nobody can
 * tell, since something else has moved besides.
 */
export function judgedMove(all: readonly CalledFunction[], called: CalledFunction, nowMs: number): Change | null {
  const { before, profile } = called;
  const last = before.moved;
  if (last === null || last.isJudged || nowMs - last.atMs < REST_MS) return null;
  const isAlone = all.every(
    ({ before: other }) => lastMovedMs(other) <= last.atMs && other.sinceMs <= last.atMs - BEFORE_MS,
  );
  const verdict = isAlone && isMistake(all, last.atMs, nowMs);
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
