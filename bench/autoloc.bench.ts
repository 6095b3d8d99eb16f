// What does locus make of AutoLoc's own functions on AutoLoc's own data, in AutoLoc's own comparison?
//
// Method. Its three functions: `khop` walks a social graph (depth 5), `md5` digests 64 KiB 512 times, `pagerank` reads a small edge list
// fifty times and computes. With --data its social.json and pagerank.json; without, look-alikes of the same measures (`config` says which).
// `khopAutoVsClient` is its own comparison, by the tools of the same names: `batch khop` through a node, which places it, against
// `redisclient khop`, plain Node with a Redis client. `systemGain` asks what placing is worth: each function alone, and all three in
// equal numbers, on either side for all and where locus puts them, with one caller and with eight; the gain is over the worse side, the best
// counts. For that the load is in the node's process, as in `placement`, and as there each measurement is of functions that are deployed
// anew, locus' row first, with the same lead-in for all: what locus knows of them it has learnt in that second.
//
// Expectation. AutoLoc tells of 4.49 times the throughput. A chain of fifty reads beside its data gains most where somebody waits for it.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Comparison, Repeats } from "./harness/contest.ts";
import { splitLayout } from "./harness/cores.ts";
import { startPlacedStack } from "./harness/placed-stack.ts";
import { autolocPeers, autolocPlot, FUNCTIONS, gainOf, IN_FLIGHT, MIX } from "./autoloc/rows.ts";
import { checkAgreement, peerOf, startCallers } from "./khop/callers.ts";
import { loadSocialGraph, pagerankFile } from "./khop/social-graph.ts";
import { GROUP_LENGTH } from "#compute/cli/batch.ts";
import { startSplitStack } from "./placement/split-stack.ts";
import { withWorks } from "./placement/call-works.ts";
import { suiteOver } from "./placement/suite.ts";

interface Effort extends Repeats {
  /** Of `batch` and `redisclient`. */
  readonly walks: number;
  readonly leadInMs: number;
  readonly budgetMs: number;
}

const DEPTH = 5;
const TOOLS = {
  "redisclient khop": { kind: "redisclient", pipelined: false },
  "batch khop": { kind: "batch", side: null, inFlight: GROUP_LENGTH },
} as const;

const gains: Readonly<Record<string, Comparison>> = Object.fromEntries(
  [...FUNCTIONS, MIX].flatMap((of) =>
    IN_FLIGHT.map((inFlight) => [
      `${of}Gain${inFlight}`,
      { better: "more", of: gainOf(of, inFlight) } satisfies Comparison,
    ]),
  ),
);

await runBenchmark<Effort>({
  name: "autoloc",
  question: "What does locus make of AutoLoc's functions on AutoLoc's data?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1, walks: 20, leadInMs: 10, budgetMs: 50 },
    standard: { warmUps: 1, repetitions: 5, walks: 400, leadInMs: 1_000, budgetMs: 2_000 },
    full: { warmUps: 1, repetitions: 7, walks: 1_000, leadInMs: 2_000, budgetMs: 5_000 },
  },
  ratios: {
    khopAutoVsClient: {
      better: "more",
      must: 8,
      aim: 20,
      of: (value) => value("batch khop") / value("redisclient khop"),
    },
    ...gains,
    systemGain: { better: "more", must: 4.49, aim: 20, bestOf: Object.keys(gains) },
  },
  layout: splitLayout,
  async prepare({ effort, layout, dataDirectory, resources, say }) {
    say("starting Redis and a node");
    const placed = await startPlacedStack(["functions/khop.ts"], layout, resources);
    await loadSocialGraph(placed.redis.port, dataDirectory, say);
    const workload = { function: "khop", repeats: 1, count: effort.walks, args: { depth: DEPTH } };
    const callers = await startCallers(TOOLS, placed, workload, resources);
    say("comparing the results of both");
    await checkAgreement(callers);

    const { stack, graph } = await startSplitStack({ layout, roundTripUs: 0, dataDirectory, say, resources });
    const suite = suiteOver(graph);
    const deployed = FUNCTIONS.map((name) => suite.find((one) => one.name === name)!);
    await stack.deploy(deployed);
    const workloads = await withWorks(stack, deployed);
    const { source, nodes, edges } = graph;
    const pagerank = pagerankFile(dataDirectory) === null ? "generated" : "AutoLoc's pagerank.json";
    return {
      config: { graph: source, nodes, edges, pagerank, depth: DEPTH },
      peers: [...callers.map((caller) => peerOf(caller, placed)), ...autolocPeers(stack, workloads, effort)],
      plots: (rows) => ({ places: autolocPlot(rows) }),
    };
  },
});
