// How many nodes does the scheduler use, against the fewest that any packing could?
//
// Method. Instances whose memory and CPU are known come at once, each of a function of its own; the scheduler places them on nodes that it
// reserves as it goes. Mixes at random (seeded) and such as packers are bad at. Against a lower bound: what all need of each resource,
// and Martello and Toth's L2. The bound may lie below what is possible. The figures are the same on every machine.
//
// Expectation. Best fit by decreasing size over both resources: a few per cent.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { lowerBound, mixes } from "./packing/mixes.ts";
import { nodesUsed } from "./packing/pack.ts";

interface Effort extends Repeats {
  readonly instances: number;
}

const SEED = 1;
const NAMES = Object.keys(mixes(SEED, 1));

await runBenchmark<Effort>({
  name: "packing",
  question: "How many nodes does the scheduler use, against the fewest that any packing could?",
  efforts: {
    smoke: { warmUps: 0, repetitions: 1, instances: 200 },
    standard: { warmUps: 0, repetitions: 5, instances: 2_000 },
    full: { warmUps: 0, repetitions: 5, instances: 10_000 },
  },
  ratios: {
    packingWaste: {
      better: "less",
      must: 1.15,
      aim: 1.05,
      of: (value) => Math.max(...NAMES.map((name) => value(name))),
    },
  },
  layout: sharedLayout,
  async prepare({ effort, say }) {
    return {
      config: { seed: SEED, resources: ["memory", "CPU"] },
      peers: Object.entries(mixes(SEED, effort.instances)).map(([name, needs]) => {
        say(`bounding ${name}`);
        const bound = lowerBound(needs);
        return {
          name,
          unit: "nodes ÷ bound",
          run: async () => {
            const used = nodesUsed(needs);
            return { value: used / bound, details: { used, bound } };
          },
        };
      }),
    };
  },
});
