// A node with its gateway, as `locus node` runs it. SIGTERM and SIGINT let calls in flight end; a second signal does not wait.

import type { AddressInfo } from "node:net";

import { LocusError } from "#runtime/errors.ts";
import { createGateway, type Gateway } from "../gateway/server.ts";
import { readNodeConfig, type NodeConfig } from "./config.ts";
import { openNode } from "./node.ts";
import { openProcessLog } from "./process-log.ts";
import { onStopSignal, stopWithin } from "./stop.ts";

/** Resolves once the node listens; it runs until a signal stops it. Rejects with CONFIG_INVALID and with what stands in the way of listening. */
export const runNode = async (): Promise<void> => {
  const config = readNodeConfig();
  const log = openProcessLog(config.logLevel);
  const node = await openNode(config, log);
  const gateway = await createGateway(
    { ...node, log },
    { bodyBytesMax: config.httpBodyBytesMax, connectionsMax: config.httpConnectionsMax },
  );
  await listen(gateway, config);
  log.info(gateway.server.address() as AddressInfo, "listening");

  onStopSignal(async (signal) => {
    log.info({ signal, graceMs: config.graceMs }, "stopping");
    node.health.stopAccepting();
    await Promise.all([stopWithin(config.graceMs, gateway), node.leave(config.graceMs)]);
    await node.close();
    log.info("stopped");
  });
};

const listen = async (gateway: Gateway, { httpHost, httpPort }: NodeConfig): Promise<void> => {
  try {
    await gateway.listen({ host: httpHost, port: httpPort });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LocusError(
      "CONFIG_INVALID",
      `cannot listen on ${httpHost} port ${httpPort} (LOCUS_HTTP_HOST, LOCUS_HTTP_PORT; port 0 takes a free one): ${reason}`,
      {
        cause: error,
      },
    );
  }
};
