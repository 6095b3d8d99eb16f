// Placement in a node's metrics: the plan that every node follows, and in the node that controls
// what it decides from.

import { exposeNumbers, type Series } from "#runtime/exposition.ts";
import { busyUs, type CostConstants } from "#runtime/placement/cost-model.ts";
import { functionCosts, predictionErrorOf } from "#runtime/placement/function-costs.ts";
import type { FunctionState } from "#runtime/placement/function-state.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import { POOLS } from "#runtime/placement/pool-use.ts";
import type { PlacementLoop } from "./placement-loop.ts";
import type { StorageCalls } from "./redis-watch.ts";

interface MeasuredPlacement {
  readonly placements: ReadonlyMap<string, Placement>;
  /** By function: calls of this node that stayed at storage because push-backs had wasted enough. */
  readonly stayed: ReadonlyMap<string, number>;
  /** null: this node does not control. */
  readonly control: MeasuredControl | null;
}

interface MeasuredControl {
  /** null: unknown. */
  readonly storageCalls: StorageCalls | null;
  readonly loop: Pick<PlacementLoop, "functions" | "profiles" | "outlook" | "regret">;
  readonly constants: CostConstants;
  readonly nowMs: number;
}

const one = (value: number): Series[] => [{ labels: {}, value }];
const byLabel = (label: string, values: Iterable<readonly [string, number]>): Series[] =>
  Array.from(values, ([name, value]) => ({ labels: { [label]: name }, value }));

export function placementText({ placements, stayed, control }: MeasuredPlacement): string {
  const texts: string[] = [];
  const counter = (name: string, help: string, series: Series[]) =>
    texts.push(exposeNumbers("counter", `locus_${name}_total`, help, series));
  const gauge = (name: string, help: string, series: Series[]) =>
    texts.push(exposeNumbers("gauge", `locus_${name}`, help, series));

  const stayedHere = byLabel("function", stayed).filter(({ value }) => value > 0);
  counter("calls_let_stay", "Calls that stayed at storage because push-backs had wasted enough.", stayedHere);
  const shares = Array.from(placements, ([name, { share }]) => [name, share] as const);
  gauge("placement_share", "Planned fraction of a function's calls at storage.", byLabel("function", shares));
  gauge("placement_controls", "Whether this node decides placement.", one(control === null ? 0 : 1));
  if (control === null) return texts.join("");

  const { loop, storageCalls } = control;
  if (storageCalls !== null) {
    const { now, ended, letStay } = storageCalls;
    gauge("storage_invocations", "Invocations beside Redis now, by state.", byLabel("state", Object.entries(now)));
    const ends = byLabel("state", Object.entries(ended));
    counter("storage_invocations_ended", "Invocations beside Redis that ended since the module was loaded.", ends);
    counter("storage_calls_let_stay", "LOCUS.CALLs that stayed as push-backs had wasted enough.", one(letStay));
  }
  const count = (pick: (state: FunctionState) => number): Series[] =>
    byLabel(
      "function",
      Array.from(loop.functions, ([name, state]) => [name, pick(state)] as const),
    );
  counter(
    "placement_moves",
    "Changes of a function's share that its calls caused.",
    count(({ moves }) => moves),
  );
  counter(
    "placement_reverts",
    "Moves taken back.",
    count(({ reverts }) => reverts),
  );
  counter(
    "placement_trials",
    "Trials: all calls of a function ran on one side for a moment.",
    count(({ trials }) => trials),
  );
  const { visits, errors } = costSeries(control);
  gauge("placement_visit_cost", "Fraction of a function's work that visits to its other side take.", visits);
  gauge("placement_prediction_error", "Error of the predicted latency without queues ÷ measured latency.", errors);
  const { outlook, regret } = loop;
  const utilisation = byLabel(
    "pool",
    POOLS.map((pool) => [pool, outlook?.utilisation[pool] ?? 0] as const),
  );
  gauge("placement_utilisation", "How busy the plan keeps each pool; 1 is all of it.", utilisation);
  gauge("placement_regret", "Fraction of the optimum's benefit that the current shares miss.", one(regret ?? 0));
  return texts.join("");
}

function costSeries({ loop, constants, nowMs }: MeasuredControl) {
  const [visits, errors]: [Series[], Series[]] = [[], []];
  for (const [name, { paces, share, probeEvery }] of loop.functions) {
    const profile = loop.profiles.get(name);
    const costs = profile && functionCosts(profile.estimates(nowMs), constants, nowMs, paces);
    if (!costs) continue;
    const { compute, storage } = costs.sides;
    const [here, there] = share > 0 ? [storage, compute] : [compute, storage];
    const hereUs = busyUs(here.cost);
    const value = probeEvery === 0 || hereUs <= 0 ? 0 : busyUs(there.cost) / (probeEvery * hereUs);
    visits.push({ labels: { function: name }, value });
    for (const [side, of] of Object.entries(costs.sides)) {
      const error = predictionErrorOf(of);
      if (error !== null) errors.push({ labels: { function: name, side }, value: error });
    }
  }
  return { visits, errors };
}
