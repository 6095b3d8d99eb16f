// What came of a trial, and what is left of it when it is over: it stays so if all that is called took less time then than before it, and than
// after it. What calls take changes by itself, and for as long as a trial lasts a chance looks like a gain, or a loss; of two chances in a row there are few, and what becomes
// less or more by and by is no gain on one of the two sides (as in reversal designs, A–B–A).

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
  isOtherPace,
  LOSS_CLEAR,
  meanBytes,
  meanUs,
  MEASURE_MS,
  SETTLE_MS,
  slowerTimes,
  STEADY_MS,
  strayedPart,
  TRIAL_MS_MAX,
} from "./before-and-since.ts";
import { hasStopped, WAVES } from "./pauses.ts";
import { allCallsOf } from "./pool-use.ts";
import {
  allSavedMs,
  type BackOff,
  besideThese,
  CONTRADICTION_MS,
  COST_MAX,
  keyOf,
  MODEL_ERROR_MAX,
  patienceOf,
  type Refutation,
  type Running,
  type Shown,
  type Trials,
  worseThanBoth,
} from "./trials.ts";
import { areSlight, GAIN_MIN, isOtherShare, isProved, isShownWorse, shareAt, type Tried } from "./tried-function.ts";

/** A gain is so many standard errors when a trial may not go on, and GAIN_NOISES before: nobody knows more of the two plans then. Chosen: a trial of some walks that came to 0.78 was dropped for two. */
const GAIN_NOISES_AT_LAST = 1;
/**
 * So much worse is clearly so though it is still being compiled, at first and after that. Chosen: walks that had to be compiled in several isolates took 1.5 to 2 times as long for an eighth of a second, and 0.8
 * to 0.9 times in the next trial; with fixed shares the mix that they are of is slow for a fifth of a second when it begins.
 */
const LOSS_COLD = { atFirst: 1.5, later: 0.6 } as const;
const COLD_AT_FIRST_MS = 200;
/** … and five times as long for one caller, where nothing is crowded. Chosen: walks whose first trial was ended at 2.2 or 3.4 at storage came to 0.5 there in the next. */
const LOSS_COLD_CALM = 4;
/** Callers may ask for a side. Of a function with more of its calls than this elsewhere than the plan has them nothing is tried … */
export const STRAYED_MAX = 0.15;
/** … and what comes of it tells nothing at all. */
export const STRAYED_MOSTLY = 0.5;
/** Those that contradict each other are followed by as much time as so many that came to nothing. */
const FRUITLESS_AS_CONTRADICTION = 3;
export const TRIAL_REST_MS_MAX = 10_000;
const BACK_OFF_MS_MIN = 1_000;
/** For so long after a side's code has been compiled it is not what it will be: more of it is, and better. Chosen: walks whose calls had all run at storage for a moment in the first second took 1.4 to 2.6 times as long there as on both sides, and 0.8 to 1.2 times in the third. */
const YOUNG_MS = 2_000;
/** Where cores were slow meanwhile: by then they are not, mostly, and something else may be tried first. Chosen: such moments lasted 50 to 100 ms. */
const BACK_OFF_MS_SLOWED = 500;
/** A trial so much later is none that is made again: by then whoever made cores slow has gone. Chosen: as long as others may have to be made before it. */
const SLOWED_AGAIN_MS = TRIAL_REST_MS_MAX;
/** Of what is worse by LOSS_CLEAR; of what is so many times worse so many times as long, on a side whose code was compiled: hardly anything makes that good. */
const BACK_OFF_MS_WORSE = 4_000;
export const BACK_OFF_MS_MAX = 60_000;
/** What has been due for so long is as if it had never been tried. Chosen: where trials are ten seconds apart sixty others have had their turn. */
export const FORGOTTEN_MS = 600_000;
/**
 * What was within this of what it was held against is a tie: it costs next to nothing to look again, and which of the two does better changes with how quick cores are. So it is tried
 * again as soon as what was worse is at first. Chosen: by twice what a trial has to gain, so that the two of which one came to 1.05 and the other to 0.95 are alike.
 */
