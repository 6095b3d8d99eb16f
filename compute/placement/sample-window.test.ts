import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import type { SampleWindow } from "./messages.ts";
import { SampleWindows } from "./sample-window.ts";

const open: SampleWindows[] = [];
afterEach(() => {
  for (const windows of open.splice(0)) windows.close();
});

/** Of calls of so many functions at once, and of another one 40 ms later: in the windows that they come in, one after the other. */
async function tallied(functions: number): Promise<readonly number[]> {
  const came: SampleWindow[] = [];
  const last = Promise.withResolvers<void>();
  const windows = new SampleWindows({
    node: "n",
    machine: { id: "m", cpus: [0], cores: 1 },
    inFlight: () => 0,
    onWindow: (window) => {
      came.push(window);
      if (window.tallies.some(({ function: name }) => name === "late")) last.resolve();
    },
  });
  open.push(windows);
  const call = (name: string): void => {
    windows.ran({ ...NO_USAGE, function: name, version: "1", side: "compute", outcome: "ok" }, 10, [], "id", 0);
  };
  for (let at = 0; at < functions; at++) call(`f${at}`);
  await pause(40);
  call("late");
  await last.promise;
  return came.map(({ tallies }) => tallies.length);
}

test("a window of few functions is over sooner than one of many", async () => {
  expect(await tallied(100)).toEqual([100, 1]);
  expect(await tallied(600)).toEqual([601]);
});
