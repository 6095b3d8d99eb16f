// What placement comes to in a node's metrics: what every node follows, and in the one that controls what it is decided from.

import { exposeNumber, exposeNumbers, type Series } from "#runtime/exposition.ts";
import type { FunctionState } from "#runtime/placement/function-state.ts";
import { busyUs, type CostConstants } from "#runtime/placement/cost-model.ts";
import { functionCosts, predictionErrorOf, type FunctionCosts } from "#runtime/placement/function-costs.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import { POOLS } from "#runtime/placement/pool-use.ts";
import type { PlacementLoop } from "./placement-loop.ts";
import type { StorageCalls } from "./surroundings.ts";

interface MeasuredPlacement {
  readonly placements: ReadonlyMap<string, Placement>;
  /** By function: this node's calls that were let stay at storage, since push-backs had wasted enough. */
  readonly stayed: ReadonlyMap<string, number>;
  /** As the controller knows them; null: it does not yet. */
  readonly storageCalls: StorageCalls | null;
  /** null: this node does not control. */
  readonly loop: Pick<PlacementLoop, "functions" | "profiles" | "outlook" | "regret" | "hostCores"> | null;
  readonly constants: CostConstants;
  readonly nowMs: number;
}

export function placementText({ placements, stayed, storageCalls, loop, constants, nowMs }: MeasuredPlacement): string {
  const shares = Array.from(placements, ([name, { share }]) => ({ labels: { function: name }, value: share }));
  const texts = [
    exposeNumbers(
      "counter",
      "locus_calls_let_stay_total",
      "Calls that were dearer at storage than what is pushed back, and stayed: push-backs of the function had wasted enough.",
      Array.from(stayed, ([name, value]) => ({ labels: { function: name }, value })).filter(({ value }) => value > 0),
    ),
    exposeNumbers("gauge", "locus_placement_share", "Of a function's calls, the planned part at storage.", shares),
    exposeNumber("gauge", "locus_placement_controls", "Whether this node decides placement.", loop === null ? 0 : 1),
  ];
  if (loop === null) return texts.join("");
  if (storageCalls !== null) texts.push(...storageTexts(storageCalls));
  const states = [...loop.functions];
  const count = (pick: (state: FunctionState) => number): Series[] =>
    states.map(([name, state]) => ({ labels: { function: name }, value: pick(state) }));
  const known = states.flatMap(([name, { paces, share, probeEvery }]) => {
    const profile = loop.profiles.get(name);
    const costs = profile === undefined ? null : functionCosts(profile.estimates(nowMs), constants, nowMs, paces);
    return costs === null ? [] : [{ name, share, probeEvery, costs }];
  });
  const errors = known.flatMap(({ name, costs }) => errorsOf(name, costs));
  const visits = known.map(({ name, share, probeEvery, costs: { sides } }) => {
    const [here, there] = share > 0 ? [sides.storage, sides.compute] : [sides.compute, sides.storage];
    const hereUs = busyUs(here.cost);
    const value = probeEvery === 0 || hereUs <= 0 ? 0 : busyUs(there.cost) / (probeEvery * hereUs);
    return { labels: { function: name }, value };
  });
  texts.push(
    exposeNumbers(
      "counter",
      "locus_placement_moves_total",
      "Changes of a function's share that were decided, by its calls: neither pins nor trials.",
      count((one) => one.moves),
    ),
    exposeNumbers(
      "counter",
      "locus_placement_reverts_total",
      "Moves taken back.",
      count((one) => one.reverts),
    ),
    exposeNumbers(
      "counter",
      "locus_placement_trials_total",
      "Trials: all calls of a function ran on one side for a moment.",
      count((one) => one.trials),
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_visit_cost",
      "Of what a function works, the part that calls take which visit its other side, by the plan and what is known.",
      visits,
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_prediction_error",
      "Difference of what callers wait for by the model to the measured, queues aside, as a part of it.",
      errors,
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_utilisation",
      "How busy the plan keeps each part, by what is known; 1 is all of it.",
      POOLS.map((pool) => ({ labels: { pool }, value: loop.outlook?.utilisation[pool] ?? 0 })),
    ),
    exposeNumbers(
      "gauge",
      "locus_placement_host_cores",
      "Cores that sandbox hosts beside Redis get, while others keep them from more.",
      loop.hostCores < Infinity ? [{ labels: {}, value: loop.hostCores }] : [],
    ),
    exposeNumber(
      "gauge",
      "locus_placement_regret",
      "Of what the best shares would give by what is known, the part that is missing.",
      loop.regret ?? 0,
    ),
  );
  return texts.join("");
}

const storageTexts = ({ now, ended, letStay }: StorageCalls): readonly string[] => {
  const byState = (counts: Readonly<Record<string, number>>): Series[] =>
    Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
  return [
    exposeNumbers(
      "gauge",
      "locus_storage_invocations",
      "Invocations in the sandbox hosts beside Redis now, whether they came to a node or to Redis.",
      byState(now),
    ),
    exposeNumbers(
      "counter",
      "locus_storage_invocations_ended_total",
      "How invocations beside Redis ended since the module was loaded, whether they came to a node or to Redis.",
      byState(ended),
    ),
    exposeNumber(
      "counter",
      "locus_storage_calls_let_stay_total",
      "LOCUS.CALLs that were dearer than what is pushed back, and stayed: push-backs of their function had wasted enough.",
      letStay,
    ),
  ];
};

const errorsOf = (name: string, { sides }: FunctionCosts): Series[] =>
  (["compute", "storage"] as const).flatMap((side) => {
    const error = predictionErrorOf(sides[side]);
    return error === null ? [] : [{ labels: { function: name, side }, value: error }];
  });
