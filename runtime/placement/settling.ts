// What is so before a plan is made: new, pinned, replaced and shifted functions, calls of an earlier kind,
// closed sides, and the plan of an earlier controller.

import type { ControllerState } from "./controller.ts";
import { Draft } from "./draft.ts";
import { FRESH, settled, type FunctionRecord, type FunctionState } from "./function-state.ts";
import { HOLD_MS, recall, remember, shiftedMemory } from "./memory.ts";
import type { Placement } from "./plan.ts";
import type { Situation } from "./situation.ts";
import type { Why } from "./transition.ts";
import { gainingSide, viewOf, type FunctionView } from "./view.ts";

/** The functions that are called, in the order of the rules. */
export function settledViews(draft: Draft, before: ControllerState, situation: Situation): readonly FunctionView[] {
  const { nowMs, profiles, shifted, rules: allRules } = situation;
  const views: FunctionView[] = [];
  for (const [name, rules] of allRules) {
    const was = before.functions.get(name);
    const { to: settledTo, why } = settled(name, was, rules, situation);
    let to = settledTo;
    const profile = profiles.get(name);
    if (profile !== undefined && to.state !== "pinned") {
      const memory = shifted.has(name)
        ? shiftedMemory(to.memory, to.fromShare ?? to.share, nowMs)
        : remember(to.memory, profile.rates.lastMs, nowMs, before.steppedMs);
      to = { ...to, memory };
    }
    draft.put(name, was, { to, why });
    const view = viewOf(name, rules, to, situation, before.isFull);
    if (view === null) continue;
    draft.functions.set(name, view.state);
    views.push(recalled(draft, view, situation, before));
  }
  return views;
}

/** Calls of an earlier kind return to the share that was best for them. */
function recalled(draft: Draft, view: FunctionView, situation: Situation, before: ControllerState): FunctionView {
  const { name, rules, state, costs, closed } = view;
  if (state.state === "profiling" || state.state === "pinned") return view;
  const { memory, recalled: share } = recall(state.memory, costs.typical, situation.nowMs);
  draft.functions.set(name, { ...state, memory });
  if (share === null) return { ...view, state: { ...state, memory } };
  draft.backOff(name, "plan", HOLD_MS);
  if (share !== view.share && !(share > 0 ? closed.storage : closed.compute)) {
    draft.move(name, share, { kind: "recalled" }, "moves");
  }
  return viewOf(name, rules, draft.of(name), situation, before.isFull) ?? view;
}

/** True: a function had to leave a side that is closed to it. */
export function hasLeftClosedSide(draft: Draft, views: readonly FunctionView[]): boolean {
  let isAny = false;
  for (const { name, share, load, state, rules, p99Us } of views) {
    const to = share < load.lowest ? load.lowest : share > load.highest ? load.highest : share;
    if (to === share || state.state === "pinned") continue;
    const from = gainingSide(to, share);
    const why: Why =
      p99Us === null ? { kind: "closed" } : { kind: "bound", p99UnderUs: rules.p99UnderUs!, p99Us: p99Us[from] };
    draft.move(name, to, why, "moves");
    isAny = true;
  }
  return isAny;
}

/** The plan of an earlier controller. What it had learnt is gone: every function is profiled again. */
export function resumedDraft(
  placements: ReadonlyMap<string, Placement>,
  records: ReadonlyMap<string, FunctionRecord>,
  nowMs: number,
): Draft {
  const draft = new Draft(-Infinity, nowMs);
  for (const [name, placement] of placements) {
    const { fromShare, ...planned } = placement;
    const share = fromShare ?? planned.share;
    const { counters, transitions = [] } = records.get(name) ?? {};
    const pinned = planned.state === "pinned" ? ({ state: "pinned", backCpuUs: 0 } as const) : null;
    const to: FunctionState = { ...FRESH, ...counters, share, state: "profiling", ...pinned };
    const lastMs = transitions.at(-1)?.atMs;
    const sinceLastMs = lastMs === undefined ? null : Math.max(0, nowMs - lastMs);
    const isSame = to.state === planned.state && share === planned.share;
    draft.put(name, { ...to, ...planned }, { to, why: isSame ? null : { kind: "resumed", sinceLastMs } });
  }
  return draft;
}
