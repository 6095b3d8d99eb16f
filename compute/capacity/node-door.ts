// This node as others see it: where it listens, under which address, and the secret by which nodes know each other. Behind the door are its instances
// (NodeService), its calls on others' instances (NodeCalls), and the scheduler's desk, while it is here (Capacity).

import { hostname } from "node:os";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { CapacityClient } from "#scheduler/grpc/capacity-client.ts";
import type { ServedDesk } from "#scheduler/grpc/capacity-desk.ts";
import { capacityService } from "#scheduler/grpc/capacity-service.ts";
import { type Listener, listen } from "#scheduler/grpc/listener.ts";
import { AllowedWrites, nodeCallsService } from "#scheduler/grpc/node-calls-service.ts";
import { NodePeers } from "#scheduler/grpc/node-peers.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import type { GrpcConfig } from "#scheduler/service/config.ts";
import { LOOPBACK, NODE_SERVICE_PORT } from "../settings.ts";
import type { InstanceNode } from "./instance-node.ts";
import { SharedSecret } from "./shared-secret.ts";

/** Of a beat, or any other question to a scheduler; and of a lease, which may have to be waited for. */
const DESK_TIMEOUT_MS = 2_000;
const LEASE_TIMEOUT_MS = 31_000;

interface NodeDoorOptions {
  readonly instances: InstanceNode["node"];
  readonly desk: ServedDesk;
  readonly grpc: GrpcConfig;
  /** null: the usual one, or where that is taken one that is free. */
  readonly port: number | null;
  /** Under which other nodes reach this one; null: as it listens. */
  readonly address: string | null;
  /** Where nodes keep a secret that nobody has given them. */
  readonly redis: Redis;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  readonly nowMs: () => number;
}

export interface OpenDoor {
  readonly listener: Listener;
  readonly peers: NodePeers;
  readonly endpoint: { readonly address: string; readonly port: number };
  /** That the nodes keep in Redis; null: they were given one. */
  readonly sharedSecret: SharedSecret | null;
  /** Of other schedulers. */
  readonly connect: (endpoint: string) => CapacityClient;
}

export class NodeDoor {
  readonly #options: NodeDoorOptions;
  #opened: OpenDoor | null = null;
  #opening: Promise<OpenDoor | null> | null = null;
  #hasFailed = false;

  constructor(options: NodeDoorOptions) {
    this.#options = options;
  }

  /** null: it is not open yet. */
  get opened(): OpenDoor | null {
    return this.#opened;
  }

  /** Once. null: it cannot be, which is told. Rejects where Redis does not say the secret: it may be tried again. */
  open(): Promise<OpenDoor | null> {
    if (this.#opened !== null || this.#hasFailed) return Promise.resolve(this.#opened);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /** Resolves when nothing is being opened any more. */
  async settled(): Promise<void> {
    await this.#opening?.catch(() => {});
  }

  async #open(): Promise<OpenDoor | null> {
    const { instances, desk, grpc, address, redis, log, nowMs } = this.#options;
    const sharedSecret = grpc.listener.secret === null ? await SharedSecret.open({ redis, log, nowMs }) : null;
    const secret = sharedSecret ?? grpc.listener.secret;
    const writes = new AllowedWrites();
    const services = {
      "nodeservoceproto.NodeService": nodeService(instances, writes),
      "locus.NodeCalls": nodeCallsService(writes),
      "locus.Capacity": capacityService(desk),
    };
    const listener = await this.#listenWith({ ...grpc.listener, secret }, services);
    if (listener === null) return null;
    const security = { ...grpc.peer, secret };
    this.#opened = {
      listener,
      peers: new NodePeers(security),
      endpoint: { address: address ?? addressOf(grpc.host), port: listener.port },
      sharedSecret,
      connect: (endpoint) => new CapacityClient({ endpoint, security, timeoutMs: DESK_TIMEOUT_MS }, LEASE_TIMEOUT_MS),
    };
    return this.#opened;
  }

  /** null: it cannot, which is told. */
  async #listenWith(
    security: GrpcConfig["listener"],
    services: Parameters<typeof listen>[0]["services"],
  ): Promise<Listener | null> {
    const { grpc, port, log } = this.#options;
    const { host } = grpc;
    try {
      return await listen({ host, port: port ?? NODE_SERVICE_PORT, security, services });
    } catch (error) {
      const isTaken = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
      if (port === null && isTaken) return listen({ host, port: 0, security, services });
      this.#hasFailed = true;
      log.error({ reason: (error as Error).message }, "offers no instances: calls run here, without a scheduler");
      return null;
    }
  }
}

/** Of who listens on all addresses, the name of this host: in containers other containers find it. */
const addressOf = (host: string): string =>
  LOOPBACK.test(host) || (host !== "0.0.0.0" && host !== "::") ? host : hostname();
