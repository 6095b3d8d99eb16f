// What the policies are scored on: the data sets of a folder where one is given, each as it is and with fifty times its durations; else
// synthetic traces whose seeds no tuning has seen.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { LocusError } from "#runtime/errors.ts";
import { azureLikeTrace } from "#scheduler/simulator/azure-like.ts";
import { readTrace } from "#scheduler/simulator/read-trace.ts";
import { withDurations, type Trace } from "#scheduler/simulator/trace.ts";

/** A data set with fewer calls says nothing of a policy. */
const CALLS_MIN = 100;
const FACTOR = 50;
/** Of a folder without any to score. Chosen. */
const UNFIT_TOLD_MAX = 5;
const UNSEEN_SEEDS = [2_001, 2_002];

/** Throws TRACE_INVALID where a folder is given and none of its data sets can be used. */
export function scoredTraces(dataDirectory: string | null): readonly Trace[] {
  const scored = dataDirectory === null ? UNSEEN_SEEDS.map((seed) => syntheticTrace(seed)) : dataSets(dataDirectory);
  return scored.flatMap((trace) => [trace, withDurations(trace, FACTOR)]);
}

const syntheticTrace = (seed: number): Trace =>
  azureLikeTrace({ seed, functions: 100, hours: 12, callsPerHourMax: 120 });

/** With the busy functions that have most of the calls, as traces do. */
export const busyTrace = (seed: number): Trace =>
  azureLikeTrace({ seed, functions: 300, hours: 12, callsPerHourMax: 3_600 });

/** A week, as where the hybrid histogram was published: most functions are called a few times a day. */
export const weekOfCalls = (seed: number): Trace =>
  azureLikeTrace({ seed, functions: 150, hours: 24 * 7, callsPerHourMax: 30 });

/** Some may be broken, or too small: those are left out, which the result's configuration shows. */
function dataSets(directory: string): readonly Trace[] {
  const folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const traces = folders.map(({ name }) => traceIn(join(directory, name)));
  const usable = traces.filter((trace) => typeof trace === "object");
  if (usable.length > 0) return usable;
  const lookedFor = `a folder with requests and metas, as the 2023 contest's, and ${CALLS_MIN} calls at least`;
  const unfit = traces.filter((trace) => typeof trace === "string").slice(0, UNFIT_TOLD_MAX);
  const what = [`${directory} has no data set to score: looked for ${lookedFor}`, ...unfit].join("; ");
  throw new LocusError("TRACE_INVALID", what);
}

/** Why not, where it is none to score. */
function traceIn(folder: string): Trace | string {
  try {
    const trace = readTrace(folder);
    const calls = trace.startMs.length;
    return calls >= CALLS_MIN ? trace : `${folder} has ${calls} calls`;
  } catch (error) {
    if (error instanceof LocusError) return error.message;
    throw error;
  }
}
