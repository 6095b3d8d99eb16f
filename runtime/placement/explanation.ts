// Why a function is where it is: all that the decision was made from, and a sentence for people. Pure; for `locus why`, the gateway
// and whoever else asks.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { FunctionState, Transition } from "./function-state.ts";
import type { Rules } from "./situation.ts";
import type { CostConstants, Demand } from "./cost-model.ts";
import { functionCosts, predictionErrorOf, type SideCosts } from "./function-costs.ts";
import type { Placement } from "./plan.ts";
import { reasonText } from "./reason.ts";

/** Transitions of one function that are told, the latest last. */
export const TRANSITIONS_TOLD_MAX = 20;

interface ExplainedSide extends SideCosts {
  /** Those behind `calls`, each counted once, and when the first of them were heard of; null: there were none. */
  readonly callsInAll: number;
  readonly sinceMs: number | null;
  /** As `predictionErrorOf`. */
  readonly predictionError: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly failedShare: number | null;
}

export interface Explanation extends Placement {
  readonly function: string;
  readonly version: string | null;
  readonly rules: Rules;
  /** Over the last ten seconds. */
  readonly callsPerSecond: number;
  readonly moves: number;
  readonly reverts: number;
  readonly flaps: number;
  /** null: no call of it is known. */
  readonly demand: Demand | null;
  readonly sides: Readonly<Record<Side, ExplainedSide>> | null;
  readonly transitions: readonly Transition[];
  /** In a sentence. */
  readonly reason: string;
}

interface Known {
  readonly state: FunctionState;
  readonly rules: Rules;
  readonly profile: FunctionProfile | undefined;
  readonly constants: CostConstants;
  /** Of all functions. */
  readonly transitions: readonly Transition[];
  readonly nowMs: number;
}

export function explain(name: string, { state, rules, profile, constants, transitions, nowMs }: Known): Explanation {
  const estimates = profile?.estimates(nowMs) ?? { compute: null, storage: null };
  const costs = functionCosts(estimates, constants, nowMs, state.paces);
  const explained = (side: Side, of: SideCosts): ExplainedSide => {
    const estimate = estimates[side];
    return {
      ...of,
      callsInAll: Math.round(estimate?.callsInAll ?? 0),
      sinceMs: estimate?.sinceMs ?? null,
      predictionError: predictionErrorOf(of),
      p50Us: profile?.percentileUs(side, 50) ?? null,
      p99Us: profile?.percentileUs(side, 99) ?? null,
      failedShare: estimate?.failedShare ?? null,
    };
  };
  const sides = costs && {
    compute: explained("compute", costs.sides.compute),
    storage: explained("storage", costs.sides.storage),
  };
  const own = transitions.filter((transition) => transition.function === name).slice(-TRANSITIONS_TOLD_MAX);
  const { share, probeEvery, backCpuUs, moves, reverts, flaps } = state;
  const told = {
    function: name,
    version: profile?.version ?? null,
    state: state.state,
    share,
    probeEvery,
    backCpuUs,
    rules,
    callsPerSecond: profile?.callsPerSecondLately(nowMs) ?? 0,
    moves,
    reverts,
    flaps,
    demand: costs?.demand ?? null,
    sides,
    transitions: own,
  };
  return { ...told, reason: reasonText({ ...told, retryAtMs: state.retryAtMs, nowMs }) };
}
