import { expect, test } from "vitest";
import { UnexplainedWork } from "./unexplained-work.ts";

const WINDOW_MS = 25;

/** Windows in which a node works so many cores more than is believed, one number for each second; what is believed after each. */
function toldIn(...seconds: readonly number[]): readonly number[] {
  const work = new UnexplainedWork();
  let nowMs = 0;
  work.add(0, nowMs);
  return seconds.map((cores) => {
    for (let passedMs = 0; passedMs < 1_000; passedMs += WINDOW_MS) {
      nowMs += WINDOW_MS;
      work.add(cores * WINDOW_MS * 1e3, nowMs);
    }
    return work.coresAt(nowMs);
  });
}

test("what nodes work more than is believed in two seconds one after the other is taken for lasting, the less of both", () => {
  expect(toldIn(0.1, 0.2, 0.3, 0.1)).toEqual([0, 0.1, 0.2, 0.1].map((cores) => expect.closeTo(cores) as number));
});

test("one second says nothing, nor does one in which they work less than is believed", () => {
  expect(toldIn(0, 0.5, 0)).toEqual([0, 0, 0]);
  expect(toldIn(0.1, 0.1, -0.3, 0.1)).toEqual([0, 0.1, 0, 0].map((cores) => expect.closeTo(cores) as number));
});

test("of nodes that have been silent nothing is known, and nothing of the time before counts", () => {
  const work = new UnexplainedWork();
  for (let nowMs = 0; nowMs <= 3_000; nowMs += WINDOW_MS) work.add(0.2 * WINDOW_MS * 1e3, nowMs);
  expect(work.coresAt(3_000)).toBeCloseTo(0.2);
  expect(work.coresAt(4_001)).toBe(0);
  work.add(1e6, 5_000);
  expect(work.coresAt(5_000)).toBe(0);
});

test("windows of whoever may write them leave numbers", () => {
  const work = new UnexplainedWork();
  for (const us of [0, 1e300, -1e300, 4e12]) for (let at = 0; at < 100; at++) work.add(us, at * WINDOW_MS);
  expect(work.coresAt(99 * WINDOW_MS)).toBeGreaterThanOrEqual(0);
});
