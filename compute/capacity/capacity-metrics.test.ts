import { describe, expect, test } from "vitest";

import { LIMITS, type FunctionDescription } from "#runtime/function/description.ts";
import { newCounts } from "#scheduler/counts.ts";
import type { LeaseAnswer } from "#scheduler/grpc/capacity-desk.ts";
import type { CapacityOverview } from "#scheduler/service/capacity-overview.ts";
import { capacityText, quotaText } from "./capacity-metrics.ts";
import { LeaseBook } from "./lease-book.ts";

const limits = { deadlineMs: 5_000, cpuMs: 5_000, memoryMb: 64, operations: LIMITS.operations.default, concurrency: 1 };
const khop: FunctionDescription = { name: "khop", version: "1", side: null, limits, input: null, output: null };

const OVERVIEW: CapacityOverview = {
  policy: "forecast",
  nodes: [
    { promisedMb: 512, freeMb: 512, promisedCpus: 1, freeCpus: 1, instances: 2 },
    { promisedMb: 256, freeMb: 768, promisedCpus: 0.5, freeCpus: 1.5, instances: 1 },
    { promisedMb: 0, freeMb: 1_024, promisedCpus: 0, freeCpus: 2, instances: 0 },
  ].map((node, at) => ({
    ...node,
    id: `n${at}`,
    address: "",
    port: 1,
    memoryMb: 1_024,
    cpus: 2,
    draining: false,
  })),
  instances: [],
  instancesLeftOut: 0,
  counts: {
    ...newCounts(),
    starting: 1,
    idle: 2,
    busy: 3,
    draining: 4,
    waiting: 5,
    unplaced: 6,
    arrivals: 70,
    starts: 8,
    failedStarts: 9,
    refusals: 10,
  },
  forecastErrors: { "khop@1": 0.25, "walk@2": 0.5 },
};

/** A book with three calls: one that waited 250 ms for an instance, one that found it, and one for which none came. */
const usedBook = async (): Promise<LeaseBook> => {
  const clock = { nowMs: 0 };
  const asked: PromiseWithResolvers<LeaseAnswer>[] = [];
  const book = new LeaseBook({
    nodeId: "me",
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
      'locus_instance_calls_without_total{reason="refused"} 1',
      'locus_instance_calls_without_total{reason="late"} 0',
      'locus_instance_calls_without_total{reason="not-here"} 1',
      'locus_instance_calls_without_total{reason="other-user"} 0',
      "locus_instance_calls_served_total 7",
      "locus_scheduler_controls 0",
    ]);
  });

  test("tell of all instances, starts and nodes, and of forecasts, where the node schedules", async () => {
    const all = numbersIn(capacityText(await usedBook(), 0, OVERVIEW));
    expect(all.slice(all.indexOf("locus_scheduler_controls 1"))).toEqual([
      "locus_scheduler_controls 1",
      'locus_instances{state="starting"} 1',
      'locus_instances{state="idle"} 2',
      'locus_instances{state="busy"} 3',
      'locus_instances{state="draining"} 4',
      "locus_scheduler_waiting 5",
      "locus_scheduler_unplaced 6",
      "locus_instance_starts_total 8",
      "locus_instance_failed_starts_total 9",
      "locus_scheduler_refusals_total 10",
      'locus_node_utilisation{node="n0",resource="memory"} 0.5',
      'locus_node_utilisation{node="n0",resource="cpu"} 0.5',
      'locus_node_utilisation{node="n1",resource="memory"} 0.25',
      'locus_node_utilisation{node="n1",resource="cpu"} 0.25',
      'locus_node_utilisation{node="n2",resource="memory"} 0',
      'locus_node_utilisation{node="n2",resource="cpu"} 0',
      // Two of the three have instances, which one could hold.
      "locus_packing_waste 2",
      'locus_forecast_error{function="khop@1"} 0.25',
      'locus_forecast_error{function="walk@2"} 0.5',
    ]);
  });

  test("tell of so many functions' forecasts and no more", async () => {
    const forecastErrors = Object.fromEntries(Array.from({ length: 1_100 }, (_, at) => [`f${at}@1`, 0]));
    const text = capacityText(await usedBook(), 0, { ...OVERVIEW, forecastErrors });
    expect(numbersIn(text).filter((line) => line.startsWith("locus_forecast_error"))).toHaveLength(1_000);
  });

  test("tell of CPU quotas where instances have any", () => {
    expect(quotaText(null)).toBe("");
    const shares = [{ function: "khop", grantedCpus: 1.5, usedCpus: 0.5 }];
    expect(numbersIn(quotaText({ shares: () => shares }))).toEqual([
      'locus_instance_cpus_granted{function="khop"} 1.5',
      'locus_instance_cpus_used{function="khop"} 0.5',
    ]);
  });
});
