import { expect, test } from "vitest";
import { lonePart } from "./lone-part.ts";
import { RecentCalls } from "./recent-calls.ts";

const START_MS = 1_800_000_000_000;

test("calls are seen for ten seconds after they came, and not for longer than eleven", () => {
  const recent = lonePart(RecentCalls);
  recent.count(30, START_MS);
  expect(recent.perSecond(START_MS)).toBe(3);
  expect(recent.perSecond(START_MS + 9_000)).toBe(3);
  expect(recent.perSecond(START_MS + 11_000)).toBe(0);
  recent.count(10, START_MS + 60_000);
  expect(recent.perSecond(START_MS + 60_000)).toBe(1);
});

test("a steady rate is told as it is, wherever in a second one asks", () => {
  const recent = lonePart(RecentCalls);
  let nowMs = START_MS + 7;
  const rates: number[] = [];
  for (let window = 0; window < 2_000; window++) {
    nowMs += 25;
    recent.count(5, nowMs);
    if (nowMs - START_MS > 12_000) rates.push(recent.perSecond(nowMs));
  }
  expect(Math.min(...rates)).toBeGreaterThan(199);
  expect(Math.max(...rates)).toBeLessThan(201);
});

test("nothing is told of what never was, and a clock that jumps back loses nothing", () => {
  const recent = lonePart(RecentCalls);
  expect(recent.perSecond(START_MS)).toBe(0);
  recent.count(10, START_MS);
  recent.count(10, START_MS - 3_000);
  expect(recent.perSecond(START_MS - 3_000)).toBe(2);
});
