// Runs one benchmark from its command line to its table: what each `*.bench.ts` calls with its question, its peers and the
// ratios that it exists for.

import { ok as assert } from "node:assert";
import { writeFileSync } from "node:fs";
import { Progress } from "#compute/cli/progress.ts";
import { inForeground } from "../foreground.ts";
import { interleave, type Peer, type Repeats, type Row } from "./contest.ts";
import { sharingOf, usableCores, type Layout } from "./cores.ts";
import { commitOf, machineOf } from "./machine.ts";
import { OPTIONS_HELP, parseOptions, type BenchmarkOptions, type Mode } from "./options.ts";
import { checkResultFile, writeResult } from "./result-file.ts";
import { ratiosOf, rowsOf, type Ratios, type Result } from "./result.ts";
import { resultText } from "./table.ts";
import { undecidedPeers } from "./undecided-peers.ts";

/** Of a run whose figures mean something: a median of fewer is one of two when another was disturbed. */
const REPETITIONS_MIN = 5;
/** Where those of which it is undecided what they come to have more. */
const REPETITIONS_BEFORE_MORE_MIN = 4;

export interface Benchmark<Effort extends Repeats> {
  readonly name: string;
  readonly question: string;
  /** How much each mode runs: REPETITIONS_MIN at least, or REPETITIONS_BEFORE_MORE_MIN, but for `smoke`. */
  readonly efforts: Readonly<Record<Mode, Effort>>;
  /** What can be measured without the rest. None unless said. */
  readonly parts?: readonly string[];
  /** Those of a mode that measures more than others are more, and of some parts fewer. */
  readonly ratios: Ratios | ((effort: Effort, isWanted: IsWanted) => Ratios);
  readonly layout: (cores: readonly number[]) => Layout;
  /** Starts what is measured, checks that all peers give the same results, and hands them over. */
  readonly prepare: (setting: Setting<Effort>) => Promise<Contest>;
}

/** Whether a part is to be measured. */
export type IsWanted = (part: string) => boolean;

/** What a benchmark finds when it prepares. */
interface Setting<Effort> {
  readonly effort: Effort;
  readonly isWanted: IsWanted;
  readonly layout: Layout;
  readonly dataDirectory: string | null;
  /** Ended in the end, whatever happens, the last one first. */
  readonly resources: AsyncDisposableStack;
  /** Shown on stderr if it lasts. */
  readonly say: (text: string) => void;
}

interface Contest {
  readonly peers: readonly Peer[];
  /** Sizes, seeds, settings: what the figures depend on beside effort and layout. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Pictures of what was measured, as SVG, by what they show: written beside the JSON. */
  readonly plots?: (rows: readonly Row[]) => Readonly<Record<string, string>>;
}

/** Prints the table, writes the JSON. Rejects where a peer fails, or peers disagree. Never fails for a ratio that falls short. */
export async function runBenchmark<Effort extends Repeats>(benchmark: Benchmark<Effort>): Promise<void> {
  for (const mode of ["standard", "full"] as const) {
    const { repetitions, extraMs = 0 } = benchmark.efforts[mode];
    const least = extraMs > 0 ? REPETITIONS_BEFORE_MORE_MIN : REPETITIONS_MIN;
    assert(repetitions >= least, `${benchmark.name}: ${repetitions} repetitions are too few for ${mode}`);
  }
  const options = optionsOf(benchmark);
  if (options === null) return;
  const { ratios: ratiosOrMore } = benchmark;
  const effort = withExtra(benchmark.efforts[options.mode], options.extraMs);
  const ratios = typeof ratiosOrMore === "function" ? ratiosOrMore(effort, isWantedBy(options)) : ratiosOrMore;
  await inForeground(async (resources) => {
    const { result, plots } = await measure(benchmark, effort, ratios, options, resources);
    console.log(resultText(result, ratios));
    const { jsonFile } = options;
    if (jsonFile === null) return;
    writeResult(jsonFile, result);
    for (const [name, svg] of Object.entries(plots)) writeFileSync(plotFile(jsonFile, name), svg);
  });
}

const isWantedBy =
  ({ only }: BenchmarkOptions): IsWanted =>
  (part) =>
    only === null || only.includes(part);

/** `out.json` and `mixes` are `out.mixes.svg`. */
const plotFile = (jsonFile: string, name: string): string => `${jsonFile.replace(/\.json$/, "")}.${name}.svg`;

/** What is asked for on top is later than the end that a run has otherwise. */
export const withExtra = <Effort extends Repeats>(effort: Effort, moreMs: number): Effort => {
  const { extraMs = 0, endsWithinMs } = effort;
  const end = endsWithinMs === undefined ? {} : { endsWithinMs: endsWithinMs + moreMs };
  return { ...effort, extraMs: extraMs + moreMs, ...end };
};

async function measure<Effort extends Repeats>(
  { name, layout: layoutOf, prepare }: Benchmark<Effort>,
  effort: Effort,
  ratios: Ratios,
  options: BenchmarkOptions,
  resources: AsyncDisposableStack,
): Promise<{ readonly result: Result; readonly plots: Readonly<Record<string, string>> }> {
  const { mode, dataDirectory, only } = options;
  const [commit, machine] = [commitOf(), machineOf()];
  const layout = layoutOf(usableCores());
  const progress = new Progress();
  const say = (text: string): void => progress.step(() => `${name}: ${text}`);
  try {
    const { peers, config, plots } = await prepare({
      effort,
      isWanted: isWantedBy(options),
      layout,
      dataDirectory,
      resources,
      say,
    });
    const measures = await interleave(peers, effort, say, (those) => undecidedPeers(ratios, those));
    const rows = rowsOf(peers, ratios, measures);
    const { pinned, cores } = layout;
    const result = {
      bench: name,
      commit,
      machine,
      config: {
        mode,
        ...(only === null ? {} : { only }),
        effort,
        ...config,
        pinned,
        cores,
        sharing: sharingOf(layout),
      },
      rows,
      ratios: ratiosOf(ratios, rows),
    };
    return { result, plots: plots?.(rows) ?? {} };
  } finally {
    progress.end();
  }
}

type BenchmarkNamed = Pick<Benchmark<Repeats>, "name" | "question" | "parts">;

function optionsOf({ name, question, parts = [] }: BenchmarkNamed): BenchmarkOptions | null {
  const usage = `usage: ./build.sh bench ${name} [--smoke | --full] [--extra MIN] [--only NAMES] [--json FILE] [--data DIR]`;
  const help = [usage, question, OPTIONS_HELP, ...(parts.length === 0 ? [] : [`Its parts: ${parts.join(", ")}`])].join(
    "\n",
  );
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === null) console.log(help);
    else checkOptions(options, parts);
    return options;
  } catch (error) {
    console.error(`${help}\n${(error as Error).message}`);
    process.exitCode = 2;
    return null;
  }
}

/** Throws TypeError. */
function checkOptions({ only, jsonFile }: BenchmarkOptions, parts: readonly string[]): void {
  const unknown = only?.find((part) => !parts.includes(part));
  if (unknown !== undefined) {
    const are = parts.length === 0 ? "this benchmark has none" : "its parts are named above";
    throw new TypeError(`--only names "${unknown}", must be a part: ${are}`);
  }
  if (jsonFile !== null) checkResultFile(jsonFile);
}
