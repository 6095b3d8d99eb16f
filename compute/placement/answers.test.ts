import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_CONSTANTS } from "#runtime/placement/default-constants.ts";
import { readAnswer, type Answer, type PlacementOverview } from "./answers.ts";
import { Replay, WALKS } from "./placement-loop.fake.ts";

const replay = new Replay(2).run(2_000, { f0: WALKS });
const walk = replay.loop.explain("f0")!;
const idle = replay.loop.explain("f1")!;
const outlook = replay.loop.outlook!;
const overview: PlacementOverview = {
  planVersion: 7,
  decidedMs: 1_800_000_000_000,
  controller: "0123456789ab",
  nodes: 2,
  outlook,
  hostCores: 0.4,
  regret: replay.loop.regret,
  constants: DEFAULT_CONSTANTS,
  constantsFrom: "measured",
  functions: [idle, walk],
};
replay.loop.close();

describe("an answer", () => {
  test.each([
    ["of a function that is called", walk],
    ["of one that never was", idle],
    ["of all", overview],
    ["of nothing", null],
  ])("%s is read as it was written", (_what, answer) => {
    const text = JSON.stringify({ id: 1, answer } satisfies Answer);
    expect(readAnswer(text)).toEqual(JSON.parse(text));
  });

  test("of a newer node is read with reasons that this one does not know, and their numbers", () => {
    const [transition] = walk.transitions;
    const withWhy = (why: object): string =>
      JSON.stringify({ id: 1, answer: { ...walk, transitions: [{ ...transition, why }] } });
    const whim = { kind: "a-whim", times: 3.5, side: "storage", isKept: true, partner: null };
    expect(readAnswer(withWhy(whim))).toEqual(JSON.parse(withWhy(whim)));
    for (const why of [
      { kind: "whim", times: { of: 3 } },
      { kind: "whim", times: "x".repeat(65) },
      { kind: "A Whim" },
      { kind: "whim".repeat(9) },
      { kind: "whim", ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`n${at}`, at])) },
    ]) {
      expect(readAnswer(withWhy(why))).toBeNull();
    }
  });

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
    ["of all, busy in words", { ...overview, outlook: { ...outlook, utilisation: { compute: "very" } } }],
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