const TIE = 2 * GAIN_MIN;
/** Also where callers have gone, or calls take so long there that nobody can tell, by the third time: each costs what is left undone while it runs. */
const BACK_OFF_MS_TIE = 4_000;
/** What has come to a tie is looked at twice as long the next time, and this often at most: it costs next to nothing meanwhile, and a twentieth is not told from chance in a tenth of a second. */
export const LOOKS_MAX = 4;
/** … and that where trials have contradicted each other as well: of what is before it, meanwhile and after it no more is known. */
const MEASURE_TIMES_MAX = 4;
/** Of a function's ties so many make the time to the next trial longer: with these alone it is 3.8 s (STEADY_MS · 1.5⁷), about as long as a tie waits. */
const TIES_COUNTED = 7;
export const HOLD_MS_MIN = 5_000;
const HOLD_MS_MAX = 60_000;
/** Of what was as good, and simpler. Chosen: a move back within ten seconds would be a flap. */
const HOLD_MS_AS_GOOD = 10_000;

export interface Verdict {
  /**
   * `as-good`: no clear gain, and the simpler plan. `worse`: clearly so. `void`: nothing was tried, since callers ask for sides, one that took part does no more, or others' calls came, went or changed. `gone`: no call of a
   * function that was tried has ended for longer than there is between two. `slowed`: cores were so much slower or quicker than before that it tells nothing.
   */
  readonly came: "kept" | "as-good" | "dropped" | "worse" | "void" | "gone" | "slowed";
  /**
   * What all calls took, to what they took before and after; null: too few ended to tell. Of a loss, to whichever of the two they are less beyond: 1 where that is
   * none.
   */
  readonly ratio: number | null;
  /** Only before: what came after it tells nothing. */
  readonly isHalf?: boolean;
}

/** What it came to beside what was before it; it is held against what is after it. `fromMs`: since when, but for what was under way or cold. */
export type FirstHalf = Pick<Shown, "came" | "ratio" | "fromMs">;

/** null: it goes on. `tried`: who take part; `all`: that are called. */
export function verdictOf(tried: readonly Tried[], all: readonly Tried[], nowMs: number): Verdict | FirstHalf | null {
  const { startedMs = nowMs, shown = null } = tried[0]?.trials.running ?? {};
  const verdict = toldOf(tried, all, { startedMs, shown }, nowMs);
  if (verdict === null) return null;
  const isVoid = verdict.came === "void" || verdict.came === "gone";
  if (!(isVoid && shown === null) && isSlowed(tried, all, { startedMs, shown }, nowMs)) return SLOWED;
  return isVoid ? (untold(tried) ?? verdict) : verdict;
}

/** Whether cores were so much slower or quicker than in what it is held against that nobody judges it. Where they were so in the last one as well that is how the side is. */
function isSlowed(
  tried: readonly Tried[],
  all: readonly Tried[],
  { startedMs, shown }: Pick<Running, "startedMs" | "shown">,
  nowMs: number,
): boolean {
  const wasSlowed = tried.some(({ trials: { running, backOffs } }) => {
    const backOff = running === null ? undefined : backOffs.get(keyOf(running.side, running.partner));
    return backOff?.isSlowed === true && startedMs - backOff.untilMs < SLOWED_AGAIN_MS;
  });
  if (wasSlowed) return false;
  const change = shown === null ? heldAgainstBefore(tried, startedMs, nowMs) : heldAgainstSince(shown);
  return isOtherPace(slowerTimes(all, change, nowMs));
}

/** Where the second half of it tells nothing, or is broken off: what looked clearly worse is so unless what came after it contradicts that. null: nothing did. */
export function untold(tried: readonly Tried[]): Verdict | null {
  const { shown = null } = tried[0]?.trials.running ?? {};
  return shown?.came === "lost" ? { came: "worse", ratio: shown.ratio, isHalf: true } : null;
}

function toldOf(
  tried: readonly Tried[],
  all: readonly Tried[],
  { startedMs, shown }: Pick<Running, "startedMs" | "shown">,
  nowMs: number,
): Verdict | FirstHalf | null {
  if (tried.some((one) => mayHaveStopped(one, nowMs) && hasStopped(one.profile, nowMs))) return GONE;
  if (!isWhole(tried)) return VOID;
  const others = all.filter(({ sinceMs }) => sinceMs >= startedMs);
  if (!areSlight(others, all)) return VOID;
  const verdict = shown === null ? whileTried(tried, all, startedMs, nowMs) : afterwards(tried, all, shown, nowMs);
  if (verdict === null) return null;
  const { fromMs, toMs } = shown ?? { fromMs: startedMs - BEFORE_MS, toMs: startedMs };
  return hasPaused(all, shown === null ? startedMs : fromMs, nowMs, inFlightIn(all, fromMs, toMs)) ? VOID : verdict;
}

