// What the controller remembers of one function, how that may change, and what is so before anything is weighed up.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { NO_PACES, type Paces } from "./function-costs.ts";
import { NO_OVERFLOW } from "./overflow.ts";
import { NO_MIXING, type Mixing } from "./mixing.ts";
import { NO_BREACHES, type Breaches } from "./p99-bound.ts";
import type { Placement, PlacementState } from "./plan.ts";
import { BACK_UNKNOWN_US } from "./push-back.ts";
import type { Rules, Situation } from "./situation.ts";
import { NO_REGIMES, regimesAfterShift, type Regimes } from "./regimes.ts";
import { broken, forgotten, NO_TRIALS, trialsAfterShift, type Trials } from "./trials.ts";
import type { Gain } from "./worthwhile-shares.ts";

/** Calls that must be known before a function is placed. Chosen: fewer say little, and more take a slow function long. */
export const PROFILED_CALLS_MIN = 8;
/** Fewer do where they are alike: a function that computes for long would take long to be known. Standard errors of their means. */
const ALIKE_CALLS_MIN = 3;
const ALIKE_ERROR_MAX = 0.1;
/**
 * Of either half of one that nobody has judged: its function is not called any more, or steps come too late, and what it is held against is known no longer (calls-by-time.ts). Long
 * windows and the steps that go with them (window-length.ts) take up to 1.33 s to see TRIAL_MS_MAX of it.
 */
export const TRIAL_GIVEN_UP_MS = 1_650;

/** Why a placement changed, in the numbers that changed it. */
export type Why =
  /** Nothing is decided before some calls are known, of a new function or of other code under its name; someone says where it runs, or no more; storage runs nothing. */
  | { readonly kind: "new" | "replaced" | "pinned" | "freed" | "closed" }
  /** Another node controls now, and goes on from the plan; it knows no calls yet. How long before that the last change is that was told of it, ms; null: nothing was. */
  | { readonly kind: "resumed"; readonly sinceLastMs: number | null }
  /** Its calls are not what they were: how many times as much work, of the geometric means, the latest are. */
  | { readonly kind: "shifted"; readonly workTimes: number }
  | { readonly kind: "profiled"; readonly calls: number }
  /** Such calls came before, and did best where they are now put: what a call takes before it by what is known, and there, as was seen then where a trial has shown it, µs. */
  | { readonly kind: "recalled"; readonly from: number; readonly to: number }
  /** Nobody calls it any more, for so long, since about when it was moved: it is back where it was while it was called. */
  | { readonly kind: "stopped"; readonly quietMs: number }
  /** A move that was taken back may be made again: it has waited for so long. */
  | { readonly kind: "waited"; readonly ms: number }
  | Gain
  /** As `overload`, before a pool is full: so many calls of it come a second, in these moments and usually. */
  | (Omit<Gain, "kind"> & {
      readonly kind: "surge";
      readonly callsPerSecond: number;
      readonly usualPerSecond: number;
    })
  /** It may not stay where it was: there calls break the bound on their 99th percentile, and what that was, µs. */
  | { readonly kind: "bound"; readonly p99UnderUs: number; readonly p99Us: number }
  /**
   * A move turned out worse than what was before it: what was promised for a call, and what came, µs; and what all calls took, to what they took
   * before it, where that told.
   */
  | {
      readonly kind: "reverted";
      readonly promisedUs: number;
      readonly cameUs: number;
      readonly ratio: number | null;
      readonly retryInMs: number;
    }
  /** One call in `every` visits the other side, of which nothing was heard for long; and then something was: what a call takes there, as known then, µs. */
  | { readonly kind: "probing"; readonly side: Side; readonly every: number }
  | { readonly kind: "probed"; readonly side: Side; readonly takesUs: number }
  /** All calls run on a side, to see; `partner`: another function's run on the other side meanwhile. By the model the busiest pool is so many times as busy then. */
  | { readonly kind: "trying"; readonly side: Side; readonly partner: string | null; readonly busierTimes: number }
  /** That did better, or clearly worse, what all calls took to what they took before; now all is as before for a moment, to see whether that does worse again, or better. */
  | { readonly kind: "checking"; readonly side: Side; readonly partner: string | null; readonly ratio: number }
  /** That is over: what all calls took, to what they took before and after; null: nothing tells, since it was broken off, if it was. */
  | {
      readonly kind: "tried";
      readonly side: Side;
      readonly partner: string | null;
      readonly ratio: number | null;
      readonly isKept: boolean;
      readonly brokenOff: BrokenOff | null;
    }
  /** The same, where nobody judges it: cores were slower then, or quicker, than in what it was held against. */
  | { readonly kind: "slowed"; readonly side: Side; readonly partner: string | null };

