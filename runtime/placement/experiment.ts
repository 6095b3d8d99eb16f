// One change at a time, and callers have the last word. A change of the plan that the model proposed is
// verified: it stays unless all calls take clearly longer. A trial puts all calls of one function, or of
// two that change sides, elsewhere for a moment: it is accepted only if calls were shorter during it than
// before, and longer again after it.

import { clamp } from "#runtime/clamp.ts";
import { CALLS_MIN, compare, isOtherLoad, LOOK_MS, noiseOfRatio, type Stretch } from "./comparison.ts";
import { GAIN_MIN, type ShareChange } from "./proposal.ts";
import { gainingSide, SETTLE_MS, type FunctionView } from "./view.ts";

/** What a change is compared with, at most, ms. Shorter baselines are noise, longer ones another load. */
export const BASELINE_MS = 150;
/** A change is looked at for this long if its calls are few or their times vary. */
export const LOOK_MS_MAX = 500;
/** All calls take clearly longer if it is by this part. */
const LOSS_MIN = 0.2;

interface Common {
  readonly changes: readonly ShareChange[];
  readonly startedMs: number;
  readonly baseline: Stretch;
  /** Noise of the machine when it began (`machineNoise`). */
  readonly noise: number;
}

export type Experiment =
  /** The model's change is in force. */
  | (Common & { readonly kind: "verifying" })
  /** The trial is in force. */
  | (Common & { readonly kind: "trying" })
  /** The trial was better and is over. If calls get longer again, it was the trial that made them shorter. */
  | (Common & {
      readonly kind: "checking";
      readonly endedMs: number;
      readonly during: Stretch;
      readonly ratio: number;
    });

export type Verdict =
  /** What was changed stays, or becomes the plan. */
  | { readonly outcome: "accepted"; readonly ratio: number | null }
  /** A trial was better: it is taken back, to see whether that is worse again. */
  | { readonly outcome: "promising"; readonly ratio: number; readonly during: Stretch }
  /** All calls take clearly longer. */
  | { readonly outcome: "rejected"; readonly ratio: number }
  /** Not clearly shorter. */
  | { readonly outcome: "inconclusive"; readonly ratio: number | null }
  /** What came is another load than before. */
  | { readonly outcome: "invalid" };

/** null: not yet known. */
export function judge(experiment: Experiment, views: readonly FunctionView[], heardMs: number): Verdict | null {
  const { kind, changes, startedMs } = experiment;
  const changed = views.filter(({ name }) => changes.some((one) => one.name === name));
  if (changed.some(({ state }) => state.sinceMs > startedMs)) return { outcome: "invalid" };
  const sinceMs = kind === "checking" ? experiment.endedMs : startedMs;
  const before = kind === "checking" ? experiment.during : experiment.baseline;
  const settledMs = sinceMs + SETTLE_MS;
  if (heardMs < settledMs + LOOK_MS / 2) return null;
  const isOver = heardMs - sinceMs >= LOOK_MS_MAX;
  // Calls that end while code is still being compiled say little.
  const warmMs = kind === "checking" ? settledMs : warmedMs(changed, changes);
  const fromMs = clamp(warmMs, settledMs, sinceMs + LOOK_MS_MAX - LOOK_MS);
  const isCold = warmMs > settledMs && heardMs - fromMs < LOOK_MS / 2;
  if (isOtherLoad(views, before, [settledMs, heardMs], changes)) {
    return kind === "verifying" ? { outcome: "accepted", ratio: null } : { outcome: "invalid" };
  }
  const later: Stretch = [isCold ? settledMs : fromMs, heardMs];
  const found = compare(views, before, later);
  if (found === null) return kind === "verifying" ? { outcome: "accepted", ratio: null } : { outcome: "invalid" };
  const { calls, ratio, slowdown } = found;
  const error = Math.hypot(found.error, noiseOfRatio(experiment.noise, before, later));
  const isKnown = calls >= CALLS_MIN;
  if (!isKnown && !isOver) return null;
  const lossMin = Math.max(LOSS_MIN, 2 * error);
  if (kind !== "checking" && ratio > 1 + lossMin && (isKnown || slowdown > 2)) {
    return { outcome: "rejected", ratio };
  }
  if (heardMs - fromMs < LOOK_MS) return null;
  switch (kind) {
    case "verifying":
      return { outcome: "accepted", ratio };
    case "checking": {
      const mean = Math.sqrt(experiment.ratio / ratio);
      const isBetter = isKnown && ratio > 1 && mean <= 1 - Math.max(GAIN_MIN, error);
      return { outcome: isBetter ? "accepted" : "inconclusive", ratio: mean };
    }
    case "trying": {
      if (!isKnown) return { outcome: "inconclusive", ratio: null };
      const gainMin = Math.max(GAIN_MIN, (isOver ? 1 : 2) * error);
      const isBetter = ratio <= 1 - gainMin && slowdown <= 1 + Math.max(GAIN_MIN, 2 * error);
      if (isBetter) return { outcome: "promising", ratio, during: [fromMs, heardMs] };
      return isOver || ratio > 1 - GAIN_MIN ? { outcome: "inconclusive", ratio } : null;
    }
    default:
      return kind satisfies never;
  }
}

/** When the code of all changed functions was compiled where they went; Infinity: it is not. */
const warmedMs = (changed: readonly FunctionView[], changes: readonly ShareChange[]): number =>
  Math.max(
    ...changes.map(({ name, from, to }) => {
      const view = changed.find((one) => one.name === name);
      return view?.profile.sides[gainingSide(from, to)].warmMs ?? Infinity;
    }),
  );
