import { describe, expect, test } from "vitest";

import { newCounts } from "../counts.ts";
import type { CapacityOverview } from "./capacity-overview.ts";
import { schedulerText } from "./scheduler-metrics.ts";

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

/** Of all lines those with numbers, without what explains them. */
const numbersIn = (text: string): readonly string[] =>
  text.split("\n").filter((line) => line !== "" && line[0] !== "#");

describe("metrics of a scheduler", () => {
  test("tell of all instances, starts and nodes, and of forecasts", () => {
    expect(numbersIn(schedulerText(OVERVIEW))).toEqual([
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

  test("tell of so many functions' forecasts and no more", () => {
    const forecastErrors = Object.fromEntries(Array.from({ length: 1_100 }, (_, at) => [`f${at}@1`, 0]));
    const text = schedulerText({ ...OVERVIEW, forecastErrors });
    expect(numbersIn(text).filter((line) => line.startsWith("locus_forecast_error"))).toHaveLength(1_000);
  });
});
