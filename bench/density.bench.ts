// How many functions can be in use on one machine: what do calls, deployments and starts cost
// among thousands?
//
// Method. The function is one GET of a key, deployed under thousands of names. Three stacks run at
// once: `few` has 10 functions, `warm` has 1,000 and memory for two isolates of each, and `most`
// has 10,000 and memory for 1,000 isolates. Full stacks take about 12 GiB. Calls come over HTTP from a process of its own:
// 16 in flight, each as soon as one is answered. A seeded generator draws the function of each
// call.
// - Warm calls: every function is called once, then all are drawn equally often. `placed` calls
//   name no side.
// - Zipf: functions of `most` are drawn by Zipf's law (s = 1), after its memory was filled once.
// - Cold calls: the host of `warm` is killed, then each function is called once, and once again.
//   The figure is the difference of the two medians. The memory of the host before and after gives
//   the isolate's.
// - Rest: nobody calls `warm`, which has an isolate of each function on both sides.
// - Deployments are new versions of one function, one at a time.
// - A node start is that of one more node over the same Redis, until /readyz answers 200.
//
// Expectation. An idle isolate takes memory and no time, so a warm call costs the same among 1,000
// as among 10, except for cache misses of the processor. By Zipf's law 76 % of the calls are of
// the first 1,000 of 10,000 functions. Each other call opens an isolate and closes another.
// Among 16 cold calls on two cores each waits for seven others, so the median is about eight times
// the CPU time of one. A deployment or a start should read only what changed, or a list of names.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { apartLayout } from "./harness/cores.ts";
import { IN_FLIGHT, startLoad } from "./density/load.ts";
import { densityPeers, type PeersEffort, type Stacks } from "./density/peers.ts";
import { SIDES, startFilledStack, type FilledStack } from "./density/stacks.ts";

interface Effort extends Repeats, PeersEffort {
  /** Of each stack. */
  readonly functions: Readonly<Record<keyof Stacks, number>>;
}

const FUNCTIONS = { few: 10, warm: 1_000, most: 10_000 };

await runBenchmark<Effort>({
  name: "density",
  question: "How many functions can be in use on one machine?",
  efforts: {
    smoke: {
      warmUps: 1,
      repetitions: 2,
      functions: { few: 4, warm: 20, most: 40 },
      leadInMs: 50,
      budgetMs: 200,
      deployments: 2,
      restMs: 300,
      idleMs: 200,
    },
    standard: {
      warmUps: 1,
      repetitions: 5,
      functions: FUNCTIONS,
      leadInMs: 500,
      budgetMs: 2_000,
      deployments: 15,
      restMs: 15_000,
      idleMs: 5_000,
    },
    full: {
      warmUps: 2,
      repetitions: 9,
      functions: FUNCTIONS,
      leadInMs: 1_000,
      budgetMs: 4_000,
      deployments: 50,
      restMs: 20_000,
      idleMs: 10_000,
    },
  },
  ratios: {
    warmKept: {
      better: "more",
      must: 0.6,
      aim: 0.9,
      of: (value) => Math.min(...SIDES.map((side) => value(`warm, ${side}`) / value(`few, ${side}`))),
    },
    zipfKept: {
      better: "more",
      must: 0.35,
      aim: 0.6,
      of: (value) => Math.min(...SIDES.map((side) => value(`zipf, ${side}`) / value(`few, ${side}`))),
    },
    placedKept: { better: "more", must: 0.6, aim: 0.9, of: (value) => value("warm, placed") / value("few, placed") },
    coldMs: {
      better: "less",
      must: 6,
      aim: 2,
      of: (value) => Math.max(...SIDES.map((side) => value(`cold call, ${side}`))),
    },
    isolateMb: {
      better: "less",
      must: 2,
      aim: 1,
      of: (value) => Math.max(...SIDES.map((side) => value(`isolate, ${side}`))),
    },
    idleCpuShare: {
      better: "less",
      must: 0.01,
      aim: 0.003,
      of: (value) => Math.max(...SIDES.map((side) => value(`at rest, ${side}`))),
    },
    deployGrowth: {
      better: "less",
      must: 2,
      aim: 1.2,
      of: (value) => value("deployment, most") / value("deployment, few"),
    },
    startGrowth: {
      better: "less",
      must: 3,
      aim: 1.5,
      of: (value) => value("node start, most") / value("node start, few"),
    },
  },
  layout: apartLayout,
  async prepare({ effort, layout, resources, say }) {
    const { warm } = effort.functions;
    // Calls of one function at the same time have an isolate each.
    const isolates = { few: 2 * warm, warm: 2 * warm, most: warm };
    const start = (stack: keyof Stacks): Promise<FilledStack> => {
      const functions = effort.functions[stack];
      say(`starting the stack "${stack}" and deploying ${functions} functions`);
      return startFilledStack({ functions, isolates: isolates[stack] }, layout, resources);
    };
    const stacks = { few: await start("few"), warm: await start("warm"), most: await start("most") };
    const load = await startLoad(resources);
    return {
      config: { function: "one GET", inFlight: IN_FLIGHT, zipfExponent: 1, isolates },
      peers: densityPeers(stacks, load, effort),
    };
  },
});
