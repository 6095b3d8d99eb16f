// What the model cannot know is tried. It is linear: a call costs what it costs, whatever share of its kind is beside it. But rounds that come
// together are served together, so that a core which splits its time between rounds of the one side and requests of the other may do less
// than with either alone, and the best shares lie at a corner that no slope leads to. So where a pool is crowded, and nothing has moved for a while,
// all calls of one function run on one side for a tenth of a second, or two functions change places; it stays so if all that is called took
// less time then, each function's calls weighted by how many there were before (an index of Laspeyres'; with callers who wait for each
// other it is calls/s before ÷ then).

import { clamp } from "#runtime/clamp.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { SLOT_MS, type Heard } from "#runtime/profile/calls-by-time.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { busyUs } from "./cost-model.ts";
import { outlookOf } from "./optimal-shares.ts";
import type { Placement } from "./plan.ts";
import { callsOf, type Capacity, type Load, type PoolUse } from "./pool-use.ts";
import type { Situation } from "./situation.ts";

/** What was tried with a function, and was no good. */
export interface Refuted {
  /** By what was tried (`keyOf`): how long, and until when, that is not tried again. */
  readonly backOffs: ReadonlyMap<string, { readonly ms: number; readonly untilMs: number }>;
  /** Trials that came to nothing since one was kept, or its calls changed; of two functions that changed places one counts. */
  readonly fruitless: number;
}

/** A function's part in the trial that is running, if it has one, and what came of those before. */
export interface Trials extends Refuted {
  readonly running: {
    readonly side: Side;
    /** The function that runs on the other side meanwhile; null: it is tried alone. */
    readonly partner: string | null;
    readonly startedMs: number;
    readonly fromShare: number;
  } | null;
  /** It stays where a trial has shown that it does better, as long as a call takes about as long as then. */
  readonly held: {
    readonly sinceMs: number;
    readonly untilMs: number;
    readonly promisedUs: number;
    /** Its share in the plan that did worse. */
    readonly refutedShare: number;
    /** Until then whatever the model promises: it has just been wrong. In the past: it has not. */
    readonly firmUntilMs: number;
  } | null;
  /** Of the last time that it was held. */
  readonly holdMs: number;
  /** Of the last one. */
  readonly endedMs: number;
  /** Until then what the last one has cost is more than a small part of what is done. */
  readonly paidMs: number;
  /** Where it was held last, whatever its calls were then: what did so once is tried first. */
  readonly keptSide: Side | null;
  /** Since when. */
  readonly keptMs: number;
  /** Trials that were kept one soon after the other, each for what the one before had shown to be worse: what calls take changes by itself. */
  readonly contradicted: number;
}

export const NO_TRIALS: Trials = {
  running: null,
  held: null,
  holdMs: 0,
  backOffs: new Map(),
  endedMs: -Infinity,
  paidMs: -Infinity,
  fruitless: 0,
  keptSide: null,
  keptMs: -Infinity,
  contradicted: 0,
};

const keyOf = (side: Side, partner: string | null): string => (partner === null ? side : `${side} ${partner}`);

/** One function that is called. */
export interface Tried {
  readonly name: string;
  readonly profile: FunctionProfile;
  readonly share: number;
  readonly load: Load;
  readonly trials: Trials;
  /** When its calls began to be what they are. */
  readonly sinceMs: number;
  /** Neither pinned nor still to be profiled, nor just taken back from where a trial would have it. */
  readonly isFree: boolean;
  /** Its share may be from here to there. */
  readonly bounds: readonly [lowest: number, highest: number];
  readonly isWarm: Readonly<Record<Side, boolean>>;
}

