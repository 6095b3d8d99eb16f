// A node with its doors, the gateway and FuncLoc, as `locus node` runs it. SIGTERM and SIGINT let calls in flight end; a second signal does not wait.

import type { AddressInfo } from "node:net";

import type { Logger } from "pino";
import { LocusError } from "#runtime/errors.ts";
import { funcLocService } from "#scheduler/grpc/func-loc-service.ts";
import type { Listener } from "#scheduler/grpc/listener.ts";
import { createGateway, type Gateway } from "../gateway/server.ts";
import { readNodeConfig, type NodeConfig } from "./config.ts";
import { funcLocRunner } from "./func-loc-runner.ts";
import { openGrpcDoor } from "./grpc-door.ts";
import type { Invoker } from "./invoker.ts";
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
  const funcLoc = await openFuncLoc(node.invoker, config, log);
  await listen(gateway, config);
  log.info(gateway.server.address() as AddressInfo, "listening");

  onStopSignal(async (signal) => {
    log.info({ signal, graceMs: config.graceMs }, "stopping");
    node.health.stopAccepting();
    const { graceMs } = config;
    await Promise.all([stopWithin(graceMs, gateway), funcLoc?.close(graceMs), node.leave(graceMs)]);
    await node.close();
    log.info("stopped");
  });
};

/** null: it is not asked for. */
const openFuncLoc = async (
  invoker: Invoker,
  { funcLocPort: port, grpc }: NodeConfig,
  log: Logger,
): Promise<Listener | null> => {
  if (port === null) return null;
  const services = { "funcloc.FuncLoc": funcLocService(funcLocRunner(invoker)) };
  const listener = await openGrpcDoor(grpc, { port, variable: "LOCUS_FUNC_LOC_PORT" }, services);
  log.info({ host: grpc.host, port: listener.port }, "serves FuncLoc");
  return listener;
};

const listen = async (gateway: Gateway, { httpHost, httpPort }: NodeConfig): Promise<void> => {
  try {
    await gateway.listen({ host: httpHost, port: httpPort });
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    throw new LocusError("CONFIG_INVALID", `cannot listen on ${httpHost} port ${httpPort}: ${message}`, {
      cause,
      remedy:
        LISTEN_REMEDIES[code ?? ""] ?? "Set LOCUS_HTTP_HOST and LOCUS_HTTP_PORT to where this machine can listen.",
    });
  }
};

const HOST_REMEDY =
  "Set LOCUS_HTTP_HOST to an address of this machine: 127.0.0.1 is for programs on it alone, 0.0.0.0 is all that it has.";

const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "Something else listens there, perhaps another node. End it, or set LOCUS_HTTP_PORT to another port; 0 takes a free one.",
  EACCES: "Set LOCUS_HTTP_PORT to a port from 1024 on: those below are for root. 0 takes a free one.",
  EADDRNOTAVAIL: HOST_REMEDY,
  ENOTFOUND: HOST_REMEDY,
  EAI_AGAIN: HOST_REMEDY,
};
