import { expect, test } from "vitest";
import { advance, NEW_STATE, regretAfter } from "#runtime/placement/controller.ts";
import { busyUs, costOf } from "#runtime/placement/cost-model.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { FRESH, type FunctionState } from "#runtime/placement/function-state.ts";
import { backOff, NO_MEMORY } from "#runtime/placement/memory.ts";
import { modelledCalls, PlayedCalls } from "#runtime/placement/played-calls.fake.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import { placementText } from "./placement-metrics.ts";
import type { StorageCalls } from "./surroundings.ts";

const WALK = { operations: 400, rounds: 20, bytes: 50_000, cpuUs: 700 };

/** What stands behind a name with these labels. */
const valueIn = (text: string, series: string): number =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1),
  );

test("a node that controls tells of each function what became of it, and how busy the plan keeps each part", () => {
  const load = new PlayedCalls();
  load.nowMs = 100_000;
  const visit = modelledCalls("storage", 1, WALK, DEFAULT_CONSTANTS);
  const { wallUs = 0 } = visit.usage;
  const slow = { ...visit, elapsedUs: visit.elapsedUs + wallUs, usage: { ...visit.usage, wallUs: 2 * wallUs } };
  load.warm({ walk: [modelledCalls("compute", 8, WALK, DEFAULT_CONSTANTS), slow] });
  load.run(1_000, { walk: [modelledCalls("compute", 8, WALK, DEFAULT_CONSTANTS), slow] });
  // It is backed off, so that its share is not the best one.
  const memory = backOff({ ...NO_MEMORY, seenMs: load.nowMs }, "plan", 60_000);
  const before: FunctionState = { ...FRESH, state: "compute", share: 0, moves: 7, reverts: 3, trials: 11, memory };
  const functions = new Map([["walk", before]]);
  const rules = new Map([["walk", FREE_RULES]]);
  const step = advance({ ...NEW_STATE, functions }, load.situation({ rules }));
  const told = { outlook: step.outlook, regret: regretAfter(step) };
  const placements = new Map([["walk", { ...before, share: 0.25 }]]);
  const stayed = new Map([
    ["walk", 3],
    ["idle", 0],
  ]);
  const storageCalls: StorageCalls = {
    now: { queued: 1, starting: 2, running: 3, waiting: 4 },
    ended: { done: 5, failed: 6, "pushed-back": 7 },
    letStay: 8,
  };
  const known = { placements, stayed, storageCalls, constants: DEFAULT_CONSTANTS, nowMs: load.nowMs };
  const text = placementText({
    ...known,
    loop: { functions: step.state.functions, profiles: load.profiles, ...told, hostCores: 0.5 },
  });
  const of = (what: string, labels = '{function="walk"}'): number => valueIn(text, `locus_placement_${what}${labels}`);
  expect([of("moves_total"), of("reverts_total"), of("trials_total")]).toEqual([7, 3, 11]);
  const busy = (side: "compute" | "storage") => busyUs(costOf(side, WALK, DEFAULT_CONSTANTS));
  const visitCost = (probeEvery: number): number => {
    const functions = new Map([["walk", { ...step.state.functions.get("walk")!, probeEvery }]]);
    const text = placementText({ ...known, loop: { functions, profiles: load.profiles, ...told, hostCores: 0.5 } });
    return valueIn(text, 'locus_placement_visit_cost{function="walk"}');
  };
  expect(visitCost(0)).toBe(0);
  expect((4 * visitCost(4)) / (busy("storage") / busy("compute"))).toBeCloseTo(1, 1);
  expect(of("share")).toBe(0.25);
  expect(of("controls", "")).toBe(1);
  const error = (side: string): number => of("prediction_error", `{function="walk",side="${side}"}`);
  expect(error("compute")).toBeCloseTo(0, 1);
  // In the sandbox it takes twice what the model says, and as long on its way.
  const { latencyUs, terms } = costOf("storage", WALK, DEFAULT_CONSTANTS);
  expect(error("storage")).toBeCloseTo(1 - latencyUs / (2 * latencyUs - terms.call), 2);
  const { utilisation } = step.outlook;
  for (const [pool, value] of Object.entries(utilisation)) {
    expect(of("utilisation", `{pool="${pool}"}`)).toBeCloseTo(value);
  }
  expect(utilisation.compute).toBeGreaterThan(0.1);
  expect(utilisation.storage).toBeLessThan(utilisation.compute);
  expect(of("host_cores", "")).toBe(0.5);
  expect(of("regret", "")).toBeCloseTo(regretAfter(step));
  expect(regretAfter(step)).toBeGreaterThan(0);
  expect(valueIn(text, 'locus_calls_let_stay_total{function="walk"}')).toBe(3);
  expect(text).not.toContain('locus_calls_let_stay_total{function="idle"}');
  const storage = (what: string, labels = ""): number => valueIn(text, `locus_storage_${what}${labels}`);
  const states = ["queued", "starting", "running", "waiting"];
  expect(states.map((state) => storage("invocations", `{state="${state}"}`))).toEqual([1, 2, 3, 4]);
  const ends = ["done", "failed", "pushed-back"];
  expect(ends.map((state) => storage("invocations_ended_total", `{state="${state}"}`))).toEqual([5, 6, 7]);
  expect(storage("calls_let_stay_total")).toBe(8);
  const calm = placementText({
    ...known,
    loop: { functions: step.state.functions, profiles: load.profiles, ...told, hostCores: Infinity },
  });
  expect(valueIn(calm, "locus_placement_host_cores")).toBeNaN();
  const follower = placementText({ ...known, loop: null });
  expect(valueIn(follower, 'locus_calls_let_stay_total{function="walk"}')).toBe(3);
  expect(follower).not.toContain("locus_storage_");
  expect(valueIn(follower, "locus_placement_controls")).toBe(0);
  expect(follower).not.toContain("moves_total");
});
