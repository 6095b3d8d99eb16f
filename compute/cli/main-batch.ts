// `batch <function> <repeats> <count>`: a function over many nodes, through a locus node.

import type { Side } from "#runtime/profile/sample.ts";
import { GROUP_LENGTH, runBatch } from "./batch.ts";
import { readCliConfig } from "./config.ts";
import { interruption } from "./interruption.ts";
import { NodeClient } from "./node-client.ts";
import { FUNCTION, withSimilar } from "./node-command.ts";
import { numberOption, sideOption } from "./option.ts";
import { newProgram, runProgram } from "./program.ts";
import { WorkloadReport } from "./workload-report.ts";
import { addWorkload, workloadOf, type WorkloadFlags } from "./workload.ts";

interface Flags extends WorkloadFlags {
  readonly url?: string;
  readonly side?: Side;
  readonly concurrency: number;
}

const program = newProgram("batch")
  .description(
    `Runs a function over the nodes "1" to "count", in groups of ${GROUP_LENGTH}, through a locus node.
Each call has args {"nodeId": "…"} and the node's id as its key; nodeId is added, whatever the function's schema says (args of your own: POST /v1/functions/<name>/batch).
Example: batch khop 1 1000`,
  )
  .argument(...FUNCTION)
  .option("--url <url>", "the node (default: LOCUS_URL, else this machine)")
  .addOption(sideOption())
  .addOption(numberOption("--concurrency <n>", "calls in flight", GROUP_LENGTH, GROUP_LENGTH));

addWorkload(program).action(async (name: string, repeats: number, count: number, flags: Flags) => {
  const { node: place } = readCliConfig(flags.url);
  const workload = workloadOf(name, repeats, count, flags);
  const signal = interruption();
  const node = new NodeClient(place, signal);
  await node.describe(name).catch(async (error: unknown) => {
    throw await withSimilar(error, node, name);
  });
  const report = new WorkloadReport({ program: "batch", workload, through: place.url, flags });
  const options = { side: flags.side ?? null, concurrency: flags.concurrency };
  report.end(await runBatch(node, workload, options, report.onCall, signal));
});

await runProgram(program);
