// What the controller remembers of the failures of one function: a back-off for each thing that was
// tried in vain. Back-offs run on the function's own clock, which stands still while nobody calls it.

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { Demand } from "./cost-model.ts";

/** A back-off of a model's move, of a trial on a side (alone or with a partner), or of a side over its p99 bound. */
export type BackOffKey = "plan" | Side | `${Side} with ${string}` | `${Side} bound`;

interface BackOff {
  /** Of the function's clock, ms. */
  readonly untilMs: number;
  readonly lengthMs: number;
  /** How often this failed in a row. */
  readonly failures: number;
}

/** Calls of one kind, and what was best for them. */
interface CallKind {
  readonly demand: Demand;
  readonly share: number;
  readonly backOffs: ReadonlyMap<BackOffKey, BackOff>;
}

export interface Memory {
  /** The function's own clock: for how long it has been called, ms. */
  readonly clockMs: number;
  /** When it was last seen to be called. */
  readonly seenMs: number;
  /** When its calls came back after a pause, or became what they are. */
  readonly sinceMs: number;
  /** When its share last changed, and when a surge last changed it. */
  readonly movedMs: number;
  readonly surgedMs: number;
  readonly backOffs: ReadonlyMap<BackOffKey, BackOff>;
  /** What a typical call needs; null: not known yet. */
  readonly demand: Demand | null;
  /** Earlier kinds of calls, the latest first. */
  readonly kinds: readonly CallKind[];
  /** The calls have just changed and may be of an earlier kind. */
  readonly mayRecall: boolean;
}

export const NO_MEMORY: Memory = {
  clockMs: 0,
  seenMs: -Infinity,
  sinceMs: -Infinity,
  movedMs: -Infinity,
  surgedMs: -Infinity,
  backOffs: new Map(),
  demand: null,
  kinds: [],
  mayRecall: false,
};

/** The shortest back-off after a failure, ms of the function's clock. */
export const BACK_OFF_MS_MIN = 1_000;
/** The back-off of a clear failure: a plan that a trial beat, a trial that made calls longer, a p99 bound. */
export const HOLD_MS = 10_000;
/** A back-off doubles up to this. One that ended longer ago is forgotten. */
export const BACK_OFF_MS_MAX = 60_000;
/** Without a call for this long the function's clock stands still. Not sensitive. */
export const PAUSE_MS = 500;
/** Earlier kinds that are kept. Not sensitive. */
const KINDS_MAX = 4;
/** Two demands are alike if no term differs by more than this factor. */
const ALIKE_TIMES = 2;

/** The memory in this step. `calledMs`: when the function was last called; `steppedMs`: when the step before was. */
export function remember(memory: Memory, calledMs: number, nowMs: number, steppedMs: number): Memory {
  if (nowMs - calledMs >= PAUSE_MS) return memory;
  const passedMs = nowMs - memory.seenMs;
  // Steps may be further apart than a pause is long.
  const isBack = memory.seenMs < steppedMs || passedMs > 20 * PAUSE_MS;
  return {
    ...memory,
    clockMs: memory.clockMs + (isBack ? 0 : passedMs),
    seenMs: nowMs,
    sinceMs: isBack ? nowMs : memory.sinceMs,
  };
}

/** The calls have changed. What was learnt of the earlier ones is kept in case they return. */
export function shiftedMemory(memory: Memory, share: number, nowMs: number): Memory {
  const { demand, backOffs, kinds, sinceMs, clockMs } = memory;
  const hasLasted = demand !== null && nowMs - sinceMs >= PAUSE_MS;
  const kept = hasLasted
    ? [{ demand, share, backOffs }, ...kinds.filter((kind) => !areAlike(kind.demand, demand))].slice(0, KINDS_MAX)
    : kinds;
  return { ...NO_MEMORY, clockMs, seenMs: nowMs, sinceMs: nowMs, kinds: kept, mayRecall: true };
}

/** `recalled`: the share that was best for calls of this kind; null: they are of no earlier kind. */
export function recall(
  memory: Memory,
  typical: Demand,
  nowMs: number,
): { readonly memory: Memory; readonly recalled: number | null } {
  const hasLasted = nowMs - memory.sinceMs >= PAUSE_MS;
  const demand = hasLasted && memory.demand !== null ? memory.demand : typical;
  const kind = memory.mayRecall ? memory.kinds.find((one) => areAlike(one.demand, typical)) : undefined;
  if (kind === undefined) {
    return { memory: { ...memory, demand, mayRecall: memory.mayRecall && !hasLasted }, recalled: null };
  }
  const { share, backOffs } = kind;
  return { memory: { ...memory, demand, mayRecall: false, backOffs }, recalled: share };
}

/** Twice as long as the last time, and at least `minMs`. */
export function backOff(memory: Memory, key: BackOffKey, minMs: number): Memory {
  const last = memory.backOffs.get(key);
  const isRecent = last !== undefined && memory.clockMs - last.untilMs <= BACK_OFF_MS_MAX;
  const lengthMs = clamp(isRecent ? 2 * last.lengthMs : 0, minMs, BACK_OFF_MS_MAX);
  const failures = (isRecent ? last.failures : 0) + 1;
  const backOffs = new Map<BackOffKey, BackOff>();
  for (const [other, one] of memory.backOffs) {
    if (memory.clockMs - one.untilMs <= BACK_OFF_MS_MAX) backOffs.set(other, one);
  }
  backOffs.set(key, { untilMs: memory.clockMs + lengthMs, lengthMs, failures });
  return { ...memory, backOffs };
}

/**
 * The shortest back-off after a move: the longer the load of a function has been the same, the less a move is
 * likely to help. `sinceMs`: when its calls became what they are.
 */
export function stayMs(memory: Memory, sinceMs: number, nowMs: number): number {
  const steadyMs = nowMs - Math.max(sinceMs, memory.sinceMs, memory.surgedMs);
  const isFirst = failuresOf(memory, "plan") === 0;
  return clamp(isFirst ? steadyMs / 4 : steadyMs, BACK_OFF_MS_MIN / 4, BACK_OFF_MS_MAX);
}

/** How long the back-off still lasts, ms of the function's clock; 0: it is over. */
export const backOffLeftMs = ({ backOffs, clockMs }: Memory, key: BackOffKey): number =>
  Math.max(0, (backOffs.get(key)?.untilMs ?? -Infinity) - clockMs);

export const isBackedOff = (memory: Memory, key: BackOffKey): boolean => backOffLeftMs(memory, key) > 0;

export const failuresOf = ({ backOffs }: Memory, key: BackOffKey): number => backOffs.get(key)?.failures ?? 0;

/** Amounts below these make no difference. */
const SLIGHT: Readonly<Record<keyof Demand, number>> = { operations: 0.5, rounds: 0.5, bytes: 64, cpuUs: 20 };

const areAlike = (one: Demand, other: Demand): boolean =>
  (Object.keys(SLIGHT) as (keyof Demand)[]).every((term) => {
    const times = (one[term] + SLIGHT[term]) / (other[term] + SLIGHT[term]);
    return times <= ALIKE_TIMES && times >= 1 / ALIKE_TIMES;
  });
