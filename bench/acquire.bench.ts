// What does it cost to be given a warm instance and to give it back: of the scheduler itself, does that grow with how much there is, and
// over gRPC, against a server that only answers? And what is left of a node's calls per second when each has an instance from it?
//
// Method. In process: a scheduler with a thousand nodes, ten thousand functions and a hundred thousand warm instances, and one with ten
// times as much of each, with the default policy, at a price of waiting at which all stay warm: at the score's own it would end what is
// idle, and there would be nothing to assign. Functions are asked for at random (seeded), and what was granted is released, in
// virtual time; CPU time of this process, garbage collection included, per pair.
// Over gRPC: the same two calls to both servers, AcquireContainer and then ReturnContainer with what the first gave, from a plain grpc-js
// client in a process of its own, on one connection with so many pairs under way. The scheduler's instances are warm: all that it does is
// to find a free one, remember who has it, and take it back. The echo is a bare grpc-js server with the same messages, whose handlers
// answer at once. Server and load are on cores of their own where there are four. All in turn.
// Through a node: calls of an empty function over HTTP as in `http`, to a node that schedules, and to one of which LOCUS_SCHEDULER is off.
//
// Expectation. Look-ups, lists and heaps, no scan: a few µs. What grows is a cache miss here and there. A unary call costs grpc-js some 50 µs
// and more on the server: nine tenths should be left. A call that finds its instance in the node's book pays for a look and a few sums: a
// hundredth of what it takes.

import { acquirePeers } from "./acquire/acquire-peers.ts";
import { computePathPeers, SCHEDULED, UNSCHEDULED } from "./acquire/compute-path-peers.ts";
import { Assigning } from "./acquire/assigning.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { serverLayout } from "./harness/cores.ts";

interface Effort extends Repeats {
  /** Of one repetition of one server. */
  readonly budgetMs: number;
  /** Of one repetition in process. */
  readonly pairs: number;
  /** Calls of each function before anything is measured. */
  readonly learned: number;
  /** Of the smaller scheduler. */
  readonly nodes: number;
}

const sizeOf = (nodes: number) => ({ nodes, functions: nodes * 10, instances: nodes * 100 });
const NODES = 1_000;
/** How much more of everything the larger one has. */
const TIMES = 10;

await runBenchmark<Effort>({
  name: "acquire",
  question: "What does it cost to be given a warm instance and to give it back?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, budgetMs: 1_000, pairs: 20_000, learned: 1, nodes: 100 },
    standard: { warmUps: 3, repetitions: 9, budgetMs: 2_000, pairs: 500_000, learned: 40, nodes: NODES },
    full: { warmUps: 3, repetitions: 15, budgetMs: 8_000, pairs: 2_000_000, learned: 40, nodes: NODES },
  },
  ratios: {
    acquireVsEcho: {
      better: "more",
      must: 0.7,
      aim: 0.9,
      of: (value) => value("scheduler over gRPC") / value("grpc-js, bare echo"),
    },
    assignUs: { better: "less", must: 20, aim: 5, of: (value) => value("a pair in process") },
    assignGrowth: {
      better: "less",
      must: 2,
      aim: 1.2,
      of: (value) => value("a pair, ten times as much of everything") / value("a pair in process"),
    },
    computePath: {
      better: "more",
      must: 0.95,
      aim: 0.99,
      of: (value) => value(SCHEDULED) / value(UNSCHEDULED),
    },
  },
  layout: serverLayout,
  async prepare({ effort, layout, resources, say }) {
    say("starting the scheduler and the echo");
    const overGrpc = await acquirePeers({ budgetMs: effort.budgetMs, layout, resources });
    say("starting two nodes, one of which schedules");
    const throughNodes = await computePathPeers({ budgetMs: effort.budgetMs, layout, resources });
    say("filling the schedulers");
    const [size, more] = [sizeOf(effort.nodes), sizeOf(effort.nodes * TIMES)];
    const [small, large] = [new Assigning(size), new Assigning(more)];
    // What is learned at a function's first calls costs more than what follows: both know their functions as well.
    say("learning");
    small.usPerPair(size.functions * effort.learned);
    large.usPerPair(more.functions * effort.learned);
    return {
      config: { ...overGrpc.config, size, large: more, policy: "forecast" },
      peers: [
        ...overGrpc.peers,
        ...throughNodes,
        { name: "a pair in process", unit: "µs", run: async () => ({ value: small.usPerPair(effort.pairs) }) },
        {
          name: "a pair, ten times as much of everything",
          unit: "µs",
          run: async () => ({ value: large.usPerPair(effort.pairs) }),
        },
      ],
    };
  },
});