/** For how long it is looked at what comes of a trial, and again of its end, … */
const measureMsOf = (tried: readonly Tried[], nowMs: number): number =>
  MEASURE_MS * Math.min(MEASURE_TIMES_MAX, patienceOf(tried, nowMs) * looksOf(tried));

/** … and what it has to show: of what is looked at for longer less is chance, if what there was before is. */
function gainMinOf(tried: readonly Tried[], nowMs: number): number {
  const patience = patienceOf(tried, nowMs);
  const times = Math.min(measureMsOf(tried, nowMs) / MEASURE_MS, beforeMsFor(tried, nowMs) / BEFORE_MS);
  return (GAIN_MIN * patience) / Math.sqrt(times / patience);
}

const looksOf = (tried: readonly Tried[]): number => tried[0]?.trials.running?.looks ?? 1;

const beforeMsFor = (tried: readonly Tried[], nowMs: number): number =>
  tried[0]?.trials.running?.beforeMs ?? patienceOf(tried, nowMs) * BEFORE_MS;

/** What counts of a trial, so far: since the code of those that gain by it is warm; where that is too little yet, all that there is. */
function heldAgainstBefore(tried: readonly Tried[], startedMs: number, nowMs: number): Changed {
  const change = sinceWarm(tried, startedMs, nowMs);
  return nowMs - change.settledMs < shortMsOf(patienceOf(tried, nowMs)) ? sinceSettled(change) : change;
}

function sinceWarm(tried: readonly Tried[], startedMs: number, nowMs: number): Changed {
  const gaining = tried.map(({ profile, trials: { running } }) => ({ profile, side: running!.side }));
  return changed(gaining, startedMs, { measureMs: measureMsOf(tried, nowMs), beforeMs: beforeMsFor(tried, nowMs) });
}

/** What is clearly worse is known by then. */
const shortMsOf = (patience: number): number => (patience * MEASURE_MS) / 2;

const sinceSettled = (change: Changed): Changed => ({ ...change, settledMs: change.atMs + SETTLE_MS });

const heldAgainstSince = ({ fromMs, toMs }: Shown): Changed =>
  sinceSettled({ atMs: toMs, settledMs: toMs, beforeMs: toMs - fromMs });

const isTried = ({ trials: { running } }: Tried): boolean => running !== null;

const isCalm = ({ trials: { running } }: Tried): boolean => running?.isCalm === true;

/** Not while its calls are on their way again where each takes as long as before: how long there is between two is told by those of the trial. */
function mayHaveStopped({ profile, trials: { running } }: Tried, nowMs: number): boolean {
  if (running === null || running.shown === null) return true;
  const { startedMs, shown } = running;
  const tookMs = (meanUs(profile.byTime.between(startedMs - BEFORE_MS, startedMs)) ?? 0) / 1e3;
  return nowMs - shown.toMs > WAVES * tookMs;
}

