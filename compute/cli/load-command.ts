// `locus load`: fills Redis with a graph for the sample functions. Talks to Redis itself, at pipeline speed.

import type { Command } from "commander";

import { counted } from "#runtime/counted.ts";
import { readCliConfig, REDIS_HELP } from "./config.ts";
import { interruption } from "./interruption.ts";
import { NODES_MAX } from "./load/graph.ts";
import type { GraphSource } from "./load/graph-source.ts";
import { loadGraph } from "./load/load.ts";
import { numberOption } from "./option.ts";
import { printJson, printLine } from "./output.ts";
import { nothingCalled, withoutOptions } from "./program.ts";
import { Progress } from "./progress.ts";

const SEED_MAX = 2 ** 32 - 1;

interface LoadFlags {
  readonly json?: boolean;
  readonly force?: boolean;
}

const KEYS = `
Keys that are written:
  1, 2, 3, …                                          the nodes
  graph:info                                          which graph it is
  md5, pagerank                                       what the functions of these names read
  forest, forest:version, features:0 … features:255   what the function score reads
Where one of them is there that no load has written, nothing is written, unless --force is given.
${REDIS_HELP}`;
const EDGES = `
A line is "from to"; empty ones, and those that begin with #, are skipped. Ids are names, which may be any
words: the keys are 1 … n, in the order in which names appear, and each value keeps its "name".`;

export const addLoadCommand = (program: Command): void => {
  const load = withoutOptions(program.command("load"), "url")
    .description(
      "fill Redis with a graph: its nodes are the keys 1, 2, 3, … It takes the place of the one before, whose keys are deleted, whatever they hold by now",
    )
    .argument("[graph]", "one of the commands below; wordnet where none is named")
    .option("--force", "overwrite keys of these names that no load has written")
    // A graph that is known has a command of its own, below.
    .action((graph: string | undefined, _flags: unknown, command: Command) => {
      if (graph === undefined) return run({ kind: "wordnet" }, command.optsWithGlobals());
      throw nothingCalled("graph", graph, command.commands);
    })
    .addHelpText("after", KEYS);
  load
    .command("wordnet")
    .description("WordNet 3.1: 117,791 sets of synonyms and how they point to each other")
    .action((_flags: unknown, command: Command) => run({ kind: "wordnet" }, command.optsWithGlobals()));
  load
    .command("power-law")
    .description("a generated graph with a few great hubs")
    .addOption(numberOption("--nodes <n>", "how many nodes", NODES_MAX, 4_000))
    .addOption(numberOption("--seed <n>", "the same seed gives the same graph", SEED_MAX, 1))
    .action((flags: { readonly nodes: number; readonly seed: number }, command: Command) =>
      run({ kind: "power-law", nodes: flags.nodes, seed: flags.seed }, command.optsWithGlobals()),
    );
  load
    .command("autoloc")
    .description("AutoLoc's social graph, gzip or not")
    .argument("<file>", "social.json")
    .option("--pagerank <file>", "its pagerank.json (default: a generated edge list)")
    .action((file: string, flags: { readonly pagerank?: string }, command: Command) =>
      run({ kind: "autoloc", file, pagerankFile: flags.pagerank ?? null }, command.optsWithGlobals()),
    );
  load
    .command("edges")
    .description("an edge list: two node ids on each line")
    .argument("<file>", "the list, gzip or not")
    .addHelpText("after", EDGES)
    .action((file: string, _flags: unknown, command: Command) =>
      run({ kind: "edges", file }, command.optsWithGlobals()),
    );
};

const run = async (source: GraphSource, { json, force = false }: LoadFlags): Promise<void> => {
  const { redis, user } = readCliConfig();
  const progress = new Progress();
  const options = { source, address: redis, user, force, signal: interruption() };
  const info = await loadGraph(options, ({ step, keys, total }) => {
    progress.step(() => (total === 0 ? step : `${step}: ${keys} of ${total} keys`));
  }).finally(() => progress.end());
  if (json === true) printJson(info);
  else printLine(`loaded ${info.source}: ${counted(info.nodes, "node")}, ${counted(info.edges, "edge")}`);
};