/** Why a trial has no verdict: a function may not stay where it is, more callers came all at once, or nobody called it any more, or looked at it in time. */
export type BrokenOff = "bounds" | "surge" | "quiet";

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
  /** Whose calls these are; null: none is known. */
  readonly version: string | null;
  /** When its calls began to be what they are. */
  readonly sinceMs: number;
  /** When its calls came back after the last pause that a step knows. */
  readonly resumedMs: number;
  /** The last change of the share. */
  readonly moved: {
    readonly atMs: number;
    /** Who wanted it: the model, for what it promises, and before a surge; a bound, whatever it costs; a trial; what such calls were found to be before; or it was taken back. */
    readonly by: "model" | "surge" | "bound" | "trial" | "recall" | "revert";
    readonly fromShare: number;
    readonly promisedUs: number;
    /** Whether what came of it was held against what there was before. */
    readonly isJudged: boolean;
    /** … which is known from so long: less than usual where something of its own had changed shortly before. Absent: as usual. */
    readonly beforeMs?: number;
    /** What it has put an end to: if its callers had gone by then, all is as before. Absent: it is not to be undone. */
    readonly undo?: Pick<FunctionState, "retryAtMs" | "backTo"> & Pick<Trials, "held">;
  } | null;
  /** After a revert: how long it stays, and until when. */
  readonly backOffMs: number;
  readonly retryAtMs: number;
  /** … and until when another one makes it stay twice as long. */
  readonly doublesUntilMs: number;
  /** … and where it was before what was taken back: if it is not all the way there, it may go so far. null: it is. */
  readonly backTo: number | null;
  /** What a call took before the move that was taken back: where it takes longer now nothing of that holds any more. 0: not known. */
  readonly tookUs: number;
  /** Of such a call; 0: they are not known. */
  readonly tookBytes: number;
  readonly moves: number;
  readonly reverts: number;
  /** Moves back within FLAP_MS, whatever the reason. */
  readonly flaps: number;
  /** Trials that it has taken part in. */
  readonly trialsBegun: number;
  /** What those that came to nothing have cost, as if nothing had been done for so long; of two functions that changed places the one that was tried at storage has it. */
  readonly trialCostMs: number;
  /** It has left a pool that a surge would have filled: how long it stays away, and until when. null: it has not, or its calls have changed since. */
  readonly relief: { readonly restMs: number; readonly untilMs: number } | null;
  /** What is known of each side whatever becomes of its profile. */
  readonly paces: Paces;
  readonly trials: Trials;
  readonly regimes: Regimes;
  /** Of the bound on its 99th percentile. */
  readonly breaches: Breaches;
  /** What splits have cost it. */
  readonly mixing: Mixing;
}

/** What has become of it since it was deployed, whoever controlled. */
export type Counters = Pick<FunctionState, "moves" | "reverts" | "flaps" | "trialsBegun" | "trialCostMs">;

export const countersOf = ({ moves, reverts, flaps, trialsBegun, trialCostMs }: FunctionState): Counters => ({
  moves,
  reverts,
  flaps,
  trialsBegun,
  trialCostMs,
});

/** What is told of a function, and outlives who told it. */
export interface FunctionRecord {
  readonly counters: Counters;
  /** The latest last. */
  readonly transitions: readonly Transition[];
}

export const FRESH: Omit<FunctionState, "state" | "share"> = {
  version: null,
  probeEvery: 0,
  backCpuUs: BACK_UNKNOWN_US,
  ...NO_OVERFLOW,
  sinceMs: -Infinity,
  resumedMs: -Infinity,
  moved: null,
  backOffMs: 0,
  retryAtMs: 0,
  doublesUntilMs: -Infinity,
  backTo: null,
  tookUs: 0,
  tookBytes: 0,
  moves: 0,
  reverts: 0,
  flaps: 0,
  trialsBegun: 0,
  trialCostMs: 0,
  relief: null,
  paces: NO_PACES,
  trials: NO_TRIALS,
  regimes: NO_REGIMES,
  breaches: NO_BREACHES,
  mixing: NO_MIXING,
};

export interface Change {
  readonly to: FunctionState;
  /** null: nothing that anyone would ask about. */
  readonly why: Why | null;
}

/** Until when it makes no move towards a side, since one was taken back; long ago: it may. */
export const retryAtMsTo = ({ share, retryAtMs, backTo }: FunctionState, side: Side): number => {
  const isBack = backTo !== null && (side === "storage" ? backTo > share : backTo < share);
  return isBack ? -Infinity : retryAtMs;
};