/** Held against what was before it. */
function whileTried(
  tried: readonly Tried[],
  all: readonly Tried[],
  startedMs: number,
  nowMs: number,
): Verdict | FirstHalf | null {
  const passedMs = nowMs - startedMs;
  const patience = patienceOf(tried, nowMs);
  const measureMs = measureMsOf(tried, nowMs);
  const change = sinceWarm(tried, startedMs, nowMs);
  const cold = sinceSettled(change);
  const shortMs = shortMsOf(patience);
  if (nowMs - cold.settledMs < shortMs) return null;
  if (isOtherLoad(all, isTried, cold, nowMs)) return VOID;
  const compare = (from: Changed) => compared(all, from, nowMs) ?? NOTHING;
  const strayed = Math.max(...tried.map((one) => strayedPart(heardIn(one, nowMs), one.share)));
  const isClearly = ({ calls, ratio, noise }: Comparison, loss: number): boolean =>
    calls >= CALLS_MIN && ratio > 1 + Math.max(loss, GAIN_NOISES * noise) && strayed < STRAYED_MOSTLY;
  const measuredMs = nowMs - change.settledMs;
  const isOver = passedMs >= TRIAL_MS_MAX;
  if (measuredMs < shortMs) {
    const soFar = compare(cold);
    const isAtFirst = nowMs - cold.settledMs < COLD_AT_FIRST_MS;
    const lossInCrowd = isAtFirst ? LOSS_COLD.atFirst : Math.max(LOSS_COLD.later, patience * LOSS_CLEAR);
    const loss = tried.some(isCalm) ? LOSS_COLD_CALM : lossInCrowd;
    return isClearly(soFar, loss) ? { came: "lost", ratio: soFar.ratio, fromMs: cold.settledMs } : null;
  }
  const comparison = compare(change);
  if (comparison.calls < CALLS_MIN) {
    if (!isOver) return null;
    const { calls, callsBefore, ratio, slowdown } = compare(cold);
    if (calls >= CALLS_MIN) return { came: "dropped", ratio };
    // Where many ended before, that so few do is what it did.
    const isTold = callsBefore * (nowMs - cold.settledMs) >= CALLS_MIN * cold.beforeMs;
    return { came: "dropped", ratio: isTold ? slowdown : null };
  }
  const { ratio, slowdown, noise } = comparison;
  // Those that began before are not over yet; or their callers ask for a side, and nothing is tried.
  if (isClearly(comparison, patience * LOSS_CLEAR)) return { came: "lost", ratio, fromMs: change.settledMs };
  if (strayed > STRAYED_MAX) return isOver ? VOID : null;
  if (measuredMs < measureMs) return null;
  const gainMin = gainMinOf(tried, nowMs);
  const noises = isOver ? GAIN_NOISES_AT_LAST : GAIN_NOISES;
  // Each takes less and fewer end: callers have gone, and what is left waits for nobody.
  const areFewer = slowdown > otherRate(noise);
  const better = { came: "better", ratio, fromMs: change.settledMs } as const;
  if (ratio <= 1 - Math.max(gainMin, noises * noise)) return areFewer ? VOID : better;
  if (ratio <= 1 && !areFewer && isSimpler(tried, all, nowMs)) return { ...better, came: "tie" };
  return isOver || ratio > 1 - gainMin ? { came: "dropped", ratio } : null;
}

/** All is as before again: held against what has come since. */
function afterwards(tried: readonly Tried[], all: readonly Tried[], shown: Shown, nowMs: number): Verdict | null {
  const change = heldAgainstSince(shown);
  const patience = patienceOf(tried, nowMs);
  const gainMin = gainMinOf(tried, nowMs);
  const isOver = nowMs - shown.toMs >= TRIAL_MS_MAX;
  const measureMs = shown.came === "lost" ? patience * MEASURE_MS : measureMsOf(tried, nowMs);
  if (nowMs - change.settledMs < measureMs) return null;
  // What is left of the trial is still on its way; or their callers ask for a side.
  const isBack = ({ profile, share }: Tried): boolean =>
    strayedPart(profile.byTime.between(change.settledMs, nowMs), share) <= STRAYED_MAX;
  if (!tried.every(isBack)) return isOver ? VOID : null;
  if (isOtherLoad(all, isTried, change, nowMs)) return VOID;
  const comparison = compared(all, change, nowMs) ?? NOTHING;
  if (shown.came === "lost") return afterLoss(shown.ratio, comparison, { patience, isOver });
  const { calls, ratio, slowdown, noise } = comparison;
  if (calls < CALLS_MIN) {
    if (!isOver) return null;
    // Where each takes as much longer so few are what it is without; else callers have gone.
    const longer = Math.min(ratio, slowdown);
    const isSlow = longer > 1 + Math.max(LOSS_CLEAR, noise);
    return { came: isSlow ? "kept" : "dropped", ratio: Math.sqrt(shown.ratio / longer) };
  }
  const isBetter = 1 / ratio <= 1 - gainMin;
  // Each takes longer and more end, or none does and fewer: callers have come, or gone.
  const moreOrFewer = isBetter ? 1 / slowdown : ratio <= 1 ? slowdown : 1;
  if (moreOrFewer > otherRate(noise)) return isOver ? VOID : null;
  // What becomes less or more by and by does so in both; and where calls differ much it takes both to tell.
  const mean = Math.sqrt(shown.ratio / ratio);
  // The first half of a tie was not clear by itself: of what both come to the noise is about that of one, as a part of what calls take.
  const error = shown.came === "tie" ? GAIN_NOISES * (noise / ratio) : noise;
  const isGain = shown.ratio <= 1 - gainMin && mean <= 1 - Math.max(gainMin, error);
  // What ends at once after a change has taken less than what does later, so that either half looks too good: this one less so the longer it lasts.
  const isBetterLate = isOver && shown.came === "better" && 1 / ratio <= 1 - gainMin / 2;
  if (isGain && (isBetter || isBetterLate)) return { came: "kept", ratio: mean };
  // It may yet be told, unless calls take clearly less now than in it: what goes on is the plan as it was.
  const mayBeGain = isBetter || (isGain && ratio > 1 - gainMin);
  if (mayBeGain && !isOver && shown.came !== "tie") return null;
  // Fewer end as each takes longer, and no fewer.
  const areAsMany = Math.max(slowdown / ratio, 1 / slowdown) <= otherRate(noise);
  if (ratio >= 1 && areAsMany && isSimpler(tried, all, nowMs)) return { came: "as-good", ratio: mean };
  return { came: "dropped", ratio: mean };
}

