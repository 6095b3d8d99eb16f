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
    ["about a function that is called", walk],
    ["about one without calls", idle],
    ["about all functions", overview],
    ["about an unknown function", null],
  ])("%s is read as it was written", (_what, answer) => {
    const text = JSON.stringify({ id: 1, answer } satisfies Answer);
    expect(readAnswer(text)).toEqual(JSON.parse(text));
  });

  const withWhy = (why: object): string =>
    JSON.stringify({ id: 1, answer: { ...walk, transitions: [{ ...walk.transitions[0], why }] } });

  test("of a newer node is read with reasons that this node does not know", () => {
    const whim = withWhy({ kind: "a-whim", times: 3.5, side: "storage", isKept: true, partner: null });
    expect(readAnswer(whim)).toEqual(JSON.parse(whim));
  });

  test.each([
    ["without a kind", {}],
    ["with a kind that is no identifier", { kind: "A Whim" }],
    ["with nested values", { kind: "whim", times: { of: 3 } }],
    ["with a text without bound", { kind: "whim", times: "x".repeat(65) }],
    [
      "with members without bound",
      { kind: "whim", ...Object.fromEntries(Array.from("abcdefghi", (name) => [name, 1])) },
    ],
  ])("that gives a reason %s is invalid", (_what, why) => {
    expect(readAnswer(withWhy(why))).toBeNull();
  });

  test.each([
    ["of another form", { anything: true }],
    ["of a function without costs", { ...walk, sides: {} }],
    ["with an invalid name", { ...walk, function: "No Name" }],
    ["with a share above 1", { ...walk, share: 2 }],
    ["with a sentence without bound", { ...walk, reason: "x".repeat(2_000) }],
    ["with a time that is no date", { ...walk, transitions: [{ ...walk.transitions[0], atMs: 1e300 }] }],
    ["with transitions without bound", { ...walk, transitions: Array.from({ length: 99 }, () => walk.transitions[0]) }],
    ["with a utilisation in words", { ...overview, outlook: { ...outlook, utilisation: { compute: "very" } } }],
    ["with an invalid function among all", { ...overview, functions: [walk, {}] }],
  ])("%s is invalid", (_what, answer) => {
    expect(readAnswer(JSON.stringify({ id: 1, answer }))).toBeNull();
  });

  test("of any text is read or refused, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (anything) => {
        expect(() => readAnswer(anything)).not.toThrow();
      }),
    );
  });
});
