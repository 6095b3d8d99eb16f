import { describe, expect, it } from "vitest";

import { FUNCTIONS_TOLD_MAX } from "#runtime/exposition.ts";
import { NO_USAGE, type Sample } from "#runtime/profile/sample.ts";
import type { SupervisorState } from "#runtime/sandbox/supervisor.ts";
import { NodeMetrics } from "./metrics.ts";

const HOST = {
  pid: 1,
  isolates: 0,
  inFlight: 0,
  restarts: 0,
  isolateBytes: 0,
  quarantine: false,
  confinement: [],
  lastEnd: "",
};

const SANDBOX: SupervisorState = {
  hosts: [
    { ...HOST, state: "ready", isolates: 5, isolateBytes: 500, residentBytes: 1_000, cpuUs: 0 },
    { ...HOST, state: "starting", residentBytes: 2_000, cpuUs: 0, quarantine: true },
    { ...HOST, state: "gone", residentBytes: 0, cpuUs: 0, quarantine: true },
  ],
  functions: [{ name: "khop", version: "0", isolates: 3, min: 0, memoryBytes: 0, cpuUs: 0 }],
  deaths: 5,
  killedForMemory: 2,
  killedForTime: 1,
  reruns: 7,
  quarantined: 3,
  released: 1,
  calls: { queued: 4, starting: 3, running: 2, waiting: 1 },
  inFlight: 0,
  connections: 1,
  refusal: "",
};

const sample = (fields: Partial<Sample>): Sample => ({
  function: "khop",
  version: "0",
  side: "storage",
  outcome: "ok",
  ...NO_USAGE,
  ...fields,
});