/** What there was before is known from so long. Chosen, as the times below; bench `placement` measures them. */
export const BEFORE_MS = 150;
/** Calls that were under way when it began, and the window that brings the first of it. */
const SETTLE_MS = 50;
/** Nothing has moved for so long, so that what there was before is one thing. */
export const STEADY_MS = BEFORE_MS + SETTLE_MS;
const MEASURE_MS = 100;
/** A load may have begun or paused where no call ends for so long, and those that do next took less than this part of it, as many as there are callers. */
const PIECE_MS = BEFORE_MS / 2;
const WAITED_PART = 0.5;
/** Longer where calls are few, or their code has still to be compiled. */
const TRIAL_MS_MAX = 500;
const CALLS_MIN = 32;
/** Where as many were to be expected, that none has ended says something. */
const EXPECTED_MIN = 3;
/** Of what all calls take, so much less … */
const GAIN_MIN = 0.05;
/** … and so many standard errors, or it goes on. */
const GAIN_NOISES = 2;
/** When it may not: nobody knows more of the two plans then. Chosen: a trial of some walks that came to 0.78 was dropped for two. */
const GAIN_NOISES_AT_LAST = 1;
/** What is clearly worse is over after half of the time … */
const LOSS_CLEAR = 0.2;
/** … and so much worse though it is still being compiled: that may take twice as long. */
const LOSS_COLD = 0.6;
/**
 * By the model the busiest pool may be so many times as busy then: what is clearly worse is not tried. Chosen: of 86 trials in the mixes of bench `placement` 42 were beyond
 * this, which came to 1.5 times what calls took before on the mean, and two were kept; of the 44 below 15 were.
 */
const BUSIER_MAX = 1.4;
/** Where a trial has shown once that the model is wrong there. */
const BUSIER_ONCE_MAX = 2;
/** Callers may ask for a side. Of a function with more of its calls than this elsewhere than the plan has them nothing is tried … */
const STRAYED_MAX = 0.15;
/** … and what comes of it tells nothing at all. */
const STRAYED_MOSTLY = 0.5;
/** What changes less than this is not worth a trial. */
const CHANGE_MIN = 0.1;
/** So many calls for each core, and this part of what they take is waiting for each other: a crowd, whatever the model says of cores. */
const CROWD_PER_CORE = 2;
const CROWD_PART = 0.5;
/** A function whose work is a smaller part of all can gain little. */
const WORK_MIN = 0.1;
/** A trial that is kept so soon after another, for what that had shown to be worse, contradicts it. */
const CONTRADICTION_MS = 30_000;
/** Each doubles what a trial takes and has to show, so often at most. */
const CONTRADICTIONS_COUNTED = 2;
/** Between two trials there is more time with each that comes to nothing: most that can be tried has been then. … */
const TRIAL_REST_GROWS = 1.5;
/** … As after so many are those that contradict each other. */
const FRUITLESS_AS_CONTRADICTION = 3;
const TRIAL_REST_MS_MAX = 10_000;
/** Of all that is done, trials that come to nothing may cost this part. Chosen: as much as a trial has to gain. */
const COST_MAX = 0.05;
const BACK_OFF_MS_MIN = 1_000;
const BACK_OFF_MS_WORSE = 4_000;
const BACK_OFF_MS_MAX = 60_000;
const HOLD_MS_MIN = 5_000;
const HOLD_MS_MAX = 60_000;
/** A call takes so many times what it took in the trial, for so long: the load is not what it was. */
const PROMISE_MS = 250;
/** Where few have ended: callers who wait for each other make fewer calls the longer these take. */
const PROMISE_MS_MAX = 1_500;
const PROMISE_SLACK = 1.25;

export const shareAt = (side: Side): number => (side === "storage" ? 1 : 0);

/** A function that begins a trial, by its place among all that are called. */
export interface TrialStep {
  readonly index: number;
  readonly side: Side;
  readonly partner: string | null;
}

export interface Verdict {
  /** `worse`: clearly so. `void`: nothing was tried, since callers ask for sides, one that took part does no more, or others' calls came, went or changed. */
  readonly came: "kept" | "dropped" | "worse" | "void";
  /** What all calls took, to what they took before; null: too few ended to tell. */
  readonly ratio: number | null;
}

/** That a call works where the plan has it, µs. */
const workUsOf = ({ load: { costs }, share }: Tried): number =>
  share * busyUs(costs.storage) + (1 - share) * busyUs(costs.compute);

/** Of all calls, µs per second. */
const workOf = (some: readonly Tried[]): number =>
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

/** What all calls came to after something was changed, held against what there was before. */
interface Comparison {
  /** That ended since, and before. */
  readonly calls: number;
  readonly callsBefore: number;
  /** What they take, to what they took: each function's weighted by its calls before (Laspeyres). */
  readonly ratio: number;
  /** Calls a second before, to those since, weighted by what they took. */
  readonly slowdown: number;
  /** Standard error of either, as a share of 1. */
  readonly noise: number;
}

