// What the policies are scored on: the data sets of a folder where one is given, each as it is and with fifty times its durations; else
// synthetic traces whose seeds no tuning has seen.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LocusError } from "#runtime/errors.ts";
import { azureLikeTrace } from "#scheduler/simulator/azure-like.ts";
import { readTrace } from "#scheduler/simulator/read-trace.ts";
import { withDurations, type Trace } from "#scheduler/simulator/trace.ts";

/** A data set with fewer calls says nothing of a policy. */
const CALLS_MIN = 100;
const FACTOR = 50;
const UNSEEN_SEEDS = [2_001, 2_002];

export function scoredTraces(dataDirectory: string | null): readonly Trace[] {
  const traces = dataDirectory === null ? [] : dataSets(dataDirectory);
  const scored = traces.length > 0 ? traces : UNSEEN_SEEDS.map((seed) => syntheticTrace(seed));
  return scored.flatMap((trace) => [trace, withDurations(trace, FACTOR)]);
}

export const syntheticTrace = (seed: number): Trace =>
  azureLikeTrace({ seed, functions: 100, hours: 12, callsPerHourMax: 120 });

/** A week, as where the hybrid histogram was published: most functions are called a few times a day. */
export const weekOfCalls = (seed: number): Trace =>
  azureLikeTrace({ seed, functions: 150, hours: 24 * 7, callsPerHourMax: 30 });

const dataSets = (directory: string): readonly Trace[] => {
  if (!existsSync(directory)) throw new Error(`there is no folder ${directory}`);
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && hasRequests(join(directory, entry.name)))
    .flatMap(({ name }) => validTrace(join(directory, name)))
    .filter(({ startMs }) => startMs.length >= CALLS_MIN);
};

/** Data sets may be broken: those are left out, which the result's configuration shows. */
const validTrace = (folder: string): readonly Trace[] => {
  try {
    return [readTrace(folder)];
  } catch (error) {
    if (error instanceof LocusError) return [];
    throw error;
  }
};

const hasRequests = (folder: string): boolean => readdirSync(folder).some((name) => /^requests(\.|$)/.test(name));