/** Where cores were slow for a moment calls take as long since, and as few end; where those that had come are still in a queue calls take as long, and more end. */
function afterLoss(
  lost: number,
  { calls, ratio, slowdown }: Comparison,
  { patience, isOver }: { readonly patience: number; readonly isOver: boolean },
): Verdict | null {
  if (calls < CALLS_MIN) return isOver ? VOID : null;
  const least = Math.max(1, Math.min(lost, Math.max(1 / ratio, 1 / slowdown)));
  return { came: least > 1 + patience * LOSS_CLEAR ? "worse" : "dropped", ratio: least };
}

/**
 * Whether one side alone serves in the trial what both did, the one that had more: where that does as well, twice, it is the simpler plan. What comes together is served together, and a split
 * costs those beside it what no model of single calls knows. Not where trials have contradicted each other: what calls take changes by itself.
 */
function isSimpler(tried: readonly Tried[], all: readonly Tried[], nowMs: number): boolean {
  const { running = null } = tried[0]?.trials ?? {};
  if (running === null || running.partner !== null || patienceOf(all, nowMs) > 1) return false;
  const { side, fromShare } = running;
  return fromShare > 0 && fromShare < 1 && Math.abs(fromShare - shareAt(side)) <= 0.5;
}

/** So many times as many calls, or as few, is no chance. */
const otherRate = (noise: number): number => 1 + Math.max(GAIN_MIN, GAIN_NOISES * noise);

const NOTHING: Comparison = { calls: 0, callsBefore: 0, ratio: 1, slowdown: 1, noise: 0 };

const VOID: Verdict = { came: "void", ratio: null };

/** What calls took says nothing. */
const SLOWED: Verdict = { came: "slowed", ratio: null };

/** Its callers have gone; or calls take so long there that nobody can tell, which is not tried again at once. */
const GONE: Verdict = { came: "gone", ratio: null };

/** Whether all that began it still take part. */
const isWhole = (tried: readonly Tried[]): boolean =>
  tried.every(({ trials: { running } }) => {
    const partner = running?.partner ?? null;
    return partner === null || tried.some(({ name }) => name === partner);
  });

/** While it was tried. */
const heardIn = ({ profile, trials: { running } }: Tried, nowMs: number): Heard => {
  const { startedMs = nowMs, shown = null } = running ?? {};
  return profile.byTime.between(shown?.fromMs ?? startedMs + SETTLE_MS, shown?.toMs ?? nowMs);
};

/** What a call of a function took in the trial, µs; 0: none ended. */
export const tookUs = (tried: Tried, nowMs: number): number => meanUs(heardIn(tried, nowMs)) ?? 0;

/** Whether what some are tried in is neither what they are held in, for what trials have shown, nor what that has done better than as a whole. */
export function isThirdPlan(tried: readonly Tried[]): boolean {
  const plan = tried.flatMap(({ trials }) => {
    const { running } = trials;
    return running === null ? [] : [{ share: running.fromShare, there: shareAt(running.side), trials }];
  });
  return plan.some(isProved) && !isShownWorse(plan);
}

/** What a verdict means for those that were tried. */
export interface Told {
  /** By how many times the model was wrong of what stays, or was clearly worse. */
  readonly modelError: number;
  /** As isThirdPlan has it of all that were tried. */
  readonly isThird: boolean;
}

