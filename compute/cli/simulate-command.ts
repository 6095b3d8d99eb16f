// `locus simulate`: replays a load through a scheduler's policy in virtual time and says what it would have come to. Needs no node.

import { InvalidArgumentError, Option, type Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { policyOf, POLICIES } from "#scheduler/policy/policies.ts";
import { EVEN_WEIGHTS, WEIGHTS_FORM, weightsIn, type Weights2020 } from "#scheduler/policy/weights-2020.ts";
import { azureLikeTrace } from "#scheduler/simulator/azure-like.ts";
import { compare, simulate } from "#scheduler/simulator/compare.ts";
import { Contest2020 } from "#scheduler/simulator/contest-2020.ts";
import { readTrace } from "#scheduler/simulator/read-trace.ts";
import { reportOf } from "#scheduler/simulator/report.ts";
import { withDurations, type Trace } from "#scheduler/simulator/trace.ts";
import { numberOption } from "./option.ts";
import { printJson, printLine, printNote } from "./output.ts";
import { withoutOptions } from "./program.ts";
import { Progress } from "./progress.ts";
import { comparison2020Plots, comparisonPlots, makePlotsFolder, writePlots } from "./simulation-plots.ts";
import { comparison2020Text, comparisonText, report2020Text, reportText } from "./simulation-text.ts";

const SEED_MAX = 2 ** 32 - 1;
const FUNCTIONS_MAX = 100_000;
const HOURS_MAX = 24 * 14;
const FACTOR_MAX = 10_000;
/** Of one synthetic function. */
const CALLS_PER_HOUR_MAX = 600;
const SEED_2020 = 1;
const FUNCTIONS = 200;
const HOURS = 24;

interface SimulateFlags {
  readonly json?: boolean;
  readonly policy: string;
  readonly compare?: true;
  readonly durations: number;
  readonly synthetic?: number;
  readonly functions?: number;
  readonly hours?: number;
  readonly contest2020?: true;
  readonly weights?: Weights2020;
  readonly seed?: number;
  readonly plots?: string;
}

/** What a load came to, in each form in which it can be asked for. */
interface Answer {
  readonly value: object;
  readonly text: () => string;
  /** By the names of their files; of comparisons alone. */
  readonly plots?: () => Readonly<Record<string, string>>;
}

export const addSimulateCommand = (program: Command): void => {
  withoutOptions(program.command("simulate"), "url")
    .description(
      "replay a load through a scheduling policy in virtual time: its score, cold starts, waits, memory held in vain",
    )
    .argument("[folder]", "a trace: the files requests and metas, JSON lines, gzip or not")
    .addOption(numberOption("--synthetic <seed>", "instead a trace with the statistics of Azure's functions", SEED_MAX))
    .addOption(
      numberOption(
        "--functions <n>",
        `that a synthetic trace has; those that are not called in its time are left out (default: ${FUNCTIONS})`,
        FUNCTIONS_MAX,
      ),
    )
    .addOption(numberOption("--hours <n>", `that a synthetic trace lasts (default: ${HOURS})`, HOURS_MAX))
    .addOption(
      new Option("--contest-2020", "instead the load of the 2020 contest on its nodes, and its score").conflicts([
        "functions",
        "hours",
        "durations",
      ]),
    )
    .addOption(
      new Option("--weights <w/w>", "of response times and of node time in that score (default: 0.5/0.5)").argParser(
        weightsOption,
      ),
    )
    .addOption(numberOption("--seed <seed>", `of that load (default: ${SEED_2020})`, SEED_MAX))
    .option("--policy <name>", `${Object.keys(POLICIES).join(", ")}, fixed:SECONDS or fixed:never`, "forecast")
    .addOption(
      new Option("--compare", "all policies side by side, and the best fixed keep-alive in hindsight").conflicts(
        "policy",
      ),
    )
    .addOption(numberOption("--durations <factor>", "let each call run so many times as long", FACTOR_MAX, 1))
    .option("--plots <folder>", "also write pictures of the comparison into this folder, as SVG")
    .action((folder: string | undefined, _flags: unknown, command: Command) =>
      run(folder, command.optsWithGlobals<SimulateFlags>()),
    );
};

const weightsOption = (text: string): Weights2020 => {
  const weights = weightsIn(text);
  if (weights === null) throw new InvalidArgumentError(`must be ${WEIGHTS_FORM}`);
  return weights;
};

const run = (folder: string | undefined, flags: SimulateFlags): void => {
  refuseWithoutEffect(flags);
  checkOneLoad(folder, flags);
  // Before anything is replayed, which may take long.
  if (flags.plots !== undefined) makePlotsFolder(flags.plots);
  const progress = new Progress();
  try {
    const { value, text, plots } =
      flags.contest2020 === true ? contestAnswer(flags, progress) : traceAnswer(folder, flags, progress);
    progress.end();
    const written = flags.plots === undefined || plots === undefined ? [] : writePlots(flags.plots, plots());
    if (flags.json === true) return printJson(value);
    printLine(text());
    if (written.length > 0) printNote(`wrote ${written.join(", ")}`);
  } finally {
    progress.end();
  }
};

const refuseWithoutEffect = (flags: SimulateFlags): void => {
  const ofSynthetic = "is of a synthetic trace: it needs --synthetic";
  const of2020 = "is of the 2020 contest's load: it needs --contest-2020";
  const needs: readonly (readonly [keyof SimulateFlags, why: string, needed: keyof SimulateFlags])[] = [
    ["plots", "draws a comparison: it needs --compare", "compare"],
    ["functions", ofSynthetic, "synthetic"],
    ["hours", ofSynthetic, "synthetic"],
    ["weights", of2020, "contest2020"],
    ["seed", of2020, "contest2020"],
  ];
  for (const [name, why, needed] of needs) {
    if (flags[name] === undefined || flags[needed] !== undefined) continue;
    const remedy = `Add ${why.slice(why.lastIndexOf("--"))}, or leave --${name} out.`;
    throw new LocusError("CONFIG_INVALID", `--${name} ${why}`, { remedy });
  }
};

const checkOneLoad = (folder: string | undefined, { synthetic, contest2020 }: SimulateFlags): void => {
  const named = [
    ...(folder === undefined ? [] : ["a folder"]),
    ...(synthetic === undefined ? [] : ["--synthetic"]),
    ...(contest2020 === undefined ? [] : ["--contest-2020"]),
  ];
  if (named.length === 1 && folder !== "") return;
  const remedy =
    "Name a trace's folder, or say --contest-2020, or --synthetic and a seed: locus simulate --synthetic 1";
  const several = `${named.length} loads are named, ${named.join(" and ")}`;
  const what = folder === "" ? "the folder's name is empty" : named.length === 0 ? "no load is named" : several;
  throw new LocusError("CONFIG_INVALID", what, { remedy });
};

const traceAnswer = (folder: string | undefined, flags: SimulateFlags, progress: Progress): Answer => {
  const policy = policyOf(flags.policy);
  const trace = withDurations(traceOf(folder, flags, progress), flags.durations);
  const onStep = stepsOf(progress, () => trace.startMs.length);
  if (flags.compare !== true) {
    const report = reportOf(simulate(trace, policy, onStep));
    return { value: report, text: () => reportText(report) };
  }
  const comparison = compare(trace, onStep);
  return { value: comparison, text: () => comparisonText(comparison), plots: () => comparisonPlots(comparison) };
};

const traceOf = (folder: string | undefined, flags: SimulateFlags, progress: Progress): Trace => {
  const { synthetic: seed, functions = FUNCTIONS, hours = HOURS } = flags;
  if (folder !== undefined) return readTrace(folder, (count) => progress.step(() => `${count} requests read`));
  return azureLikeTrace({ seed: seed!, functions, hours, callsPerHourMax: CALLS_PER_HOUR_MAX });
};

const contestAnswer = (flags: SimulateFlags, progress: Progress): Answer => {
  const { weights = EVEN_WEIGHTS, seed = SEED_2020 } = flags;
  const contest = new Contest2020({ seed, weights, onStep: stepsOf(progress, () => contest.calls) });
  const policy = policyOf(flags.policy, contest.objective);
  if (flags.compare !== true) {
    const report = contest.report(policy);
    return { value: report, text: () => report2020Text(report) };
  }
  const comparison = contest.compare();
  return {
    value: comparison,
    text: () => comparison2020Text(comparison),
    plots: () => comparison2020Plots(comparison),
  };
};

const stepsOf =
  (progress: Progress, total: () => number) =>
  (name: string, calls: number): void =>
    progress.step(() => `${name}: ${calls} of ${total()} calls`);