/** How many times as long a trial is looked at, before and while it runs, as one that nothing has contradicted; and how many times as much it has to show. */
export function patienceOf(all: readonly Pick<Tried, "trials">[], nowMs: number): number {
  let most = 0;
  for (const { trials } of all)
    if (nowMs - trials.keptMs < CONTRADICTION_MS) most = Math.max(most, trials.contradicted);
  return 2 ** Math.min(CONTRADICTIONS_COUNTED, most);
}

/** Of a change: when it was made, and from when on what comes of it is told. */
export interface Changed {
  readonly atMs: number;
  readonly settledMs: number;
}

/**
 * Calls from before it have ended, and those of whoever has gained a side with it have run there often enough to be compiled: a trial on a side that was
 * cold came to 1.24 times what calls took before, and the same one two seconds later to 0.59.
 */
export function changed(
  gaining: readonly { readonly profile: FunctionProfile; readonly side: Side }[],
  atMs: number,
  measureMs = MEASURE_MS,
): Changed {
  const firstMs = atMs + SETTLE_MS;
  const lastMs = Math.max(firstMs, atMs + TRIAL_MS_MAX - measureMs);
  const warmMs = gaining.map(({ profile, side }) => profile.warmMs(side) ?? lastMs);
  return { atMs, settledMs: clamp(Math.max(firstMs, ...warmMs), firstMs, lastMs) };
}

/** null: there was nothing before. */
function compared(
  all: readonly Tried[],
  { atMs, settledMs }: Changed,
  nowMs: number,
  beforeMs = BEFORE_MS,
): Comparison | null {
  const heardMs = nowMs - settledMs;
  let [tookUs, takesUs, slower, squares, calls] = [0, 0, 0, 0, 0];
  let callsBefore = 0;
  for (const {
    profile,
    load: { weight },
  } of all) {
    const before = profile.byTime.between(atMs - beforeMs, atMs);
    const since = profile.byTime.between(settledMs, nowMs);
    callsBefore += before.calls;
    calls += since.calls;
    const expected = (before.calls * heardMs) / beforeMs;
    // Where none has ended a call takes longer than all that time; but of few it says nothing that none has.
    const isUntold = since.calls <= 0 && expected < EXPECTED_MIN;
    const takes = isUntold ? before.elapsedUs : before.calls * (meanUs(since) ?? 1e3 * heardMs);
    tookUs += weight * before.elapsedUs;
    takesUs += weight * takes;
    slower += weight * before.elapsedUs * (isUntold ? 1 : expected / Math.max(1, since.calls));
    squares +=
      (weight * variationOf(profile, nowMs) * Math.max(before.elapsedUs, takes)) ** 2 *
      (inverse(before.calls) + inverse(since.calls));
  }
  if (tookUs <= 0) return null;
  return { calls, callsBefore, ratio: takesUs / tookUs, slowdown: slower / tookUs, noise: Math.sqrt(squares) / tookUs };
}

/**
 * Whether many calls of functions have come since of which none came before, or none of some that had many: their callers came or went. Those of
 * what was changed may, and all that does little of the work.
 */
export function isOtherLoad<One extends Tried>(
  all: readonly One[],
  wasChanged: (one: One) => boolean,
  { atMs, settledMs }: Changed,
  nowMs: number,
): boolean {
  let [work, other] = [0, 0];
  for (const one of all) {
    const { byTime } = one.profile;
    // Also those that fail: whoever still calls has not gone.
    const before = cameIn(byTime.between(atMs - BEFORE_MS, atMs));
    const since = cameIn(byTime.between(settledMs, nowMs));
    const expected = (before * (nowMs - settledMs)) / BEFORE_MS;
    const workUs = Math.max(expected, since) * workUsOf(one);
    const cameOrWent = (before <= 0 && since >= CALLS_MIN) || (since <= 0 && expected >= CALLS_MIN);
    work += workUs;
    if (cameOrWent && !wasChanged(one)) other += workUs;
  }
  return other > 0 && other >= GAIN_MIN * work;
}

/**
 * Whether nobody called for a while, and then somebody again: no call ended for PIECE_MS, and those that did next had not waited for as long, most of
 * them. What came of a trial says nothing then: the callers are others, or as many begin at once. `inFlight`: that there mostly are.
 */
