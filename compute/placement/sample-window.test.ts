import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { SampleWindow } from "./messages.ts";
import { SampleWindows } from "./sample-window.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Of calls of so many functions at once, and of another one 40 ms later: in the windows that they come in, one after the other. */
function tallied(functions: number): readonly number[] {
  const came: SampleWindow[] = [];
  const windows = new SampleWindows({
    node: "n",
    machine: () => ({ id: "m", cpus: [0], cores: 1 }),
    inFlight: () => 0,
    onWindow: (window) => came.push(window),
  });
  const call = (name: string): void => {
    windows.ran({ ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" }, 10, [], "id", 0);
  };
  for (let at = 0; at < functions; at++) call(`f${at}`);
  vi.advanceTimersByTime(40);
  call("late");
  vi.advanceTimersByTime(125);
  return came.map(({ tallies }) => tallies.length);
}

test("a window of few functions is over sooner than one of many", () => {
  expect(tallied(100)).toEqual([100, 1]);
  expect(tallied(600)).toEqual([601]);
});