/** What is left of a trial when it is over. */
export function trialsAfter(
  tried: Tried,
  { came, ratio, isHalf = false }: Verdict,
  nowMs: number,
  { modelError, isThird: isThirdNow }: Told,
): Trials {
  const { trials } = tried;
  const { running, holdMs: heldMs, backOffs } = trials;
  if (running === null) return trials;
  const { side, partner, startedMs, fromShare: refutedShare } = running;
  // Whoever rests after it rests while it is held against what is after it; where that tells nothing its calls may not be over.
  const isTold = !isHalf && came !== "slowed";
  const endedMs = running.shown?.came === "lost" && isTold ? running.shown.toMs : nowMs;
  const untoldMs = isTold && came !== "void" && came !== "gone" ? -Infinity : nowMs;
  const over: Trials = { ...trials, running: null, endedMs, untoldMs };
  const promised = {
    // Calls that are under way tell nothing of it yet.
    sinceMs: nowMs + STEADY_MS,
    promisedUs: tookUs(tried, nowMs),
    promisedBytes: meanBytes(heardIn(tried, nowMs)),
    firmUntilMs: -Infinity,
    modelError,
    callsPerSecond: allCallsOf(tried.load),
  };
  const isGood = came === "kept" || came === "as-good";
  // Whether it does better in a crowd nobody has seen.
  if (isGood && running.isCalm) return { ...over, fruitless: came === "kept" ? 0 : trials.fruitless, held: null };
  if (came === "as-good") {
    const untilMs = nowMs + HOLD_MS_AS_GOOD;
    return { ...over, held: { ...promised, untilMs, refutedShare: shareAt(side), isProof: false } };
  }
  if (came === "kept") {
    const holdMs = clamp(2 * heldMs, HOLD_MS_MIN, HOLD_MS_MAX);
    const isSoon = nowMs - trials.keptMs < CONTRADICTION_MS;
    const isOtherSide = trials.keptSide !== null && trials.keptSide !== side;
    // It goes round in a circle.
    const isBack = isOtherSide && nowMs - trials.keptThereMs < CONTRADICTION_MS;
    // What was neither what is held nor what that was held against contradicts nothing.
    const isThird = isThirdNow && !isBack;
    const isContradiction = isSoon && isOtherSide && !isThird;
    const contradicted = isSoon ? trials.contradicted + (isContradiction ? 1 : 0) : 0;
    const fruitless = isContradiction ? trials.fruitless + FRUITLESS_AS_CONTRADICTION : 0;
    // It was wrong of both: of what the third did better than, and of what that had done better than.
    const errorOfBoth = modelError * (isThird ? (trials.held?.modelError ?? 1) : 1);
    const held = {
      ...promised,
      untilMs: nowMs + holdMs,
      refutedShare,
      ...(ratio !== null && { worseTimes: worseThanBoth(isThird ? trials.held : null, 1 / ratio) }),
      modelError: Math.min(MODEL_ERROR_MAX, errorOfBoth),
    };
    // Another plan is what the next are held against.
    const untied = new Map(Array.from(backOffs, ([key, backOff]) => [key, withoutTies(backOff)]));
    const kept = { keptSide: side, keptMs: nowMs, keptThereMs: isOtherSide ? trials.keptMs : trials.keptThereMs };
    return { ...over, ...kept, fruitless, contradicted, held, holdMs, backOffs: untied };
  }
  // Nothing was tried.
  if (came === "void") return over;
  const key = keyOf(side, partner);
  // What was no good long ago may be by now.
  const recent = new Map([...backOffs].filter(([, { untilMs }]) => nowMs - untilMs < FORGOTTEN_MS));
  const known = recent.get(key);
  const backingOff = (backOff: BackOff): Trials => ({ ...over, backOffs: new Map([...recent, [key, backOff]]) });
  if (came === "slowed") {
    // Nothing is refuted by it: what an earlier one had shown was over when it began.
    const { ms = 0, givesWay, goneMs } = known ?? {};
    const as = { ...(givesWay && { givesWay }), ...(goneMs !== undefined && { goneMs }), ...tiesOf(known) };
    return backingOff({ ms, untilMs: nowMs + BACK_OFF_MS_SLOWED, isSlowed: true, ...as });
  }
  if (came === "gone" && !running.isCalm) {
    const goneMs = clamp(2 * (known?.goneMs ?? 0), BACK_OFF_MS_MIN, BACK_OFF_MS_TIE);
    return backingOff({ ms: known?.ms ?? 0, untilMs: nowMs + goneMs, givesWay: true, goneMs, ...tiesOf(known) });
  }
  const lastMs = known?.ms ?? 0;
  const wasWarm = startedMs - (tried.profile.warmMs(side) ?? Infinity) >= YOUNG_MS;
  const timesWorse = wasWarm ? Math.max(1, ((ratio ?? 1) - 1) / LOSS_CLEAR) : 1;
  const leastMs = came === "worse" ? Math.min(BACK_OFF_MS_MAX, timesWorse * BACK_OFF_MS_WORSE) : BACK_OFF_MS_MIN;
  // Where nothing is crowded it is not how quick cores are that decides. And what was looked at for longer is known better.
  const tieMax = 1 + TIE / Math.sqrt(running.looks ?? 1);
  const isTie = came === "dropped" && ratio !== null && ratio < tieMax && !running.isCalm;
  const ms = clamp(2 * lastMs, leastMs, isTie ? BACK_OFF_MS_TIE : BACK_OFF_MS_MAX);
  const counts = isCounted(running) && !(isTie && trials.fruitless >= TIES_COUNTED);
  const fruitless = trials.fruitless + (counts ? 1 : 0);
  // Of code that was still to be compiled there, or had just been, it says nothing.
  const isRefuted = came === "worse" && wasWarm && partner === null && !running.isCalm;
  const refutation = isRefuted ? shownWorse(tried, nowMs, modelError) : null;
  const isShownAgain = isRefuted && !isOtherShare(shareAt(side), trials.held?.refutedShare ?? refutedShare);
  return {
    ...backingOff({
      ms,
      untilMs: nowMs + ms,
      ...(came !== "worse" && tiesOf(known)),
      ...(isTie && { givesWay: true, ties: (known?.ties ?? 0) + 1 }),
      ...(refutation && { refutation }),
    }),
    held: isShownAgain ? besideThese(trials.held) : trials.held,
    fruitless,
    paidMs: paidAfter(trials.paidMs, costMsOf(running, ratio, nowMs), nowMs),
  };
}

