import { expect, test } from "vitest";
import { advance, NEW_STATE, regretAfter } from "#runtime/placement/controller.ts";
import { busyUs, costOf } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { FRESH, type FunctionState } from "#runtime/placement/function-state.ts";
import { modelledCalls, PlayedCalls } from "#runtime/placement/played-calls.fake.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import { placementText } from "./placement-metrics.ts";

const WALK = { operations: 400, rounds: 20, bytes: 50_000, cpuUs: 700 };

/** NaN: the series is not there. */
const valueIn = (text: string, series: string): number => {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? Number.NaN);
};

/** A function at compute that takes twice the predicted time at storage. */
function control() {
  const load = new PlayedCalls();
  load.nowMs = 100_000;
  const visit = modelledCalls("storage", 1, WALK, DEFAULT_CONSTANTS);
  const { wallUs = 0 } = visit.usage;
  const slow = { ...visit, elapsedUs: visit.elapsedUs + wallUs, usage: { ...visit.usage, wallUs: 2 * wallUs } };
  const calls = { walk: [modelledCalls("compute", 8, WALK, DEFAULT_CONSTANTS), slow] };
  load.warm(calls);
  load.run(1_000, calls);
  const before: FunctionState = { ...FRESH, state: "compute", share: 0, moves: 7, reverts: 3, trials: 11 };
  const state = { ...NEW_STATE, functions: new Map([["walk", before]]) };
  const step = advance(state, load.situation({ rules: new Map([["walk", FREE_RULES]]) }));
  const { functions } = step.state;
  return {
    loop: { functions, profiles: load.profiles, outlook: step.outlook, regret: regretAfter(step), hostCores: 0.5 },
    storageCalls: {
      now: { queued: 1, starting: 2, running: 3, waiting: 4 },
      ended: { done: 5, failed: 6, "pushed-back": 7 },
      letStay: 8,
    },
    constants: DEFAULT_CONSTANTS,
    nowMs: load.nowMs,
  };
}
const placements = new Map([["walk", { ...FRESH, state: "split" as const, share: 0.25 }]]);
const stayed = new Map([
  ["walk", 3],
  ["idle", 0],
]);

test("every node has the plan's shares in its metrics", () => {
  const text = placementText({ placements, stayed, control: null });
  expect(valueIn(text, 'locus_placement_share{function="walk"}')).toBe(0.25);
  expect(valueIn(text, "locus_placement_controls")).toBe(0);
  expect(valueIn(text, 'locus_calls_let_stay_total{function="walk"}')).toBe(3);
  expect(text).not.toContain('locus_calls_let_stay_total{function="idle"}');
  expect(text).not.toContain("moves_total");
  expect(text).not.toContain("locus_storage_");
});

test("the node that controls also has what it decides from", () => {
  const known = control();
  const text = placementText({ placements, stayed, control: known });
  const of = (what: string, labels = '{function="walk"}'): number => valueIn(text, `locus_placement_${what}${labels}`);
  expect([of("moves_total"), of("reverts_total"), of("trials_total")]).toEqual([7, 3, 11]);
  expect(of("controls", "")).toBe(1);
  expect(of("prediction_error", '{function="walk",side="compute"}')).toBeCloseTo(0, 1);
  const { latencyUs, terms } = costOf("storage", WALK, DEFAULT_CONSTANTS);
  const error = 1 - latencyUs / (2 * latencyUs - terms.call);
  expect(of("prediction_error", '{function="walk",side="storage"}')).toBeCloseTo(error, 2);
  for (const [pool, value] of Object.entries(known.loop.outlook.utilisation)) {
    expect(of("utilisation", `{pool="${pool}"}`)).toBeCloseTo(value);
  }
  expect(of("regret", "")).toBeCloseTo(known.loop.regret);
  expect(valueIn(text, 'locus_storage_invocations{state="running"}')).toBe(3);
  expect(valueIn(text, 'locus_storage_invocations_ended_total{state="pushed-back"}')).toBe(7);
  expect(valueIn(text, "locus_storage_calls_let_stay_total")).toBe(8);
});

test("visits cost what their calls work on the other side", () => {
  const known = control();
  const visitCost = (probeEvery: number): number => {
    const functions = new Map([["walk", { ...known.loop.functions.get("walk")!, share: 0, probeEvery }]]);
    const text = placementText({ placements, stayed, control: { ...known, loop: { ...known.loop, functions } } });
    return valueIn(text, 'locus_placement_visit_cost{function="walk"}');
  };
  const busy = (side: "compute" | "storage"): number => busyUs(costOf(side, WALK, DEFAULT_CONSTANTS));
  expect(visitCost(0)).toBe(0);
  expect((4 * visitCost(4)) / (busy("storage") / busy("compute"))).toBeCloseTo(1, 1);
});
