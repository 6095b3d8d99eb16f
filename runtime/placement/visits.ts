// Probes: a few calls of a function visit the side where it is not. They keep the profile of that side
// true, and compile the function's code there before it moves.

import { clamp } from "#runtime/clamp.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import { busyUs } from "./cost-model.ts";
import { VISITS_MIN } from "./function-costs.ts";
import { type Change, restingState } from "./function-state.ts";
import { PROBE_EVERY_MAX, type PlacementState } from "./plan.ts";
import { ACTIVE_MS, type FunctionView } from "./view.ts";

/** Probes may add this part to what a function's calls cost, and trials may have this part of all calls. */
export const EXPLORING_PART = 0.01;
/** The first visits are one call in so many. */
const FIRST_VISIT_EVERY = 4;

/** How often the function's calls visit the other side. `isWanted`: the plan would move it there. */
export function visited(view: FunctionView, now: FunctionView["state"], isWanted: boolean, nowMs: number): Change {
  if (now.state === "profiling" || now.state === "pinned") return { to: now, why: null };
  const resting = restingState(now.share);
  const other: Side = now.share > 0 ? "compute" : "storage";
  if (resting === "split" || (other === "storage" && view.closed.storage)) {
    const isSame = now.probeEvery === 0 && now.state === resting;
    return { to: isSame ? now : { ...now, state: resting, probeEvery: 0 }, why: null };
  }
  const pace = view.costs.paces[other];
  const isKnown = pace !== null && pace.calls >= VISITS_MIN;
  const isFailing = view.costs.sides[other].calls === 0 && view.profile.sides[other].untold >= VISITS_MIN;
  const cheap = cheapProbeEvery(view, other);
  const wanted = (isKnown && !isWanted) || isFailing ? cheap : Math.min(cheap, FIRST_VISIT_EVERY);
  // A step of a tenth is not worth a new plan.
  const probeEvery = Math.abs(wanted / Math.max(1, now.probeEvery) - 1) < 0.1 ? now.probeEvery : wanted;
  const isStale = isWanted || !isKnown || nowMs - pace.atMs > ACTIVE_MS;
  const state: PlacementState = isStale ? "probing" : resting;
  const to = state === now.state && probeEvery === now.probeEvery ? now : { ...now, state, probeEvery };
  if (state === now.state) return { to, why: null };
  return {
    to,
    why: isStale
      ? { kind: "probing", side: other, every: probeEvery }
      : { kind: "probed", side: other, takesUs: view.costs.sides[other].cost.latencyUs },
  };
}

/** One call in so many: rare enough to be cheap, and at most one in a second. */
function cheapProbeEvery({ load: { callsPerSecond, costs }, visitCpuUs }: FunctionView, other: Side): number {
  // A probe may run on cold code, which costs more than calls do once they run there.
  const coldUs = Math.max(0, visitCpuUs[other] - costs[other].terms.cpu);
  const { opening } = costs[other].terms;
  const cheap = (busyUs(costs[other]) + coldUs + opening) / (EXPLORING_PART * busyUs(costs[otherSide(other)]));
  return clamp(Math.ceil(Math.max(cheap, callsPerSecond)), 2, PROBE_EVERY_MAX);
}
