import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import type { Transition, Why } from "#runtime/placement/transition.ts";
import { RECORDED_TRANSITIONS_MAX } from "#runtime/placement/transitions.ts";
import { readRecord, RECORD_LENGTH_MAX, recordText } from "./function-records.ts";

const TRIED: Why = { kind: "tried", side: "storage", partner: "f", outcome: "accepted", ratio: 0.8 };
const changed = (why: Why): Transition => ({
  atMs: 1_800_000_000_000.1235,
  function: "walk",
  from: "split",
  to: "profiling",
  fromShare: 0.12345678901234568,
  toShare: 0.8765432109876543,
  why,
});
const record: FunctionRecord = {
  counters: { moves: 3, reverts: 1, trials: 4 },
  transitions: [changed({ kind: "new" }), changed(TRIED)],
};
const json = { ...record.counters, transitions: JSON.parse(recordText(record)).transitions };

test("what is told of a function is read as it was written", () => {
  expect(readRecord("walk", recordText(record))).toEqual(record);
});

test("the longest that can be told is not too long", () => {
  const number = -1.2345678901234567e-100;
  const longest: readonly Why[] = [
    { kind: "reverted", ratio: number, retryInMs: number },
    { kind: "tried", side: "compute", partner: "f".repeat(64), outcome: "inconclusive", ratio: number },
    { kind: "capacity", from: number, to: number, error: number },
    { kind: "surge", from: number, to: number, callsPerSecond: number, usualPerSecond: number },
  ];
  const most = 2 ** 48;
  for (const why of longest) {
    const transitions = Array.from({ length: RECORDED_TRANSITIONS_MAX }, () => changed(why));
    const counters = { moves: most, reverts: most, trials: most };
    const text = recordText({ counters, transitions });
    expect(readRecord("walk", text)).toEqual({ counters, transitions });
  }
});

test("one of a newer node is read with what this one does not know", () => {
  const [transition] = json.transitions;
  const transitions = [{ ...transition, why: { kind: "whim", times: 3 } }];
  const read = readRecord("walk", JSON.stringify({ ...json, visits: 7, share: 0.5, transitions }));
  expect(read?.counters).toEqual(record.counters);
  expect(read?.transitions[0]?.why).toEqual({ kind: "whim", times: 3 });
});

test("it is of the function whose field it is in", () => {
  const transitions = [{ ...json.transitions[0], function: "other" }];
  expect(readRecord("walk", JSON.stringify({ ...json, transitions }))?.transitions[0]?.function).toBe("walk");
});

test.each([
  ["nonsense", "nonsense"],
  ["no counters", JSON.stringify({ transitions: [] })],
  ["a negative count", JSON.stringify({ ...json, moves: -1 })],
  ["a count to which nothing can be added", JSON.stringify({ ...json, moves: Number.MAX_SAFE_INTEGER })],
  ["a time that is none", JSON.stringify({ ...json, transitions: [{ ...json.transitions[0], atMs: 1e300 }] })],
  ["a share beyond 1", JSON.stringify({ ...json, transitions: [{ ...json.transitions[0], toShare: 2 }] })],
  [
    "more transitions than are written",
    JSON.stringify({ ...json, transitions: Array(RECORDED_TRANSITIONS_MAX + 1).fill(json.transitions[0]) }),
  ],
  ["no end", recordText(record) + " ".repeat(RECORD_LENGTH_MAX)],
])("%s is none", (_what, text) => {
  expect(readRecord("walk", text)).toBeNull();
});

test("that anybody may have written is read or refused, and never throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (anything) => {
      expect(() => readRecord("walk", anything)).not.toThrow();
    }),
  );
});
