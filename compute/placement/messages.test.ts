import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#runtime/function/description.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { SampleTally } from "#runtime/profile/tally.ts";
import { planText, readDirectWindow, readPlacement, readPlanChange, readQuestion, readWindow } from "./messages.ts";

const tally = new SampleTally();
tally.record({ ...NO_USAGE, function: "f", version: "1", side: "storage", outcome: "ok", wallUs: 12.5 }, 30);
const machine = { id: "m", cpus: [0, 1], cores: 1.5 };
const window = {
  node: "n",
  stretchMs: 25,
  machine,
  untracked: 0,
  inFlight: 3,
  nodeCores: 0.8,
  hostCores: 0.4,
  tallies: tally.take().tallies,
};
const direct = { stretchMs: 25, number: 7, restMs: 1, untracked: 0, inFlight: 3 };
const placement = { state: "split", share: 0.5, probeEvery: 10, backCpuUs: 0, overflowMin: 3, overflowTimes: 4 };
const change = { version: 2, base: 1, placements: { f: placement }, removed: ["g"] };

/** As it travels. */
const text = (value: unknown): string =>
  JSON.stringify(value, (_name, one: unknown) => (one instanceof Float64Array ? [...one] : one));

describe("a message", () => {
  test.each([
    ["window", readWindow, window],
    ["window of the module", readDirectWindow, { ...direct, tallies: [{ ...window.tallies[0], chosenInFlight: 4 }] }],
    ["window of an older module", readDirectWindow, { stretchMs: 25, untracked: 0, inFlight: 3, tallies: [] }],
    ["change of the plan", readPlanChange, change],
    ["placement", readPlacement, placement],
    ["placement in a trial", readPlacement, { ...placement, fromShare: 0.25 }],
    ["question", readQuestion, { id: 1, node: "n", function: null }],
  ])("%s is read as it was written", (_what, read, value) => {
    expect(read(text(value))).toEqual(JSON.parse(text(value)));
  });

  test("of calls that took as long as a call may is read", () => {
    const long = new SampleTally();
    const wallUs = LIMITS.deadlineMs.max * 1e3;
    for (let call = 0; call < 1_000; call++) {
      long.record({ ...NO_USAGE, function: "f", version: "1", side: "compute", outcome: "ok", wallUs }, wallUs);
    }
    const { tallies } = long.take();
    expect(readWindow(text({ ...window, tallies }))).toMatchObject({ tallies: [{ function: "f" }] });
  });

  test.each([
    ["a share beyond 1", readPlacement, { ...placement, share: 1.5 }],
    ["a share before a trial beyond 1", readPlacement, { ...placement, fromShare: 1.5 }],
    ["an overflow beyond what there can be", readPlacement, { ...placement, overflowMin: 1e6 + 1 }],
    ["a part of an overflowing call", readPlacement, { ...placement, overflowMin: 1.5 }],
    ["a state that there is not", readPlacement, { ...placement, state: "elsewhere" }],
    ["a function's name that is none", readPlanChange, { ...change, placements: { "no name!": placement } }],
    ["a version below 0", readPlanChange, { ...change, version: -1 }],
    ["sums of another length", readWindow, { ...window, tallies: [{ ...window.tallies[0], sums: [1] }] }],
    [
      "fewer in flight than none",
      readDirectWindow,
      { ...direct, tallies: [{ ...window.tallies[0], chosenInFlight: -1 }] },
    ],
    ["a node without cores", readWindow, { ...window, machine: { ...machine, cores: 0 } }],
  ])("with %s is none", (_what, read, value) => {
    expect(read(text(value))).toBeNull();
  });

  test("that anybody may have written is read or refused, and never throws", () => {
    const readers = [readWindow, readDirectWindow, readPlanChange, readPlacement, readQuestion];
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
