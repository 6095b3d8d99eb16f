// The rule of AutoLoc (its storage-side executor: cycles run against a modelled cost of moving the data that was read).
//
// Every invocation starts at storage. After each of its slices it is charged with the CPU cycles that it ran, and credited with what
// its reads would have cost over the network: 1,053,011.58 cycles for each round and 100.178 for each byte, measured there at 2.5 GHz.
// One that was above its credit for more than six slices is stopped and pushed back with what it has read. It keeps no memory of a
// function and knows no load.
//
// Here, in its favour: what would be pushed back goes to the compute side at once, and the slices that it would have run in vain are
// not paid; whether a call will exceed its credit is known beforehand, from the call of its function before.

import type { Ended, Rule } from "./rule.ts";

const CYCLES_PER_US = 2_500;
const ROUND_US = 1_053_011.58 / CYCLES_PER_US;
const BYTE_US = 100.178 / CYCLES_PER_US;

export function autolocRule(): Rule {
  const exceeding = new Set<string>();
  return {
    choose: (name) => (exceeding.has(name) ? "compute" : "storage"),
    observe({ function: name, usage }: Ended) {
      if (usage === null) return;
      const creditUs = usage.rounds * ROUND_US + usage.bytesIn * BYTE_US;
      if (usage.cpuUs > creditUs) exceeding.add(name);
      else exceeding.delete(name);
    },
  };
}
