// Nodes that are handed out and taken back: what a ResourceManager of ours has to give, with the habits of the 2020 contest's. Some are ready at
// the start; for each that is reserved one more becomes ready a while later, as long as there are any; and one that was released is ready
// again only after such a while.

import { LocusError } from "#runtime/errors.ts";
import type { NodePool, PooledNode } from "../grpc/resource-manager-service.ts";

export interface NodeStockOptions {
  readonly nodes: readonly StockedNode[];
  /** Of them, at the start. */
  readonly ready: number;
  /** Reserved at once; one more is refused. */
  readonly reservedMax: number;
  /** That the next node takes to become ready, ms. */
  readonly refillMs: () => number;
  /** ms of a clock that never goes back nor leaps: nodes become ready by it. */
  readonly now: () => number;
  /** Unix time, ms: what is told of when a node was reserved and released, and nothing else. */
  readonly unixMs: () => number;
}

export interface StockedNode {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly memoryBytes: number;
}

interface Stocked {
  readonly node: StockedNode;
  /** -Infinity: it was from the start. Infinity: it waits until another is reserved. */
  readyAtMs: number;
  isReserved: boolean;
  reservedAtMs: number;
  releasedAtMs: number;
}

export class NodeStock implements NodePool {
  readonly #options: NodeStockOptions;
  /** By id, in the order in which they were told of. */
  readonly #stock = new Map<string, Stocked>();
  #reserved = 0;

  constructor(options: NodeStockOptions) {
    this.#options = options;
    for (const [index, node] of options.nodes.entries()) {
      const readyAtMs = index < options.ready ? -Infinity : Infinity;
      this.#stock.set(node.id, { node, readyAtMs, isReserved: false, reservedAtMs: 0, releasedAtMs: 0 });
    }
  }

  async reserve(): Promise<PooledNode> {
    return this.take();
  }

  async release({ nodeId }: Parameters<NodePool["release"]>[0]): Promise<void> {
    this.giveBack(nodeId);
  }

  /** NODES_EXHAUSTED. */
  take(): PooledNode {
    const { reservedMax, refillMs, now, unixMs } = this.#options;
    const nowMs = now();
    if (this.#reserved >= reservedMax) {
      throw new LocusError(
        "NODES_EXHAUSTED",
        `no available node can be reserved: ${reservedMax} are, and no more may be`,
      );
    }
    const free = [...this.#stock.values()].filter(({ isReserved }) => !isReserved);
    const first = free.reduce<Stocked | null>(earlier, null);
    if (first === null || first.readyAtMs > nowMs) {
      throw new LocusError(
        "NODES_EXHAUSTED",
        `no available node can be reserved: ${this.#reserved} of ${this.#stock.size} are, and no other is ready`,
      );
    }
    first.isReserved = true;
    first.reservedAtMs = unixMs();
    this.#reserved++;
    const next = free.find((one) => one !== first && one.readyAtMs === Infinity);
    if (next !== undefined) next.readyAtMs = nowMs + refillMs();
    return pooled(first);
  }

  /** NODE_NOT_FOUND. */
  giveBack(nodeId: string): void {
    const { refillMs, now, unixMs } = this.#options;
    const stocked = this.#stock.get(nodeId);
    if (stocked === undefined || !stocked.isReserved) {
      throw new LocusError("NODE_NOT_FOUND", `node ${nodeId} is not reserved`);
    }
    stocked.isReserved = false;
    stocked.releasedAtMs = unixMs();
    stocked.readyAtMs = now() + refillMs();
    this.#reserved--;
  }

  async usage(): Promise<readonly PooledNode[]> {
    return [...this.#stock.values()].filter(({ isReserved }) => isReserved).map(pooled);
  }
}

/** Of equal ones that which was told of first. */
const earlier = (best: Stocked | null, one: Stocked): Stocked =>
  best === null || one.readyAtMs < best.readyAtMs ? one : best;

const pooled = ({ node, reservedAtMs, releasedAtMs }: Stocked): PooledNode => ({ ...node, reservedAtMs, releasedAtMs });
