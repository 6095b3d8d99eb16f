// The simulator against a replay that shares no code with it: the 2023 contest's rules in their plainest form. On synthetic traces, and on the
// contest's own data sets where they are: below LOCUS_DATA_DIR, where the contest's simulator looks for them too. Whoever sets that says that they are
// there.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { readSettings } from "#runtime/setting.ts";
import { fixedKeepAlive, REFERENCE, type FixedKeepAlive } from "../policy/fixed.ts";
import { SIMULATOR_SETTINGS } from "../service/settings.ts";
import { azureLikeTrace } from "./azure-like.ts";
import { readTrace } from "./read-trace.ts";
import { replay } from "./replay.ts";
import { score2023 } from "./score-2023.ts";
import { withDurations, type Trace } from "./trace.ts";

// oxlint-disable-next-line node/no-process-env -- data that only some machines have
const environment = process.env;
const { dataFolder } = readSettings(SIMULATOR_SETTINGS, environment).values;
const isToldOfData = Boolean(environment[SIMULATOR_SETTINGS.dataFolder.variable]);

interface Slot {
  readonly createdMs: number;
  /** After its call. */
  idleSinceMs: number;
}

/** A call takes the idle slot that was used last, or waits for one of its own; a slot costs from its creation until it ends, or the last call has ended. */
function plainScore({ functions, functionOf, startMs, durationMs }: Trace, keepAlive: FixedKeepAlive): number {
  const lives: { readonly gb: number; readonly fromMs: number; readonly toMs: number }[] = [];
  let [executedMs, executedGbMs, waitedMs, lastMs] = [0, 0, 0, 0];
  for (const [index, { memoryMb, initMs }] of functions.entries()) {
    const gb = memoryMb / 1024;
    let firstMs = NaN;
    let slots: Slot[] = [];
    const endMs = ({ idleSinceMs }: Slot): number => endOf(idleSinceMs, firstMs, keepAlive);
    const end = (slot: Slot): void => void lives.push({ gb, fromMs: slot.createdMs, toMs: endMs(slot) });
    for (const call of startMs.keys()) {
      if (functionOf[call] !== index) continue;
      const [atMs, runMs] = [startMs[call]!, durationMs[call]!];
      if (Number.isNaN(firstMs)) firstMs = atMs;
      slots.filter((slot) => endMs(slot) <= atMs).forEach(end);
      slots = slots.filter((slot) => endMs(slot) > atMs);
      const free = slots.filter(({ idleSinceMs }) => idleSinceMs <= atMs);
      const used = free.toSorted((one, other) => other.idleSinceMs - one.idleSinceMs)[0];
      const waitMs = used === undefined ? 100 + initMs : 0;
      const slot = used ?? { createdMs: atMs, idleSinceMs: 0 };
      if (used === undefined) slots.push(slot);
      slot.idleSinceMs = atMs + waitMs + runMs;
      lastMs = Math.max(lastMs, slot.idleSinceMs);
      executedMs += runMs;
      executedGbMs += runMs * gb;
      waitedMs += waitMs;
    }
    slots.forEach(end);
  }
  const heldGbMs = lives.reduce((sum, { gb, fromMs, toMs }) => sum + (Math.min(toMs, lastMs) - fromMs) * gb, 0);
  return (executedGbMs / heldGbMs) * 50 + (executedMs / (executedMs + waitedMs)) * 50;
}

/** When a slot ends that is used no more: at its time, or at the first look at which it has been idle for longer. */
function endOf(idleSinceMs: number, firstMs: number, { keepAliveMs, lookEveryMs }: FixedKeepAlive): number {
  if (lookEveryMs === 0) return idleSinceMs + keepAliveMs;
  let lookMs = firstMs + lookEveryMs * Math.floor((idleSinceMs - firstMs) / lookEveryMs);
  while (lookMs - idleSinceMs <= keepAliveMs) lookMs += lookEveryMs;
  return lookMs;
}

const fixed = (seconds: number): FixedKeepAlive => ({ keepAliveMs: seconds * 1e3, lookEveryMs: 0 });
const simulatedScore = (trace: Trace, keepAlive: FixedKeepAlive): number =>
  score2023(replay(trace, fixedKeepAlive("fixed", keepAlive))).score;

describe.each([
  [11, 1],
  [12, 1],
  [11, 50],
])("of a synthetic trace, seed %i, with %i times its durations", (seed, factor) => {
  const trace = withDurations(azureLikeTrace({ seed, functions: 40, hours: 6, callsPerHourMax: 300 }), factor);

  test.each([
    ["the reference policy", REFERENCE],
    ["no keep-alive", fixed(0)],
    ["a keep-alive of 0.2 s", fixed(0.2)],
    ["a keep-alive of a minute", fixed(60)],
    ["a keep-alive that never ends", fixed(Infinity)],
  ])("the score of %s is that of an independent replay", (_name, keepAlive) => {
    expect(simulatedScore(trace, keepAlive)).toBeCloseTo(plainScore(trace, keepAlive), 6);
  });
});

for (const [name, factor, reference, seconds, best] of [
  ["dataSet_1_prefix", 1, 49.4, Infinity, 50],
  ["dataSet_1_prefix", 50, 53.9, 0, 92.1],
  ["function_smoke_test", 1, 6, 0.2, 6.9],
  ["function_smoke_test", 50, 44.4, 0, 73.5],
] as const) {
  const folder = join(dataFolder, name);
  test.skipIf(!isToldOfData && !existsSync(folder))(
    `${name} × ${factor} has the scores that were found for it, to 0.1`,
    () => {
      const trace = withDurations(readTrace(folder), factor);
      expect(Math.abs(simulatedScore(trace, REFERENCE) - reference)).toBeLessThan(0.1);
      expect(Math.abs(simulatedScore(trace, fixed(seconds)) - best)).toBeLessThan(0.1);
    },
  );
}
