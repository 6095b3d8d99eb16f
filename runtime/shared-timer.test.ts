import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { every } from "./shared-timer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what has one period is called together, whenever it came", () => {
  const called: string[] = [];
  const first = every(1_000, () => called.push(`first ${performance.now() - startedMs}`));
  const startedMs = performance.now();
  vi.advanceTimersByTime(700);
  const second = every(1_000, () => called.push(`second ${performance.now() - startedMs}`));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(1_300);
  expect(called).toEqual(["first 1000", "second 1000", "first 2000", "second 2000"]);
  for (const one of [first, second]) one.stop();
});

test("who is stopped is called no more, by another of the same turn either, and the last stops the timer", () => {
  const called: string[] = [];
  const first = every(500, () => {
    called.push("first");
    second.stop();
  });
  const second = every(500, () => called.push("second"));
  vi.advanceTimersByTime(1_000);
  expect(called).toEqual(["first", "first"]);
  for (const one of [first, first, second]) one.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("who comes in a turn waits for the next", () => {
  let calls = 0;
  const late: { stop(): void }[] = [];
  const one = every(500, () => {
    if (late.length === 0) late.push(every(500, () => (calls += 1)));
  });
  vi.advanceTimersByTime(500);
  expect(calls).toBe(0);
  vi.advanceTimersByTime(500);
  expect(calls).toBe(1);
  for (const each of [one, ...late]) each.stop();
});

test("a period that is no multiple of half a second is a mistake", () => {
  expect(() => every(750, () => {})).toThrow(RangeError);
});
