// All nodes, ordered so that one into which an instance fits well is found without looking at all of them: in a grid by what is free of
// memory and of CPU, so that of nodes alike a few stand for the rest.

import { ROUNDING } from "../rounding.ts";
import { Node, type NodeDescription, type Resources } from "./node.ts";

/** Steps of either resource; one more is for nodes without a bound. */
const STEPS = 16;
/** Nodes that are looked at in one cell. Chosen: those of a cell differ by less than a sixteenth of a node. */
const PROBES = 6;
/** Of a node's CPUs so much more may be promised to heavy ones where an instance is asked for than elsewhere: it is less than a way to another node is worth. Chosen. */
const NEAR_HEAVY_MORE = 1 / 16;
/** More than any node's score. */
const LAST = 10;

export class Fleet {
  readonly nodes = new Map<string, Node>();
  readonly #cells: (Node | null)[] = Array.from({ length: STEPS * STEPS }, () => null);
  /** By memory step, a bit for each CPU step whose cell is not empty. */
  readonly #filled = new Int32Array(STEPS);
  /** The most that any node offers: what steps are parts of. */
  #memoryMb = 0;
  #cpus = 0;
  #memoryMbMost = 0;
  #ranks = 0;
  #emptyNodes = 0;
  readonly #sparesEmpty: boolean;

  /** `sparesEmpty`: some are kept empty, and instances go there last; else each use of one would have another reserved. */
  constructor(sparesEmpty: boolean) {
    this.#sparesEmpty = sparesEmpty;
  }

  /** Without an instance, and not draining. */
  get emptyNodes(): number {
    return this.#emptyNodes;
  }

  /** The most memory that any node has offered so far; 0: none was there. */
  get memoryMbMost(): number {
    return this.#memoryMbMost;
  }

