// Why a function is where it is, in three parts: what a call costs on each side, what would change by
// moving, and why it stays or moves. Pure; the numbers are those of the last step of the controller.

import { durationText } from "#runtime/figures.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { Step } from "./controller.ts";
import type { CostConstants, Demand, LatencyTerms } from "./cost-model.ts";
import { functionCosts, predictionErrorOf, type SideCosts } from "./function-costs.ts";
import type { Counters, FunctionState } from "./function-state.ts";
import { homeOf, placeOf, type Placement } from "./plan.ts";
import type { Rules } from "./situation.ts";
import { standingOf, standingText, type Standing } from "./standing.ts";
import type { Transition } from "./transition.ts";

interface ExplainedSide extends SideCosts {
  /** Calls behind the measurement, each counted once, and when the first of them was measured; null: none was. */
  readonly callsInAll: number;
  readonly sinceMs: number | null;
  /** |predicted − measured| ÷ measured; null: nothing was measured. */
  readonly predictionError: number | null;
  /** Means of the measured calls, µs: CPU time and waiting for replies, and before that waiting for an isolate. */
  readonly cpuUs: number | null;
  readonly waitUs: number | null;
  readonly queueUs: number | null;
  /** From admission to answer, µs. */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly failedShare: number | null;
}

export interface Explanation extends Placement, Counters {
  readonly function: string;
  readonly version: string | null;
  readonly rules: Rules;
  /** Over the last ten seconds. */
  readonly callsPerSecond: number;
  /** null: no call of it is known. */
  readonly demand: Demand | null;
  readonly sides: Readonly<Record<Side, ExplainedSide>> | null;
  /** What a call would take longer (or, below 0, shorter) on the side with less of the calls, µs: by term, and in all. */
  readonly difference: (LatencyTerms & { readonly sum: number }) | null;
  readonly standing: Standing | null;
  /** In words. */
  readonly reason: string;
  /** The latest last. */
  readonly transitions: readonly Transition[];
}

interface Known {
  readonly state: FunctionState;
  readonly rules: Rules;
  readonly profile: FunctionProfile | undefined;
  readonly constants: CostConstants;
  readonly transitions: readonly Transition[];
  /** The last one; null: there was none. */
  readonly step: Step | null;
  readonly nowMs: number;
}

export function explain(name: string, known: Known): Explanation {
  const { state, rules, profile, constants, transitions, step, nowMs } = known;
  const view = step?.views.find((one) => one.name === name);
  const estimates = profile?.estimates(nowMs) ?? { compute: null, storage: null };
  const costs = view?.costs ?? functionCosts(estimates, constants, nowMs, state.paces);
  const explained = (side: Side, of: SideCosts): ExplainedSide => {
    const estimate = estimates[side];
    return {
      ...of,
      callsInAll: Math.round(estimate?.callsInAll ?? 0),
      sinceMs: estimate?.sinceMs ?? null,
      predictionError: predictionErrorOf(of),
      cpuUs: estimate?.cpuUs ?? null,
      waitUs: estimate?.waitUs ?? null,
      queueUs: estimate?.queueUs ?? null,
      p50Us: profile?.sides[side].percentileUs(50) ?? null,
      p99Us: profile?.sides[side].percentileUs(99) ?? null,
      failedShare: estimate?.failedShare ?? null,
    };
  };
  const sides = costs && {
    compute: explained("compute", costs.sides.compute),
    storage: explained("storage", costs.sides.storage),
  };
  const standing = standingNow(known, view);
  return {
    function: name,
    version: profile?.version ?? null,
    ...placeOf(state),
    rules,
    callsPerSecond: profile?.rates.perSecondLately(nowMs) ?? 0,
    moves: state.moves,
    reverts: state.reverts,
    trials: state.trials,
    demand: costs?.demand ?? null,
    sides,
    difference: sides && differenceOf(sides, homeOf(state)),
    standing,
    reason: reasonText(state, sides, standing),
    transitions,
  };
}

/** null: no call of it is known. */
function standingNow({ state, profile, step }: Known, view: Step["views"][number] | undefined): Standing | null {
  if (state.state === "pinned") return { kind: "pinned" };
  if (profile === undefined || step === null) return null;
  if (view === undefined) return { kind: "idle" };
  return standingOf({ ...view, state, share: state.share }, step.views, step.use, step.state);
}

/** The terms add up to the difference of the latencies. */
function differenceOf(sides: Readonly<Record<Side, SideCosts>>, here: Side): Explanation["difference"] {
  const [mine, others] = [sides[here].cost, sides[otherSide(here)].cost];
  const terms = Object.fromEntries(
    Object.entries(others.terms).map(([term, us]) => [term, us - mine.terms[term as keyof LatencyTerms]]),
  ) as unknown as LatencyTerms;
  return { ...terms, sum: others.latencyUs - mine.latencyUs };
}

function reasonText(
  state: FunctionState,
  sides: Readonly<Record<Side, SideCosts>> | null,
  standing: Standing | null,
): string {
  if (sides === null || standing === null)
    return `No call of it has been measured. It stays at ${homeOf(state)} until then.`;
  const takes = (side: Side): string => {
    const { cost, calls } = sides[side];
    return `${durationText(cost.latencyUs)} at ${side}${calls === 0 ? " (by the model)" : ""}`;
  };
  const here = homeOf(state);
  return `A call takes ${takes(here)} and ${takes(otherSide(here))}. ${standingText(standing, state.share)}`;
}
