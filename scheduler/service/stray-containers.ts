// Containers on reserved nodes that are no instance's: a node was done with a start that had been given up, or a removal failed. They take
// memory that nobody promised, and nobody else would ever remove them.

import type { Instance } from "../instance/instance.ts";
import type { ContainerUse } from "../grpc/node-service.ts";
import type { ReservedNodes } from "./reserved-nodes.ts";

interface SeenContainers {
  /** Memory of the node is promised to them. */
  readonly ours: readonly ContainerUse[];
  /** Nobody's twice in a row: to be removed. */
  readonly strays: readonly string[];
}

export class StrayContainers {
  readonly #nodes: ReservedNodes;
  /** By node, those of its last look that were no instance's, and of each the starts whose answer may name it yet. */
  readonly #unknown = new Map<string, ReadonlyMap<string, readonly Instance[]>>();

  constructor(nodes: ReservedNodes) {
    this.#nodes = nodes;
  }

  /** Of a node that names these now. A start that began after one of them was seen has not made it. */
  among(nodeId: string, containers: readonly ContainerUse[]): SeenContainers {
    const starting = this.#nodes.startingOn(nodeId);
    const before = this.#unknown.get(nodeId);
    const unknown = new Map<string, readonly Instance[]>();
    const ours: ContainerUse[] = [];
    const strays: string[] = [];
    for (const container of containers) {
      const { containerId: id } = container;
      const seen = before?.get(id);
      const starts = seen === undefined ? [...starting] : seen.filter((one) => starting.has(one));
      const isKnown = this.#nodes.hasContainer(id);
      if (!isKnown) unknown.set(id, starts);
      if (isKnown || starts.length > 0) ours.push(container);
      else if (seen !== undefined) strays.push(id);
    }
    this.#unknown.set(nodeId, unknown);
    return { ours, strays };
  }

  /** Of all other nodes nothing is known any more. */
  keep(nodes: ReadonlyMap<string, unknown>): void {
    for (const id of this.#unknown.keys()) if (!nodes.has(id)) this.#unknown.delete(id);
  }
}
