// Nodes for a scheduler that speaks the 2020 contest's protocol: each a real one, with its NodeService on a port of its own, behind a
// ResourceManager that hands them out one by one.

import { MemoryChannel } from "#runtime/channel/memory-channel.ts";
import { LocusError } from "#runtime/errors.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import { IsolateDriver } from "#scheduler/driver/isolate-driver.ts";
import type { NodePool, PooledNode } from "#scheduler/grpc/resource-manager-service.ts";
import { serveNode } from "./shelved-node.ts";

const ISOLATES = 16;

export interface ShelvedNode {
  readonly node: PooledNode;
  readonly driver: IsolateDriver;
  /** Its NodeService ends. */
  readonly close: () => Promise<void>;
}

export class NodeShelf implements NodePool {
  readonly nodes: readonly ShelvedNode[];
  readonly #reserved = new Set<string>();
  /** For whom each was asked for. */
  readonly accounts: string[] = [];
  /** Nodes that are not handed out. */
  readonly broken = new Set<string>();

  private constructor(nodes: readonly ShelvedNode[]) {
    this.nodes = nodes;
  }

  static async open(
    resources: AsyncDisposableStack,
    images: ReadonlyMap<string, FunctionImage | Promise<FunctionImage>>,
    memoryBytesOf: readonly number[],
  ): Promise<NodeShelf> {
    const supervisor = await startSupervisor({
      channel: new MemoryChannel(),
      isolatesMax: ISOLATES,
      queueLengthMax: 100,
      onLog: () => {},
    });
    resources.defer(() => supervisor.close(0));
    const nodes = await Promise.all(
      memoryBytesOf.map(async (memoryBytes, index) => {
        const driver = new IsolateDriver(supervisor, { cores: ISOLATES, cpuUs: () => 0, idleUs: () => 0 });
        const { endpoint, close } = await serveNode(resources, driver, (name) => images.get(name), memoryBytes);
        const port = Number(endpoint.split(":")[1]);
        const description = {
          id: `node-${index}`,
          address: "127.0.0.1",
          port,
          memoryBytes,
          reservedAtMs: 1,
          releasedAtMs: 0,
        };
        return { node: description, driver, close };
      }),
    );
    return new NodeShelf(nodes);
  }

  get reserved(): readonly string[] {
    return [...this.#reserved];
  }

  async reserve({ accountId }: Parameters<NodePool["reserve"]>[0]): Promise<PooledNode> {
    this.accounts.push(accountId);
    const free = this.nodes.find(({ node }) => !this.#reserved.has(node.id) && !this.broken.has(node.id));
    if (free === undefined) throw new LocusError("NODES_EXHAUSTED", "no available node can be reserved");
    this.#reserved.add(free.node.id);
    return free.node;
  }

  async release({ nodeId }: Parameters<NodePool["release"]>[0]): Promise<void> {
    if (!this.#reserved.delete(nodeId)) throw new LocusError("NODE_NOT_FOUND", `node ${nodeId} is not reserved`);
  }

  async usage(): Promise<readonly PooledNode[]> {
    return this.nodes.flatMap(({ node }) => (this.#reserved.has(node.id) ? [node] : []));
  }
}