function hasPaused(all: readonly Tried[], fromMs: number, toMs: number, inFlight: number): boolean {
  let quietSinceMs: number | null = null;
  for (let atMs = fromMs; atMs < toMs; atMs += SLOT_MS) {
    const { calls, elapsedUs } = heardOf(all, atMs, atMs + SLOT_MS);
    if (calls <= 0) quietSinceMs ??= atMs;
    else {
      const quietMs = quietSinceMs === null ? 0 : atMs - quietSinceMs;
      // Not on the mean: behind those that have waited short ones may have come and gone.
      if (quietMs >= PIECE_MS && elapsedUs < Math.min(calls, inFlight) * WAITED_PART * 1e3 * quietMs) return true;
      quietSinceMs = null;
    }
  }
  return false;
}

/** By how many have ended, and how long they took (Little). */
const inFlightIn = (all: readonly Tried[], fromMs: number, toMs: number): number =>
  heardOf(all, fromMs, toMs).elapsedUs / (1e3 * (toMs - fromMs));

/** Of all of them. */
function heardOf(all: readonly Tried[], fromMs: number, toMs: number): Pick<Heard, "calls" | "elapsedUs"> {
  let [calls, elapsedUs] = [0, 0];
  for (const { profile } of all) {
    const heard = profile.byTime.between(fromMs, toMs);
    calls += heard.calls;
    elapsedUs += heard.elapsedUs;
  }
  return { calls, elapsedUs };
}

/** Standard deviation of what a call takes, as a share of it: on the side that has more of them. */
function variationOf(profile: FunctionProfile, nowMs: number): number {
  const { compute, storage } = profile.estimates(nowMs);
  const most = (compute?.calls ?? 0) >= (storage?.calls ?? 0) ? compute : storage;
  return most === null ? 1 : most.serviceError * Math.sqrt(most.calls);
}

/** null: it goes on. `tried`: who take part; `all`: that are called. */
export function verdictOf(tried: readonly Tried[], all: readonly Tried[], nowMs: number): Verdict | null {
  const startedMs = tried[0]?.trials.running?.startedMs ?? nowMs;
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
  const compare = (from: Changed, beforeMs = patience * BEFORE_MS) => compared(all, from, nowMs, beforeMs) ?? NOTHING;
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
    // Against the latest of what there was before as well: it may have become less by itself, as when many callers have just begun.
    if (compare(change, (patience * BEFORE_MS) / 2).ratio <= 1 - gainMin) return { came: "kept", ratio };
  }
  return isOver || ratio > 1 - gainMin ? { came: "dropped", ratio } : null;
}

const NOTHING: Comparison = { calls: 0, callsBefore: 0, ratio: 1, slowdown: 1, noise: 0 };

const VOID: Verdict = { came: "void", ratio: null };

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
    const promisedUs = tookUs(tried, nowMs);
    const held = { sinceMs: nowMs, untilMs: nowMs + holdMs, promisedUs, refutedShare, firmUntilMs: -Infinity };
    const isSoon = nowMs - trials.keptMs < CONTRADICTION_MS;
    const isContradiction = isSoon && trials.keptSide !== null && trials.keptSide !== side;
    const contradicted = isSoon ? trials.contradicted + (isContradiction ? 1 : 0) : 0;
    const fruitless = isContradiction ? trials.fruitless + FRUITLESS_AS_CONTRADICTION : 0;
    return { ...over, held, holdMs, fruitless, keptSide: side, keptMs: nowMs, contradicted };
  }
  // Nothing was tried.
  if (came === "void") return over;
  const key = keyOf(side, partner);
  const lastMs = backOffs.get(key)?.ms ?? 0;
  const ms = clamp(2 * lastMs, came === "worse" ? BACK_OFF_MS_WORSE : BACK_OFF_MS_MIN, BACK_OFF_MS_MAX);
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

/**
 * Whether calls clearly take longer since a move and fewer end: where more come both do not grow, nor where fewer come. null: it cannot be told yet.
 */
