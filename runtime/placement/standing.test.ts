import { describe, expect, it } from "vitest";
import type { ControllerState } from "./controller.ts";
import { NEW_STATE } from "./controller.ts";
import type { Demand } from "./cost-model.ts";
import { DEFAULT_CONSTANTS } from "./default-constants.ts";
import { FRESH, restingState, type FunctionState } from "./function-state.ts";
import { backOff, type BackOffKey } from "./memory.ts";
import { modelledCalls, ONE_CORE_EACH, PlayedCalls } from "./played-calls.fake.ts";
import { poolUse, type Capacity } from "./pool-use.ts";
import { FREE_RULES, type Rules } from "./situation.ts";
import { standingOf, standingText } from "./standing.ts";
import { viewOf } from "./view.ts";

const WALK: Demand = { operations: 64, rounds: 64, bytes: 5_000, cpuUs: 100 };
const HASH: Demand = { operations: 0, rounds: 0, bytes: 100, cpuUs: 3_000 };
const ROOMY: Capacity = { ...ONE_CORE_EACH, computeCores: 8, storageCores: 8, storageMachineCores: 8 };

interface Placed {
  readonly demand?: Demand;
  readonly share?: number;
  readonly capacity?: Capacity;
  readonly rules?: Partial<Rules>;
  readonly state?: Partial<FunctionState>;
  readonly backedOff?: BackOffKey;
  readonly experiment?: ControllerState["experiment"];
  readonly callsPerWindow?: number;
}

/** A function that has been measured on both sides. */
function standingFor({
  demand = WALK,
  share = 0,
  capacity = ROOMY,
  rules = {},
  state: change = {},
  backedOff,
  experiment = null,
  callsPerWindow = 10,
}: Placed) {
  const calls = new PlayedCalls();
  calls.nowMs = 100_000;
  const both = (count: number) => [
    modelledCalls("compute", count, demand, DEFAULT_CONSTANTS),
    modelledCalls("storage", count, demand, DEFAULT_CONSTANTS),
  ];
  calls.warm({ f: both(1) });
  calls.run(2_000, { f: both(callsPerWindow) });
  const fresh: FunctionState = { ...FRESH, state: restingState(share), share, version: "1", ...change };
  const memory = backedOff === undefined ? fresh.memory : backOff(fresh.memory, backedOff, 4_000);
  const situation = calls.situation({ capacity });
  const view = viewOf("f", { ...FREE_RULES, ...rules }, { ...fresh, memory }, situation)!;
  const standing = standingOf(view, [view], poolUse([view.load], capacity), { ...NEW_STATE, experiment });
  return { kind: standing.kind, text: standingText(standing, share) };
}

describe("why a function is where it is", () => {
  it.each<[string, Placed, string, RegExp]>([
    ["is pinned", { state: { state: "pinned" } }, "pinned", /^It is pinned\.$/],
    ["is profiled", { state: { state: "profiling" } }, "profiling", /until 3 calls are measured/],
    ["is faster where it is", { share: 1 }, "faster", /^It stays at storage: compute is slower\.$/],
    ["would gain too little", { demand: { ...HASH, cpuUs: 9_000 }, share: 1 }, "slight", /would save .*, but /],
    ["is about to move", {}, "moving", /^It is about to move to storage/],
    [
      "is backed off",
      { backedOff: "plan" },
      "backed-off",
      /^It stays at compute: .* It may move after 4\.00 s more with calls/,
    ],
    ["was tried in vain", { backedOff: "storage" }, "backed-off", /a trial at storage made calls no shorter/],
    [
      "would crowd a pool",
      { capacity: { ...ROOMY, storageCores: 0.1 } },
      "capacity",
      /storage cores would be [\d,.]+ % busy instead of/,
    ],
    [
      "has no room on the other side",
      { capacity: { ...ROOMY, room: { compute: 9, storage: 0 } } },
      "no-room",
      /^It stays at compute: storage has memory for the isolates of 0 functions, and 0 run there\.$/,
    ],
    ["has a closed side", { capacity: { ...ROOMY, storageCores: 0 } }, "closed", /storage runs no calls now/],
    [
      "has a p99 bound that the other side exceeds",
      { share: 1, rules: { p99UnderUs: 2_000 } },
      "closed",
      /compute exceeds its p99 bound of 2\.00 ms/,
    ],
    [
      "has just moved",
      {
        share: 1,
        experiment: {
          kind: "verifying",
          changes: [{ name: "f", from: 0, to: 1 }],
          startedMs: 0,
          baseline: [0, 1],
          noise: 0,
        },
      },
      "verified",
      /is being measured/,
    ],
    [
      "is in a trial",
      {
        share: 1,
        experiment: {
          kind: "trying",
          changes: [
            { name: "f", from: 0, to: 1 },
            { name: "g", from: 1, to: 0 },
          ],
          startedMs: 0,
          baseline: [0, 1],
          noise: 0,
        },
      },
      "tried",
      /run at storage, and those of g on the other side/,
    ],
  ])("%s", (_, placed, kind, words) => {
    const standing = standingFor(placed);
    expect(standing.kind).toBe(kind);
    expect(standing.text).toMatch(words);
  });
});
