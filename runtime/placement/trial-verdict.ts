// What came of a trial, and what is left of it when it is over: it stays so if all that is called took less time then.

import { clamp } from "#runtime/clamp.ts";
import type { Heard } from "#runtime/profile/calls-by-time.ts";
import {
  BEFORE_MS,
  CALLS_MIN,
  type Changed,
  changed,
  compared,
  type Comparison,
  GAIN_NOISES,
  hasPaused,
  inFlightIn,
  isOtherLoad,
  LONG_BEFORE_MS,
  LOSS_CLEAR,
  meanBytes,
  meanUs,
  MEASURE_MS,
  PIECE_MS,
  SETTLE_MS,
  strayedPart,
  TRIAL_MS_MAX,
} from "./before-and-since.ts";
import { hasStopped } from "./pauses.ts";
import { CONTRADICTION_MS, keyOf, patienceOf, type Trials } from "./trials.ts";
import { areSlight, GAIN_MIN, type Tried } from "./tried-function.ts";

/** A gain is so many standard errors when a trial may not go on, and GAIN_NOISES before: nobody knows more of the two plans then. Chosen: a trial of some walks that came to 0.78 was dropped for two. */
const GAIN_NOISES_AT_LAST = 1;
/** So much worse is clearly so though it is still being compiled: that may take twice as long. */
const LOSS_COLD = 0.6;
/** Callers may ask for a side. Of a function with more of its calls than this elsewhere than the plan has them nothing is tried … */
export const STRAYED_MAX = 0.15;
/** … and what comes of it tells nothing at all. */
export const STRAYED_MOSTLY = 0.5;
/** Those that contradict each other are followed by as much time as so many that came to nothing. */
const FRUITLESS_AS_CONTRADICTION = 3;
export const TRIAL_REST_MS_MAX = 10_000;
/** Of all that is done, trials that come to nothing may cost this part. Chosen: as much as a trial has to gain. */
const COST_MAX = 0.05;
const BACK_OFF_MS_MIN = 1_000;
/** Of what is worse by LOSS_CLEAR; of what is so many times worse so many times as long, on a side whose code was compiled: hardly anything makes that good. */
const BACK_OFF_MS_WORSE = 4_000;
const BACK_OFF_MS_MAX = 60_000;
export const HOLD_MS_MIN = 5_000;
const HOLD_MS_MAX = 60_000;

export interface Verdict {
  /**
   * `worse`: clearly so. `void`: nothing was tried, since callers ask for sides, one that took part does no more, or others' calls came, went or changed. `gone`: no call of a
   * function that was tried has ended for longer than there is between two.
   */
  readonly came: "kept" | "dropped" | "worse" | "void" | "gone";
  /** What all calls took, to what they took before; null: too few ended to tell. */
  readonly ratio: number | null;
}

/** null: it goes on. `tried`: who take part; `all`: that are called. */
export function verdictOf(tried: readonly Tried[], all: readonly Tried[], nowMs: number): Verdict | null {
  const startedMs = tried[0]?.trials.running?.startedMs ?? nowMs;
  if (tried.some(({ profile }) => hasStopped(profile, nowMs))) return GONE;
  const verdict = verdictOfLoad(tried, all, startedMs, nowMs);
  if (verdict === null) return null;
  return hasPaused(all, startedMs, nowMs, inFlightIn(all, startedMs - BEFORE_MS, startedMs)) ? VOID : verdict;
}

/** Of a load that goes on as it was. */
function verdictOfLoad(
  tried: readonly Tried[],
  all: readonly Tried[],
  startedMs: number,
  nowMs: number,
): Verdict | null {
  const passedMs = nowMs - startedMs;
  if (!isWhole(tried)) return VOID;
  const others = all.filter(({ sinceMs }) => sinceMs >= startedMs);
  if (!areSlight(others, all)) return VOID;
  const patience = patienceOf(tried, nowMs);
  const measureMs = patience * MEASURE_MS;
  const gaining = tried.map(({ profile, trials: { running } }) => ({ profile, side: running!.side }));
  const change = changed(gaining, startedMs, measureMs);
  const cold = { ...change, settledMs: startedMs + SETTLE_MS };
  if (nowMs - cold.settledMs < measureMs / 2) return null;
  const isTried = ({ trials: { running } }: Tried): boolean => running !== null;
  if (isOtherLoad(all, isTried, cold, nowMs)) return VOID;
  const beforeMs = patience * BEFORE_MS;
  const compare = (from: Changed) => compared(all, from, nowMs, { beforeMs }) ?? NOTHING;
  const strayed = Math.max(...tried.map((one) => strayedPart(heardIn(one, nowMs), one.share)));
  const isClearly = ({ calls, ratio, noise }: Comparison, loss: number): boolean =>
    calls >= CALLS_MIN && ratio > 1 + Math.max(patience * loss, GAIN_NOISES * noise) && strayed < STRAYED_MOSTLY;
  const measuredMs = nowMs - change.settledMs;
  const isOver = passedMs >= TRIAL_MS_MAX;
  if (measuredMs < measureMs / 2) {
    const soFar = compare(cold);
    return isClearly(soFar, LOSS_COLD) ? { came: "worse", ratio: soFar.ratio } : null;
  }
  const comparison = compare(change);
  if (comparison.calls < CALLS_MIN) {
    if (!isOver) return null;
    const { calls, ratio } = compare(cold);
    return { came: "dropped", ratio: calls < CALLS_MIN ? null : ratio };
  }
  const { ratio, slowdown, noise } = comparison;
  // Those that began before are not over yet; or their callers ask for a side, and nothing is tried.
  if (isClearly(comparison, LOSS_CLEAR)) return { came: "worse", ratio };
  if (strayed > STRAYED_MAX) return isOver ? VOID : null;
  if (measuredMs < measureMs) return null;
  const gainMin = patience * GAIN_MIN;
  const noises = isOver ? GAIN_NOISES_AT_LAST : GAIN_NOISES;
  if (ratio <= 1 - Math.max(gainMin, noises * noise)) {
    // Each takes less and fewer end: callers have gone, and what is left waits for nobody.
    if (slowdown > 1 + Math.max(GAIN_MIN, GAIN_NOISES * noise)) return VOID;
    if (isGainOverAll(all, change, nowMs, { beforeMs, gainMin })) return { came: "kept", ratio };
  }
  return isOver || ratio > 1 - gainMin ? { came: "dropped", ratio } : null;
}

