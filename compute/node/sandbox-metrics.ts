// What the sandbox hosts of a node come to in its metrics.

import { exposeNumber, exposeNumbers } from "#runtime/exposition.ts";
import type { SupervisorState } from "#runtime/sandbox/supervisor.ts";

const HOST_STATES = ["starting", "ready", "gone"] as const;

export const sandboxText = (state: SupervisorState): string => {
  const isolates = state.hosts.reduce((sum, host) => sum + host.isolates, 0);
  const ready = state.functions.reduce((sum, one) => sum + one.isolates, 0);
  return [
    exposeNumbers(
      "gauge",
      "locus_invocations",
      "Invocations in the sandbox hosts of this node now, by state.",
      Object.entries(state.calls).map(([name, value]) => ({ labels: { state: name }, value })),
    ),
    exposeNumbers(
      "gauge",
      "locus_sandbox_hosts",
      "Sandbox hosts of this node, by state.",
      HOST_STATES.map((name) => ({
        labels: { state: name },
        value: state.hosts.filter((host) => host.state === name).length,
      })),
    ),
    exposeNumber(
      "gauge",
      "locus_sandbox_hosts_in_quarantine",
      "Sandbox hosts of functions that cost this node one.",
      state.hosts.filter((host) => host.quarantine && host.state !== "gone").length,
    ),
    exposeNumbers("gauge", "locus_sandbox_isolates", "Isolates in the sandbox hosts of this node, by state.", [
      { labels: { state: "ready" }, value: ready },
      // Those that open, close, or finish up. The two counts are not of the same moment.
      { labels: { state: "passing" }, value: Math.max(0, isolates - ready) },
    ]),
    exposeNumber(
      "gauge",
      "locus_sandbox_resident_bytes",
      "Memory of all sandbox hosts of this node.",
      state.hosts.reduce((sum, host) => sum + host.residentBytes, 0),
    ),
    exposeNumber(
      "gauge",
      "locus_sandbox_isolate_bytes",
      "Memory that the isolates in these hosts hold.",
      state.hosts.reduce((sum, host) => sum + host.isolateBytes, 0),
    ),
    exposeNumber("counter", "locus_sandbox_host_deaths_total", "Sandbox hosts that ended.", state.deaths),
    exposeNumbers("counter", "locus_sandbox_host_kills_total", "Sandbox hosts that were killed, and what for.", [
      { labels: { for: "memory" }, value: state.killedForMemory },
      { labels: { for: "time" }, value: state.killedForTime },
    ]),
    exposeNumber("counter", "locus_reruns_total", "Calls run again, unseen by their callers.", state.reruns),
    exposeNumber("counter", "locus_quarantines_total", "Times a function was quarantined.", state.quarantined),
    exposeNumber("counter", "locus_quarantines_left_total", "Times that one had behaved and left.", state.released),
  ].join("");
};
