// Placement in a node's metrics: the plan that every node follows, and in the node that controls what it decides from.

import { exposeNumber, exposeNumbers, type Series } from "#runtime/exposition.ts";
import { busyUs, type CostConstants } from "#runtime/placement/cost-model.ts";
import { functionCosts, predictionErrorOf } from "#runtime/placement/function-costs.ts";
import type { Counters } from "#runtime/placement/function-state.ts";
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
  readonly storageCalls: StorageCalls | null;
  readonly loop: Pick<PlacementLoop, "functions" | "profiles" | "outlook" | "regret" | "hostCores">;
  readonly constants: CostConstants;
  readonly nowMs: number;
}

const byLabel = (label: string, values: Iterable<readonly [string, number]>): Series[] =>
  Array.from(values, ([name, value]) => ({ labels: { [label]: name }, value }));

export function placementText({ placements, stayed, control }: MeasuredPlacement): string {
  const shares = Array.from(placements, ([name, { share }]) => [name, share] as const);
  return [
    exposeNumbers(
      "counter",
      "locus_calls_let_stay_total",
      "Calls that exceeded the limit at storage and stayed: push-backs of the function had wasted enough.",
      byLabel(
        "function",
        [...stayed].filter(([, calls]) => calls > 0),
      ),
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_share",
      "Planned part of a function's calls at storage.",
      byLabel("function", shares),
    ),
    exposeNumber("gauge", "locus_placement_controls", "Whether this node decides placement.", control === null ? 0 : 1),
    ...(control === null ? [] : [storageText(control), functionsText(control), poolsText(control)]),
  ].join("");
}

function storageText({ storageCalls }: MeasuredControl): string {
  if (storageCalls === null) return "";
  return [
    exposeNumbers(
      "gauge",
      "locus_storage_invocations",
      "Invocations in the sandbox hosts beside Redis now, whether they came to a node or to Redis.",
      byLabel("state", Object.entries(storageCalls.now)),
    ),
    exposeNumbers(
      "counter",
      "locus_storage_invocations_ended_total",
      "How invocations beside Redis ended since the module was loaded, whether they came to a node or to Redis.",
      byLabel("state", Object.entries(storageCalls.ended)),
    ),
    exposeNumber(
      "counter",
      "locus_storage_calls_let_stay_total",
      "LOCUS.CALLs that exceeded the limit and stayed: push-backs of their function had wasted enough.",
      storageCalls.letStay,
    ),
  ].join("");
}

const COUNTERS: Readonly<Record<keyof Counters, string>> = {
  moves: "Changes of a function's share that its calls caused: neither pins nor trials.",
  reverts: "Moves taken back.",
  trials: "Trials: all calls of a function ran on one side for a moment.",
};

function functionsText({ loop, constants, nowMs }: MeasuredControl): string {
  const functions = [...loop.functions];
  const [visits, errors]: [Series[], Series[]] = [[], []];
  for (const [name, { paces, share, probeEvery }] of functions) {
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
  const counters = Object.entries(COUNTERS) as [keyof Counters, string][];
  return [
    ...counters.map(([counter, help]) =>
      exposeNumbers(
        "counter",
        `locus_placement_${counter}_total`,
        help,
        byLabel(
          "function",
          functions.map(([name, state]) => [name, state[counter]]),
        ),
      ),
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_visit_cost",
      "Fraction of a function's work that its planned visits to the other side take.",
      visits,
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_prediction_error",
      "Difference between the predicted and the measured latency without queues, as a fraction of the measured.",
      errors,
    ),
  ].join("");
}

const poolsText = ({ loop: { outlook, hostCores, regret } }: MeasuredControl): string =>
  [
    exposeNumbers(
      "gauge",
      "locus_placement_utilisation",
      "How busy the plan keeps each pool; 1 is all of it.",
      byLabel(
        "pool",
        POOLS.map((pool) => [pool, outlook?.utilisation[pool] ?? 0]),
      ),
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_host_cores",
      "Cores that sandbox hosts beside Redis get while other processes use the rest.",
      hostCores < Infinity ? [{ labels: {}, value: hostCores }] : [],
    ),
    exposeNumber(
      "gauge",
      "locus_placement_regret",
      "Fraction of the optimum's benefit that the current shares miss.",
      regret ?? 0,
    ),
  ].join("");