/** What was spent last was paid then, or is long ago (the theoretical arrival time of a leaky bucket). */
const paidAfter = (paidMs: number, costMs: number, nowMs: number): number =>
  Math.min(nowMs + TRIAL_REST_MS_MAX, Math.max(paidMs, allSavedMs(nowMs)) + costMs / COST_MAX);

/** As far as it is known. */
const tiesOf = (known?: BackOff): Pick<BackOff, "ties"> => (known?.ties === undefined ? {} : { ties: known.ties });

function withoutTies(backOff: BackOff): BackOff {
  const { ties: _, ...rest } = backOff;
  return rest;
}

/** Of two functions that change places one counts. */
const isCounted = ({ side, partner }: Pick<Running, "side" | "partner">): boolean =>
  partner === null || side === "storage";

/** As if nothing had been done for so long: what takes so many times as long is done as many times less. What was before and after it costs nothing, nor does that code was compiled in it. */
const costMsOf = ({ startedMs, shown }: Running, ratio: number | null, nowMs: number): number =>
  (1 - 1 / Math.max(1, ratio ?? 1)) * ((shown?.toMs ?? nowMs) - startedMs);

/** What it has cost that a trial came to nothing; 0 of the second of two functions that changed places, which had the same one. */
export const trialCostMs = ({ trials: { running } }: Tried, { came, ratio }: Verdict, nowMs: number): number =>
  running === null || came === "kept" || came === "as-good" || !isCounted(running)
    ? 0
    : costMsOf(running, ratio, nowMs);

/** null: no call ended before it. */
function shownWorse({ profile, trials: { running } }: Tried, nowMs: number, modelError: number): Refutation | null {
  const { startedMs, fromShare } = running!;
  const before = profile.byTime.between(startedMs - BEFORE_MS, startedMs);
  const promisedUs = meanUs(before);
  if (promisedUs === null) return null;
  const promised = { promisedUs, promisedBytes: meanBytes(before) };
  return { atMs: nowMs, sinceMs: nowMs + STEADY_MS, fromShare, ...promised, modelError };
}
