// Looks at the nodes that a scheduler has reserved: what they really have free, what containers use, which have died there, which are nobody's, and
// whether nodes answer at all; and finds again those that it had before, and those that nobody has any more.

import type { Instance } from "../instance/instance.ts";
import { type ContainerUse, type NodeStats, usedOf } from "../grpc/node-service.ts";
import type { LiveScheduler } from "../live-scheduler.ts";
import { NODE_LOOK_MS } from "../settings.ts";
import { isTaken, type RecoveredNode, type ReservedNodes } from "./reserved-nodes.ts";
import { StrayContainers } from "./stray-containers.ts";

const MIB = 2 ** 20;
/** Looks in a row without an answer after which a node counts as lost. */
const SILENT_MAX = 3;
/** Between two searches for nodes whose scheduler has ended: as long as one of ours takes to be nobody's (`OWNER_SILENT_MS`). */
const RECOVER_MS = 30_000;

export class NodeWatch {
  readonly #scheduler: LiveScheduler;
  readonly #nodes: ReservedNodes;
  readonly #silent = new Map<string, number>();
  readonly #strays: StrayContainers;
  /** When a node was last asked about an instance. */
  readonly #lookedMs = new WeakMap<Instance, number>();
  readonly #timers: readonly NodeJS.Timeout[];
  #looking: Promise<void> | null = null;
  #recovering: Promise<void> | null = null;

  constructor(scheduler: LiveScheduler, nodes: ReservedNodes) {
    this.#scheduler = scheduler;
    this.#nodes = nodes;
    this.#strays = new StrayContainers(nodes);
    this.#timers = [
      setInterval(() => void this.look(), NODE_LOOK_MS).unref(),
      // The manager may be away; later is soon enough.
      setInterval(() => void this.recover().catch(() => {}), RECOVER_MS).unref(),
    ];
  }

  /** One look at a time. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Tells the scheduler of nodes that are reserved and its own, with what runs there. One at a time. Rejects where the manager does not answer. */
  recover(): Promise<void> {
    this.#recovering ??= this.#nodes
      .recover((node) => this.#tell(node))
      .finally(() => {
        this.#recovering = null;
        this.#scheduler.wake();
      });
    return this.#recovering;
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #tell({ description, containers }: RecoveredNode): void {
    const { core, now } = this.#scheduler;
    const node = core.nodeCame(description, now());
    for (const [id, { key, memoryMb, timeoutMs }] of containers) {
      const { need } = core.declare({ key, memoryMb, timeoutMs }, now());
      if (!node.fits(need.memoryMb, need.cpus)) {
        this.#nodes.remove(node.id, id).catch(() => {});
        continue;
      }
      // Who has it from before the restart may use it until its call's time is over.
      this.#nodes.adopted(core.adopt(id, key, node.id, now(), timeoutMs), id);
    }
  }

  async #look(): Promise<void> {
    const { nodes } = this.#scheduler.core.fleet;
    for (const id of this.#silent.keys()) if (!nodes.has(id)) this.#silent.delete(id);
    this.#strays.keep(nodes);
    await Promise.all(Array.from(nodes.keys(), (id) => this.#lookAt(id)));
    this.#scheduler.wake();
  }

  async #lookAt(id: string): Promise<void> {
    // Those that are idle or busy before the node is asked: one that starts meanwhile is no death.
    const before = this.#instances().filter(({ node, state }) => node.id === id && state !== "starting");
    const askedMs = this.#scheduler.now();
    let stats: NodeStats;
    try {
      stats = await this.#nodes.look(id, AbortSignal.timeout(NODE_LOOK_MS));
    } catch (error) {
      if (isTaken(error)) await this.#lose(id, "another scheduler has it", true);
      else await this.#silence(id);
      return;
    }
    this.#silent.delete(id);
    const { core, now } = this.#scheduler;
    if (!core.fleet.nodes.has(id)) return;
    const { node, containers } = stats;
    const { ours, strays } = this.#strays.among(id, containers);
    // Nobody waits for it; what is there still at the next look is removed again.
    for (const stray of strays) this.#nodes.remove(id, stray).catch(() => {});
    const instancesMemoryMb = ours.reduce((sum, one) => sum + usedOf(one), 0) / MIB;
    core.nodeStats(id, { availableMemoryMb: node.availableMemoryBytes / MIB, instancesMemoryMb }, now());
    const alive = new Map(containers.map((one) => [one.containerId, one]));
    for (const instance of before) {
      const containerId = this.#nodes.containerOf(instance);
      if (containerId === undefined) continue;
      const use = alive.get(containerId);
      if (use !== undefined) {
        this.#tellUse(instance, use, askedMs);
        continue;
      }
      this.#nodes.died(instance);
      core.instanceGone(instance, now());
    }
  }

  /** CPU is what it used since the look before this one: of one that was not there then, and where a node says 0, nothing is known now. */
  #tellUse(instance: Instance, { usedMemoryBytes, cpuPercent }: ContainerUse, askedMs: number): void {
    const { core, now } = this.#scheduler;
    const lookedMs = this.#lookedMs.get(instance);
    this.#lookedMs.set(instance, askedMs);
    if (lookedMs === undefined || !instance.ranSince(lookedMs)) return;
    const memory = usedMemoryBytes > 0 ? { memoryMb: usedMemoryBytes / MIB } : {};
    const cpus = cpuPercent > 0 ? { cpus: cpuPercent / 100 } : {};
    core.instanceSeen(instance, { ...memory, ...cpus }, now());
  }

  /** That have a container. */
  #instances(): readonly Instance[] {
    return [...this.#scheduler.core.instances()].filter((one) => this.#nodes.containerOf(one) !== undefined);
  }

  async #silence(id: string): Promise<void> {
    const looks = (this.#silent.get(id) ?? 0) + 1;
    this.#silent.set(id, looks);
    if (looks >= SILENT_MAX) await this.#lose(id, `it did not answer ${SILENT_MAX} times in a row`, false);
  }

  async #lose(id: string, why: string, isAnothers: boolean): Promise<void> {
    const { core, now } = this.#scheduler;
    if (!core.fleet.nodes.has(id)) return;
    this.#silent.delete(id);
    core.nodeLost(id, why, now());
    await this.#nodes.forget(id, isAnothers).catch(() => {});
  }
}
