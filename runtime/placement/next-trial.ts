// Which trial comes next. If a pool is crowded and the model proposes nothing, all calls of one function,
// or of two that change sides, are tried on the other side: the model does not know what caches, turns and
// neighbours do to a crowd.

import { CALLS_MIN, noiseOfRatio, type Stretch } from "./comparison.ts";
import { atShare } from "./cost-model.ts";
import { BASELINE_MS, LOOK_MS_MAX } from "./experiment.ts";
import { failuresOf, isBackedOff, type BackOffKey } from "./memory.ts";
import { outlookOf } from "./optimal-shares.ts";
import type { Capacity, PoolUse } from "./pool-use.ts";
import { GAIN_MIN, workParts, type ShareChange } from "./proposal.ts";
import { areCallersMany, gainingSide, shareAt, type FunctionView } from "./view.ts";

/** Functions with less of all work than this are not tried. */
const WORK_PART_MIN = 0.1;
/** A function that does this part of the work and has just changed makes a comparison worthless. */
export const SLIGHT_PART = 0.05;
/** A load must have been the same for this long, ms. */
const STEADY_MS = 500;
/** A trial may make the busiest pool this many times busier by the model, or twice if calls queue unexpectedly. */
const BUSIER_TIMES_MAX = 1.4;
const BUSIER_TIMES_MAX_QUEUED = 2;
/** Calls queue if they take this many times as long as alone. */
const QUEUED_TIMES = 2;
/** A trial is not begun if the error of its result exceeds this: it could not be told from noise. */
const ERROR_MAX = 2 * GAIN_MIN;

interface Known {
  readonly views: readonly FunctionView[];
  readonly use: PoolUse;
  readonly capacity: Capacity;
  readonly nowMs: number;
  readonly heardMs: number;
  /** Of the machine (`machineNoise`). */
  readonly noise: number;
}

/** Empty: none is worth it now. */
export function nextTrial(known: Known): readonly ShareChange[] {
  const { views, use, capacity, nowMs, heardMs, noise } = known;
  const now = outlookOf(
    use,
    views.map(({ share }) => share),
  );
  const { calls, queuedMs, isQueued } = waiting(known);
  const isCrowd = now.crowded || (areCallersMany(capacity) && isQueued);
  if (!isCrowd || calls * (LOOK_MS_MAX / BASELINE_MS) < CALLS_MIN || queuedMs > LOOK_MS_MAX / 2) return [];
  const baseline: Stretch = [heardMs - BASELINE_MS, heardMs];
  if (noiseOfRatio(noise, baseline, [heardMs, heardMs + LOOK_MS_MAX]) > ERROR_MAX) return [];
  const parts = workParts(views.map(({ load }) => load));
  const isSteady = views.every(({ state }, index) => {
    return parts[index]! < SLIGHT_PART || nowMs - Math.max(state.memory.sinceMs, state.sinceMs) >= STEADY_MS;
  });
  if (!isSteady) return [];
  const heavy = views.filter(({ isFree }, index) => isFree && parts[index]! >= WORK_PART_MIN);
  const busierMax = now.crowded ? BUSIER_TIMES_MAX : BUSIER_TIMES_MAX_QUEUED;
  let [best, bestRank] = [[] as readonly ShareChange[], Infinity];
  for (const changes of candidates(heavy)) {
    if (changes.some((change) => isBackedOff(memoryOf(heavy, change), trialKey(change, changes)))) continue;
    const shares = views.map(({ name, share }) => changes.find((one) => one.name === name)?.to ?? share);
    const busier = outlookOf(use, shares).busiest / Math.max(1e-9, now.busiest);
    // What failed least often comes first, then what the model likes best.
    const failures = Math.max(...changes.map((one) => failuresOf(memoryOf(heavy, one), trialKey(one, changes))));
    const rank = 100 * failures + busier;
    if (busier < busierMax && rank < bestRank) [best, bestRank] = [changes, rank];
  }
  return best;
}

const memoryOf = (views: readonly FunctionView[], { name }: ShareChange) =>
  views.find((one) => one.name === name)!.state.memory;

function* candidates(heavy: readonly FunctionView[]): Iterable<readonly ShareChange[]> {
  const step = ({ name, share }: FunctionView, side: "compute" | "storage"): ShareChange => ({
    name,
    from: share,
    to: shareAt(side),
  });
  const mayGo = ({ isWarm, closed, share }: FunctionView, side: "compute" | "storage"): boolean =>
    isWarm[side] && !closed[side] && share !== shareAt(side);
  for (const view of heavy) {
    for (const side of ["compute", "storage"] as const) if (mayGo(view, side)) yield [step(view, side)];
    if (!mayGo(view, "storage")) continue;
    for (const other of heavy) {
      if (other !== view && mayGo(other, "compute")) yield [step(view, "storage"), step(other, "compute")];
    }
  }
}

/** What failed, or not, in the memory of each function of a trial. */
export function trialKey({ name, from, to }: ShareChange, changes: readonly ShareChange[]): BackOffKey {
  const side = gainingSide(from, to);
  const partner = changes.find((one) => one.name !== name);
  return partner === undefined ? side : `${side} with ${partner.name}`;
}

/** Calls lately, and how long each waited beyond what it takes alone. */
function waiting({ views, heardMs }: Known): {
  readonly calls: number;
  readonly queuedMs: number;
  readonly isQueued: boolean;
} {
  let [calls, elapsedUs, aloneUs] = [0, 0, 0];
  for (const { profile, load, share } of views) {
    const lately = profile.byTime.between(heardMs - BASELINE_MS, heardMs);
    calls += lately.calls;
    elapsedUs += lately.elapsedUs;
    aloneUs += lately.calls * atShare(load.costs, share, (cost) => cost.aloneUs);
  }
  const queuedMs = (elapsedUs - aloneUs) / 1e3 / Math.max(1, calls);
  return { calls, queuedMs, isQueued: calls >= CALLS_MIN / 4 && elapsedUs > QUEUED_TIMES * aloneUs };
}
