// What is left of the throughput when more is asked than can be done?
//
// Method. As in `placement`, but nobody waits: calls come at random times, at half of what the best fixed shares do with callers who
// wait, and at up to three times as many. What a node cannot take it refuses (OVERLOADED); calls that are answered count, a second of all the time. Two loads: walks,
// which saturate the storage side as AutoLoc's do, and the reference mix of walks and password hashes. Beside them the same with all
// calls on one side. The calls are made in the node's process, where a refusal costs next to nothing; so the walks also come through the
// gateway, at once and three times what can be done, from a client in a process of its own. It shares the node's cores, and what it takes there
// stands beside. Locus knows the functions when it is measured: from the sweep, and from the rows before. Where it is undecided whether enough
// is kept, the loads that tell take further turns (`placement` has more of that), not those over HTTP.
//
// Expectation. AutoLoc falls from 31,967 to 2,026 calls/s there without its scheduling, and keeps 31,967 with it. Queues here are bounded,
// a refusal costs the node some microseconds, over HTTP some tens, and functions leave the side that is full.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Comparison, Repeats } from "./harness/contest.ts";
import { splitLayout } from "./harness/cores.ts";
import {
  httpPeers,
  httpRow,
  OFFERED,
  OFFERED_HTTP,
  offeredPeers,
  offeredPlot,
  offeredRow,
  type OfferedLoad,
} from "./overload/offered.ts";
import { findBestShares, partOf, tryShares, weighedParts } from "./placement/measure.ts";
import type { Part } from "./placement/schedule.ts";
import { startSplitStack } from "./placement/split-stack.ts";
import { withWorks } from "./placement/call-works.ts";
import { CALLERS, suiteOver } from "./placement/suite.ts";

interface Effort extends Repeats {
  readonly leadInMs: number;
  readonly budgetMs: number;
  readonly tryMs: number;
}

const LOADS = ["walks", "mix"] as const;
/** Which of them come over HTTP as well. */
const HTTP_LOAD = "walks";

/** At the most that is offered, of the peak: what is offered where most is answered. */
const kept = (offered: readonly number[], rowOf: (offered: number) => string): Comparison => ({
  better: "more",
  of: (value, { mostOf }) => value(rowOf(offered.at(-1)!)) / value(mostOf(offered.map(rowOf))),
});
const keptOf = (load: string): Comparison => kept(OFFERED, (offered) => offeredRow(load, "auto", offered));

await runBenchmark<Effort>({
  name: "overload",
  question: "What is left of the throughput when more is asked than can be done?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1, leadInMs: 100, budgetMs: 300, tryMs: 50 },
    standard: { warmUps: 0, repetitions: 5, extraMs: 240_000, leadInMs: 500, budgetMs: 1_500, tryMs: 400 },
    full: { warmUps: 1, repetitions: 7, extraMs: 2_400_000, leadInMs: 2_000, budgetMs: 5_000, tryMs: 1_000 },
  },
  ratios: {
    walksOverloadKept: keptOf("walks"),
    mixOverloadKept: keptOf("mix"),
    overloadKeptHttp: kept(OFFERED_HTTP, (offered) => httpRow(HTTP_LOAD, offered)),
    overloadKept: { better: "more", must: 0.9, aim: 0.97, worstOf: ["walksOverloadKept", "mixOverloadKept"] },
  },
  layout: splitLayout,
  async prepare({ effort, layout, dataDirectory, resources, say }) {
    say("starting Redis and a node");
    const { stack, graph } = await startSplitStack({ layout, roundTripUs: 0, dataDirectory, say, resources });
    const deployed = suiteOver(graph).filter(({ name }) => name === "khop" || name === "hash-password");
    await stack.deploy(deployed);
    const workloads = await withWorks(stack, deployed);
    const walk = workloads.find(({ name }) => name === "khop");
    const loadOf = async (name: (typeof LOADS)[number], parts: readonly Part[]): Promise<OfferedLoad> => {
      say(`${name}: looking for its best fixed shares`);
      const best = await findBestShares(stack, parts, CALLERS, effort.tryMs);
      return { name, parts, capacity: await tryShares(stack, parts, CALLERS, best, 2 * effort.tryMs) };
    };
    const loads = [
      await loadOf("walks", [partOf(walk!, 1)]),
      await loadOf("mix", await weighedParts(stack, workloads, effort.tryMs)),
    ];
    return {
      config: {
        graph: graph.source,
        offered: OFFERED,
        capacity: Object.fromEntries(loads.map(({ name, capacity }) => [name, Math.round(capacity)])),
      },
      peers: [
        ...loads.flatMap((load) => offeredPeers(stack, load, effort)),
        ...(await httpPeers(
          stack,
          loads.find(({ name }) => name === HTTP_LOAD)!,
          effort,
          resources,
        )),
      ],
      plots: (rows) => Object.fromEntries(LOADS.map((load) => [load, offeredPlot(load, rows)])),
    };
  },
});
