// Cold starts at equal memory: our own policy at the price at which it holds what the hybrid histogram policy held.

import { forecast } from "#scheduler/policy/forecast.ts";
import { hybridHistogram } from "#scheduler/policy/hybrid-histogram.ts";
import { replay } from "#scheduler/simulator/replay.ts";
import { reportOf, type Report } from "#scheduler/simulator/report.ts";
import type { Trace } from "#scheduler/simulator/trace.ts";

/** Halvings of the price's logarithm. */
const STEPS = 9;
const PRICES = { min: 0.1, max: 100 };

export function atEqualMemory(trace: Trace): { readonly ours: Report; readonly hybrid: Report } {
  const hybrid = reportOf(replay(trace, hybridHistogram()));
  let [low, high] = [PRICES.min, PRICES.max];
  let ours: Report | null = null;
  for (let step = 0; step < STEPS; step++) {
    const gbSeconds = Math.sqrt(low * high);
    const report = reportOf(replay(trace, forecast({ kind: "cold-starts", gbSeconds, equally: "functions" })));
    if (report.score.slotGbSeconds > hybrid.score.slotGbSeconds) high = gbSeconds;
    else {
      low = gbSeconds;
      ours = report;
    }
  }
  if (ours === null) throw new Error("at the least price more memory was held than by the hybrid histogram policy");
  return { ours, hybrid };
}
