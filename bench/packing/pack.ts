// Has a scheduler place instances of given needs: all at once on nodes that it reserves as it goes, or as they come and go over nodes that are there.

import { seededRandom } from "#runtime/seeded-random.ts";
import type { Effects } from "#scheduler/effects.ts";
import type { Instance } from "#scheduler/instance/instance.ts";
import { fixedKeepAlive } from "#scheduler/policy/fixed.ts";
import { Scheduler } from "#scheduler/scheduler.ts";
import { CONTEST_NODE } from "#scheduler/settings.ts";
import type { Need } from "./mixes.ts";

/** So much of a node is promised at most: what is seen is promised with a margin of a quarter, which is taken off here. */
const MARGIN = 1.25;
const SAMPLES = 10;
const NODE = { memoryMb: CONTEST_NODE.memoryMb * 100, cpus: CONTEST_NODE.cpus * 100 };
/** Nodes in use are counted so many times, while the later half of those comes that are not there from the beginning. */
const LOOKS = 20;

/** Nodes used for all needs, which come at once. */
export function nodesUsed(needs: readonly Need[]): number {
  const world = new World(needs.length);
  for (const [index, need] of needs.entries()) world.start(index, need);
  for (let node = 0; node < world.reservations; node++) world.scheduler.nodeReserved(described(node), 1);
  return world.nodesUsed(needs.length);
}

/**
 * Nodes used, and what `bound` says of what is there, on the mean, while instances come and go, `size` of them at once: as many nodes are there from the
 * beginning, so that which of them are used is for the scheduler to choose with each. They come in random order; once all are there, one at random
 * ends before each that comes. It is counted when half of the others have come.
 */
export function nodesUsedInTime(
  needs: readonly Need[],
  size: number,
  seed: number,
  bound: (there: readonly Need[]) => number,
): { readonly used: number; readonly bound: number } {
  const random = seededRandom(seed);
  const coming = needs
    .map((need) => ({ need, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ need }) => need);
  const at = (length: number): number => Math.floor(random() * length);
  const from = Math.ceil((needs.length + size) / 2);
  const every = Math.max(1, Math.floor((needs.length - from) / LOOKS));
  const world = new World(0);
  for (let node = 0; node < size; node++) world.scheduler.nodeCame(described(node), 0);
  const there: number[] = [];
  const sums = { looks: 0, used: 0, bound: 0 };
  for (const [index, need] of coming.entries()) {
    if (there.length === size) {
      const leaving = at(size);
      world.end(there[leaving]!);
      there[leaving] = index;
    } else there.push(index);
    world.start(index, need);
    if (index < from || (index - from) % every !== 0) continue;
    sums.looks++;
    sums.used += world.nodesUsed(size);
    sums.bound += bound(there.map((one) => coming[one]!));
  }
  return { used: sums.used / sums.looks, bound: sums.bound / sums.looks };
}

/** Each instance is of a function of its own, of which is known what it needs. */
class World {
  readonly scheduler: Scheduler<number>;
  readonly #started = new Map<string, Instance>();
  reservations = 0;

  constructor(nodesMax: number) {
    const effects: Effects<number> = {
      granted: () => {},
      refused: (_call, error) => {
        throw error;
      },
      startInstance: (instance) => void this.#started.set(instance.pool.config.key, instance),
      stopInstance: () => {},
      reserveNode: () => void this.reservations++,
      releaseNode: () => {},
      leaseEnded: () => {},
      instanceFailed: () => {},
      nodeNoted: () => {},
    };
    const policy = { ...fixedKeepAlive("kept", { keepAliveMs: Infinity, lookEveryMs: 0 }), sharesStarts: true };
    this.scheduler = new Scheduler<number>(policy, effects, { nodesMax, nodeSize: NODE, waitingMax: Infinity });
  }

  start(index: number, { memory, cpu }: Need): void {
    const pool = this.scheduler.declare({ key: `${index}`, memoryMb: NODE.memoryMb }, 0);
    // The instance's own megabyte of margin is nothing to these nodes.
    const used = { memoryMb: (memory * NODE.memoryMb - 1) / MARGIN, cpus: (cpu * NODE.cpus) / MARGIN };
    for (let sample = 0; sample < SAMPLES; sample++) pool.need.executed(used.memoryMb, used.cpus);
    this.scheduler.acquire(pool, index, Infinity, 0);
  }

  end(index: number): void {
    const instance = this.#started.get(`${index}`)!;
    this.scheduler.instanceStarted(instance, 0);
    this.scheduler.release(instance, { executionMs: 0 }, 0);
    this.scheduler.remove(`${index}`, 0);
    this.scheduler.instanceGone(instance, 0);
    this.#started.delete(`${index}`);
  }

  /** By so many instances as there are to be. */
  nodesUsed(instances: number): number {
    if (this.#started.size < instances) {
      throw new Error(`${instances - this.#started.size} of ${instances} found no node`);
    }
    return [...this.scheduler.fleet.nodes.values()].filter((node) => !node.isEmpty).length;
  }
}

const described = (node: number) => ({ id: `${node}`, address: "", port: 0, ...NODE });
