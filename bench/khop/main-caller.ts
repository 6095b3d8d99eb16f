// Walks the graph one way, in a process of its own, as often as khop.bench.ts asks: for the time, or for the results.

import type { Summary } from "#compute/cli/summary.ts";
import type { Workload } from "#compute/cli/workload.ts";
import { servePeer } from "../harness/peer-process.ts";
import { openWalker, type Doors, type Walker, type Way } from "./ways.ts";

export interface CallerRequest {
  readonly way: Way;
  readonly doors: Doors;
  readonly workload: Workload;
  readonly wanted: "summary" | "results";
}

let opened: Promise<Walker> | undefined;

servePeer(async ({ way, doors, workload, wanted }: CallerRequest): Promise<Summary | readonly unknown[]> => {
  opened ??= openWalker(way, doors);
  const walker = await opened;
  if (wanted === "results") return walker.results(workload);
  const summary = (await walker.time(workload)).summary();
  if (summary.firstError !== null) throw new Error(`a walk failed: ${summary.firstError}`);
  return summary;
});
