import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#runtime/function/description.ts";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { RECORDED_TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import {
  planText,
  readAnswer,
  readDirectWindow,
  readPlacement,
  readPlanChange,
  readQuestion,
  readWindow,
} from "./messages.ts";
import { readRecord, recordText } from "./messages.ts";

const talliesOf = (calls: number, wallUs: number) => {
  const tally = new SampleTally();
  const sample = { ...NO_USAGE, function: "f", version: "1", side: "storage", outcome: "ok", wallUs } as const;
  for (let call = 0; call < calls; call++) tally.record(sample, 2 * wallUs);
  return tally.take().tallies;
};
const [tally] = talliesOf(1, 12.5);
const machine = { id: "m", cpus: [0, 1], cores: 1.5 };
const window = {
  node: "n",
  stretchMs: 25,
  machine,
  isolatesMax: 85,
  inFlight: 3,
  nodeCores: 0.8,
  hostCores: null,
  tallies: [tally],
};
const direct = { stretchMs: 25, inFlight: 3, tallies: [tally] };
const placement = { state: "split", share: 0.5, probeEvery: 10, backCpuUs: 0, overflowMin: 3, overflowTimes: 4 };
const change = { version: 2, base: 1, placements: { f: placement }, removed: ["g"] };
const record: FunctionRecord = {
  counters: { moves: 3, reverts: 1, trials: 4 },
  transitions: [
    { function: "f", atMs: 1e12, from: "split", to: "pinned", fromShare: 0.5, toShare: 1, why: { kind: "pinned" } },
  ],
};

const text = (value: unknown): string =>
  JSON.stringify(value, (_name, one: unknown) => (one instanceof Float64Array ? [...one] : one));

describe("a message", () => {
  test.each([
    ["window", readWindow, window],
    [
      "window of calls as long as the longest deadline",
      readWindow,
      { ...window, tallies: talliesOf(1_000, LIMITS.deadlineMs.max * 1e3) },
    ],
    ["window of the module", readDirectWindow, direct],
    ["change of the plan", readPlanChange, change],
    ["placement in a trial", readPlacement, { ...placement, fromShare: 0.25 }],
    ["question", readQuestion, { id: 1, node: "n", function: null }],
    ["answer", readAnswer, { id: 1, answer: { function: "f", state: "a new one" } }],
    ["answer about an unknown function", readAnswer, { id: 1, answer: null }],
  ])("%s is read as it was written", (_what, read, value) => {
    expect(read(text(value))).toEqual(JSON.parse(text(value)));
  });

  test.each([
    ["a share above 1", readPlacement, { ...placement, share: 1.5 }],
    ["an unknown state", readPlacement, { ...placement, state: "elsewhere" }],
    ["an invalid name of a function", readPlanChange, { ...change, placements: { "no name!": placement } }],
    ["a negative version", readPlanChange, { ...change, version: -1 }],
    ["sums of another length", readWindow, { ...window, tallies: [{ ...tally, sums: [1] }] }],
    ["more calls in flight than any node has", readWindow, { ...window, inFlight: 1e9 }],
    ["a part of a call", readDirectWindow, { ...direct, inFlight: 0.5 }],
    ["an answer in words", readAnswer, { id: 1, answer: "yes" }],
    ["no room for any isolate", readWindow, { ...window, isolatesMax: 0 }],
    ["a node without cores", readWindow, { ...window, machine: { ...machine, cores: 0 } }],
  ])("with %s is invalid", (_what, read, value) => {
    expect(read(text(value))).toBeNull();
  });

  test("of any text is read or refused, and never throws", () => {
    const readOneRecord = (one: string) => readRecord("f", one);
    const readers = [
      readWindow,
      readDirectWindow,
      readPlanChange,
      readPlacement,
      readQuestion,
      readAnswer,
      readOneRecord,
    ];
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.constantFrom(...readers), (anything, read) => {
        expect(() => read(anything)).not.toThrow();
      }),
    );
  });
});

test("the module is told nothing of trials", () => {
  const plain = readPlacement(text(placement))!;
  const plan = { version: 3, placements: new Map([["f", { ...plain, fromShare: 0.25 }]]) };
  expect(JSON.parse(planText(plan))).toEqual({ version: 3, placements: { f: plain } });
});

describe("a function's record", () => {
  const json = JSON.parse(recordText(record));

  test("is read as it was written, also with members of a newer node", () => {
    expect(readRecord("f", recordText(record))).toEqual(record);
    const why = { kind: "whim", times: 3 };
    const newer = { ...json, visits: 7, transitions: [{ ...json.transitions[0], function: "other", why }] };
    const expected = { ...record, transitions: [{ ...record.transitions[0], why }] };
    expect(readRecord("f", text(newer))).toEqual(expected);
  });

  test.each([
    ["without counters", { transitions: [] }],
    ["with a negative counter", { ...json, moves: -1 }],
    [
      "with too many transitions",
      { ...json, transitions: Array(RECORDED_TRANSITIONS_MAX + 1).fill(json.transitions[0]) },
    ],
  ])("%s is invalid", (_what, value) => {
    expect(readRecord("f", text(value))).toBeNull();
  });
});
