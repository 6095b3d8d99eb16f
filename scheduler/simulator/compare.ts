// All policies on one trace, and the best fixed keep-alive in hindsight.

import { fixedSeconds, POLICIES } from "../policy/policies.ts";
import type { Policy } from "../policy/policy.ts";
import { CONTEST_NODE, CONTEST_NODES_MAX } from "../settings.ts";
import { bestInHindsight } from "./hindsight.ts";
import { replay } from "./replay.ts";
import { reportOf, type Report } from "./report.ts";
import type { Trace } from "./trace.ts";

export interface Comparison {
  readonly reports: readonly Report[];
  readonly hindsight: Report;
}

/** `onStep` is told what comes next, and how many of its calls have come. */
export function compare(trace: Trace, onStep: (policy: string, calls: number) => void): Comparison {
  return {
    reports: Object.values(POLICIES).map((policy) => reportOf(simulate(trace, policy(), onStep))),
    hindsight: bestFixed(trace, onStep),
  };
}

export function bestFixed(trace: Trace, onStep: (policy: string, calls: number) => void = () => {}): Report {
  return bestInHindsight(
    (seconds) => reportOf(simulate(trace, fixedSeconds(seconds), onStep)),
    ({ score }) => score.score,
  );
}

/** Greedy-dual ends instances for want of memory alone: it gets as much as the 2020 contest's nodes have. */
const WARM_MEMORY_MB = CONTEST_NODE.memoryMb * CONTEST_NODES_MAX;

export function simulate(
  trace: Trace,
  policy: Policy,
  onStep: (policy: string, calls: number) => void = () => {},
): ReturnType<typeof replay> {
  onStep(policy.name, 0);
  return replay(trace, policy, {
    onProgress: (calls) => onStep(policy.name, calls),
    ...(policy.name === "greedy-dual" ? { warmMemoryMb: WARM_MEMORY_MB } : {}),
  });
}
