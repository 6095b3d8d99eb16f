// Has a scheduler place one instance of each need, on nodes that it reserves as it goes.

import type { Effects } from "#scheduler/effects.ts";
import { fixedKeepAlive } from "#scheduler/policy/fixed.ts";
import { Scheduler } from "#scheduler/scheduler.ts";
import { CONTEST_NODE } from "#scheduler/settings.ts";
import type { Need } from "./mixes.ts";

/** So much of a node is promised at most: what is seen is promised with a margin of a quarter, which is taken off here. */
const MARGIN = 1.25;
const SAMPLES = 10;
const NODE = { memoryMb: CONTEST_NODE.memoryMb * 100, cpus: CONTEST_NODE.cpus * 100 };

/** Nodes used for all needs, which come at once. */
export function nodesUsed(needs: readonly Need[]): number {
  let reservations = 0;
  let started = 0;
  const effects: Effects<number> = {
    granted: () => {},
    refused: (_call, error) => {
      throw error;
    },
    startInstance: () => void started++,
    stopInstance: () => {},
    reserveNode: () => void reservations++,
    releaseNode: () => {},
    leaseEnded: () => {},
    instanceFailed: () => {},
    nodeNoted: () => {},
  };
  const policy = { ...fixedKeepAlive("kept", { keepAliveMs: Infinity, lookEveryMs: 0 }), sharesStarts: true };
  const scheduler = new Scheduler<number>(policy, effects, {
    nodesMax: needs.length,
    nodeSize: NODE,
    waitingMax: Infinity,
  });
  for (const [index, { memory, cpu }] of needs.entries()) {
    const pool = scheduler.declare({ key: `${index}`, memoryMb: NODE.memoryMb }, 0);
    // The instance's own megabyte of margin is nothing to these nodes.
    const used = { memoryMb: (memory * NODE.memoryMb - 1) / MARGIN, cpus: (cpu * NODE.cpus) / MARGIN };
    for (let sample = 0; sample < SAMPLES; sample++) pool.need.executed(used.memoryMb, used.cpus);
    scheduler.acquire(pool, index, Infinity, 0);
  }
  for (let node = 0; node < reservations; node++) {
    scheduler.nodeReserved({ id: `${node}`, address: "", port: 0, ...NODE }, 1);
  }
  if (started < needs.length) throw new Error(`${needs.length - started} of ${needs.length} found no node`);
  return [...scheduler.fleet.nodes.values()].filter((node) => !node.isEmpty).length;
}
