// What a replay came to, in figures: the score and its halves, cold starts, waits, and memory held in vain.

import type { Replay } from "./replay.ts";
import { score2023, type Score2023 } from "./score-2023.ts";

export interface Report {
  readonly trace: string;
  readonly policy: string;
  readonly calls: number;
  readonly functions: number;
  readonly score: Score2023;
  readonly starts: number;
  /** Calls that had to wait for an instance at all, for whatever reason, ÷ calls. */
  readonly coldShare: number;
  /** The same of single functions, at percentiles of those that were called. */
  readonly coldShareOfFunctions: Readonly<Record<"p25" | "p50" | "p75" | "p90", number>>;
  readonly waitMs: Readonly<Record<"mean" | "p50" | "p99" | "max", number>>;
  /** GB·s of instances that executed nothing: starting or idle. */
  readonly wastedGbSeconds: number;
  /** Median of functions that have a forecast; null where none has. */
  readonly forecastError: number | null;
  /** Of each of them, by its key. */
  readonly forecastErrors: Readonly<Record<string, number>>;
}

export function reportOf(replay: Replay): Report {
  const { trace, policy, waitMs, starts, forecastErrors } = replay;
  const score = score2023(replay);
  const shares = coldShares(replay).toSorted((a, b) => a - b);
  const waits = waitMs.toSorted();
  const errors = trace.functions.flatMap(({ key }, index) => {
    const error = forecastErrors[index] ?? null;
    return error === null ? [] : [[key, error] as const];
  });
  const sortedErrors = errors.map(([, error]) => error).toSorted((a, b) => a - b);
  return {
    trace: trace.name,
    policy,
    calls: waitMs.length,
    functions: shares.length,
    score,
    starts,
    coldShare: waitMs.reduce((cold, one) => cold + (one > 0 ? 1 : 0), 0) / waitMs.length,
    coldShareOfFunctions: {
      p25: percentile(shares, 0.25),
      p50: percentile(shares, 0.5),
      p75: percentile(shares, 0.75),
      p90: percentile(shares, 0.9),
    },
    waitMs: {
      mean: (score.scheduleSeconds * 1e3) / waitMs.length,
      p50: percentile(waits, 0.5),
      p99: percentile(waits, 0.99),
      max: percentile(waits, 1),
    },
    wastedGbSeconds: score.slotGbSeconds - score.executionGbSeconds,
    forecastError: errors.length === 0 ? null : percentile(sortedErrors, 0.5),
    forecastErrors: Object.fromEntries(errors),
  };
}

/** Of each function that was called. */
function coldShares({ trace, waitMs }: Replay): number[] {
  const calls = new Float64Array(trace.functions.length);
  const cold = new Float64Array(trace.functions.length);
  for (let call = 0; call < waitMs.length; call++) {
    const index = trace.functionOf[call]!;
    calls[index]!++;
    if (waitMs[call]! > 0) cold[index]!++;
  }
  return [...calls].flatMap((count, index) => (count === 0 ? [] : [cold[index]! / count]));
}

/** Of values in order; nearest rank. */
const percentile = (values: ArrayLike<number>, share: number): number =>
  values[Math.max(0, Math.ceil(share * values.length) - 1)] ?? NaN;
