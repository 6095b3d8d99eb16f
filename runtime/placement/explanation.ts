// Why a function is where it is: all that the decision was made from, and a sentence for people. Pure; for `locus why`, the gateway
// and whoever else asks.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { type FunctionState, retryAtMsTo, type Transition } from "./function-state.ts";
import type { Rules } from "./situation.ts";
import type { CostConstants, Demand } from "./cost-model.ts";
import { functionCosts, predictionErrorOf, type SideCosts } from "./function-costs.ts";
import { excessOf } from "./mixing.ts";
import type { Placement } from "./plan.ts";
import { isWarmAt } from "./probes.ts";
import { reasonText, type Held } from "./reason.ts";

interface ExplainedSide extends SideCosts {
  /** Those behind `calls`, each counted once, and when the first of them were heard of; null: there were none. */
  readonly callsInAll: number;
  readonly sinceMs: number | null;
  /** As `predictionErrorOf`. */
  readonly predictionError: number | null;
  /** Means of these calls: computing and waiting for replies or timers, which are parts of `measuredUs`, and waiting for an isolate before that; null: there were none. An older node tells nothing of it. */
  readonly cpuUs?: number | null;
  readonly waitUs?: number | null;
  readonly queueUs?: number | null;
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
  readonly trials: number;
  /** null: nothing holds it where it is. */
  readonly held: Held | null;
  /** null: no call of it is known. */
  readonly demand: Demand | null;
  /** What it works more with half of its calls on either side, as a part (mixing.ts); null: no call of it is known. */
  readonly splitExcess: number | null;
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
  /** Its own, the latest last. */
  readonly transitions: readonly Transition[];
  /** Whether the plan keeps any part too busy. */
  readonly isCrowded: boolean;
  /** Whether storage runs anything. */
  readonly hasStorage: boolean;
  /** How many may call it. */
  readonly nodes: number;
  readonly nowMs: number;
}

export function explain(name: string, known: Known): Explanation {
  const { state, rules, profile, constants, transitions, isCrowded, hasStorage, nodes, nowMs } = known;
  const estimates = profile?.estimates(nowMs) ?? { compute: null, storage: null };
  const costs = functionCosts(estimates, constants, nowMs, state.paces);
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
      p50Us: profile?.percentileUs(side, 50) ?? null,
      p99Us: profile?.percentileUs(side, 99) ?? null,
      failedShare: estimate?.failedShare ?? null,
    };
  };
  const sides = costs && {
    compute: explained("compute", costs.sides.compute),
    storage: explained("storage", costs.sides.storage),
  };
  const splitExcess =
    costs && excessOf(state.mixing, { compute: costs.sides.compute.cost, storage: costs.sides.storage.cost }, nowMs);
  const { share, probeEvery, backCpuUs, overflowMin, overflowTimes, moves, reverts, flaps, trialsBegun, breaches } =
    state;
  const told = {
    function: name,
    version: profile?.version ?? null,
    state: state.state,
    share,
    probeEvery,
    backCpuUs,
    overflowMin,
    overflowTimes,
    rules,
    callsPerSecond: profile?.callsPerSecondLately(nowMs) ?? 0,
    moves,
    reverts,
    flaps,
    trials: trialsBegun,
    held: heldAt(state, nowMs),
    demand: costs?.demand ?? null,
    splitExcess,
    sides,
    transitions,
  };
  const retryAtMs = { compute: retryAtMsTo(state, "compute"), storage: retryAtMsTo(state, "storage") };
  const refutedUntilMs = { compute: refutedUntilMsOf(state, "compute"), storage: refutedUntilMsOf(state, "storage") };
  const warm = (side: Side): boolean => isWarmAt(costs?.paces ?? state.paces, side, nodes, nowMs);
  const isWarm = { compute: warm("compute"), storage: warm("storage") };
  return {
    ...told,
    reason: reasonText({ ...told, retryAtMs, refutedUntilMs, breaches, isCrowded, hasStorage, isWarm, nowMs }),
  };
}

const refutedUntilMsOf = ({ trials: { backOffs } }: FunctionState, side: Side): number => {
  const { refutation, untilMs } = backOffs.get(side) ?? {};
  return refutation === undefined ? -Infinity : untilMs!;
};

function heldAt({ trials: { held } }: FunctionState, nowMs: number): Held | null {
  if (held === null || held.untilMs <= nowMs) return null;
  const { untilMs, refutedShare, firmUntilMs } = held;
  return { untilMs, refutedShare, isFirm: nowMs < firmUntilMs };
}
