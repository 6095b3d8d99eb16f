// A surge: far more calls come than a moment ago. If they would crowd a pool, the plan for them does not wait
// for an experiment.

import type { Draft } from "./draft.ts";
import { BACK_OFF_MS_MIN } from "./memory.ts";
import { outlookOf } from "./optimal-shares.ts";
import { allCallsOf, poolUse, type Capacity } from "./pool-use.ts";
import { proposal, type ProposedChange } from "./proposal.ts";
import { isWarmFor, loadsOf, sharesOf, viewNamed, type FunctionView } from "./view.ts";

/** What the model proposes for the calls of this moment, if these would crowd a pool. */
export function surgeProposal(views: readonly FunctionView[], capacity: Capacity): readonly ProposedChange[] {
  if (views.every(({ surge }) => surge === null)) return [];
  const surged = views.map((view) => (view.surge === null ? view : { ...view, load: view.surge }));
  const use = poolUse(loadsOf(surged), capacity);
  if (!outlookOf(use, sharesOf(views)).crowded) return [];
  return proposal(surged, use).filter((change) => isWarmFor(views, change));
}

/** A surge passes: for a while the function does not return to where it came from. */
export function relieve(draft: Draft, views: readonly FunctionView[], changes: readonly ProposedChange[]): void {
  for (const { name, to, gain } of changes) {
    const { surge, load } = viewNamed(views, name);
    const calls = { callsPerSecond: allCallsOf(surge ?? load), usualPerSecond: allCallsOf(load) };
    draft.move(name, to, { kind: "surge", from: gain.from, to: gain.to, ...calls }, "moves");
    draft.backOff(name, "plan", BACK_OFF_MS_MIN);
    const state = draft.of(name);
    draft.functions.set(name, { ...state, memory: { ...state.memory, surgedMs: draft.nowMs } });
  }
}