  add(description: NodeDescription): Node {
    this.#memoryMbMost = Math.max(this.#memoryMbMost, description.memoryMb);
    const node = new Node(description, this.#ranks++);
    this.#measure(description);
    this.nodes.set(node.id, node);
    this.#file(node);
    this.#count(node);
    return node;
  }

  remove(node: Node): void {
    this.nodes.delete(node.id);
    this.#unfile(node);
    node.gone = true;
    this.#count(node);
  }

  /** Its free resources are others now, or it drains. */
  changed(node: Node): void {
    this.#count(node);
    if (node.gone || this.#cellOf(node) === node.cell) return;
    this.#unfile(node);
    this.#file(node);
  }

  /**
   * Of the nodes with room the one on which the least remains free: memory and CPU, as parts of the node's, are one vector, and its length counts (the
   * norm-based greedy of Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011). So full nodes come before empty ones, and of
   * nodes as full the one with some of both left before the one with much of one resource alone, which is of no use to anyone. One that is heavy on the
   * CPU goes where its kind has the least of the CPUs with it instead, since they slow each other down. Empty nodes come last where some are to be kept.
   * null: nowhere is room.
   */
  place(memoryMb: number, cpus: number, isCpuHeavy: boolean): Node | null {
    let best: Node | null = null;
    let bestScore = Infinity;
    const columns = -1 << stepOf(cpus, this.#cpus);
    for (let row = stepOf(memoryMb, this.#memoryMb); row < STEPS; row++) {
      let bits = this.#filled[row]! & columns;
      while (bits !== 0) {
        const column = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        let node: Node | null = this.#cells[row * STEPS + column]!;
        for (let probe = 0; node !== null && probe < PROBES; probe++, node = node.nextInCell) {
          if (!node.fits(memoryMb, cpus)) continue;
          const spared = this.#sparesEmpty && node.isEmpty ? LAST : 0;
          const score = spared + (isCpuHeavy ? node.heavyShareWith(cpus) : remains(node, memoryMb, cpus));
          if (score < bestScore) [best, bestScore] = [node, score];
        }
      }
    }
    return best;
  }

  /** Of the nodes with room, and of which `accepts` says so, the one with the most CPU to spare. A look at all: for what is asked seldom. */
  roomiest(memoryMb: number, cpus: number, accepts: (node: Node) => boolean): Node | null {
    let best: Node | null = null;
    for (const node of this.#withRoom(memoryMb, cpus, accepts)) {
      if (best === null || node.freeCpus > best.freeCpus) best = node;
    }
    return best;
  }

  /**
   * As `roomiest`, for an instance that is heavy on the CPU: where its kind has the least of the CPUs with it; `near`, where that is hardly more there;
   * of those alike the one with the most CPU to spare.
   */
  leastHeavy(memoryMb: number, cpus: number, near: Node | null, accepts: (node: Node) => boolean): Node | null {
    let best: Node | null = null;
    let bestShare = Infinity;
    for (const node of this.#withRoom(memoryMb, cpus, accepts)) {
      const share = node.heavyShareWith(cpus) - (node === near ? NEAR_HEAVY_MORE : 0);
      const isAlike = best !== null && Math.abs(share - bestShare) <= ROUNDING;
      if (isAlike ? node.freeCpus > best!.freeCpus : share < bestShare) [best, bestShare] = [node, share];
    }
    return best;
  }

  *#withRoom(memoryMb: number, cpus: number, accepts: (node: Node) => boolean): Iterable<Node> {
    for (const node of this.nodes.values()) {
      if (!node.draining && node.fits(memoryMb, cpus) && accepts(node)) yield node;
    }
  }

  /** A node larger than all before: steps are wider from now on. */
  #measure({ memoryMb, cpus }: Resources): void {
    const isLarger = (memoryMb > this.#memoryMb && memoryMb < Infinity) || (cpus > this.#cpus && cpus < Infinity);
    if (!isLarger) return;
    for (const node of this.nodes.values()) this.#unfile(node);
    if (memoryMb < Infinity) this.#memoryMb = Math.max(this.#memoryMb, memoryMb);
    if (cpus < Infinity) this.#cpus = Math.max(this.#cpus, cpus);
    for (const node of this.nodes.values()) this.#file(node);
  }

  #count(node: Node): void {
    const isSpare = node.isEmpty && !node.draining && !node.gone;
    if (isSpare === node.isSpare) return;
    node.isSpare = isSpare;
    this.#emptyNodes += isSpare ? 1 : -1;
  }

  /** -1: takes no new instances. */
  #cellOf(node: Node): number {
    if (node.draining || node.gone) return -1;
    return stepOf(node.freeMb, this.#memoryMb) * STEPS + stepOf(node.freeCpus, this.#cpus);
  }

  #file(node: Node): void {
    const cell = this.#cellOf(node);
    node.cell = cell;
    if (cell < 0) return;
    const first = this.#cells[cell]!;
    node.previousInCell = null;
    node.nextInCell = first;
    if (first !== null) first.previousInCell = node;
    this.#cells[cell] = node;
    this.#filled[Math.floor(cell / STEPS)]! |= 1 << (cell % STEPS);
  }

  #unfile(node: Node): void {
    const { cell, nextInCell, previousInCell } = node;
    if (cell < 0) return;
    if (previousInCell === null) this.#cells[cell] = nextInCell;
    else previousInCell.nextInCell = nextInCell;
    if (nextInCell !== null) nextInCell.previousInCell = previousInCell;
    if (this.#cells[cell] === null) this.#filled[Math.floor(cell / STEPS)]! &= ~(1 << (cell % STEPS));
    node.nextInCell = null;
    node.previousInCell = null;
    node.cell = -1;
  }
}

/** A little more than it has is as much. */
const stepOf = (amount: number, most: number): number =>
  amount === Infinity ? STEPS - 1 : Math.min(STEPS - 1, Math.floor((amount / (most || 1)) * STEPS * (1 - ROUNDING)));

/** The square of how much of it would remain free, of memory and of CPU as one vector of its parts. */
function remains(node: Node, memoryMb: number, cpus: number): number {
  const { description } = node;
  const memory = description.memoryMb === Infinity ? 0 : (node.freeMb - memoryMb) / description.memoryMb;
  const cpu = description.cpus === Infinity ? 0 : (node.freeCpus - cpus) / description.cpus;
  return memory ** 2 + cpu ** 2;
}
