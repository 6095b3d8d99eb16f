// What the node that controls answers to questions of other nodes, and the gateway to its clients:
// why one function is where it is, or an overview of all.

import { Type } from "typebox";

import { CONSTANTS_SOURCES, type ConstantsSource, type CostConstants } from "#runtime/placement/cost-model.ts";
import type { Explanation } from "#runtime/placement/explanation.ts";
import type { Outlook } from "#runtime/placement/optimal-shares.ts";
import { NO_OVERFLOW } from "#runtime/placement/overflow.ts";
import { placeOf, type Placement, type Plan } from "#runtime/placement/plan.ts";
import { POOL_NAMES } from "#runtime/placement/pool-use.ts";
import type { Standing } from "#runtime/placement/standing.ts";
import { TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import { costConstants, count, functionName, numbersLike, orNull, reader } from "./messages.ts";
import { share, side, state, time, transition } from "./messages.ts";

export interface PlacementOverview {
  readonly planVersion: number;
  /** When the controller last changed the plan, ms of its clock; null: not since it began to control. */
  readonly decidedMs: number | null;
  /** null: no node controls now, and the last plan holds. */
  readonly controller: string | null;
  /** Nodes that had calls lately. */
  readonly nodes: number | null;
  readonly outlook: Outlook | null;
  /** Cores that sandbox hosts beside Redis get while others use the rest; null: as many as they want. */
  readonly hostCores: number | null;
  /** Regret: the fraction (0–1) of the optimum's benefit that the current shares miss. */
  readonly regret: number | null;
  readonly constants: CostConstants | null;
  readonly constantsFrom: ConstantsSource | null;
  readonly functions: readonly PlacementSummary[];
}

/** Without an answer of the controller only the placement is known. */
export type PlacementSummary = Placement &
  Pick<Explanation, "function"> &
  Partial<Omit<Explanation, "function" | keyof Placement>> & {
    /** A sentence for each thing that slows functions down, of the node that was asked. */
    readonly warnings?: readonly string[];
  };

export interface Answer {
  /** Of the question. */
  readonly id: number;
  /** null: the function is unknown. */
  readonly answer: Explanation | PlacementOverview | null;
}

const number = Type.Number();
/** A sentence or a name. */
const text = Type.String({ maxLength: 1_024 });
const numbers = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, number]));
const numbersOrNull = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, orNull(number)]));

const latencyTerms = numbers("call", "enter", "cpu", "operations", "rounds", "bytes", "crowd");
const costOnSide = Type.Object({
  cost: Type.Object({
    ...numbers("latencyUs", "aloneUs", "computeUs", "storageUs", "redisUs"),
    terms: Type.Object(latencyTerms),
  }),
  ...numbers("error", "calls"),
  ...numbersOrNull("predictedUs", "measuredUs", "measuredCallUs", "lastMs", "predictionError"),
  ...numbersOrNull("cpuUs", "waitUs", "queueUs", "p50Us", "p99Us", "failedShare"),
  callsInAll: count,
  sinceMs: orNull(time),
});

const explanation = Type.Object({
  function: functionName,
  version: orNull(text),
  state,
  share,
  probeEvery: count,
  backCpuUs: count,
  overflowMin: count,
  ...numbers("overflowTimes", "callsPerSecond"),
  rules: Type.Object({
    preferred: orNull(side),
    pinnedShare: orNull(share),
    weight: number,
    p99UnderUs: orNull(number),
  }),
  moves: count,
  reverts: count,
  trials: count,
  demand: orNull(Type.Object(numbers("operations", "rounds", "bytes", "cpuUs"))),
  sides: orNull(Type.Object({ compute: costOnSide, storage: costOnSide })),
  difference: orNull(Type.Object({ ...latencyTerms, sum: number })),
  /** No node decides by its other members. */
  standing: orNull(Type.Unsafe<Standing>(Type.Object({ kind: Type.String({ maxLength: 32 }) }))),
  transitions: Type.Array(Type.Object({ function: functionName, ...transition }), { maxItems: TRANSITIONS_MAX }),
  reason: text,
});

const overview = Type.Object({
  planVersion: count,
  decidedMs: orNull(time),
  controller: orNull(text),
  nodes: orNull(count),
  outlook: orNull(
    Type.Object({
      utilisation: numbersLike(POOL_NAMES),
      ...numbers("busiest", "waitUsPerSecond"),
      crowded: Type.Boolean(),
    }),
  ),
  ...numbersOrNull("hostCores", "regret"),
  constants: orNull(costConstants),
  constantsFrom: orNull(Type.Enum([...CONSTANTS_SOURCES])),
  functions: Type.Array(explanation, { maxItems: TALLIED_FUNCTIONS_MAX }),
});

const answer = Type.Unsafe<Answer["answer"]>(Type.Union([explanation, overview, Type.Null()]));
export const readAnswer: (text: string) => Answer | null = reader(Type.Object({ id: count, answer }));

/** What a node knows by the plan that it follows. */
export const overviewOf = ({ version, placements }: Plan): PlacementOverview => ({
  planVersion: version,
  decidedMs: null,
  controller: null,
  nodes: null,
  outlook: null,
  hostCores: null,
  regret: null,
  constants: null,
  constantsFrom: null,
  functions: [...placements.keys()].toSorted().map((name) => summaryOf(name, placements.get(name))),
});

export const summaryOf = (name: string, placement: Placement | undefined): PlacementSummary =>
  placement === undefined
    ? {
        function: name,
        state: "profiling",
        share: 0,
        probeEvery: 0,
        backCpuUs: 0,
        ...NO_OVERFLOW,
        reason: "The plan has no entry for it.",
      }
    : { function: name, ...placeOf(placement) };
