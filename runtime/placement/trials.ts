// What has come of a function's trials: which is running, where it is held since one did better, what was no good and for how long that is not
// tried again. What is tried stands in next-trial.ts, what came of it in trial-verdict.ts, how long it holds in held-function.ts.

import type { Side } from "#runtime/profile/sample.ts";

/** All calls of a function on one side were clearly worse than the plan before it. */
export interface Refutation {
  readonly atMs: number;
  /** From when on calls are held against what is promised of them. */
  readonly sinceMs: number;
  /** Its share in the plan that did better. */
  readonly fromShare: number;
  /** What a call took before the trial, and the bytes of such a call: where they take longer now the load is another. */
  readonly promisedUs: number;
  readonly promisedBytes: number;
  /** How many times less busy the model had the plan, beside the one that did better, than it was: 1 and more. */
  readonly modelError: number;
}

/** How long, and until when, something is not tried again. */
export interface BackOff {
  readonly ms: number;
  readonly untilMs: number;
  /** It was as good, or nobody could tell: it may be tried again soon, and gives way to what else may be. */
  readonly givesWay?: true;
  /** So many trials of it were ties since it was clearly worse, or kept: the next is looked at for longer. Without: none. */
  readonly ties?: number;
  /** No call ended any more in the last one: for so long it is not tried again. What is known of it is as before. */
  readonly goneMs?: number;
  /** Nobody has judged the last one, since cores were slow: the next one is, whatever they are. */
  readonly isSlowed?: true;
  /** Without: it was no better, or cold, or two changed places. */
  readonly refutation?: Refutation;
}

/** What was tried with a function, and was no good. */
export interface Refuted {
  /** By what was tried (`keyOf`). */
  readonly backOffs: ReadonlyMap<string, BackOff>;
  /** Trials that came to nothing since one was kept, or its calls changed; of two functions that changed places one counts. */
  readonly fruitless: number;
}

/** A time in which a plan was tried, and what all calls took then, to what they took before. */
export interface Shown {
  /** Beside what was before it. `tie`: it did as well, and is the simpler plan; `lost`: clearly worse. */
  readonly came: "better" | "tie" | "lost";
  readonly fromMs: number;
  readonly toMs: number;
  readonly ratio: number;
}

/** A trial that is running. */
export interface Running {
  readonly side: Side;
  /** The function that runs on the other side meanwhile; null: it is tried alone. */
  readonly partner: string | null;
  readonly startedMs: number;
  readonly fromShare: number;
  /** Nothing was crowded when it began: what comes of it says nothing of a crowd. */
  readonly isCalm?: true;
  /** So many times as long as another it is looked at, for what ties have left open. Without: as long. */
  readonly looks?: number;
  /** What was before it is known from so long. Without: as long as of any. */
  readonly beforeMs?: number;
  /** In this time it looked so; since then all is as before, to see whether that changes again. null: it is still tried. */
  readonly shown: Shown | null;
}

/** A function's part in the trial that is running, if it has one, and what came of those before. */
export interface Trials extends Refuted {
  readonly running: Running | null;
  /** It stays where a trial has shown that it does better, as long as a call takes about as long as then. */
  readonly held: {
    readonly sinceMs: number;
    readonly untilMs: number;
    readonly promisedUs: number;
    /** Of such a call; without: calls are held against it whatever their work is. */
    readonly promisedBytes?: number;
    /** Its share in the plan that did worse; its own: that is of others', or no plan has proved to. */
    readonly refutedShare: number;
    /** Without: a plan has proved to do better than another. */
    readonly isProof?: false;
    /** Another trial has moved others since: beside these nothing is proved of it. Without: none has. */
    readonly isBesideOthers?: true;
    /** Until then whatever the model promises: it has just been wrong. In the past: it has not. */
    readonly firmUntilMs: number;
    /** How many times as long all calls took in the plan that did worse. Without: nobody knows. */
    readonly worseTimes?: number;
    /** Since when its calls, and all that are held, take longer than was promised, and less than in the plan that did worse: it is not left for that, and may be tried elsewhere. */
    readonly doubtedMs?: number;
    /** How many times busier the model had the plan, beside the one that did worse, than it was: 1 and more. Without: nobody knows. */
    readonly modelError?: number;
    /** Of it, when that was known. Without: nobody knows. */
    readonly callsPerSecond?: number;
  } | null;
  /** Of the last time that it was held. */
  readonly holdMs: number;
  /** Of the last one. */
  readonly endedMs: number;
  /** Its calls paused in one, for which they had come for so long: they may come for as long each time, and nothing is told of one that they end in. null: they never did. */
  readonly pausedIn: { readonly cameForMs: number; readonly untilMs: number } | null;
  /** When the last one ended, if without a verdict; -Infinity: it had one, or there was none. */
  readonly untoldMs: number;
  /** By then what those of all functions that were judged had cost when its last one ended is a small part of what is done: of what is in the past some is saved. */
  readonly paidMs: number;
  /** Where it was held last, whatever its calls were then: what did so once is tried first. */
  readonly keptSide: Side | null;
  /** Since when. */
  readonly keptMs: number;
  /** When it was held last on the other side; -Infinity: it never was. */
  readonly keptThereMs: number;
  /** Trials that were kept one soon after the other, each for what the one before had shown to be worse: what calls take changes by itself. */
  readonly contradicted: number;
}

