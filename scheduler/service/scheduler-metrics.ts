// What a scheduler tells of all its nodes and instances where metrics are collected: the node that schedules among its own, a process apart by itself.

import { exposeNumber, exposeNumbers, FUNCTIONS_TOLD_MAX } from "#runtime/exposition.ts";
import type { CapacityOverview } from "./capacity-overview.ts";

const STATES = ["starting", "idle", "busy", "draining"] as const;
/** Sums of shares are not exact. */
const ROUNDING = 1e-6;

/** Prometheus' exposition format; docs/http.md lists the names. */
export function schedulerText({ nodes, counts, forecastErrors }: CapacityOverview): string {
  const busy = nodes.filter(({ instances }) => instances > 0);
  return [
    exposeNumbers(
      "gauge",
      "locus_instances",
      "Instances on all nodes, by state; leased ones are busy.",
      STATES.map((state) => ({ labels: { state }, value: counts[state] })),
    ),
    exposeNumber("gauge", "locus_scheduler_waiting", "Requests for an instance that wait.", counts.waiting),
    exposeNumber("gauge", "locus_scheduler_unplaced", "Starts that find no room.", counts.unplaced),
    exposeNumber("counter", "locus_instance_starts_total", "Instances started.", counts.starts),
    exposeNumber("counter", "locus_instance_failed_starts_total", "Starts that came to nothing.", counts.failedStarts),
    exposeNumber("counter", "locus_scheduler_refusals_total", "Requests that were refused.", counts.refusals),
    exposeNumbers(
      "gauge",
      "locus_node_utilisation",
      "Of what a node offers, the part that is promised to instances.",
      nodes.flatMap(({ id: node, memoryMb, promisedMb, cpus, promisedCpus }) => [
        { labels: { node, resource: "memory" }, value: promisedMb / memoryMb },
        { labels: { node, resource: "cpu" }, value: promisedCpus / cpus },
      ]),
    ),
    exposeNumber(
      "gauge",
      "locus_packing_waste",
      "Nodes with instances, divided by the least that could hold them; 1 is as few as can be.",
      busy.length === 0 ? 1 : busy.length / leastNodes(busy),
    ),
    exposeNumbers(
      "gauge",
      "locus_forecast_error",
      "Of a function's forecasts, the error on what they had not seen, as a part of it.",
      Object.entries(forecastErrors)
        .slice(0, FUNCTIONS_TOLD_MAX)
        .map(([key, value]) => ({ labels: { function: key }, value })),
    ),
  ].join("");
}

/** By either resource alone, were all nodes as large as the largest. */
function leastNodes(nodes: CapacityOverview["nodes"]): number {
  const sum = (of: (node: (typeof nodes)[number]) => number): number => nodes.reduce((all, node) => all + of(node), 0);
  const most = (of: (node: (typeof nodes)[number]) => number): number => Math.max(...nodes.map(of));
  const byMemory = sum(({ promisedMb }) => promisedMb) / most(({ memoryMb }) => memoryMb);
  const byCpu = sum(({ promisedCpus }) => promisedCpus) / most(({ cpus }) => cpus);
  return Math.max(1, Math.ceil(byMemory - ROUNDING), Math.ceil(byCpu - ROUNDING));
}
