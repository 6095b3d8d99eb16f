// What the outcome of an experiment does to the functions that it changed.

import { otherSide } from "#runtime/profile/sample.ts";
import type { Draft } from "./draft.ts";
import type { Experiment, Verdict } from "./experiment.ts";
import { BACK_OFF_MS_MIN, backOffLeftMs, HOLD_MS } from "./memory.ts";
import { trialKey } from "./next-trial.ts";
import type { ShareChange } from "./proposal.ts";
import type { Why } from "./transition.ts";
import { gainingSide, type FunctionView } from "./view.ts";

export function beginTrial(draft: Draft, changes: readonly ShareChange[]): void {
  for (const change of changes) {
    const { name, from, to } = change;
    draft.move(name, to, { kind: "trying", ...describedBy(change, changes) }, "trials");
    draft.functions.set(name, { ...draft.of(name), state: "probing", fromShare: from });
  }
}

/** Something does not wait for the experiment. A trial is taken back; a change of the plan stays. */
export function giveUp(draft: Draft, experiment: Experiment | null): null {
  if (experiment?.kind !== "trying") return null;
  for (const change of experiment.changes) takeBack(draft, experiment, change, "invalid", null);
  return null;
}

/** Nothing more can be told of a function that was removed or pinned. In a trial its partner returns. */
export function endIfGone(draft: Draft, experiment: Experiment | null): Experiment | null {
  if (experiment === null) return null;
  const changes = experiment.changes.filter(({ name }) => (draft.functions.get(name)?.state ?? "pinned") !== "pinned");
  return changes.length === experiment.changes.length ? experiment : giveUp(draft, { ...experiment, changes });
}

/** The experiment that goes on: a trial that was better is checked; null: none. */
export function conclude(
  draft: Draft,
  views: readonly FunctionView[],
  experiment: Experiment,
  verdict: Verdict,
): Experiment | null {
  const { changes, kind } = experiment;
  const { outcome } = verdict;
  draft.changedMs = draft.nowMs;
  if (kind === "verifying") {
    if (outcome === "rejected") for (const change of changes) revert(draft, change, verdict.ratio);
    return null;
  }
  if (outcome === "promising") {
    for (const change of changes) {
      draft.move(change.name, change.from, { kind: "trying", ...describedBy(change, changes) }, null);
    }
    const { during, ratio } = verdict;
    return { ...experiment, kind: "checking", endedMs: draft.nowMs, during, ratio };
  }
  for (const change of changes) {
    const { name, from, to } = change;
    const ratio = "ratio" in verdict ? verdict.ratio : null;
    if (outcome === "accepted") {
      draft.move(name, to, triedWhy(change, changes, outcome, ratio), "moves");
      // It may return, but less and less often.
      draft.stay(name, otherSide(gainingSide(from, to)), HOLD_MS);
      continue;
    }
    if (kind === "trying") takeBack(draft, experiment, change, outcome, ratio);
    if (outcome === "invalid") continue;
    draft.backOff(name, trialKey(change, changes), outcome === "rejected" ? HOLD_MS : BACK_OFF_MS_MIN);
  }
  // The plan as a whole did better than what the model wants: it is not believed for a while.
  if (outcome === "accepted") for (const { name } of views) draft.backOff(name, "plan", HOLD_MS);
  return null;
}

function revert(draft: Draft, { name, from }: ShareChange, ratio: number): void {
  draft.backOff(name, "plan", BACK_OFF_MS_MIN);
  const retryInMs = backOffLeftMs(draft.of(name).memory, "plan");
  draft.move(name, from, { kind: "reverted", ratio, retryInMs }, "reverts");
}

type TrialOutcome = Extract<Why, { readonly kind: "tried" }>["outcome"];

/** A function that was pinned or replaced during its trial is not in it any more. */
function takeBack(
  draft: Draft,
  { changes }: Experiment,
  change: ShareChange,
  outcome: TrialOutcome,
  ratio: number | null,
): void {
  if (draft.of(change.name).fromShare === undefined) return;
  draft.move(change.name, change.from, triedWhy(change, changes, outcome, ratio), null);
}

const triedWhy = (
  change: ShareChange,
  changes: readonly ShareChange[],
  outcome: TrialOutcome,
  ratio: number | null,
): Why => ({ kind: "tried", ...describedBy(change, changes), outcome, ratio });

const describedBy = ({ name, from, to }: ShareChange, changes: readonly ShareChange[]) => ({
  side: gainingSide(from, to),
  partner: changes.find((one) => one.name !== name)?.name ?? null,
});
