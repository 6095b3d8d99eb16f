import { expect, test } from "vitest";
import { NO_TRIALS, trialsAfterShift, type Trials } from "./trials.ts";

test("a shift makes all be tried soon where what was no good before is remembered, else what did well once alone", () => {
  const no = { ms: 1_000, untilMs: Infinity };
  const shown = {
    ...no,
    refutation: { atMs: 0, sinceMs: 0, fromShare: 0, promisedUs: 1, promisedBytes: 0, modelError: 1 },
  };
  const backOffs = new Map([
    ["storage", shown],
    ["storage b", shown],
    ["compute", shown],
  ]);
  const before: Trials = { ...NO_TRIALS, backOffs, fruitless: 3, keptSide: "storage", holdMs: 5_000 };
  expect(trialsAfterShift(before, true, 1_000)).toMatchObject({ backOffs: new Map(), fruitless: 0 });
  const shifted = trialsAfterShift(before, false, 1_000);
  // What was shown of other calls binds nobody.
  expect([...shifted.backOffs]).toEqual([["compute", no]]);
  expect(shifted).toMatchObject({ held: null, holdMs: 0, keptSide: "storage" });
});
