// The 2020 contest's cluster as the scheduler's world: nodes reserved from a ResourceManager, instances as containers of their NodeServices.

import { randomUUID } from "node:crypto";
import { LocusError } from "#runtime/errors.ts";
import type { ContainerNode } from "../grpc/node-service.ts";
import type { NodePool } from "../grpc/resource-manager-service.ts";
import type { Instance } from "../instance/instance.ts";
import type { InstanceDriver, NodeSource } from "../live-scheduler.ts";
import type { Node, NodeDescription } from "../node/node.ts";
import { CONTEST_NODE } from "../settings.ts";
import { Containers } from "./containers.ts";

const MIB = 2 ** 20;
/** A ResourceManager tells memory only. */
const { cpus: NODE_CPUS } = CONTEST_NODE;

/** A connection to a node, kept until the node is released. */
export interface NodeConnection extends ContainerNode {
  close(): void;
}

export interface ReservedNodesOptions {
  readonly pool: NodePool;
  readonly connect: (address: string, port: number) => NodeConnection;
  readonly accountId: string;
}

export class ReservedNodes implements NodeSource, InstanceDriver {
  readonly #options: ReservedNodesOptions;
  readonly #connections = new Map<string, NodeConnection>();
  readonly #containers = new Containers();

  constructor(options: ReservedNodesOptions) {
    this.#options = options;
  }

  async reserve(): Promise<NodeDescription> {
    const { pool, connect, accountId } = this.#options;
    const { id, address, port, memoryBytes } = await pool.reserve({ requestId: randomUUID(), accountId });
    // A manager that was started again knows of no reservation: by now it does of this one, which it had forgotten.
    if (this.#connections.has(id)) throw new LocusError("NODES_EXHAUSTED", `node ${id} is reserved already`);
    const connection = connect(address, port);
    try {
      await connection.reserve({ requestId: randomUUID(), ownerAccountId: accountId });
    } catch (error) {
      connection.close();
      await pool.release({ requestId: randomUUID(), nodeId: id }).catch(() => {});
      throw error;
    }
    this.#connections.set(id, connection);
    return { id, address, port, memoryMb: memoryBytes / MIB, cpus: NODE_CPUS };
  }

  /**
   * The nodes that an earlier scheduler of this account has left reserved. Their containers are removed, since a node does not say of which
   * function one is. Nodes that do not answer, or are another's, are left alone.
   */
  async recover(): Promise<readonly NodeDescription[]> {
    const { pool, connect, accountId } = this.#options;
    const reserved = await pool.usage(randomUUID());
    const recovered = await Promise.allSettled(
      reserved.map(async ({ id, address, port, memoryBytes }) => {
        const connection = connect(address, port);
        try {
          const { ownerAccountId, containers } = await connection.stats(randomUUID());
          if (ownerAccountId !== accountId)
            throw new LocusError("PERMISSION_DENIED", `node ${id} is another account's`);
          for (const { containerId } of containers)
            await connection.removeContainer({ requestId: randomUUID(), containerId });
        } catch (error) {
          connection.close();
          throw error;
        }
        this.#connections.set(id, connection);
        return { id, address, port, memoryMb: memoryBytes / MIB, cpus: NODE_CPUS };
      }),
    );
    return recovered.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }

  async release({ id }: Node): Promise<void> {
    this.#connections.get(id)?.close();
    this.#connections.delete(id);
    await this.#options.pool.release({ requestId: randomUUID(), nodeId: id });
  }

  start(instance: Instance): Promise<void> {
    return this.#containers.start(instance, (signal) => this.#create(instance, signal));
  }

  stop(instance: Instance): Promise<void> {
    return this.#containers.stop(instance, (containerId) =>
      this.connection(instance.node.id).removeContainer({ requestId: randomUUID(), containerId }),
    );
  }

  /** For the desk: containers are named by their nodes. */
  readonly containerId = (instance: Instance): string => this.#containers.expect(instance);

  connection(nodeId: string): NodeConnection {
    const connection = this.#connections.get(nodeId);
    if (connection === undefined) throw new LocusError("NODE_NOT_FOUND", `node ${nodeId} is not reserved`);
    return connection;
  }

  /** An instance's container, where it has one by now. */
  containerOf(instance: Instance): string | undefined {
    return this.#containers.idOf(instance);
  }

  /** The node is lost: nothing is asked of it any more, and the manager may have it back. */
  async forget(nodeId: string): Promise<void> {
    this.#connections.get(nodeId)?.close();
    this.#connections.delete(nodeId);
    this.#containers.forgetNode(nodeId);
    await this.#options.pool.release({ requestId: randomUUID(), nodeId });
  }

  #create(instance: Instance, signal: AbortSignal): Promise<string> {
    const { key, memoryMb, timeoutMs } = instance.pool.config;
    const meta = { functionName: key, handler: "", timeoutMs, memoryBytes: Math.round(memoryMb * MIB) };
    const request = { requestId: randomUUID(), name: instance.id, meta };
    return this.connection(instance.node.id).createContainer(request, signal);
  }

  /** Ends the connections; nodes stay reserved. */
  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}