describe("NodeMetrics", () => {
  it("writes Prometheus' exposition format, buckets cumulative", () => {
    const metrics = new NodeMetrics({
      inFlight: () => 2,
      storageQueueLength: () => 3,
      sandbox: () => SANDBOX,
      actingFor: () => [{ user: "reader", database: 3 }],
      placementText: () => "",
      capacityText: () => "",
      isDeployed: (name) => name === "khop",
    });
    metrics.ran(sample({}), 100);
    metrics.ran(sample({}), 101);
    metrics.ran(sample({ outcome: "FUNCTION_FAILED" }), 20e6);
    metrics.ran(sample({ function: "deleted" }), 1);
    metrics.pushedBack(sample({}));
    metrics.refused("OVERLOADED");
    metrics.refused("OVERLOADED");
    const lines = metrics.text().split("\n");
    expect(lines.slice(0, 4)).toEqual([
      "# HELP locus_calls_total Calls that a sandbox ran, by function, side and outcome.",
      "# TYPE locus_calls_total counter",
      'locus_calls_total{function="khop",side="storage",outcome="ok"} 2',
      'locus_calls_total{function="khop",side="storage",outcome="FUNCTION_FAILED"} 1',
    ]);
    for (const line of [
      'locus_calls_refused_total{code="OVERLOADED"} 2',
      "# TYPE locus_call_seconds histogram",
      'locus_call_seconds_bucket{function="khop",side="storage",le="0.0001"} 1',
      'locus_call_seconds_bucket{function="khop",side="storage",le="0.0003"} 2',
      'locus_call_seconds_bucket{function="khop",side="storage",le="10"} 2',
      'locus_call_seconds_bucket{function="khop",side="storage",le="+Inf"} 3',
      'locus_call_seconds_sum{function="khop",side="storage"} 20.000201',
      'locus_call_seconds_count{function="khop",side="storage"} 3',
      "locus_calls_in_flight 2",
      "locus_storage_queue_length 3",
      'locus_invocations{state="queued"} 4',
      'locus_invocations{state="starting"} 3',
      'locus_invocations{state="running"} 2',
      'locus_invocations{state="waiting"} 1',
      'locus_invocations_ended_total{state="done"} 3',
      'locus_invocations_ended_total{state="failed"} 1',
      'locus_invocations_ended_total{state="pushed-back"} 1',
      'locus_calls_pushed_back_total{function="khop"} 1',
      'locus_sandbox_hosts{state="ready"} 1',
      'locus_sandbox_hosts{state="starting"} 1',
      'locus_sandbox_hosts{state="gone"} 1',
      "locus_sandbox_hosts_in_quarantine 1",
      'locus_sandbox_isolates{state="ready"} 3',
      'locus_sandbox_isolates{state="passing"} 2',
      "locus_sandbox_resident_bytes 3000",
      "locus_sandbox_host_deaths_total 5",
      'locus_sandbox_host_kills_total{for="memory"} 2',
      'locus_sandbox_host_kills_total{for="time"} 1',
      "locus_reruns_total 7",
      "locus_quarantines_total 3",
      "locus_quarantines_left_total 1",
      'locus_acting_for{user="reader",database="3"} 1',
    ]) {
      expect(lines).toContain(line);
    }
    expect(metrics.text()).not.toContain("deleted");
  });

  it("has series of the functions that were called last, and counts all calls", () => {
    const metrics = new NodeMetrics({
      inFlight: () => 0,
      storageQueueLength: () => 0,
      sandbox: () => SANDBOX,
      actingFor: () => [],
      placementText: () => "",
      capacityText: () => "",
      isDeployed: () => true,
    });
    for (let at = 0; at < FUNCTIONS_TOLD_MAX; at += 1) metrics.ran(sample({ function: `f${at}` }), 1);
    for (const name of ["f0", "other"]) metrics.ran(sample({ function: name }), 1);
    const names = metrics.stats(null).map((stats) => stats.function);
    expect(names.length).toBeLessThanOrEqual(FUNCTIONS_TOLD_MAX);
    expect(names).toEqual(expect.arrayContaining(["f0", "other"]));
    expect(names).not.toContain("f1");
    expect(metrics.text()).toContain(`locus_invocations_ended_total{state="done"} ${FUNCTIONS_TOLD_MAX + 2}\n`);
  });

  it("tells what the calls of each deployed function came to, on each side", () => {
    const metrics = new NodeMetrics({
      inFlight: () => 0,
      storageQueueLength: () => 0,
      sandbox: () => SANDBOX,
      actingFor: () => [{ user: "reader", database: 3 }],
      placementText: () => "",
      capacityText: () => "",
      isDeployed: (name) => name !== "deleted",
    });
    for (let ms = 1; ms <= 100; ms += 1) metrics.ran(sample({}), ms * 1e3);
    metrics.ran(sample({ outcome: "CPU_LIMIT" }), 1e3);
    metrics.ran(sample({ side: "compute" }), 200);
    metrics.ran(sample({ function: "chain" }), 1);
    metrics.ran(sample({ function: "chain", outcome: "CALL_REFUSED" }), 1);
    metrics.ran(sample({ function: "deleted" }), 1);
    const [chain, compute, storage, ...more] = metrics.stats(null);
    expect(more).toEqual([]);
    expect(chain).toMatchObject({ function: "chain", calls: 2, failed: 0, errors: { CALL_REFUSED: 1 } });
    expect(metrics.text()).toContain('locus_invocations_ended_total{state="failed"} 1');
    expect(compute).toMatchObject({ function: "khop", side: "compute", calls: 1, failed: 0, errors: {}, meanUs: 200 });
    // The middle of their bucket is beyond them.
    expect([compute!.p50Us, compute!.p99Us]).toEqual([200, 200]);
    expect(storage).toMatchObject({
      function: "khop",
      side: "storage",
      calls: 101,
      failed: 1,
      errors: { CPU_LIMIT: 1 },
    });
    expect(storage!.meanUs).toBe(Math.round(5_051_000 / 101));
    expect(Math.abs(storage!.p50Us / 50e3 - 1)).toBeLessThan(0.06);
    expect(Math.abs(storage!.p99Us / 99e3 - 1)).toBeLessThan(0.06);
    expect(metrics.stats("khop")).toEqual([compute, storage]);
    expect(metrics.stats("idle")).toEqual([]);
  });
});
