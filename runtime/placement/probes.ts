// Calls that visit the side where their function is not: so that the profile there stays true, and before any traffic goes there.

import { clamp } from "#runtime/clamp.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { CalledFunction } from "./called-function.ts";
import { busyUs } from "./cost-model.ts";
import { type Change, type FunctionState, restingState, type Why } from "./function-state.ts";
import type { Paces } from "./function-costs.ts";
import { PROBE_EVERY_MAX } from "./plan.ts";
import { gainingSide } from "./tried-function.ts";

/**
 * Probes may cost this part of what their function costs anyway, … What a visit costs is told by those before it: in an isolate that was closed meanwhile, or has forgotten its code, a call
 * computes many times what it does in earnest (39 ms in place of 2 of a password, one in 150 of which took 3 % of all that a mix did).
 */
const PROBE_COST_SHARE = 0.01;
/**
 * … and more than so many a second tell no more, while its calls have been what they are for a short time, and after that. A visitor is alone, and each of its rounds wakes somebody up: of 64
 * dependent reads beside Redis, 5,800 times a second, two visits a second take a fortieth of the compute core.
 */
const YOUNG_MS = 10_000;
const PROBES_PER_SECOND = { young: 2, known: 1 } as const;
/** What was last heard of a side so long ago is old. */
const PROBE_INTERVAL_MS = 10_000;
/** A side that was visited so often, and within this time, is warm; no other one is given traffic. First visits are one call in so many. */
export const WARM_MS = 30_000;
export const VISITS_MIN = 3;
const FIRST_VISIT_EVERY = 4;
/** Each node has isolates of its own at compute, and visits by its own calls; for those of more nodes than so many a profile does not keep enough of them while code is compiled. */
const VISITING_NODES_MAX = 4;

/** Whether the side was called lately, and so often: at compute, for each of so many nodes. */
export function isWarmAt(paces: Paces, side: Side, nodes: number, nowMs: number): boolean {
  const pace = paces[side];
  const visitsMin = VISITS_MIN * (side === "storage" ? 1 : clamp(nodes, 1, VISITING_NODES_MAX));
  return pace !== null && pace.calls >= visitsMin && nowMs - pace.atMs <= WARM_MS;
}

/** A few calls go there first: they warm it, and say whether the move is as good as the model has it. */
export function visiting(now: FunctionState, candidate: CalledFunction, share: number, nowMs: number): Change {
  const side = gainingSide(now, share);
  const probeEvery = failsAt(candidate, side) ? probeEveryOf(candidate, side, nowMs) : FIRST_VISIT_EVERY;
  return {
    to: { ...now, state: "probing", probeEvery },
    why: now.state === "probing" ? null : { kind: "probing", side, every: probeEvery },
  };
}

/** Sends a few calls to the side where it is not, as dear as allowed. */
export function probed(now: FunctionState, candidate: CalledFunction, nowMs: number): Change {
  // What was taken back is to be tried again from what is known by then.
  const isBack = now.state === "reverting" && restingState(now.share) !== "split";
  if (now.state !== "compute" && now.state !== "storage" && now.state !== "probing" && !isBack) {
    return { to: now.probeEvery === 0 ? now : { ...now, probeEvery: 0 }, why: null };
  }
  const other: Side = now.share > 0 ? "compute" : "storage";
  if (other === "storage" && !candidate.hasStorage) {
    const isAsBefore = now.state === "compute" && now.probeEvery === 0;
    if (isAsBefore) return { to: now, why: null };
    return {
      to: { ...now, state: "compute", probeEvery: 0 },
      why: now.state === "compute" ? null : { kind: "closed" },
    };
  }
  const pace = now.paces[other];
  const isKnown = pace !== null && pace.calls >= VISITS_MIN;
  const cheap = probeEveryOf(candidate, other, nowMs);
  const wanted = isKnown || isBack || failsAt(candidate, other) ? cheap : Math.min(cheap, FIRST_VISIT_EVERY);
  // A step of a tenth is no news to those who follow the plan.
  const probeEvery = Math.abs(wanted / Math.max(1, now.probeEvery) - 1) < 0.1 ? now.probeEvery : wanted;
  const isStale = !isKnown || nowMs - pace.atMs > PROBE_INTERVAL_MS;
  const state = isBack ? now.state : isStale ? "probing" : restingState(now.share);
  if (state === now.state) return { to: probeEvery === now.probeEvery ? now : { ...now, probeEvery }, why: null };
  const why: Why = isStale
    ? { kind: "probing", side: other, every: probeEvery }
    : { kind: "probed", side: other, takesUs: candidate.costs.sides[other].cost.latencyUs };
  return { to: { ...now, state, probeEvery }, why };
}

/** Nothing is known of a side where every visit fails, and no more than probes should find that out. */
const failsAt = ({ profile, costs }: CalledFunction, side: Side): boolean =>
  costs.sides[side].calls === 0 && profile.untold(side) >= VISITS_MIN;

/** One call in so many: seldom enough to be cheap, whatever that leaves untold. */
function probeEveryOf(
  { load: { callsPerSecond, costs }, costs: { demand, typical }, typicalCpuUs, sinceMs }: CalledFunction,
  other: Side,
  nowMs: number,
): number {
  // A typical one and the mean differ as those of all calls do.
  const visitCpuUs = (typicalCpuUs[other] * demand.cpuUs) / Math.max(1, typical.cpuUs);
  const besides = Math.max(0, visitCpuUs - costs[other].terms.cpu);
  const cheapEnough = (busyUs(costs[other]) + besides) / (PROBE_COST_SHARE * busyUs(costs[otherSide(other)]));
  const perSecond = PROBES_PER_SECOND[nowMs - sinceMs < YOUNG_MS ? "young" : "known"];
  const every = Math.ceil(Math.max(cheapEnough, callsPerSecond / perSecond));
  return clamp(every, 2, PROBE_EVERY_MAX);
}
