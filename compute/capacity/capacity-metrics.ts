// What instances come to in a node's metrics: its own leases and waits, and of all nodes where it schedules.

import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { exposeNumber, exposeNumbers } from "../node/exposition.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { NodeAgents } from "./node-agents.ts";

/** Functions whose forecasts, or quotas, are told. There may be more. */
const FUNCTIONS_MAX = 1_000;
const STATES = ["starting", "idle", "busy", "draining"] as const;

/** `served`: calls of other nodes that ran here. `overview` null: this node does not schedule. */
export function capacityText(book: LeaseBook, served: number, overview: CapacityOverview | null): string {
  const texts = [
    exposeNumber("gauge", "locus_instance_leases", "Instances that this node holds on lease.", book.size),
    exposeNumber("gauge", "locus_instance_waiting", "Calls of this node that wait for an instance.", book.waiting),
    exposeNumber(
      "counter",
      "locus_instance_leases_taken_total",
      "Calls of this node that had an instance.",
      book.counts.taken,
    ),
    exposeNumber("counter", "locus_instance_waits_total", "Of those, the ones that had to wait.", book.counts.waited),
    exposeNumber(
      "counter",
      "locus_instance_wait_seconds_total",
      "How long they waited, together.",
      book.counts.waitedMs / 1e3,
    ),
    exposeNumbers(
      "counter",
      "locus_instance_calls_without_total",
      "Calls that ran on this node without an instance, by why.",
      Object.entries(book.without).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    servedText(served),
    exposeNumber("gauge", "locus_scheduler_controls", "Whether this node schedules.", overview === null ? 0 : 1),
  ];
  if (overview !== null) texts.push(schedulerText(overview));
  return texts.join("");
}

/** Of functions whose instances' CPU quotas follow what they use. `agents` null: instances are isolates, which have none. */
export function quotaText(agents: Pick<NodeAgents, "shares"> | null): string {
  if (agents === null) return "";
  const told = agents.shares().slice(0, FUNCTIONS_MAX);
  return [
    exposeNumbers(
      "gauge",
      "locus_instance_cpus_granted",
      "CPUs that a function's instances on this node may use now.",
      told.map(({ function: name, grantedCpus: value }) => ({ labels: { function: name }, value })),
    ),
    exposeNumbers(
      "gauge",
      "locus_instance_cpus_used",
      "CPUs that they used when they were last looked at.",
      told.map(({ function: name, usedCpus: value }) => ({ labels: { function: name }, value })),
    ),
  ].join("");
}

export const servedText = (served: number): string =>
  exposeNumber(
    "counter",
    "locus_instance_calls_served_total",
    "Calls that ran on this node and came by its NodeService.",
    served,
  );

function schedulerText({ nodes, counts, forecastErrors }: CapacityOverview): string {
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
        .slice(0, FUNCTIONS_MAX)
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

/** Sums of shares are not exact. */
const ROUNDING = 1e-6;
