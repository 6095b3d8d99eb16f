// A node under a scheduler of somebody else's (LOCUS_SCHEDULER=contest): its NodeService belongs to whoever speaks the 2020 contest's protocol and
// reserves it, and its own calls run here without a scheduler.

import type { Logger } from "pino";
import type { Listener } from "#scheduler/grpc/listener.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";
import { openGrpcDoor } from "../node/grpc-door.ts";
import { servedText } from "./capacity-metrics.ts";
import { type IsolateNode, type IsolateNodeOptions, openIsolateNode } from "./isolate-node.ts";

export interface ContestNodeOptions extends IsolateNodeOptions {
  readonly port: number;
  readonly grpc: GrpcConfig;
  readonly log: Pick<Logger, "info">;
}

export class ContestNode {
  readonly #listener: Listener;
  readonly #instances: IsolateNode;

  private constructor(listener: Listener, instances: IsolateNode) {
    this.#listener = listener;
    this.#instances = instances;
  }

  /** Rejects with CONFIG_INVALID where it cannot listen: whoever was told of that port would never find the node. */
  static async open({ port, grpc, log, ...parts }: ContestNodeOptions): Promise<ContestNode> {
    const instances = openIsolateNode(parts);
    const services = { "nodeservoceproto.NodeService": nodeService(instances.node) };
    const listener = await openGrpcDoor(grpc, { port, variable: "LOCUS_NODE_SERVICE_PORT" }, services);
    log.info({ host: grpc.host, port: listener.port }, "may be reserved by a scheduler of the contest's protocol");
    return new ContestNode(listener, instances);
  }

  metricsText(): string {
    return servedText(this.#instances.node.served);
  }

  /** Takes no more calls. Resolves when those that run have ended, after `graceMs` at the latest. Idempotent. */
  leave(graceMs: number): Promise<void> {
    return this.#listener.close(graceMs);
  }

  /** Ends what still runs. Idempotent. */
  async close(): Promise<void> {
    await this.leave(0);
    await this.#instances.driver.close();
  }
}