export function isMistake(all: readonly Tried[], move: Changed, nowMs: number): boolean | null {
  const comparison = compared(all, move, nowMs);
  if (comparison === null) return false;
  const { calls, callsBefore, ratio, slowdown, noise } = comparison;
  if (calls < CALLS_MIN) {
    if (nowMs - move.settledMs < TRIAL_MS_MAX - SETTLE_MS) return null;
    // Where many ended before that is what it did.
    if (callsBefore < CALLS_MIN || slowdown <= 1 + LOSS_CLEAR) return false;
  } else if (Math.min(ratio, slowdown) <= 1 + Math.max(LOSS_CLEAR, GAIN_NOISES * noise)) return false;
  // What was so before is not its doing: a side that has just become slow is what it is made for.
  const lately = compared(all, move, nowMs, BEFORE_MS / 2);
  if (lately === null) return true;
  return (calls < CALLS_MIN ? lately.slowdown : Math.min(lately.ratio, lately.slowdown)) > 1 + LOSS_CLEAR;
}

/** What all calls take since something changed, to what they took before, as far as fewer end as well; null: nothing tells. */
export function tookSince(all: readonly Tried[], change: Changed, nowMs: number): number | null {
  const comparison = compared(all, change, nowMs);
  return comparison === null ? null : Math.min(comparison.ratio, comparison.slowdown);
}

/** Without a verdict. */
export const broken = (trials: Trials, nowMs: number): Trials =>
  trials.running === null ? trials : { ...trials, running: null, endedMs: nowMs };

/**
 * Calls are not what they were. What was no good for those before says nothing of these, if it is kept for when they come back (`isRemembered`);
 * else what did well once is tried soon, and all else not: whoever changes every other moment would be tried as often.
 */
export const trialsAfterShift = (trials: Trials, isRemembered: boolean, nowMs: number): Trials => ({
  ...broken(trials, nowMs),
  held: null,
  holdMs: 0,
  fruitless: 0,
  paidMs: -Infinity,
  contradicted: 0,
  backOffs: isRemembered
    ? NO_TRIALS.backOffs
    : new Map([...trials.backOffs].filter(([key]) => key.split(" ")[0] !== trials.keptSide)),
});

/** Of the calls, those that ran elsewhere than the plan has them. */
const strayedPart = ({ calls, atStorage }: Heard, share: number): number =>
  calls <= 0 ? 0 : Math.abs(atStorage - share * calls) / calls;

/** Something was tried meanwhile: whoever is held stays so, and how long its calls take is looked at from when they are back. */
export const heldOn = (trials: Trials, nowMs: number): Trials =>
  trials.held === null ? trials : { ...trials, held: { ...trials.held, sinceMs: nowMs + STEADY_MS } };

/**
 * A plan as a whole has proved better than another: whoever took no part stays as well, and whoever is held already is so for longer. It proved so in
 * the `shown` time. `isFirm`: what proved worse was a mistake of the model's, which says nothing of what was shown of others: those that are held for
 * a proof of their own are so as before.
 */
export function heldAlong(
  { profile, trials, share }: Pick<Tried, "profile" | "trials" | "share">,
  shown: { readonly fromMs: number; readonly toMs: number },
  { untilMs, isFirm }: { readonly untilMs: number; readonly isFirm: boolean },
  nowMs: number,
): Trials {
  const { held } = trials;
  if (isFirm && isProved({ share, trials })) return trials;
  const firmUntilMs = isFirm ? untilMs : -Infinity;
  if (held !== null) {
    const longer = { untilMs: Math.max(held.untilMs, untilMs), firmUntilMs: Math.max(held.firmUntilMs, firmUntilMs) };
    return { ...trials, held: { ...held, ...longer } };
  }
  const promisedUs = meanUs(profile.byTime.between(shown.fromMs, shown.toMs));
  return promisedUs === null
    ? trials
    : {
        ...trials,
        held: { sinceMs: nowMs, untilMs, promisedUs, refutedShare: share, firmUntilMs },
        fruitless: 0,
      };
}

/** Whether it stays whatever the model promises. */
export const isFirmAt = ({ held }: Trials, nowMs: number): boolean => held !== null && nowMs < held.firmUntilMs;

/** Whether it was shown of the function itself that it does better where it is, and not of others that it is held along with. */
export const isProved = ({ share, trials: { held } }: Pick<Tried, "share" | "trials">): boolean =>
  held !== null && held.refutedShare !== share;

