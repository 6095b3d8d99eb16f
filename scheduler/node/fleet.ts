// All nodes, ordered so that one into which an instance fits best is found without looking at all of them.

import { Node, type NodeDescription } from "./node.ts";

/** Nodes lie in buckets by the share that is free of what they have least of. */
const BUCKETS = 64;
/** Nodes that are looked at where it is not certain that they have room. Chosen: the best of as many is hardly worse than the best. */
const PROBES = 48;

export class Fleet {
  readonly nodes = new Map<string, Node>();
  /** Without an instance. */
  get emptyNodes(): number {
    let empty = 0;
    for (const node of this.nodes.values()) if (node.isEmpty) empty++;
    return empty;
  }

  readonly #buckets: (Node | null)[] = Array.from({ length: BUCKETS + 1 }, () => null);
  /** One bit for each bucket that is not empty, of 32 each. */
  readonly #filled = new Int32Array(3);
  #ranks = 0;

  add(description: NodeDescription): Node {
    const node = new Node(description, this.#ranks++);
    this.nodes.set(node.id, node);
    this.#file(node);
    return node;
  }

  remove(node: Node): void {
    this.nodes.delete(node.id);
    this.#unfile(node);
    node.gone = true;
  }

  /** Its free resources are others now, or it drains. */
  changed(node: Node): void {
    if (node.gone || bucketOf(node) === node.bucket) return;
    this.#unfile(node);
    this.#file(node);
  }

  /**
   * Best fit over several resources: of the nodes with room the one whose remaining resources the instance's need is nearest to, in the
   * Euclidean norm of shares (norm-based greedy; Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011).
   * A function that is heavy on the CPU goes where the fewest of its kind are instead. null: nowhere is room.
   */
  place(memoryMb: number, cpus: number, isCpuHeavy: boolean): Node | null {
    let best: Node | null = null;
    let bestScore = Infinity;
    let probes = 0;
    for (let bucket = this.#nextFilled(0); bucket >= 0; bucket = this.#nextFilled(bucket + 1)) {
      for (let node = this.#buckets[bucket]!; node !== null; node = node.nextInBucket!) {
        if (node.fits(memoryMb, cpus)) {
          const score = isCpuHeavy ? node.heavyCpus / node.description.cpus : misfit(node, memoryMb, cpus);
          if (score < bestScore) [best, bestScore] = [node, score];
        }
        if (++probes >= PROBES && best !== null) return best;
        // Nothing in fuller ones: go on where there surely is room.
        if (probes === PROBES) break;
      }
      if (probes === PROBES) {
        const surely = this.#surelyFits(memoryMb, cpus);
        if (bucket < surely) bucket = surely - 1;
      }
    }
    return best;
  }

  #surelyFits(memoryMb: number, cpus: number): number {
    let share = 0;
    for (const node of this.nodes.values()) {
      const { description } = node;
      share = Math.max(memoryMb / description.memoryMb, cpus / description.cpus);
      break;
    }
    return Math.min(BUCKETS, Math.ceil(share * BUCKETS));
  }

  #nextFilled(from: number): number {
    for (let word = from >> 5; word < 3; word++) {
      let bits = this.#filled[word]!;
      if (word === from >> 5) bits &= -1 << (from & 31);
      if (bits !== 0) return (word << 5) + (31 - Math.clz32(bits & -bits));
    }
    return -1;
  }

  #file(node: Node): void {
    const bucket = bucketOf(node);
    node.bucket = bucket;
    if (bucket < 0) return;
    const first = this.#buckets[bucket]!;
    node.previousInBucket = null;
    node.nextInBucket = first;
    if (first !== null) first.previousInBucket = node;
    this.#buckets[bucket] = node;
    this.#filled[bucket >> 5]! |= 1 << (bucket & 31);
  }

  #unfile(node: Node): void {
    const { bucket, nextInBucket, previousInBucket } = node;
    if (bucket < 0) return;
    if (previousInBucket === null) this.#buckets[bucket] = nextInBucket;
    else previousInBucket.nextInBucket = nextInBucket;
    if (nextInBucket !== null) nextInBucket.previousInBucket = previousInBucket;
    if (this.#buckets[bucket] === null) this.#filled[bucket >> 5]! &= ~(1 << (bucket & 31));
    node.nextInBucket = null;
    node.previousInBucket = null;
    node.bucket = -1;
  }
}

/** -1: takes no new instances. */
function bucketOf(node: Node): number {
  if (node.draining || node.gone) return -1;
  const { memoryMb, cpus } = node.description;
  const memoryShare = memoryMb === Infinity ? 1 : node.freeMb / memoryMb;
  const cpuShare = cpus === Infinity ? 1 : node.freeCpus / cpus;
  return Math.floor(Math.min(memoryShare, cpuShare) * BUCKETS);
}

function misfit(node: Node, memoryMb: number, cpus: number): number {
  const { description } = node;
  const memory = description.memoryMb === Infinity ? 0 : (node.freeMb - memoryMb) / description.memoryMb;
  const cpu = description.cpus === Infinity ? 0 : (node.freeCpus - cpus) / description.cpus;
  return memory * memory + cpu * cpu;
}
