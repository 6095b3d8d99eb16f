// What the controller's process holds for the profiles of functions (runtime/profile/profiles.ts).

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { Profiles } from "#runtime/profile/profiles.ts";
import { NO_USAGE } from "#runtime/profile/sample.ts";
import { SampleTally, type Tally } from "#runtime/profile/tally.ts";

const FUNCTIONS = 1_000;
const STRETCH_MS = 25;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const heldBytes = (): number => {
  // What is behind arrays is freed beside the collection that found it dead: by the next one it is.
  for (let time = 0; time < 3; time++) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** Calls of all of them on both sides. */
function stretch(): readonly Tally[] {
  const tally = new SampleTally();
  for (let index = 0; index < FUNCTIONS; index++) {
    for (const side of ["compute", "storage"] as const) {
      const sample = { ...NO_USAGE, function: `f${index}`, version: "1", side, outcome: "ok", wallUs: 90.5 };
      for (const [call, elapsedUs] of [100, 1_000, 10_000].entries())
        tally.record({ ...sample, cpuUs: 40.5 * (call + 1), bytesIn: 100.5 * (call + 1) }, elapsedUs);
    }
  }
  return tally.take().tallies;
}

test("a profile has at most 12 KiB, whatever the number of calls", () => {
  const tallies = stretch();
  const callAll = (stretches: number): Profiles => {
    const profiles = new Profiles();
    for (let at = 0; at < stretches; at++) profiles.fold(tallies, at * STRETCH_MS + 0.5, STRETCH_MS);
    return profiles;
  };
  callAll(1);
  const before = heldBytes();
  // So many that their code is compiled, and all is known that can be.
  const profiles = callAll(80);
  const eachBytes = (heldBytes() - before) / FUNCTIONS;
  expect([...profiles.entries()]).toHaveLength(FUNCTIONS);
  // Its numbers alone take more than half of it.
  expect(eachBytes).toBeGreaterThan(5 * 1_024);
  expect(eachBytes).toBeLessThanOrEqual(12 * 1_024);
});
