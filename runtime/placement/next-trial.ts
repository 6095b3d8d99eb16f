// Which trial comes next. If a pool is crowded and the model proposes nothing, all calls of one function,
// or of two that change sides, are tried on the other side: the model does not know what caches, turns and
// neighbours do to a crowd.

import type { Side } from "#runtime/profile/sample.ts";
import { CALLS_MIN, noiseOfRatio } from "./comparison.ts";
import { atShare } from "./cost-model.ts";
import { BASELINE_MS, LOOK_MS_MAX } from "./experiment.ts";
import { fitsRoom } from "./isolate-room.ts";
import { failuresOf, isBackedOff, type BackOffKey } from "./memory.ts";
import { outlookOf } from "./optimal-shares.ts";
import type { Capacity, PoolUse } from "./pool-use.ts";
import { GAIN_MIN, SLIGHT_PART, workParts, type ShareChange } from "./proposal.ts";
import { areCallersMany, gainingSide, loadsOf, shareAt, sharesOf, viewNamed, type FunctionView } from "./view.ts";

/** A trial may make the busiest pool this many times busier by the model. */
const BUSIER_TIMES_MAX = 1.25;

interface Known {
  readonly views: readonly FunctionView[];
  readonly use: PoolUse;
  readonly capacity: Capacity;
  readonly heardMs: number;
  /** Since when neither the shares nor the load have changed. */
  readonly steadyMs: number;
}

/** Empty: none is worth it now. */
export function nextTrial(known: Known): readonly ShareChange[] {
  const { views, use, capacity, heardMs, steadyMs } = known;
  const nowShares = sharesOf(views);
  const now = outlookOf(use, nowShares);
  const { calls, queuedMs } = waiting(known);
  const isCrowd = now.crowded || areCallersMany(capacity);
  const isSteady = heardMs - steadyMs >= BASELINE_MS;
  if (!isCrowd || !isSteady || calls * (LOOK_MS_MAX / BASELINE_MS) < CALLS_MIN || queuedMs > LOOK_MS_MAX / 2) return [];
  const parts = workParts(loadsOf(views));
  const heavy = views.filter(({ isFree }, index) => isFree && parts[index]! >= 2 * SLIGHT_PART);
  let [best, bestRank] = [[] as readonly ShareChange[], Infinity];
  for (const changes of candidates(heavy)) {
    const memoryOf = ({ name }: ShareChange) => viewNamed(heavy, name).state.memory;
    if (changes.some((change) => isBackedOff(memoryOf(change), trialKey(change, changes)))) continue;
    const shares = nowShares.map(
      (share, index) => changes.find(({ name }) => name === views[index]!.name)?.to ?? share,
    );
    if (!fitsRoom(use.room, nowShares, shares)) continue;
    const busier = outlookOf(use, shares).busiest / Math.max(1e-9, now.busiest);
    // What failed least often comes first, then what the model likes best.
    const failures = Math.max(...changes.map((one) => failuresOf(memoryOf(one), trialKey(one, changes))));
    const rank = 100 * failures + busier;
    if (busier < BUSIER_TIMES_MAX && rank < bestRank) [best, bestRank] = [changes, rank];
  }
  return best;
}

/** The result of a trial could be told from the noise of the machine (`machineNoise`). */
export const canTellTrial = (noise: number, heardMs: number): boolean =>
  noiseOfRatio(noise, [heardMs - BASELINE_MS, heardMs], [heardMs, heardMs + LOOK_MS_MAX]) <= 2 * GAIN_MIN;

function* candidates(heavy: readonly FunctionView[]): Iterable<readonly ShareChange[]> {
  const step = ({ name, share }: FunctionView, side: Side): ShareChange => ({ name, from: share, to: shareAt(side) });
  const mayGo = ({ isWarm, closed, share }: FunctionView, side: Side): boolean =>
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
function waiting({ views, heardMs }: Known): { readonly calls: number; readonly queuedMs: number } {
  let [calls, elapsedUs, aloneUs] = [0, 0, 0];
  for (const { profile, load, share } of views) {
    const lately = profile.byTime.between(heardMs - BASELINE_MS, heardMs);
    calls += lately.calls;
    elapsedUs += lately.elapsedUs;
    aloneUs += lately.calls * atShare(load.costs, share, (cost) => cost.aloneUs);
  }
  return { calls, queuedMs: (elapsedUs - aloneUs) / 1e3 / Math.max(1, calls) };
}
