import { describe, expect, test } from "vitest";

import { FUNCTIONS_TOLD_MAX } from "#runtime/exposition.ts";
import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { newCounts } from "#scheduler/counts.ts";
import type { LeaseAnswer } from "#scheduler/grpc/capacity-desk.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { schedulerText } from "#scheduler/service/scheduler-metrics.ts";
import { capacityText, quotaText } from "./capacity-metrics.ts";
import { LeaseBook } from "./lease-book.ts";

const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 1 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };

/** A book with three calls: one that waited 250 ms for an instance, one that found it, and one for which none came. */
const usedBook = async (): Promise<LeaseBook> => {
  const clock = { nowMs: 0 };
  const asked: PromiseWithResolvers<LeaseAnswer>[] = [];
  const book = new LeaseBook({
    hasIsolates: false,
    nodeId: "me",
    atMost: () => null,
    nowMs: () => clock.nowMs,
    lease: () => {
      const answer = Promise.withResolvers<LeaseAnswer>();
      asked.push(answer);
      return answer.promise;
    },
  });
  const first = book.wait(khop, 5_000);
  clock.nowMs = 250;
  const instance = { id: "a", nodeId: "me", address: "", port: 1, cpus: 2 };
  asked[0]!.resolve({ instances: [instance], waitMs: null });
  book.done((await first)!, 1, 0);
  book.done(book.take(khop)!, 1, 0);
  const other = { ...khop, name: "walk", version: "2" };
  const refused = book.wait(other, 5_000);
  asked.at(-1)!.reject(new Error("too large"));
  await refused;
  book.takeHere(other);
  return book;
};

/** Of all lines those with numbers, without what explains them. */
const numbersIn = (text: string): readonly string[] =>
  text.split("\n").filter((line) => line !== "" && line[0] !== "#");

describe("metrics of instances", () => {
  test("tell of a node's leases, of calls that waited and how long, and of those that went without", async () => {
    const book = await usedBook();
    expect(numbersIn(capacityText(book, 7, null))).toEqual([
      "locus_instance_leases 1",
      "locus_instance_waiting 0",
      "locus_instance_leases_taken_total 2",
      "locus_instance_waits_total 2",
      "locus_instance_wait_seconds_total 0.25",
      'locus_instance_calls_without_total{reason="no-scheduler"} 0',
      'locus_instance_calls_without_total{reason="replaced"} 0',
      'locus_instance_calls_without_total{reason="refused"} 1',
      'locus_instance_calls_without_total{reason="late"} 0',
      'locus_instance_calls_without_total{reason="lost"} 0',
      'locus_instance_calls_without_total{reason="stopping"} 0',
      'locus_instance_calls_without_total{reason="not-here"} 1',
      'locus_instance_calls_without_total{reason="other-user"} 0',
      "locus_instance_calls_served_total 7",
      "locus_scheduler_controls 0",
    ]);
  });

  test("tell what the scheduler does, where the node schedules", async () => {
    const overview: CapacityOverview = {
      policy: "forecast",
      nodes: [],
      instances: [],
      instancesLeftOut: 0,
      counts: newCounts(),
      forecastErrors: {},
    };
    const text = capacityText(await usedBook(), 0, overview);
    expect(numbersIn(text)).toContain("locus_scheduler_controls 1");
    expect(text.endsWith(schedulerText(overview))).toBe(true);
  });

  test("tell of CPU quotas of the functions that use most", () => {
    const shares = Array.from({ length: FUNCTIONS_TOLD_MAX + 1 }, (_, at) => ({
      function: `f${at}`,
      grantedCpus: 1,
      usedCpus: at / 1e4,
      forecastError: null,
    }));
    const numbers = numbersIn(quotaText({ shares: () => shares }));
    expect(numbers).toHaveLength(2 * FUNCTIONS_TOLD_MAX);
    expect(numbers.join()).not.toContain('"f0"');
  });

  test("tell of CPU quotas where instances have any", () => {
    expect(quotaText(null)).toBe("");
    const shares = [
      { function: "khop", grantedCpus: 1.5, usedCpus: 0.5, forecastError: 0.25 },
      { function: "walk", grantedCpus: 2, usedCpus: 0, forecastError: null },
    ];
    expect(numbersIn(quotaText({ shares: () => shares }))).toEqual([
      'locus_instance_cpus_granted{function="khop"} 1.5',
      'locus_instance_cpus_granted{function="walk"} 2',
      'locus_instance_cpus_used{function="khop"} 0.5',
      'locus_instance_cpus_used{function="walk"} 0',
      'locus_instance_cpus_forecast_error{function="khop"} 0.25',
    ]);
  });
});
