// What the node that controls answers to questions of other nodes, and the gateway to its clients:
// why one function is where it is, or an overview of all.

import type { ConstantsSource, CostConstants } from "#runtime/placement/cost-model.ts";
import type { Explanation } from "#runtime/placement/explanation.ts";
import type { Outlook } from "#runtime/placement/optimal-shares.ts";
import { NO_OVERFLOW } from "#runtime/placement/overflow.ts";
import { placeOf, type Placement, type Plan } from "#runtime/placement/plan.ts";

export interface PlacementOverview {
  readonly planVersion: number;
  /** When the controller last changed the plan, ms of its clock; null: not since it began to control. */
  readonly decidedMs: number | null;
  /** null: no node controls now, and the last plan holds. */
  readonly controller: string | null;
  /** Nodes that had calls lately. */
  readonly nodes: number | null;
  readonly outlook: Outlook | null;
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

/** What a node knows by the plan that it follows. */
export const overviewOf = ({ version, placements }: Plan): PlacementOverview => ({
  planVersion: version,
  decidedMs: null,
  controller: null,
  nodes: null,
  outlook: null,
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
