// Why a function is where it is: all that the decision was made from, and a sentence for people. Pure; for `locus why`, the gateway
// and whoever else asks.

import { counted } from "#runtime/counted.ts";
import { amountText, durationText, percentText } from "#runtime/figures.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { PROFILED_CALLS_MIN, VISITS_MIN, type FunctionState, type Rules, type Transition } from "./controller.ts";
import type { CostConstants, Demand, LatencyTerms } from "./cost-model.ts";
import { functionCosts, predictionErrorOf, type SideCosts } from "./function-costs.ts";
import type { Placement } from "./plan.ts";

/** Transitions of one function that are told, the latest last. */
export const TRANSITIONS_TOLD_MAX = 20;

interface ExplainedSide extends SideCosts {
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
  const costs = profile === undefined ? null : functionCosts(profile, constants, nowMs, state.paces);
  const explained = (side: Side, of: SideCosts): ExplainedSide => {
    const estimate = profile?.estimate(side, nowMs) ?? null;
    return {
      ...of,
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
    callsPerSecond: profile?.callsPerSecond(nowMs) ?? 0,
    moves,
    reverts,
    flaps,
    demand: costs?.demand ?? null,
    sides,
    transitions: own,
  };
  return { ...told, reason: sentenceOf(told) };
}

function sentenceOf({ state, share, sides, demand, transitions, rules }: Omit<Explanation, "reason">): string {
  if (state === "pinned") return `It is pinned: ${whereOf(share)}.`;
  if (sides === null || demand === null) return `No call of it is known: ${whereOf(share)} until there are some.`;
  const calls = sides.compute.calls + sides.storage.calls;
  if (state === "profiling" && calls < PROFILED_CALLS_MIN) {
    return `Of the ${PROFILED_CALLS_MIN} calls that a decision may take ${Math.floor(calls)} ${calls < 2 ? "is" : "are"} known: ${whereOf(share)} until then.`;
  }
  const here: Side = share >= 0.5 ? "storage" : "compute";
  const there: Side = here === "storage" ? "compute" : "storage";
  const latency = `A call takes ${durationText(sides[here].cost.latencyUs)} at ${here} and ${durationText(sides[there].cost.latencyUs)} at ${there}`;
  const move = transitions.findLast(({ fromShare, toShare }) => fromShare !== toShare)?.why;
  if (sides[here].cost.latencyUs > sides[there].cost.latencyUs || state === "split") {
    if (move?.kind === "overload") {
      return `${latency}, but ${whereOf(share)} keeps the busiest part at ${percentText(move.to)} instead of ${percentText(move.from)}.`;
    }
    if (move?.kind === "reverted") return `${latency} by now; a move there was taken back, and is tried again later.`;
    if (
      rules.p99UnderUs !== null &&
      isBroken(sides[there], rules.p99UnderUs) &&
      !isBroken(sides[here], rules.p99UnderUs)
    ) {
      return `${latency}, but ${there} breaks its bound of ${durationText(rules.p99UnderUs)} on the 99th percentile.`;
    }
    if (sides[there].calls < VISITS_MIN) return `${latency}, by the model: a few visits there come first.`;
    return `${latency}: too little to move for, by what is known.`;
  }
  const guess = sides[there].calls === 0 ? ", by the model" : "";
  return `${latency}${guess}: ${differenceOf(sides[here].cost.terms, sides[there].cost.terms, there, demand)}.`;
}

const TERM_NAMES: Readonly<Record<keyof LatencyTerms, (demand: Demand) => string>> = {
  call: () => "on getting the call there and its reply back",
  enter: () => "on waking an isolate up",
  cpu: () => "on computing",
  operations: ({ operations }) => `on handling its ${counted(amountText(operations), "operation")}`,
  rounds: ({ rounds }) => `on waiting for its ${counted(amountText(rounds), "round")}`,
  bytes: ({ bytes }) => `on moving its ${amountText(bytes / 1024)} KiB`,
  crowd: () => "on waiting for others",
};

/** The term that makes most of it. */
function differenceOf(here: LatencyTerms, there: LatencyTerms, side: Side, demand: Demand): string {
  const terms = Object.keys(TERM_NAMES) as (keyof LatencyTerms)[];
  const [term = "call"] = terms.toSorted((one, other) => there[other] - here[other] - (there[one] - here[one]));
  return `${durationText(there[term] - here[term])} more at ${side} ${TERM_NAMES[term](demand)}`;
}

const isBroken = ({ p99Us }: ExplainedSide, boundUs: number): boolean => p99Us !== null && p99Us > boundUs;

const whereOf = (share: number): string =>
  share <= 0 ? "it runs at compute" : share >= 1 ? "it runs at storage" : `${percentText(share)} of it runs at storage`;
