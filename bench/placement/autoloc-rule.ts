// The rule of AutoLoc (its storage-side executor: cycles run against a modelled cost of moving the data that was read).
//
// Every invocation starts at storage. After each of its slices it is charged with the CPU cycles that it ran, and credited with what
// its reads would have cost over the network: 1,053,011.58 cycles for each round and 100.178 for each byte, measured there at 2.5 GHz
// (0.42 ms and 25 bytes/µs). With these it moves what it moved there; with what a round and a byte cost here, by the node's
// calibration, it weighs as it was meant to. Both are run, and the better one counts.
//
// One that was above its credit for more than six slices is stopped and pushed back with what it has read. It keeps no memory of a
// function and knows no load.
//
// Here, in its favour: what would be pushed back goes to the compute side at once, and the slices that it would have run in vain are
// not paid; whether a call will exceed its credit is known beforehand, from the call of its function before (a guess
// where calls differ).

import type { CostConstants } from "#runtime/placement/cost-model.ts";
import type { Ended, Rule } from "./rule.ts";

/** What reading over a network costs. */
export interface NetworkPrice {
  readonly roundUs: number;
  readonly byteUs: number;
}

const CYCLES_PER_US = 2_500;
export const AUTOLOCS_NETWORK: NetworkPrice = {
  roundUs: 1_053_011.58 / CYCLES_PER_US,
  byteUs: 100.178 / CYCLES_PER_US,
};

export const networkHere = ({ compute: { roundWaitUs, bytesPerUs } }: CostConstants): NetworkPrice => ({
  roundUs: roundWaitUs,
  byteUs: 1 / bytesPerUs,
});

export function autolocRule({ roundUs, byteUs }: NetworkPrice): Rule {
  const exceeding = new Set<string>();
  return {
    choose: (name) => (exceeding.has(name) ? "compute" : "storage"),
    observe({ function: name, usage }: Ended) {
      if (usage === null) return;
      const creditUs = usage.rounds * roundUs + usage.bytesIn * byteUs;
      if (usage.cpuUs > creditUs) exceeding.add(name);
      else exceeding.delete(name);
    },
  };
}