export const restingState = (share: number): "compute" | "storage" | "split" =>
  share <= 0 ? "compute" : share >= 1 ? "storage" : "split";

/** Whatever the reason. */
export const lastMovedMs = ({ moved: move, trials }: FunctionState): number =>
  Math.max(move?.atMs ?? -Infinity, trials.endedMs);

/** What is so before anything is weighed up: new, pinned, freed, shifted, profiled. */
export function settled(name: string, before: FunctionState | undefined, rules: Rules, situation: Situation): Change {
  const { nowMs, profiles, shifted } = situation;
  const { preferred, pinnedShare } = rules;
  if (pinnedShare !== null) {
    const trials = forgotten(before?.trials ?? NO_TRIALS, nowMs);
    const rest = { probeEvery: 0, backCpuUs: 0, moved: null, relief: null, trials };
    const to: FunctionState = { ...FRESH, ...before, state: "pinned", share: pinnedShare, ...rest };
    return before?.state === "pinned" && before.share === pinnedShare
      ? { to: before, why: null }
      : { to, why: { kind: "pinned" } };
  }
  if (before === undefined) {
    return {
      to: { ...FRESH, state: "profiling", share: preferred === "storage" ? 1 : 0, sinceMs: nowMs },
      why: { kind: "new" },
    };
  }
  const version = profiles.get(name)?.version ?? before.version;
  if (before.version !== null && before.version !== version) return replaced(before, version, nowMs);
  const now = before.version === version ? before : { ...before, version };
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
    const { regimes, isKept } = regimesAfterShift({ ...now, share }, nowMs);
    const trials = trialsAfterShift(now.trials, isKept, nowMs);
    const none = {
      sinceMs: nowMs,
      probeEvery: 0,
      moved: null,
      backOffMs: 0,
      retryAtMs: 0,
      backTo: null,
      relief: null,
      trials,
      regimes,
      breaches: NO_BREACHES,
      mixing: NO_MIXING,
    };
    const workTimes = profiles.get(name)?.shiftedTimes ?? 1;
    return { to: { ...now, state: "profiling", share, ...none }, why: { kind: "shifted", workTimes } };
  }
  if (running !== null && nowMs - (running.shown?.toMs ?? running.startedMs) > TRIAL_GIVEN_UP_MS) {
    return backFromTrial(now, broken(now.trials, nowMs), { ratio: null, brokenOff: "quiet" });
  }
  // Not in a pause, in which its back-off stands still.
  if (now.state === "reverting" && (profiles.get(name)?.calledMs ?? nowMs) >= now.retryAtMs) {
    return { to: { ...now, state: restingState(now.share) }, why: { kind: "waited", ms: now.backOffMs } };
  }
  return { to: now, why: null };
}

/**
 * A trial has come to nothing, or is not waited for: it is where it was before. `trials`: what is left of it; `came`: what all calls took, null where nothing tells, and why it was broken off; or nobody judges it,
 * since cores were slow.
 */
export function backFromTrial(
  now: FunctionState,
  trials: Trials,
  came: "slowed" | Readonly<{ ratio: number | null; brokenOff: BrokenOff | null }>,
): Change {
  const { side, partner, fromShare: share } = now.trials.running!;
  const tried = { side, partner };
  const why: Why =
    came === "slowed" ? { kind: "slowed", ...tried } : { kind: "tried", ...tried, ...came, isKept: false };
  return { to: { ...now, state: restingState(share), share, trials }, why };
}

/** Other code under the same name: all that was learnt is of the one before, and so is what is warm. It stays where that was until it is known. */
function replaced(before: FunctionState, version: string | null, nowMs: number): Change {
  const { trials } = before;
  const share = trials.running?.fromShare ?? before.share;
  const counted = { ...countersOf(before), trials: forgotten(trials, nowMs) };
  const to: FunctionState = { ...FRESH, ...counted, state: "profiling", share, version, sinceMs: nowMs };
  return { to, why: { kind: "replaced" } };
}

function knownCalls(
  profile: FunctionProfile | undefined,
  nowMs: number,
): { readonly calls: number; readonly isEnough: boolean } {
  const known = Object.values(profile?.estimates(nowMs) ?? {}).filter((estimate) => estimate !== null);
  const calls = known.reduce((sum, estimate) => sum + estimate.calls, 0);
  const areAlike = known.some(
    (one) => one.calls >= ALIKE_CALLS_MIN && Math.max(one.logCpuError, one.serviceError) <= ALIKE_ERROR_MAX,
  );
  return { calls, isEnough: calls >= PROFILED_CALLS_MIN || areAlike };
}
