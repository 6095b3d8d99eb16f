import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { regretAfter } from "#runtime/placement/controller.ts";
import { FREE_RULES } from "#runtime/placement/situation.ts";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { explain } from "#runtime/placement/explanation.ts";
import { TRANSITIONS_MAX } from "#runtime/placement/kept-transitions.ts";
import { simulate } from "#runtime/placement/simulated-load.ts";
import { NO_TRIALS, type Trials } from "#runtime/placement/trials.ts";
import { seededRandom } from "#runtime/seeded-random.ts";
import { readAnswer, type Answer, type PlacementOverview } from "./answers.ts";

const WALK = { name: "walk", demand: { operations: 64, rounds: 64, bytes: 5_000, cpuUs: 100 }, callsPerSecond: 200 };
const SUMS = { name: "sums", demand: { operations: 1, rounds: 1, bytes: 100, cpuUs: 5_000 }, callsPerSecond: 20 };
const IDLE = { name: "idle", demand: { operations: 0, rounds: 0, bytes: 0, cpuUs: 10 }, callsPerSecond: 0 };
const DURATION_MS = 2_000;

const run = simulate(
  {
    functionsAt: () => [WALK, SUMS, IDLE],
    leftAt: () => ({ compute: 1, storage: 1 }),
    constantsAt: () => DEFAULT_CONSTANTS,
    capacityAt: () => ({
      computeCores: 2,
      storageCores: 1,
      redisThread: 1,
      storageMachineCores: 2,
      sharedCores: Infinity,
      nodes: 1,
    }),
    callers: null,
    hubEvery: 0,
    mixing: 0,
    mixingOfComputing: 0,
  },
  { rules: new Map([WALK, SUMS, IDLE].map(({ name }) => [name, FREE_RULES])), constants: DEFAULT_CONSTANTS },
  DURATION_MS,
  seededRandom(1),
);
const explained = (name: string, held: Trials["held"] = null) =>
  explain(name, {
    state: { ...run.state.get(name)!, trials: { ...NO_TRIALS, held } },
    rules: FREE_RULES,
    profile: run.profiles.get(name),
    constants: DEFAULT_CONSTANTS,
    transitions: run.transitions.filter((one) => one.function === name).slice(-TRANSITIONS_MAX),
    isCrowded: false,
    hasStorage: true,
    nodes: 1,
    nowMs: DURATION_MS,
  });
const HELD = {
  sinceMs: 0,
  untilMs: DURATION_MS + 5_000,
  promisedUs: 300,
  refutedShare: 0,
  firmUntilMs: DURATION_MS + 1_000,
};
const { step } = run.moments.at(-1)!;
const overview: PlacementOverview = {
  planVersion: 7,
  decidedMs: 1_800_000_000_000,
  controller: "0123456789ab",
  nodes: 2,
  outlook: step.outlook,
  hostCores: 0.4,
  regret: regretAfter(step),
  constants: DEFAULT_CONSTANTS,
  constantsFrom: "measured",
  functions: [explained("idle"), explained("walk")],
};

describe("an answer", () => {
  test.each([
    ["of a function that is called", explained("walk")],
    ["of one that never was", explained("idle")],
    ["of one that is held", explained("walk", HELD)],
    ["of all", overview],
    ["of nothing", null],
  ])("%s is read as it was written", (_what, answer) => {
    const text = JSON.stringify({ id: 1, answer } satisfies Answer);
    expect(readAnswer(text)).toEqual(JSON.parse(text));
  });

  test("says what holds a function, as long as that holds", () => {
    const { untilMs, refutedShare } = HELD;
    expect(explained("walk", HELD)).toMatchObject({ held: { untilMs, refutedShare, isFirm: true } });
    expect(explained("walk", { ...HELD, firmUntilMs: DURATION_MS }).held).toMatchObject({ isFirm: false });
    expect(explained("walk", { ...HELD, untilMs: DURATION_MS }).held).toBeNull();
  });

  test("says what a split would cost more, of what moves much, and of what computes", () => {
    expect(explained("walk").splitExcess).toBeGreaterThan(0.1);
    expect(explained("sums").splitExcess).toBeLessThan(0.01);
    expect(explained("idle").splitExcess).toBeNull();
  });

  test("of a newer node is read with reasons that this one does not know, and their numbers", () => {
    const [transition] = explained("walk").transitions;
    const withWhy = (why: object): string =>
      JSON.stringify({ id: 1, answer: { ...explained("walk"), transitions: [{ ...transition, why }] } });
    const whim = { kind: "a-whim", times: 3.5, side: "storage", isKept: true, partner: null };
    expect(readAnswer(withWhy(whim))).toEqual(JSON.parse(withWhy(whim)));
    for (const why of [
      // Known, and told with other numbers than it has.
      { kind: "reverted", times: 3 },
      { kind: "whim", times: { of: 3 } },
      { kind: "whim", times: "x".repeat(65) },
      { kind: "A Whim" },
      { kind: "whim".repeat(9) },
      { kind: "whim", ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`n${at}`, at])) },
    ]) {
      expect(readAnswer(withWhy(why))).toBeNull();
    }
  });

  test("of an older node is read without what it does not tell of calls", () => {
    const told = explained("walk");
    const { compute, storage } = told.sides!;
    const none = { cpuUs: undefined, waitUs: undefined, queueUs: undefined };
    expect(Object.keys(compute)).toEqual(expect.arrayContaining(Object.keys(none)));
    const older = { ...told, sides: { compute: { ...compute, ...none }, storage: { ...storage, ...none } } };
    for (const untold of [older, { ...overview, hostCores: undefined }]) {
      const answer = JSON.parse(JSON.stringify(untold)) as object;
      expect(readAnswer(JSON.stringify({ id: 1, answer }))).toEqual({ id: 1, answer });
    }
  });

  const walk = explained("walk");
  test.each([
    ["of anything", { anything: true }],
    ["of a text", "walk"],
    ["of a function without costs", { ...walk, sides: {} }],
    ["of a function whose name is none", { ...walk, function: "No Name" }],
    ["with a share beyond 1", { ...walk, share: 2 }],
    ["with a sentence without end", { ...walk, reason: "x".repeat(2_000) }],
    ["with a move for no reason", { ...walk, transitions: [{ ...walk.transitions[0], why: {} }] }],
    ["with a move at a time that is none", { ...walk, transitions: [{ ...walk.transitions[0], atMs: 1e300 }] }],
    [
      "of calls since a time that is none",
      { ...walk, sides: { ...walk.sides, storage: { ...walk.sides!.storage, sinceMs: 1e300 } } },
    ],
    ["with moves without end", { ...walk, transitions: Array.from({ length: 99 }, () => walk.transitions[0]) }],
    ["of all, busy in words", { ...overview, outlook: { ...step.outlook, utilisation: { compute: "very" } } }],
    ["of all, one of which is anything", { ...overview, functions: [walk, {}] }],
  ])("%s is none", (_what, answer) => {
    expect(readAnswer(JSON.stringify({ id: 1, answer }))).toBeNull();
  });

  test("that anybody may have written is read or refused, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (anything) => {
        expect(() => readAnswer(anything)).not.toThrow();
      }),
    );
  });
});
