// Tells whether the cores that a benchmark runs on are as fast as they can be: on a virtual machine they are so for seconds at a time.

import { join } from "node:path";
import { pin, type Layout } from "./cores.ts";
import { startPeer } from "./peer-process.ts";

export interface Witness {
  /** How much longer the slowest of the cores took for the same work over the last so many ms, by their medians, than when it was quick: 1 is quick. */
  slowdown(lastMs: number): Promise<number>;
}

export interface WitnessRequest {
  readonly lastMs: number;
}

const PROGRAM = join(import.meta.dirname, "main-witness.ts");
/** Each takes a process. Of more, one or the other is always slowed, and work that moves among them does not depend on one. */
const CORES_MAX = 4;

/** With a process on each core. null: nothing is held to its cores, or there are more of them than can be watched. They end with `resources`. */
export async function startWitness(
  { pinned, cores }: Layout,
  resources: AsyncDisposableStack,
): Promise<Witness | null> {
  const watched = [...new Set(Object.values(cores).flat())];
  if (!pinned || watched.length > CORES_MAX) return null;
  const witnesses = await Promise.all(
    watched.map(async (core) => {
      const witness = await startPeer<WitnessRequest>(PROGRAM, [], resources);
      pin(witness.pid, [core]);
      return witness;
    }),
  );
  return {
    async slowdown(lastMs) {
      const slowdowns = await Promise.all(witnesses.map((witness) => witness.ask<number>({ lastMs })));
      return Math.max(...slowdowns);
    },
  };
}