export const NO_TRIALS: Trials = {
  running: null,
  held: null,
  holdMs: 0,
  backOffs: new Map(),
  endedMs: -Infinity,
  pausedIn: null,
  untoldMs: -Infinity,
  paidMs: -Infinity,
  fruitless: 0,
  keptSide: null,
  keptMs: -Infinity,
  keptThereMs: -Infinity,
  contradicted: 0,
};

/** What is beyond this is no error of a model that is corrected all the time: the load was another. */
export const MODEL_ERROR_MAX = 4;
/** … nor what a plan does worse than another. */
const WORSE_TIMES_MAX = 4;

/** Of a plan that all calls took so many times as long in as in this one: what is held there, if anything is, had done better than another, and this one does better than both. */
export const worseThanBoth = (held: Trials["held"], worseTimes: number): number =>
  Math.min(WORSE_TIMES_MAX, worseTimes * (held?.worseTimes ?? 1));

export const keyOf = (side: Side, partner: string | null): string => (partner === null ? side : `${side} ${partner}`);

/** A trial that is kept so soon after another, for what that had shown to be worse, contradicts it. */
export const CONTRADICTION_MS = 30_000;
/** Each doubles what a trial takes and has to show, so often at most. */
const CONTRADICTIONS_COUNTED = 2;

/** How many times as long a trial is looked at, before and while it runs, as one that nothing has contradicted; and how many times as much it has to show. */
export function patienceOf(all: readonly { readonly trials: Trials }[], nowMs: number): number {
  let most = 0;
  for (const { trials } of all)
    if (nowMs - trials.keptMs < CONTRADICTION_MS) most = Math.max(most, trials.contradicted);
  return 2 ** Math.min(CONTRADICTIONS_COUNTED, most);
}

/** A trial has moved others: what it is held for it has proved beside something else, … */
export const besideOthers = (trials: Trials): Trials =>
  trials.held === null ? trials : { ...trials, held: { ...trials.held, isBesideOthers: true } };

/** … until it has proved that anew, beside what others do now. */
export function besideThese(held: Trials["held"]): Trials["held"] {
  if (held === null) return null;
  const { isBesideOthers: _, ...rest } = held;
  return rest;
}

/** Of all that is done, trials that come to nothing may cost this part, … */
export const COST_MAX = 0.015;
/**
 * … and so much at once that has not been spent: as if nothing had been done for so long. Chosen: what a first round of trials costs where three functions share full cores, of which most tell that the plan is
 * right: one on a side where code is cold takes a tenth of a second by itself.
 */
const COST_SAVED_MS = 150;
/** Trials that were paid for until then, or before, have all saved that may be. */
export const allSavedMs = (nowMs: number): number => nowMs - COST_SAVED_MS / COST_MAX;

/** Without a verdict. */
export const broken = (trials: Trials, nowMs: number): Trials =>
  trials.running === null ? trials : { ...trials, running: null, endedMs: nowMs, untoldMs: nowMs };

/** But for when the last one ended, since whoever moves is not held against it, and what they have cost. */
export const forgotten = (trials: Trials, nowMs: number): Trials => ({
  ...NO_TRIALS,
  endedMs: broken(trials, nowMs).endedMs,
  paidMs: trials.paidMs,
});

/**
 * Calls are not what they were. What was no good for those before says nothing of these, if it is kept for when they come back (`isRemembered`);
 * else what did well once is tried soon, and all else not: whoever changes every other moment would be tried as often. The model may move them all the same.
 */
export const trialsAfterShift = (trials: Trials, isRemembered: boolean, nowMs: number): Trials => ({
  ...broken(trials, nowMs),
  held: null,
  holdMs: 0,
  fruitless: 0,
  // All is to be looked into anew: nothing is owed, and all is saved that may be.
  paidMs: Math.min(trials.paidMs, allSavedMs(nowMs)),
  contradicted: 0,
  backOffs: isRemembered
    ? NO_TRIALS.backOffs
    : new Map(
        [...trials.backOffs]
          .filter(([key]) => key.split(" ")[0] !== trials.keptSide)
          .map(([key, { ms, untilMs, givesWay }]) => [key, { ms, untilMs, ...(givesWay && { givesWay }) }]),
      ),
});
