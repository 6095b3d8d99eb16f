// What instances come to in a node's metrics: its own leases and waits, and of all nodes where it schedules.

import { exposeNumber, exposeNumbers, FUNCTIONS_TOLD_MAX } from "#runtime/exposition.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { schedulerText } from "#scheduler/service/scheduler-metrics.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { NodeAgents } from "./node-agents.ts";

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
    exposeNumber(
      "counter",
      "locus_instance_waits_total",
      "Calls of this node that waited for an instance, whether they got one or not.",
      book.counts.waited,
    ),
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
  const byUse = agents.shares().toSorted((one, other) => other.usedCpus - one.usedCpus);
  const told = byUse.slice(0, FUNCTIONS_TOLD_MAX);
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
    exposeNumbers(
      "gauge",
      "locus_instance_cpus_forecast_error",
      "Of the forecasts of what they use, the error on what these had not seen, as a part of it.",
      told.flatMap(({ function: name, forecastError: value }) =>
        value === null ? [] : [{ labels: { function: name }, value }],
      ),
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
