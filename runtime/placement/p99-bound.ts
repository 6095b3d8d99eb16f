// A bound on the 99th percentile of a function's calls. The side that breaks it is left; there it is known from visits alone since, which wait for nobody and keep
// any bound. So what has broken it is closed for a while, and for longer each time that it does so again soon.

import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { FunctionCosts } from "./function-costs.ts";

/** The bound was broken on a side where calls were, whose code was compiled there. */
interface Breach {
  /** What the 99th percentile was then, µs. */
  readonly p99Us: number;
  /** Whether the side is closed since, and how long at least, ms. */
  readonly isClosed: boolean;
  readonly restMs: number;
  /** Until when that is; where it is closed no more: since when. */
  readonly untilMs: number;
}

export type Breaches = Readonly<Record<Side, Breach | null>>;

export const NO_BREACHES: Breaches = { compute: null, storage: null };

/** Fewer calls have no percentile. Chosen: as few as a function is placed by. */
const TAIL_CALLS_MIN = 8;
/** Chosen: a percentile forgets in about as long. */
const REST_MIN_MS = 10_000;
/** Chosen: who asks for a bound has it broken for a moment in so long at most, while nothing else changes. */
const REST_MAX_MS = 300_000;
/** Once it is open again it is known for so many times as long as it was closed. Chosen: calls come back when the model has them, which may be long after that. */
const REMEMBERED_RESTS = 10;
/** A side that visits have found to keep this part of the bound is open again. Chosen: by visits it has no queues. */
const REOPENED_BELOW = 0.8;

/** Whether a side has a percentile that holds for what comes. */
export const isTailKnown = (side: Side, profile: FunctionProfile, { sides }: FunctionCosts): boolean =>
  sides[side].calls >= TAIL_CALLS_MIN && profile.warmMs(side) !== null;

/** The 99th percentile of either side, µs: where one was called too seldom to have one its tail is to its mean as that of the other. */
export function tailsOf(profile: FunctionProfile, { sides }: FunctionCosts): Readonly<Record<Side, number>> {
  const measured = (side: Side): number | null =>
    sides[side].calls < TAIL_CALLS_MIN ? null : profile.percentileUs(side, 99);
  const tailOf = (side: Side): number => {
    const other = otherSide(side);
    const tail = (measured(other) ?? sides[other].cost.latencyUs) / sides[other].cost.latencyUs;
    return measured(side) ?? tail * sides[side].cost.latencyUs;
  };
  return { compute: tailOf("compute"), storage: tailOf("storage") };
}

/** What is so of the side now. `boundUs`: null where there is none. */
interface Bounded {
  readonly boundUs: number | null;
  readonly tailsUs: Readonly<Record<Side, number>>;
  /** Whether that was measured there, of code that is compiled: first calls take many times as long. */
  readonly isKnown: Readonly<Record<Side, boolean>>;
  /** Where its calls are. */
  readonly share: number;
  readonly nowMs: number;
}

/** As known by now; the same object where nothing has changed. */
export function breachesNow(before: Breaches, bounded: Bounded): Breaches {
  if (bounded.boundUs === null) return NO_BREACHES;
  const compute = breachNow(before.compute, "compute", bounded.boundUs, bounded);
  const storage = breachNow(before.storage, "storage", bounded.boundUs, bounded);
  return compute === before.compute && storage === before.storage ? before : { compute, storage };
}

function breachNow(was: Breach | null, side: Side, boundUs: number, bounded: Bounded): Breach | null {
  const { tailsUs, nowMs } = bounded;
  const tailUs = tailsUs[side];
  const isUsed = isUsedAt(side, bounded.share);
  if (was?.isClosed === true) {
    // Another bound is asked for, which that did not break.
    if (was.p99Us <= boundUs) return null;
    // Calls are there nonetheless, and it keeps the bound with them.
    if (isUsed && tailUs <= boundUs) return null;
    const isOver = !isUsed && nowMs >= was.untilMs && tailUs <= REOPENED_BELOW * boundUs;
    return isOver ? { ...was, isClosed: false, untilMs: nowMs } : was;
  }
  const isLately = was !== null && nowMs - was.untilMs < REMEMBERED_RESTS * was.restMs;
  if (!isUsed || !bounded.isKnown[side] || tailUs <= boundUs) return isLately ? was : null;
  const restMs = isLately ? Math.min(REST_MAX_MS, 2 * was.restMs) : REST_MIN_MS;
  return { p99Us: tailUs, isClosed: true, restMs, untilMs: nowMs + restMs };
}

/** Whether calls there are more than visits. */
const isUsedAt = (side: Side, share: number): boolean => (side === "storage" ? share > 0 : share < 1);

/** Whether the side breaks the bound, or has and may not be used again yet. */
export const isClosedAt = (side: Side, breaches: Breaches, { boundUs, tailsUs }: Bounded): boolean =>
  boundUs !== null && (tailsUs[side] > boundUs || breaches[side]?.isClosed === true);
