// The 2020 contest's cluster as the scheduler's world: nodes reserved from a ResourceManager, instances as containers of their NodeServices. A node
// is one scheduler's at a time: each reserves them as an owner of its own, which it is again after a restart where that was saved.

import { randomBytes, randomUUID } from "node:crypto";
import { LocusError } from "#runtime/errors.ts";
import type { ContainerNode, NodeStats } from "../grpc/node-service.ts";
import type { NodePool, PooledNode } from "../grpc/resource-manager-service.ts";
import type { Instance } from "../instance/instance.ts";
import type { InstanceDriver, NodeSource } from "../live-scheduler.ts";
import type { Node, NodeDescription } from "../node/node.ts";
import { CONTEST_NODE } from "../settings.ts";
import { Containers } from "./containers.ts";
import { type KnownContainer, knownIn, type KnownNodes, type SavedNodes, savedOf } from "./saved-nodes.ts";

const MIB = 2 ** 20;
/** A node that is asked whose it is answers within, or is left alone for now. */
const ASK_MS = 5_000;

/** A connection to a node, kept until the node is released. */
export interface NodeConnection extends ContainerNode {
  close(): void;
}

export interface ReservedNodesOptions {
  readonly pool: NodePool;
  readonly connect: (address: string, port: number) => NodeConnection;
  /** What the owner of its nodes is named by; and whom the ResourceManager is told of until a caller has named itself. Several schedulers may have the same. */
  readonly accountId: string;
  /** What `save` of this scheduler gave before it was started again. Throws where nothing can be made of it. */
  readonly saved?: unknown;
  /** `save` gives something else now. */
  readonly onChange?: () => void;
}

/** A node that was reserved before, and those of its containers that are known. */
export interface RecoveredNode {
  readonly description: NodeDescription;
  readonly containers: ReadonlyMap<string, KnownContainer>;
}

export class ReservedNodes implements NodeSource, InstanceDriver {
  readonly #options: ReservedNodesOptions;
  readonly #owner: string;
  /** As the ResourceManager is told. */
  #accountId: string;
  /** Of nodes that this scheduler had, and has not found again yet. */
  readonly #before: KnownNodes["nodes"];
  readonly #connections = new Map<string, NodeConnection>();
  readonly #containers = new Containers();
  /** Containers that are on their way out. */
  readonly #removing = new Set<string>();
  /** Nodes that were reserved and nobody's when they were last looked at, and since when they had been out. */
  #ownerless: ReadonlyMap<string, number> = new Map();

  constructor(options: ReservedNodesOptions) {
    const { accountId, saved = null } = options;
    const known = saved === null ? null : knownIn(saved);
    this.#options = options;
    this.#accountId = accountId;
    this.#before = known?.nodes ?? new Map();
    this.#owner = known?.owner ?? `${accountId}/${randomBytes(6).toString("hex")}`;
  }

  /** The account of whoever asks for containers: the ResourceManager is told it from now on. Nodes keep their owner. */
  isFor(accountId: string): void {
    this.#accountId = accountId;
  }

