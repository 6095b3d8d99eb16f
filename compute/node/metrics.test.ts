import { describe, expect, it } from "vitest";

import type { Sample } from "#runtime/profile/sample.ts";
import { NodeMetrics } from "./metrics.ts";

const sample = (fields: Partial<Sample>): Sample => ({
  function: "khop",
  version: "0",
  side: "storage",
  outcome: "ok",
  wallUs: 0,
  queueUs: 0,
  cpuUs: 0,
  waitUs: 0,
  operations: 0,
  rounds: 0,
  bytesOut: 0,
  bytesIn: 0,
  lockUs: 0,
  ...fields,
});

describe("NodeMetrics", () => {
  it("writes Prometheus' exposition format, buckets cumulative", () => {
    const metrics = new NodeMetrics({
      inFlight: () => 2,
      storageQueueLength: () => 3,
      computeQueueLength: () => 4,
      functionNames: () => ["khop"],
    });
    metrics.ran(sample({}), 100);
    metrics.ran(sample({}), 101);
    metrics.ran(sample({ outcome: "FUNCTION_FAILED" }), 20e6);
    metrics.ran(sample({ function: "gone" }), 1);
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
      "locus_compute_queue_length 4",
    ]) {
      expect(lines).toContain(line);
    }
    expect(metrics.text()).not.toContain("gone");
  });
});
