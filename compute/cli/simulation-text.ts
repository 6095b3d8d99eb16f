// What `locus simulate` tells people: of one policy in sentences, of several in a table.

import { counted } from "#runtime/counted.ts";
import { percentText } from "#runtime/figures.ts";
import type { Comparison } from "#scheduler/simulator/compare.ts";
import type { Comparison2020, Report2020 } from "#scheduler/simulator/contest-2020.ts";
import type { Report } from "#scheduler/simulator/report.ts";
import { columns } from "./output.ts";

export const reportText = (report: Report): string => {
  const { trace, policy, calls, functions, score, starts, coldShare, coldShareOfFunctions, waitMs } = report;
  const { p25, p50, p75, p90 } = coldShareOfFunctions;
  const shares = [p25, p50, p75, p90].map((share) => percentText(share)).join(", ");
  return [
    `${trace}: ${counted(calls, "call")} of ${counted(functions, "function")}, policy ${policy}`,
    `score ${score.score.toFixed(2)} = memory ${score.resourceUsageScore.toFixed(2)} + waiting ${score.coldStartTimeScore.toFixed(2)}; higher is better, 100 is the most`,
    `${counted(starts, "start")}; ${percentText(coldShare)} of the calls waited; by function, at its 25th, 50th, 75th, 90th percentile: ${shares}`,
    `waits: mean ${waitMs.mean.toFixed(1)} ms, p50 ${waitMs.p50.toFixed(1)} ms, p99 ${waitMs.p99.toFixed(1)} ms, longest ${waitMs.max.toFixed(0)} ms`,
    `memory: ${score.executionGbSeconds.toFixed(1)} GB·s executed, ${report.wastedGbSeconds.toFixed(1)} GB·s held beside`,
    ...(report.forecastError === null
      ? []
      : [`forecasts miss by ${percentText(report.forecastError)} of the interval (median function)`]),
  ].join("\n");
};

export const comparisonText = ({ reports, hindsight }: Comparison): string => {
  const heads = [
    "POLICY",
    "SCORE",
    "MEMORY",
    "WAITING",
    "STARTS",
    "WAITED",
    "P75 OF FUNCTIONS",
    "P99 WAIT MS",
    "HELD BESIDE GB·S",
  ];
  const row = (
    name: string,
    { score, starts, coldShare, coldShareOfFunctions, waitMs, wastedGbSeconds }: Report,
  ): string[] => [
    name,
    score.score.toFixed(2),
    score.resourceUsageScore.toFixed(2),
    score.coldStartTimeScore.toFixed(2),
    String(starts),
    percentText(coldShare),
    percentText(coldShareOfFunctions.p75),
    waitMs.p99.toFixed(0),
    wastedGbSeconds.toFixed(0),
  ];
  const rows = [...reports.map((one) => row(one.policy, one)), row(`${hindsight.policy} (hindsight)`, hindsight)];
  return `${columns(heads, rows)}\nSCORE is the sum of MEMORY and WAITING; higher is better, 100 is the most.`;
};

export const report2020Text = (report: Report2020): string => {
  const { policy, seed, weights, calls, functions, score, responseTime, nodeDuration, reference } = report;
  return [
    `2020 contest's load, seed ${seed}: ${counted(calls, "call")} of ${counted(functions, "function")}, policy ${policy}`,
    `score ${score.toFixed(3)} with weights ${weights.responseTime}/${weights.nodeDuration}; the reference has 1, and lower is better`,
    `÷ the reference's: response times ${responseTime.toFixed(3)} (mean over functions), node time ${nodeDuration.toFixed(3)}`,
    `${counted(report.starts, "start")} on at most ${counted(report.nodesMost, "node")} at once, ${counted(report.errors, "call")} in vain`,
    `the reference: ${counted(reference.starts, "start")}, and ${counted(reference.evictions, "container")} ended for want of room`,
  ].join("\n");
};

export const comparison2020Text = ({ reports, hindsight }: Comparison2020): string => {
  const heads = ["POLICY", "SCORE", "RESPONSE TIMES", "NODE TIME", "STARTS", "ENDED FOR ROOM", "MOST NODES", "ERRORS"];
  const row = (name: string, report: Report2020): string[] => [
    name,
    report.score.toFixed(3),
    report.responseTime.toFixed(3),
    report.nodeDuration.toFixed(3),
    String(report.starts),
    String(report.evictions),
    String(report.nodesMost),
    String(report.errors),
  ];
  const rows = [...reports.map((one) => row(one.policy, one)), row(`${hindsight.policy} (hindsight)`, hindsight)];
  return `${columns(heads, rows)}\nLower SCORE, RESPONSE TIMES and NODE TIME are better; the reference has 1.`;
};