  async reserve(): Promise<NodeDescription> {
    const { pool, connect } = this.#options;
    const node = await pool.reserve({ requestId: randomUUID(), accountId: this.#accountId });
    const { id, address, port } = node;
    // A manager that was started again knows of no reservation: by now it does of this one, which it had forgotten.
    if (this.#connections.has(id)) throw new LocusError("NODES_EXHAUSTED", `node ${id} is reserved already`);
    const connection = connect(address, port);
    this.#connections.set(id, connection);
    try {
      await connection.reserve({ requestId: randomUUID(), ownerAccountId: this.#owner });
    } catch (error) {
      this.#drop(id);
      // Of one that is another's the manager knows by now that it is out: whoever has it gives it back.
      if (!isTaken(error)) await pool.release({ requestId: randomUUID(), nodeId: id }).catch(() => {});
      throw error;
    }
    this.#changed();
    return described(node);
  }

  /**
   * Nodes that are reserved and nobody else's: those that this scheduler had before it was started again, with their containers; and those whose owner
   * has not been heard of for long. Containers of which nobody knows the function are removed. Nodes that do not answer are left alone. `onNode` is
   * told of each when it is this scheduler's.
   */
  async recover(onNode: (node: RecoveredNode) => void): Promise<void> {
    const reserved = await this.#options.pool.usage(randomUUID());
    const ids = new Set(reserved.map(({ id }) => id));
    for (const id of this.#before.keys()) if (!ids.has(id)) this.#before.delete(id);
    const ownerless = new Map<string, number>();
    const takeOver = async (node: PooledNode): Promise<void> => {
      const recovered = await this.#takeOver(node, () => ownerless.set(node.id, node.reservedAtMs));
      if (recovered !== null) onNode(recovered);
    };
    await Promise.allSettled(reserved.filter(({ id }) => !this.#connections.has(id)).map(takeOver));
    this.#ownerless = ownerless;
  }

  /** It is of a node that was recovered. */
  adopted(instance: Instance, containerId: string): void {
    this.#containers.is(instance, containerId);
    this.#changed();
  }

  async remove(nodeId: string, containerId: string): Promise<void> {
    this.#removing.add(containerId);
    try {
      await this.connection(nodeId).removeContainer({ requestId: randomUUID(), containerId });
    } finally {
      this.#removing.delete(containerId);
    }
  }

  async release({ id }: Node): Promise<void> {
    this.#drop(id);
    await this.#options.pool.release({ requestId: randomUUID(), nodeId: id });
  }

  start(instance: Instance): Promise<void> {
    return this.#containers.start(instance, (signal) => this.#create(instance, signal)).then(() => this.#changed());
  }

  stop(instance: Instance): Promise<void> {
    return this.#containers.stop(instance, (containerId) => {
      this.#changed();
      return this.remove(instance.node.id, containerId);
    });
  }

  /** For the desk: containers are named by their nodes. */
  readonly containerId = (instance: Instance): string => this.#containers.expect(instance);

  connection(nodeId: string): NodeConnection {
    const connection = this.#connections.get(nodeId);
    if (connection === undefined) throw new LocusError("NODE_NOT_FOUND", `node ${nodeId} is not reserved`);
    return connection;
  }

  /** What a node says of itself; it hears that it is still wanted. Rejects with PERMISSION_DENIED where it is another's by now. */
  async look(nodeId: string, signal: AbortSignal): Promise<NodeStats> {
    const connection = this.connection(nodeId);
    await connection.reserve({ requestId: randomUUID(), ownerAccountId: this.#owner }, signal);
    return connection.stats(randomUUID(), signal);
  }

  /** Instances whose container is made there now. */
  startingOn(nodeId: string): ReadonlySet<Instance> {
    return this.#containers.startingOn(nodeId);
  }

  /** It is an instance's, or about to be removed. */
  hasContainer(containerId: string): boolean {
    return this.#containers.instanceOf(containerId) !== undefined || this.#removing.has(containerId);
  }

  /** An instance's container, where it has one by now. */
  containerOf(instance: Instance): string | undefined {
    return this.#containers.idOf(instance);
  }

  /** Its container is not there any more. */
  died(instance: Instance): void {
    this.#containers.forget(instance);
    this.#changed();
  }

  /** The node is lost: nothing is asked of it any more, and the manager may have it back, unless it is another's. */
  async forget(nodeId: string, isAnothers: boolean): Promise<void> {
    this.#containers.forgetNode(nodeId);
    this.#drop(nodeId);
    if (!isAnothers) await this.#options.pool.release({ requestId: randomUUID(), nodeId });
  }

  save(): SavedNodes {
    const nodes = new Map<string, Map<string, KnownContainer>>();
    for (const id of this.#connections.keys()) nodes.set(id, new Map());
    for (const [instance, id] of this.#containers.all()) {
      const { key, memoryMb, timeoutMs } = instance.pool.config;
      nodes.get(instance.node.id)?.set(id, { key, memoryMb, timeoutMs });
    }
    return savedOf({ owner: this.#owner, nodes: new Map([...this.#before, ...nodes]) });
  }

  /**
   * The node is reserved again before: one that was started again since it was looked at knows no owner, and a container would make it somebody's without a
   * name, this scheduler's no more.
   */
  async #create(instance: Instance, signal: AbortSignal): Promise<string> {
    const { key, memoryMb, timeoutMs } = instance.pool.config;
    const meta = { functionName: key, handler: "", timeoutMs, memoryBytes: Math.round(memoryMb * MIB) };
    const connection = this.connection(instance.node.id);
    await connection.reserve({ requestId: randomUUID(), ownerAccountId: this.#owner }, signal);
    return connection.createContainer({ requestId: randomUUID(), name: instance.id, meta }, signal);
  }

  /** null: it is another's, or was reserved by this one meanwhile. Rejects where it does not answer. */
  async #takeOver(node: PooledNode, noteOwnerless: () => void): Promise<RecoveredNode | null> {
    const { id, address, port, reservedAtMs } = node;
    const connection = this.#options.connect(address, port);
    try {
      const { ownerAccountId: owner, containers } = await connection.stats(randomUUID(), AbortSignal.timeout(ASK_MS));
      if (owner === "") noteOwnerless();
      // One that names this scheduler and is none of those is one that it has given back: whoever has it by now need not have reserved it there.
      const wasOurs = this.#before.has(id) && (owner === this.#owner || owner === "");
      // Nobody's may be one that another scheduler has just been given, and has not used yet: it is looked at twice.
      const isAbandoned = owner === "" && this.#ownerless.get(id) === reservedAtMs;
      if (this.#connections.has(id) || (!wasOurs && !isAbandoned)) return closed(connection);
      await connection.reserve({ requestId: randomUUID(), ownerAccountId: this.#owner });
      // A node that never says whose it is does not say either that it is nobody's.
      if (!wasOurs && (await connection.stats(randomUUID())).ownerAccountId !== this.#owner) return closed(connection);
      const known = new Map<string, KnownContainer>();
      for (const { containerId } of containers) {
        const container = this.#before.get(id)?.get(containerId);
        if (container !== undefined) known.set(containerId, container);
        else await connection.removeContainer({ requestId: randomUUID(), containerId });
      }
      this.#before.delete(id);
      this.#connections.set(id, connection);
      return { description: described(node), containers: known };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #drop(nodeId: string): void {
    this.#connections.get(nodeId)?.close();
    this.#connections.delete(nodeId);
    this.#changed();
  }

  #changed(): void {
    this.#options.onChange?.();
  }

  /** Ends the connections; nodes stay reserved. */
  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}

function closed(connection: NodeConnection): null {
  connection.close();
  return null;
}

/** Another scheduler has the node. */
export const isTaken = (error: unknown): boolean => error instanceof LocusError && error.code === "PERMISSION_DENIED";

const described = ({ id, address, port, memoryBytes }: PooledNode): NodeDescription => ({
  id,
  address,
  port,
  memoryMb: memoryBytes / MIB,
  // A ResourceManager tells memory only: one with more has more CPUs too, or what takes all of its memory would find too few there.
  cpus: CONTEST_NODE.cpus * Math.max(1, memoryBytes / MIB / CONTEST_NODE.memoryMb),
});
