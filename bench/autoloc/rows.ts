// The rows of `autoloc`: its three functions, each alone and all mixed equally, on either side and where locus puts them.

import { barPlotSvg } from "#runtime/plot.ts";
import type { Comparison, Peer, Row } from "../harness/contest.ts";
import type { Shares } from "../placement/best-shares.ts";
import { fixed, measure, partOf } from "../placement/measure.ts";
import { partsUnder, ruleUnder } from "../placement/new-names.ts";
import type { RuleName } from "../placement/rule-names.ts";
import type { SplitStack } from "../placement/split-stack.ts";
import type { Workload } from "../placement/suite.ts";

export const FUNCTIONS = ["khop", "md5", "pagerank"] as const;
export const MIX = "mix";
/** Calls in flight: one caller who waits, and several. Of `md5` a core makes ten a second. */
export const IN_FLIGHT = [1, 8] as const;

/** In the order in which they are measured. */
const PLACES = ["auto", "compute", "storage"] as const;

const rowName = (of: string, where: (typeof PLACES)[number], inFlight: number): string =>
  `${of}, ${where}, ${inFlight} in flight`;

/** Throughput of auto ÷ that of the side that does less. */
export const gainOf = (of: string, inFlight: number): Comparison["of"] => {
  const sides = [rowName(of, "compute", inFlight), rowName(of, "storage", inFlight)];
  return (value, { leastOf }) => value(rowName(of, "auto", inFlight)) / value(leastOf(sides));
};

export function autolocPeers(
  stack: SplitStack,
  workloads: readonly Workload[],
  times: { readonly leadInMs: number; readonly budgetMs: number },
): readonly Peer[] {
  const loads = [
    ...workloads.map((workload) => ({ name: workload.name, parts: [partOf(workload, 1)] })),
    { name: MIX, parts: workloads.map((workload) => partOf(workload, 1)) },
  ];
  return loads.flatMap(({ name, parts }) =>
    IN_FLIGHT.flatMap((inFlight) =>
      PLACES.map((where): Peer => {
        const functions = parts.map((part) => part.function);
        const shares: Shares = Object.fromEntries(functions.map((one) => [one, where === "storage" ? 1 : 0]));
        const rule: RuleName = where === "auto" ? { kind: "auto" } : fixed(shares);
        const row = rowName(name, where, inFlight);
        return {
          name: row,
          unit: "calls/s",
          run: () =>
            stack.underNewNames(functions, async (names) => {
              const load = { parts: partsUnder(names, parts), rule: ruleUnder(names, rule) };
              const measurement = { ...load, arrivals: { callers: inFlight }, memory: row, ...times };
              const { perSecond, p50Us, p99Us, storageShare } = await measure(stack, measurement);
              return { value: perSecond, p50Us, p99Us, details: { storageShare } };
            }),
        };
      }),
    ),
  );
}

/** Calls per second on either side and where locus puts them, as a share of the best of the three. */
export function autolocPlot(rows: readonly Row[]): string {
  const groups = [...FUNCTIONS, MIX].flatMap((of) =>
    IN_FLIGHT.map((inFlight) => {
      const medianOf = (where: (typeof PLACES)[number]): number =>
        rows.find(({ name }) => name === rowName(of, where, inFlight))?.median ?? 0;
      const best = Math.max(...PLACES.map(medianOf));
      return { name: `${of}, ${inFlight}`, bars: Object.fromEntries(PLACES.map((one) => [one, medianOf(one) / best])) };
    }),
  );
  return barPlotSvg({ title: "Functions and their mix, by calls in flight", unit: "of best", groups });
}