/** As after a trial: what it would show has been shown before. Calls that are under way tell nothing of it yet. */
export const heldAgain = (
  trials: Trials,
  { promisedUs, refutedShare }: { readonly promisedUs: number; readonly refutedShare: number },
  nowMs: number,
): Trials => {
  const holdMs = Math.max(trials.holdMs, HOLD_MS_MIN);
  const held = {
    sinceMs: nowMs + STEADY_MS,
    untilMs: nowMs + holdMs,
    promisedUs,
    refutedShare,
    firmUntilMs: -Infinity,
  };
  return { ...trials, held, holdMs };
};

/** Whether it stays for what a trial has shown: not if its calls are not where the plan has them, or take longer than in the trial. */
export function isHeld(
  profile: FunctionProfile,
  { share, trials, overflowMin }: Pick<Tried, "share" | "trials"> & Pick<Placement, "overflowMin">,
  nowMs: number,
): boolean {
  const { held: promise } = trials;
  if (promise === null || nowMs >= promise.untilMs) return false;
  const lately = heardLately(profile, promise.sinceMs, nowMs);
  if (lately === null) return true;
  // What takes now this long and now that says little of where it should be.
  const promisedUs = patienceOf([{ trials }], nowMs) * promise.promisedUs;
  // What overflows has its reason in the plan.
  const isElsewhere = overflowMin === 0 && strayedPart(lately, share) > STRAYED_MOSTLY;
  return !isElsewhere && !takesLonger(profile, lately, promisedUs, nowMs);
}

/** Whether calls clearly take longer than was promised: the load is not what it was then. */
export function isPromiseBroken(
  profile: FunctionProfile,
  { sinceMs, promisedUs }: { readonly sinceMs: number; readonly promisedUs: number },
  nowMs: number,
): boolean {
  const lately = heardLately(profile, sinceMs, nowMs);
  return lately !== null && takesLonger(profile, lately, promisedUs, nowMs);
}

/** null: too few have ended to tell. */
function heardLately(profile: FunctionProfile, sinceMs: number, nowMs: number): Heard | null {
  const heard = (forMs: number): Heard => profile.byTime.between(Math.max(sinceMs, nowMs - forMs), nowMs);
  const lately = heard(PROMISE_MS);
  if (lately.calls >= CALLS_MIN) return lately;
  const longer = heard(PROMISE_MS_MAX);
  return longer.calls < CALLS_MIN ? null : longer;
}

function takesLonger(profile: FunctionProfile, lately: Heard, promisedUs: number, nowMs: number): boolean {
  const noise = GAIN_NOISES * variationOf(profile, nowMs) * Math.sqrt(inverse(lately.calls));
  return meanUs(lately)! > (PROMISE_SLACK + noise) * promisedUs;
}

/** Of none there is nothing to try. `use`: of them all, in their order. */
export function nextTrial(
  all: readonly Tried[],
  use: PoolUse,
  capacity: Capacity,
  { nowMs, heardMs }: Pick<Situation, "nowMs" | "heardMs">,
): readonly TrialStep[] {
  const shares = all.map(({ share }) => share);
  const endedMs = all.reduce((latest, { trials }) => Math.max(latest, trials.endedMs), -Infinity);
  if (nowMs - endedMs < restMs(all) || all.some(({ trials }) => nowMs < trials.paidMs)) return [];
  const weighty = weightyOf(all, nowMs);
  if (weighty.length === 0 || !isCrowded(all, use, capacity)) return [];
  const { busiest } = outlookOf(use, shares);
  const callsIn = (fromMs: number, toMs: number): number => heardOf(all, fromMs, toMs).calls;
  // As many as could come in the longest trial; and not of a load that has only begun: where many callers begin at once each call takes longer for a while.
  const begunMs = heardMs - 2 * BEFORE_MS;
  const isKnown = callsIn(begunMs, begunMs + PIECE_MS) > 0 && callsIn(heardMs - PIECE_MS, heardMs) > 0;
  if (!isKnown || callsIn(heardMs - BEFORE_MS, heardMs) * (TRIAL_MS_MAX / BEFORE_MS) < CALLS_MIN) return [];
  let [least, chosen]: [number, readonly TrialStep[]] = [Infinity, []];
  for (const steps of trialsOf(all, weighty, nowMs)) {
    const then = [...shares];
    for (const { index, side } of steps) then[index] = shareAt(side);
    if (!then.some((share, index) => Math.abs(share - shares[index]!) >= CHANGE_MIN)) continue;
    const busier = outlookOf(use, then).busiest / busiest;
    const didSoOnce = steps.every(({ index, side }) => all[index]!.trials.keptSide === side);
    if (busier >= (didSoOnce ? BUSIER_ONCE_MAX : BUSIER_MAX)) continue;
    const rank = didSoOnce ? -steps.length : busier;
    if (rank < least) [least, chosen] = [rank, steps];
  }
  const isVain = chosen.length > 0 && hasPaused(all, begunMs, heardMs, inFlightIn(all, begunMs, heardMs));
  return isVain ? [] : chosen;
}