/**
 * Against each part of what there was before, and the time before that, as far as nothing had changed: it may have become less by itself, as when many callers have just begun, or the machine
 * may have stood still. A part in which no call ended says nothing.
 */
function isGainOverAll(
  all: readonly Tried[],
  change: Changed,
  nowMs: number,
  { beforeMs, gainMin }: { readonly beforeMs: number; readonly gainMin: number },
): boolean {
  const steadyMs = change.atMs - SETTLE_MS - Math.max(...all.map(({ steadySinceMs }) => steadySinceMs));
  const parts = [
    { beforeMs: beforeMs / 2, toMs: 0 },
    { beforeMs, toMs: beforeMs / 2 },
    { beforeMs: Math.min(steadyMs, LONG_BEFORE_MS), toMs: beforeMs },
  ];
  return parts
    .filter((part) => part.beforeMs - part.toMs >= PIECE_MS)
    .every((part) => (compared(all, change, nowMs, part)?.ratio ?? 0) <= 1 - gainMin);
}

const NOTHING: Comparison = { calls: 0, callsBefore: 0, ratio: 1, slowdown: 1, noise: 0 };

const VOID: Verdict = { came: "void", ratio: null };

/** Its callers have gone; or calls take so long there that nobody can tell, which is not tried again at once. */
const GONE: Verdict = { came: "gone", ratio: null };

/** Whether all that began it still take part. */
const isWhole = (tried: readonly Tried[]): boolean =>
  tried.every(({ trials: { running } }) => {
    const partner = running?.partner ?? null;
    return partner === null || tried.some(({ name }) => name === partner);
  });

const heardIn = ({ profile, trials: { running } }: Tried, nowMs: number): Heard =>
  profile.byTime.between((running?.startedMs ?? nowMs) + SETTLE_MS, nowMs);

/** What a call of a function took in the trial, µs; 0: none ended. */
export const tookUs = (tried: Tried, nowMs: number): number => meanUs(heardIn(tried, nowMs)) ?? 0;

/** What is left of a trial when it is over. */
export function trialsAfter(tried: Tried, { came, ratio }: Verdict, nowMs: number): Trials {
  const { trials } = tried;
  const { running, holdMs: heldMs, backOffs } = trials;
  if (running === null) return trials;
  const { side, partner, startedMs, fromShare: refutedShare } = running;
  const over: Trials = { ...trials, running: null, endedMs: nowMs };
  if (came === "kept") {
    const holdMs = clamp(2 * heldMs, HOLD_MS_MIN, HOLD_MS_MAX);
    const promised = { promisedUs: tookUs(tried, nowMs), promisedBytes: meanBytes(heardIn(tried, nowMs)) };
    const held = { sinceMs: nowMs, untilMs: nowMs + holdMs, ...promised, refutedShare, firmUntilMs: -Infinity };
    const isSoon = nowMs - trials.keptMs < CONTRADICTION_MS;
    const isContradiction = isSoon && trials.keptSide !== null && trials.keptSide !== side;
    const contradicted = isSoon ? trials.contradicted + (isContradiction ? 1 : 0) : 0;
    const fruitless = isContradiction ? trials.fruitless + FRUITLESS_AS_CONTRADICTION : 0;
    return { ...over, held, holdMs, fruitless, keptSide: side, keptMs: nowMs, contradicted };
  }
  // Nothing was tried.
  if (came === "void") return over;
  const key = keyOf(side, partner);
  if (came === "gone") {
    const { ms = BACK_OFF_MS_MIN } = backOffs.get(key) ?? {};
    return { ...over, backOffs: new Map([...backOffs, [key, { ms, untilMs: nowMs + BACK_OFF_MS_MIN }]]) };
  }
  const lastMs = backOffs.get(key)?.ms ?? 0;
  const wasWarm = (tried.profile.warmMs(side) ?? Infinity) <= startedMs;
  const timesWorse = wasWarm ? Math.max(1, ((ratio ?? 1) - 1) / LOSS_CLEAR) : 1;
  const leastMs = came === "worse" ? Math.min(BACK_OFF_MS_MAX, timesWorse * BACK_OFF_MS_WORSE) : BACK_OFF_MS_MIN;
  const ms = clamp(2 * lastMs, leastMs, BACK_OFF_MS_MAX);
  // What was no good long ago may be by now.
  const recent = [...backOffs].filter(([, { untilMs }]) => nowMs - untilMs < BACK_OFF_MS_MAX);
  const fruitless = trials.fruitless + (partner === null || side === "storage" ? 1 : 0);
  const costMs = Math.max(0, (ratio ?? 1) - 1) * (nowMs - startedMs);
  return {
    ...over,
    fruitless,
    paidMs: nowMs + Math.min(TRIAL_REST_MS_MAX, costMs / COST_MAX),
    backOffs: new Map([...recent, [key, { ms, untilMs: nowMs + ms }]]),
  };
}
