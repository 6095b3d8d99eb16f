// How many walks of depth 5 over a social graph does a function beside the data make, against the same function in plain
// Node with a Redis client?
//
// Method. AutoLoc's social graph where there is one, else a generated one of the same measures (4,000 nodes, 400 of them
// in reach, 21 neighbours each); a walk from each of the first nodes in turn. `redisclient` makes one call at a time and
// sends each command when the one before has answered; `--pipelined` lets commands that are issued together travel
// together and keeps 16 calls in flight. `batch` sends groups through a node's gateway, 1 or 16 calls of them in flight, to
// either side; LOCUS.CALL goes to Redis itself, and runs there, since nothing is placed here. Every way has a process of its own, on the cores where load belongs, and all
// must give the same results. Latency is what each tool reports: `batch` that of the node, the others their own.
//
// Expectation. A walk reads 400 nodes in four to six levels: 400 round trips one by one, or as many as there are levels. Beside
// the data both cost microseconds; what remains is the work of 400 reads and of looking at 8,000 neighbours, which the
// pipelined client has as well, and its protocol on top. All of them parse a node once (functions/graph/node.ts): the graph fits into what is kept.

import { PIPELINED_IN_FLIGHT } from "#compute/cli/redisclient.ts";
import type { Workload } from "#compute/cli/workload.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { apartLayout } from "./harness/cores.ts";
import { NOTHING_PLACED, startPlacedStack } from "./harness/placed-stack.ts";
import { checkAgreement, peerOf, startCallers } from "./khop/callers.ts";
import { loadSocialGraph } from "./khop/social-graph.ts";
import type { Way } from "./khop/ways.ts";

interface Effort extends Repeats {
  /** Walks of one repetition of one peer. */
  readonly walks: number;
}

const DEPTH = 5;
const WAYS = {
  "redisclient, 1 in flight": { kind: "redisclient", pipelined: false },
  "batch to storage, 1 in flight": { kind: "batch", side: "storage", inFlight: 1 },
  "LOCUS.CALL, 1 in flight": { kind: "LOCUS.CALL", inFlight: 1 },
  "batch to compute, 1 in flight": { kind: "batch", side: "compute", inFlight: 1 },
  "redisclient --pipelined, 16 in flight": { kind: "redisclient", pipelined: true },
  "batch to storage, 16 in flight": { kind: "batch", side: "storage", inFlight: PIPELINED_IN_FLIGHT },
  "LOCUS.CALL, 16 in flight": { kind: "LOCUS.CALL", inFlight: PIPELINED_IN_FLIGHT },
  "batch to compute, 16 in flight": { kind: "batch", side: "compute", inFlight: PIPELINED_IN_FLIGHT },
} as const satisfies Readonly<Record<string, Way>>;

await runBenchmark<Effort>({
  name: "khop",
  question: "How many walks of depth 5 does a function beside the data make, against a Redis client?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, walks: 20 },
    standard: { warmUps: 1, repetitions: 5, walks: 400 },
    full: { warmUps: 2, repetitions: 9, walks: 1_000 },
  },
  ratios: {
    storageVsClient: {
      better: "more",
      must: 8,
      aim: 20,
      of: (value) => value("batch to storage, 1 in flight") / value("redisclient, 1 in flight"),
    },
    storageVsPipelined: {
      better: "more",
      must: 1.8,
      aim: 5,
      of: (value) => value("batch to storage, 16 in flight") / value("redisclient --pipelined, 16 in flight"),
    },
  },
  layout: apartLayout,
  async prepare({ effort, layout, dataDirectory, resources, say }) {
    say("starting Redis and a node");
    const stack = await startPlacedStack(["functions/khop.ts"], layout, resources, { settings: NOTHING_PLACED });
    const graph = await loadSocialGraph(stack.redis.port, dataDirectory, say);
    const workload: Workload = { function: "khop", repeats: 1, count: effort.walks, args: { depth: DEPTH } };
    const callers = await startCallers(WAYS, stack, workload, resources);
    say("comparing the results of all ways");
    await checkAgreement(callers);
    return {
      config: { depth: DEPTH, graph: graph.source, nodes: graph.nodes, edges: graph.edges },
      peers: callers.map((caller) => peerOf(caller, stack)),
    };
  },
});
