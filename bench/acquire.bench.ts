// What does it cost to be given a warm instance and to give it back, and does that grow with how much there is?
//
// Method. A scheduler with a thousand nodes, ten thousand functions and a hundred thousand warm instances, and one with ten times as much of
// each, in this process, with the default policy. Functions are asked for at random (seeded), and what was granted is released, in
// virtual time; CPU time of this process, garbage collection included, per pair. Both sizes in turn.
//
// Expectation. Look-ups, lists and heaps, no scan: a few µs. What grows is a cache miss here and there.

import { Assigning } from "./acquire/assigning.ts";
import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";

interface Effort extends Repeats {
  readonly pairs: number;
  /** Calls of each function before anything is measured. */
  readonly learned: number;
}

const SIZE = { nodes: 1_000, functions: 10_000, instances: 100_000 };
const TIMES = 10;
const LARGE = { nodes: SIZE.nodes * TIMES, functions: SIZE.functions * TIMES, instances: SIZE.instances * TIMES };

await runBenchmark<Effort>({
  name: "acquire",
  question: "What does it cost to be given a warm instance and to give it back?",
  efforts: {
    smoke: { warmUps: 1, repetitions: 2, pairs: 20_000, learned: 1 },
    standard: { warmUps: 2, repetitions: 7, pairs: 500_000, learned: 40 },
    full: { warmUps: 2, repetitions: 15, pairs: 2_000_000, learned: 40 },
  },
  ratios: {
    assignUs: { better: "less", must: 20, aim: 5, of: (value) => value("a pair in process") },
    assignGrowth: {
      better: "less",
      must: 2,
      aim: 1.2,
      of: (value) => value("a pair, ten times as much of everything") / value("a pair in process"),
    },
  },
  layout: sharedLayout,
  async prepare({ effort, say }) {
    say("filling the schedulers");
    const [small, large] = [new Assigning(SIZE), new Assigning(LARGE)];
    // What is learned at a function's first calls costs more than what follows: both know their functions as well.
    say("learning");
    small.usPerPair(SIZE.functions * effort.learned);
    large.usPerPair(LARGE.functions * effort.learned);
    return {
      config: { size: SIZE, large: LARGE, policy: "forecast" },
      peers: [
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
