// How many nodes does the scheduler use, against the fewest that any packing could?
//
// Method. Instances whose memory and CPU are known, each of a function of its own; mixes at random (seeded) and such as packers are bad at. Against
// a lower bound: what all need of each resource, and Martello and Toth's L2. The bound may lie below what is possible. The figures are the same
// on every machine.
//
//   - At once: all come, and wait for nodes that the scheduler reserves; it places the largest first. What is measured is the order and the fit.
//   - In time: they come in random order, and one at random ends with each that comes, over as many nodes as there are instances: the scheduler may
//     use an empty one each time, so what is measured is its choice. Nodes used on the mean ÷ the mean bound of what is there; the bound may move
//     everything at every moment, and no scheduler of ours moves anything.
//
// Expectation. Best fit by decreasing size over both resources: a few per cent. In time a tenth: holes stay where somebody left until somebody
// fits.

import { runBenchmark } from "./harness/benchmark.ts";
import type { Measure, Peer, Repeats } from "./harness/contest.ts";
import { sharedLayout } from "./harness/cores.ts";
import { lowerBound, mixes } from "./packing/mixes.ts";
import { nodesUsed, nodesUsedInTime } from "./packing/pack.ts";

interface Effort extends Repeats {
  readonly instances: number;
}

const SEED = 1;
/** So many times as many instances come in time as are there at once. */
const TURNS = 4;
const NAMES = Object.keys(mixes(SEED, 1)).flatMap((name) => [name, inTime(name)]);

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
      config: { seed: SEED, turns: TURNS, resources: ["memory", "CPU"] },
      peers: Object.entries(mixes(SEED, effort.instances)).flatMap(([name, needs]): readonly Peer[] => {
        say(`bounding ${name}`);
        const bound = lowerBound(needs);
        const coming = mixes(SEED, effort.instances * TURNS)[name]!;
        const measured = (used: number, least: number): Measure => ({
          value: used / least,
          details: { used, bound: least },
        });
        const unit = "nodes ÷ bound";
        return [
          { name, unit, run: async () => measured(nodesUsed(needs), bound) },
          {
            name: inTime(name),
            unit,
            run: async () => {
              const { used, bound: least } = nodesUsedInTime(coming, effort.instances, SEED, lowerBound);
              return measured(used, least);
            },
          },
        ];
      }),
    };
  },
});

function inTime(name: string): string {
  return `${name}; coming and going`;
}
