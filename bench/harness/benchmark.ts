// Runs one benchmark from its command line to its table: what each `*.bench.ts` calls with its question, its peers and the
// ratios that it exists for.

import { writeFileSync } from "node:fs";
import { Progress } from "#compute/cli/progress.ts";
import { inForeground } from "../foreground.ts";
import { interleave, type Peer, type Repeats } from "./contest.ts";
import { sharingOf, usableCores, type Layout } from "./cores.ts";
import { commitOf, machineOf } from "./machine.ts";
import { OPTIONS_HELP, parseOptions, type BenchmarkOptions, type Mode } from "./options.ts";
import { ratiosOf, rowsOf, type Ratios, type Result } from "./result.ts";
import { resultText } from "./table.ts";

export interface Benchmark<Effort extends Repeats> {
  readonly name: string;
  readonly question: string;
  /** How much each mode runs. */
  readonly efforts: Readonly<Record<Mode, Effort>>;
  readonly ratios: Ratios;
  readonly layout: (cores: readonly number[]) => Layout;
  /** Starts what is measured, checks that all peers give the same results, and hands them over. */
  readonly prepare: (setting: Setting<Effort>) => Promise<Contest>;
}

/** What a benchmark finds when it prepares. */
interface Setting<Effort> {
  readonly effort: Effort;
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
}

/** Prints the table, writes the JSON. Rejects where a peer fails, or peers disagree. Never fails for a ratio that falls short. */
export async function runBenchmark<Effort extends Repeats>(benchmark: Benchmark<Effort>): Promise<void> {
  const options = optionsOf(benchmark);
  if (options === null) return;
  await inForeground(async (resources) => {
    const result = await measure(benchmark, options, resources);
    console.log(resultText(result, benchmark.ratios));
    if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`);
  });
}

async function measure<Effort extends Repeats>(
  { name, efforts, ratios, layout: layoutOf, prepare }: Benchmark<Effort>,
  { mode, dataDirectory }: BenchmarkOptions,
  resources: AsyncDisposableStack,
): Promise<Result> {
  const [commit, machine] = [commitOf(), machineOf()];
  const effort = efforts[mode];
  const layout = layoutOf(usableCores());
  const progress = new Progress();
  const say = (text: string): void => progress.step(() => `${name}: ${text}`);
  try {
    const { peers, config } = await prepare({ effort, layout, dataDirectory, resources, say });
    const rows = rowsOf(peers, ratios, await interleave(peers, effort, say), effort.repetitions);
    const { pinned, cores } = layout;
    return {
      bench: name,
      commit,
      machine,
      config: { mode, effort, ...config, pinned, cores, sharing: sharingOf(layout) },
      rows,
      ratios: ratiosOf(ratios, rows),
    };
  } finally {
    progress.end();
  }
}

function optionsOf({ name, question }: { readonly name: string; readonly question: string }): BenchmarkOptions | null {
  const help = `usage: ./build.sh bench ${name} [--smoke | --full] [--json FILE] [--data DIR]\n${question}\n${OPTIONS_HELP}`;
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === null) console.log(help);
    return options;
  } catch (error) {
    console.error(`${help}\n${(error as Error).message}`);
    process.exitCode = 2;
    return null;
  }
}