/**
 * Whether a pool is too busy: as the model has it, or since calls mostly wait for each other, though there are no more of them than cores could
 * serve by what the model knows.
 */
export function isCrowded(all: readonly Tried[], use: PoolUse, capacity: Capacity): boolean {
  const shares = all.map(({ share }) => share);
  if (outlookOf(use, shares).crowded) return true;
  const { callers, computeCores, storageMachineCores } = capacity;
  if (callers < CROWD_PER_CORE * (computeCores + storageMachineCores)) return false;
  let [waitsUs, takesUs] = [0, 0];
  for (const { load, share } of all) {
    for (const side of ["compute", "storage"] as const) {
      const { terms, latencyUs } = load.costs[side];
      const calls = callsOf(load, share)[side];
      waitsUs += calls * terms.crowd;
      takesUs += calls * latencyUs;
    }
  }
  return waitsUs > CROWD_PART * takesUs;
}

/** Between two trials. */
function restMs(all: readonly Tried[]): number {
  const fruitless = all.reduce((sum, { trials }) => sum + trials.fruitless, 0);
  return Math.min(TRIAL_REST_MS_MAX, STEADY_MS * TRIAL_REST_GROWS ** fruitless);
}

/** Each function alone to either side, and each two that change places; those that may be tried now. */
function* trialsOf(all: readonly Tried[], weighty: readonly number[], nowMs: number): Iterable<readonly TrialStep[]> {
  for (const index of weighty) {
    for (const side of ["compute", "storage"] as const) {
      if (mayTry(all[index]!, side, null, nowMs)) yield [{ index, side, partner: null }];
    }
    for (const other of weighty) {
      const [here, there] = [all[index]!, all[other]!];
      if (other === index || !mayTry(here, "storage", there.name, nowMs)) continue;
      if (!mayTry(there, "compute", here.name, nowMs)) continue;
      yield [
        { index, side: "storage", partner: there.name },
        { index: other, side: "compute", partner: here.name },
      ];
    }
  }
}

/** Those whose work is a part of all that is worth a trial, and whose calls are where the plan has them. */
function weightyOf(all: readonly Tried[], nowMs: number): readonly number[] {
  const workMin = WORK_MIN * workOf(all);
  return [...all.keys()].filter((index) => {
    const one = all[index]!;
    const { profile, share, trials, isFree } = one;
    if (!isFree || isProved(one) || isFirmAt(trials, nowMs) || workOf([one]) < workMin) return false;
    return strayedPart(profile.byTime.between(nowMs - BEFORE_MS, nowMs), share) <= STRAYED_MAX;
  });
}

function mayTry(one: Tried, side: Side, partner: string | null, nowMs: number): boolean {
  const { share, bounds, trials, isWarm, load } = one;
  const there = shareAt(side);
  if (there === share || there < bounds[0] || there > bounds[1] || !isWarm[side]) return false;
  // Those whose callers ask for the other side stay there.
  const { compute, storage } = callsOf(load, there);
  if ((side === "storage" ? compute : storage) > STRAYED_MAX * (compute + storage)) return false;
  return nowMs >= (trials.backOffs.get(keyOf(side, partner))?.untilMs ?? -Infinity);
}

const inverse = (calls: number): number => (calls <= 0 ? 1 : 1 / calls);

const cameIn = ({ calls, untold }: Heard): number => calls + untold;

const meanUs = ({ calls, elapsedUs }: Heard): number | null => (calls <= 0 ? null : elapsedUs / calls);
