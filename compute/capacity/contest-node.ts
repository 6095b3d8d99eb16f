// A node under a scheduler of somebody else's (LOCUS_SCHEDULER=contest): its NodeService belongs to whoever speaks the 2020 contest's protocol and
// reserves it, and its own calls run here without a scheduler.

import type { Logger } from "pino";
import type { Listener } from "#scheduler/grpc/listener.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";
import { openGrpcDoor } from "../node/grpc-door.ts";
import { quotaText, servedText } from "./capacity-metrics.ts";
import { type InstanceNode, type InstanceNodeOptions, openInstanceNode } from "./instance-node.ts";

export interface ContestNodeOptions extends InstanceNodeOptions {
  readonly port: number;
  readonly grpc: GrpcConfig;
  readonly log: Pick<Logger, "info">;
}

export class ContestNode {
  readonly #listener: Listener;
  readonly #instances: InstanceNode;
  readonly #agents: InstanceNodeOptions["agents"];

  private constructor(listener: Listener, instances: InstanceNode, agents: InstanceNodeOptions["agents"]) {
    this.#listener = listener;
    this.#instances = instances;
    this.#agents = agents;
  }

  /** Rejects with CONFIG_INVALID where it cannot listen: whoever was told of that port would never find the node. */
  static async open({ port, grpc, log, ...parts }: ContestNodeOptions): Promise<ContestNode> {
    const instances = openInstanceNode(parts, null);
    const services = { "nodeservoceproto.NodeService": nodeService(instances.node) };
    const listener = await openGrpcDoor(grpc, { port, variable: "LOCUS_NODE_SERVICE_PORT" }, services);
    log.info({ host: grpc.host, port: listener.port }, "may be reserved by a scheduler of the contest's protocol");
    return new ContestNode(listener, instances, parts.agents);
  }

  metricsText(): string {
    return servedText(this.#instances.node.served) + quotaText(this.#agents);
  }

  /** CPU time of calls here that is no sandbox host's, µs. */
  cpuUs(): number {
    return this.#instances.cpuUs();
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
