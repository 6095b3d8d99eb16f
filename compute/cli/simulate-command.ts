// `locus simulate`: replays a trace through a scheduler's policy in virtual time and says what it would have come to. Needs no node.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Option, type Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { percentText } from "#runtime/figures.ts";
import { barPlotSvg } from "#runtime/plot.ts";
import { policyOf, POLICIES } from "#scheduler/policy/policies.ts";
import { azureLikeTrace } from "#scheduler/simulator/azure-like.ts";
import { compare, simulate, type Comparison } from "#scheduler/simulator/compare.ts";
import { readTrace } from "#scheduler/simulator/read-trace.ts";
import { reportOf, type Report } from "#scheduler/simulator/report.ts";
import { withDurations, type Trace } from "#scheduler/simulator/trace.ts";
import { numberOption, wholeNumber } from "./option.ts";
import { columns, printJson, printLine } from "./output.ts";
import { withoutOptions } from "./program.ts";
import { Progress } from "./progress.ts";

const SEED_MAX = 2 ** 32 - 1;
const FUNCTIONS_MAX = 100_000;
const HOURS_MAX = 24 * 14;
const FACTOR_MAX = 10_000;
/** Of one synthetic function. */
const CALLS_PER_HOUR_MAX = 600;

interface SimulateFlags {
  readonly json?: boolean;
  readonly policy: string;
  readonly compare?: true;
  readonly durations: number;
  readonly synthetic?: number;
  readonly functions: number;
  readonly hours: number;
  readonly plots?: string;
}

export const addSimulateCommand = (program: Command): void => {
  withoutOptions(program.command("simulate"), "url")
    .description(
      "replay a trace through a scheduling policy in virtual time: its score, cold starts, waits, memory held in vain",
    )
    .argument("[folder]", "a trace: the files requests and metas, JSON lines, gzip or not")
    .addOption(
      new Option("--synthetic <seed>", "instead a trace with the statistics of Azure's functions").argParser(
        wholeNumber(SEED_MAX),
      ),
    )
    .addOption(numberOption("--functions <n>", "in a synthetic trace", FUNCTIONS_MAX, 200))
    .addOption(numberOption("--hours <n>", "that a synthetic trace lasts", HOURS_MAX, 24))
    .option("--policy <name>", `${Object.keys(POLICIES).join(", ")}, fixed:SECONDS or fixed:never`, "forecast")
    .option("--compare", "all policies side by side, and the best fixed keep-alive in hindsight")
    .addOption(numberOption("--durations <factor>", "let each call run so many times as long", FACTOR_MAX, 1))
    .option("--plots <folder>", "also write pictures of the comparison, as SVG")
    .action((folder: string | undefined, _flags: unknown, command: Command) =>
      run(folder, command.optsWithGlobals<SimulateFlags>()),
    );
};

const run = async (folder: string | undefined, flags: SimulateFlags): Promise<void> => {
  if (flags.plots !== undefined && flags.compare !== true) {
    const remedy = "Add --compare, or leave --plots out.";
    throw new LocusError("CONFIG_INVALID", "--plots draws a comparison: it needs --compare", { remedy });
  }
  const policy = policyOf(flags.policy);
  const progress = new Progress();
  try {
    const trace = withDurations(traceOf(folder, flags, progress), flags.durations);
    const total = trace.startMs.length;
    const onStep = (name: string, calls: number): void => progress.step(() => `${name}: ${calls} of ${total} calls`);
    if (flags.compare !== true) {
      const report = reportOf(simulate(trace, policy, onStep));
      progress.end();
      if (flags.json === true) printJson(report);
      else printLine(reportText(report));
      return;
    }
    const comparison = compare(trace, onStep);
    progress.end();
    if (flags.plots !== undefined) writePlots(flags.plots, comparison);
    if (flags.json === true) printJson(comparison);
    else printLine(comparisonText(comparison));
  } finally {
    progress.end();
  }
};

const traceOf = (folder: string | undefined, flags: SimulateFlags, progress: Progress): Trace => {
  const { synthetic: seed, functions, hours } = flags;
  if ((folder === undefined) === (seed === undefined)) {
    const remedy = "Name a trace's folder, or say --synthetic and a seed: locus simulate --synthetic 1";
    const what = folder === undefined ? "no trace is named" : "two traces are named, a folder and --synthetic";
    throw new LocusError("CONFIG_INVALID", what, { remedy });
  }
  if (folder !== undefined) return readTrace(folder, (count) => progress.step(() => `${count} requests read`));
  return azureLikeTrace({ seed: seed!, functions, hours, callsPerHourMax: CALLS_PER_HOUR_MAX });
};

const reportText = (report: Report): string => {
  const { trace, policy, calls, functions, score, starts, coldShare, coldShareOfFunctions, waitMs } = report;
  const { p25, p50, p75, p90 } = coldShareOfFunctions;
  const shares = [p25, p50, p75, p90].map((share) => percentText(share)).join(", ");
  return [
    `${trace}: ${calls} calls of ${functions} functions, policy ${policy}`,
    `score ${score.score.toFixed(2)} = memory ${score.resourceUsageScore.toFixed(2)} + waiting ${score.coldStartTimeScore.toFixed(2)}`,
    `${starts} starts; ${percentText(coldShare)} of the calls waited; by function, at its 25th, 50th, 75th, 90th percentile: ${shares}`,
    `waits: mean ${waitMs.mean.toFixed(1)} ms, p50 ${waitMs.p50.toFixed(1)} ms, p99 ${waitMs.p99.toFixed(1)} ms, longest ${waitMs.max.toFixed(0)} ms`,
    `memory: ${score.executionGbSeconds.toFixed(1)} GB·s executed, ${report.wastedGbSeconds.toFixed(1)} GB·s held beside`,
    ...(report.forecastError === null
      ? []
      : [`forecasts miss by ${percentText(report.forecastError)} of the interval (median function)`]),
  ].join("\n");
};

const comparisonText = ({ reports, hindsight }: Comparison): string => {
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
  return columns(heads, rows);
};

const writePlots = (folder: string, { reports, hindsight }: Comparison): void => {
  const all = [...reports, hindsight];
  const groups = (barsOf: (report: Report) => Readonly<Record<string, number>>) =>
    all.map((report) => ({ name: report.policy, bars: barsOf(report) }));
  const trace = hindsight.trace;
  mkdirSync(folder, { recursive: true });
  const write = (name: string, svg: string): void => writeFileSync(join(folder, `${name}.svg`), svg);
  write(
    "score",
    barPlotSvg({
      title: `${trace}: score by policy`,
      unit: "points",
      groups: groups(({ score }) => ({
        memory: score.resourceUsageScore,
        waiting: score.coldStartTimeScore,
        both: score.score,
      })),
    }),
  );
  write(
    "cold-starts",
    barPlotSvg({
      title: `${trace}: share of calls that waited, by percentile of functions`,
      unit: "share",
      groups: groups(({ coldShareOfFunctions }) => coldShareOfFunctions),
    }),
  );
};
