// Idle instances that may be ended to make room, the least worth first: of all nodes together, and of each. Their places stay as they were
// while they are used, which costs less than to move them with each call: a key that is wrong is put right when it comes to the top.

import { type HeapEntry, IndexedHeap } from "../indexed-heap.ts";
import type { Node } from "../node/node.ts";
import type { Instance } from "./instance.ts";

/** Idle instances that are looked at to make room for one start. Chosen. */
const ROOM_PROBES = 16;

export class IdleByWorth {
  readonly #all = new IndexedHeap<Instance>();

  add(instance: Instance, worth: number): void {
    instance.worth = worth;
    instance.isEvictable = true;
    const { node } = instance;
    // Else both keys are at most what it is worth, and neither entry is looked at: they lie elsewhere in memory.
    if (worth < instance.rankedWorth) {
      instance.rankedWorth = worth;
      this.#all.set(instance.overall, worth);
      node.idle.set(instance.onNode, worth);
    }
    node.idleMb += instance.memoryMb;
    node.idleCpus += instance.cpus;
  }

  /** It is idle no more. */
  leave(instance: Instance): void {
    if (!instance.isEvictable) return;
    instance.isEvictable = false;
    const { node } = instance;
    node.idleMb -= instance.memoryMb;
    node.idleCpus -= instance.cpus;
  }

  /** It never is again. */
  forget(instance: Instance): void {
    instance.unrank(this.#all);
  }

  /** Before it is: it holds so much from now on. */
  resize(instance: Instance, memoryMb: number, cpus: number): void {
    if (!instance.isEvictable) return;
    const { node } = instance;
    node.idleMb += memoryMb - instance.memoryMb;
    node.idleCpus += cpus - instance.cpus;
  }

  least(): Instance | undefined {
    return topOf(this.#all)?.owner;
  }

  leastOn(node: Node): Instance | undefined {
    return topOf(node.idle)?.owner;
  }

  /** Where ending idle instances makes room for so much, or where there is room already. null: nowhere, or enough end already. */
  nodeToClear(memoryMb: number, cpus: number): Node | null {
    const looked: HeapEntry<Instance>[] = [];
    let chosen: Node | null = null;
    while (looked.length < ROOM_PROBES && chosen === null) {
      const least = topOf(this.#all);
      if (least === undefined) break;
      const { node } = least.owner;
      const hasRoom = !node.draining && node.fits(memoryMb, cpus);
      if (!hasRoom && node.willFit(memoryMb, cpus)) break;
      if (hasRoom || node.couldFit(memoryMb, cpus)) chosen = node;
      else {
        this.#all.remove(least);
        looked.push(least);
      }
    }
    for (const entry of looked) this.#all.set(entry, entry.key);
    return chosen;
  }
}

/** Puts the keys on top right: those of instances that are used now, and of those that have become worth more since. */
function topOf(heap: IndexedHeap<Instance>): HeapEntry<Instance> | undefined {
  for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
    const instance = top.owner;
    const { isEvictable, worth } = instance;
    if (isEvictable && worth <= top.key) return top;
    if (isEvictable) {
      heap.set(top, worth);
      instance.rankedWorth = Math.max(instance.rankedWorth, worth);
    } else {
      heap.remove(top);
      instance.rankedWorth = Infinity;
    }
  }
  return undefined;
}
