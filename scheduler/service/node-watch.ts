// Looks at the nodes that a scheduler has reserved: what they really have free, which containers have died there, and whether they answer at all.

import { randomUUID } from "node:crypto";
import type { Instance } from "../instance/instance.ts";
import type { NodeStats } from "../grpc/node-service.ts";
import type { LiveScheduler } from "../live-scheduler.ts";
import type { ReservedNodes } from "./reserved-nodes.ts";

const MIB = 2 ** 20;
/** How often. Chosen: between the contestants' 300 ms and the patience of a caller. */
const LOOK_MS = 2_000;
/** Looks in a row without an answer after which a node counts as lost. */
const SILENT_MAX = 3;

export class NodeWatch {
  readonly #scheduler: LiveScheduler;
  readonly #nodes: ReservedNodes;
  readonly #silent = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | null = null;

  constructor(scheduler: LiveScheduler, nodes: ReservedNodes) {
    this.#scheduler = scheduler;
    this.#nodes = nodes;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  /** One look at a time. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const ids = [...this.#scheduler.core.fleet.nodes.keys()];
    await Promise.all(ids.map((id) => this.#lookAt(id)));
    this.#scheduler.wake();
  }

  async #lookAt(id: string): Promise<void> {
    // Those that are idle or busy before the node is asked: one that starts meanwhile is no death.
    const before = this.#instances().filter(({ node, state }) => node.id === id && state !== "starting");
    let stats: NodeStats;
    try {
      stats = await this.#nodes.connection(id).stats(randomUUID(), AbortSignal.timeout(LOOK_MS));
    } catch {
      await this.#silence(id);
      return;
    }
    this.#silent.delete(id);
    const { core, now } = this.#scheduler;
    if (!core.fleet.nodes.has(id)) return;
    const { node, containers } = stats;
    const instancesMemoryMb = containers.reduce((sum, { usedMemoryBytes }) => sum + usedMemoryBytes, 0) / MIB;
    core.nodeStats(id, { availableMemoryMb: node.availableMemoryBytes / MIB, instancesMemoryMb }, now());
    const alive = new Set(containers.map(({ containerId }) => containerId));
    for (const instance of before) {
      const containerId = this.#nodes.containerOf(instance);
      if (containerId !== undefined && !alive.has(containerId)) core.instanceGone(instance, now());
    }
  }

  /** That have a container. */
  #instances(): readonly Instance[] {
    return [...this.#scheduler.core.instances()].filter((one) => this.#nodes.containerOf(one) !== undefined);
  }

  async #silence(id: string): Promise<void> {
    const looks = (this.#silent.get(id) ?? 0) + 1;
    this.#silent.set(id, looks);
    const { core, now } = this.#scheduler;
    if (looks < SILENT_MAX || !core.fleet.nodes.has(id)) return;
    this.#silent.delete(id);
    core.nodeLost(id, `it did not answer ${SILENT_MAX} times in a row`, now());
    await this.#nodes.forget(id).catch(() => {});
  }
}
