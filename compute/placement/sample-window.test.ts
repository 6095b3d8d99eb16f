import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { termOf } from "#runtime/profile/tally.ts";
import type { SampleWindow } from "./messages.ts";
import { SampleWindows } from "./sample-window.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function played(hostsCpuUs = (): number | null => 0) {
  const came: SampleWindow[] = [];
  const windows = new SampleWindows({
    node: "n",
    machine: () => ({ id: "m", cpus: [0], cores: 1 }),
    inFlight: () => 0,
    hostsCpuUs,
    isolatesMax: () => 100,
    onWindow: (window) => came.push(window),
  });
  const call = (name: string): void => {
    windows.ran({ ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" }, 10, [], "id", 0);
  };
  return { came, windows, call };
}

/** Functions in each window, if so many are called at once and another one 40 ms later. */
function tallied(functions: number): readonly number[] {
  const { came, call } = played();
  for (let at = 0; at < functions; at++) call(`f${at}`);
  vi.advanceTimersByTime(40);
  call("late");
  vi.advanceTimersByTime(250);
  return came.map(({ tallies }) => tallies.length);
}

test("a window of few functions is shorter than one of many", () => {
  expect(tallied(100)).toEqual([100, 1]);
  expect(tallied(600)).toEqual([601]);
});

test("a window ends when the plan changes, but not before the shortest length", () => {
  const { came, windows, call } = played();
  windows.endEarly();
  for (let at = 0; at < 600; at++) call(`f${at}`);
  vi.advanceTimersByTime(40);
  windows.endEarly();
  for (let at = 0; at < 500; at++) call(`f${at}`);
  vi.advanceTimersByTime(10);
  windows.endEarly();
  expect(came).toHaveLength(1);
  vi.advanceTimersByTime(15);
  call("late");
  vi.advanceTimersByTime(25);
  expect(came.map(({ tallies, stretchMs }) => [tallies.length, stretchMs])).toEqual([
    [600, 40],
    [500, 25],
    [1, 25],
  ]);
  vi.advanceTimersByTime(1_000);
  windows.endEarly();
  expect(came).toHaveLength(3);
});

test("a call that was pushed back counts on the side that it left", () => {
  const { came, windows } = played();
  const sample = {
    ...NO_USAGE,
    function: "f",
    version: "1",
    side: "storage",
    outcome: "ok",
    cpuUs: 5_000,
  } as const;
  windows.pushedBack(sample, 6_000);
  vi.advanceTimersByTime(25);
  const [tally] = came.flatMap(({ tallies }) => tallies);
  expect(tally).toMatchObject({ function: "f", side: "storage" });
  expect([termOf(tally!.sums, "calls"), termOf(tally!.sums, "cpuUs")]).toEqual([1, 5_000]);
});

test("a window tells how many cores the hosts kept busy, unless there was a rest before it", () => {
  let hostsUs: number | null = 5_000_000;
  const { came, call } = played(() => hostsUs);
  const windowAfter = (ms: number, workedUs: number): number | null => {
    call("f");
    if (hostsUs !== null) hostsUs += workedUs;
    vi.advanceTimersByTime(ms);
    return came.at(-1)!.hostCores;
  };
  vi.advanceTimersByTime(60_000);
  expect(windowAfter(25, 0)).toBeNull();
  expect(windowAfter(25, 10_000)).toBeCloseTo(0.4);
  expect(windowAfter(25, 100_000), "as many as there are at most").toBe(1);
  expect(windowAfter(25, -9_000_000), "hosts have begun anew").toBe(0);
  hostsUs = null;
  expect(windowAfter(25, 0), "others' calls as well").toBeNull();
  hostsUs = 7_000_000;
  expect(windowAfter(25, 0), "since nobody knows when").toBeNull();
  expect(windowAfter(25, 5_000)).toBeCloseTo(0.2);
});
