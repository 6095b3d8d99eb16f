// A node, put together: settings → registry and its mirror → the two sides → the way of a call → the gateway. Run by
// `locus node`. SIGTERM and SIGINT let calls in flight end; a second signal does not wait.

import type { AddressInfo } from "node:net";

import { LocusError } from "#runtime/errors.ts";
import type { DataSource } from "#runtime/sandbox/supervisor.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import { createGateway, type Gateway } from "../gateway/server.ts";
import { NodePlacement } from "../placement/node-placement.ts";
import { ComputeSide } from "./compute-side.ts";
import { readNodeConfig, type NodeConfig } from "./config.ts";
import { FunctionCache } from "./function-cache.ts";
import { FunctionCatalogue } from "./function-catalogue.ts";
import { NodeHealth } from "./health.ts";
import { NodeInvoker } from "./invoke.ts";
import { LogBuffer } from "./log-buffer.ts";
import { NodeMetrics } from "./metrics.ts";
import { NodeLog } from "./node-log.ts";
import { openProcessLog } from "./process-log.ts";
import { RedisRegistry } from "./redis-registry.ts";
import { StorageSide } from "./storage-side.ts";
import { onStopSignal, stopWithin } from "./stop.ts";

/** Resolves once the node listens; it runs until a signal stops it. Rejects with CONFIG_INVALID and with what stands in the way of listening. */
export const runNode = async (): Promise<void> => {
  const config = readNodeConfig();
  const log = openProcessLog(config.logLevel);
  const lines = new LogBuffer();
  const nodeLog = new NodeLog(log, lines);

  const registry = new RedisRegistry(config.redis, config.nodeUser, log);
  const functions = new FunctionCache(registry, config.bundleCacheBytesMax);
  const supervisor = await startSupervisor({
    dataSource: dataSourceOf(config),
    isolatesMax: config.isolatesMax,
    queueLengthMax: config.computeQueueMax,
    confinement: config.confinement,
    onLog: (line) => nodeLog.heard(line),
  });
  const storage = new StorageSide({
    address: config.redis,
    user: config.functionUser,
    connectionsMax: config.storageConnectionsMax,
    queueLengthMax: config.storageQueueMax,
  });
  const placement =
    config.placement === "auto"
      ? new NodePlacement({
          address: config.redis,
          user: config.nodeUser,
          functions,
          inFlight: () => invoker.inFlight,
          log,
          nowMs: () => performance.timeOrigin + performance.now(),
        })
      : null;
  const metrics = new NodeMetrics({
    inFlight: () => invoker.inFlight,
    storageQueueLength: () => storage.queueLength,
    sandbox: () => supervisor.state(),
    placementText: () => placement?.metricsText() ?? "",
    functionNames: () => functions.list().map((description) => description.name),
  });
  const invoker = new NodeInvoker({
    functions,
    plannedSide: (name) => placement?.sideFor(name) ?? null,
    sides: { compute: new ComputeSide(supervisor, functions), storage },
    inFlightMax: config.inFlightMax,
    observers: placement === null ? [metrics, nodeLog] : [metrics, nodeLog, placement.observer],
    nowMs: () => performance.now(),
  });
  const health = new NodeHealth(registry, supervisor);
  const catalogue = new FunctionCatalogue(registry, functions, supervisor);
  const gateway = await createGateway(
    { invoker, catalogue, placement, logs: lines, metrics, health, log },
    { bodyBytesMax: config.httpBodyBytesMax, connectionsMax: config.httpConnectionsMax },
  );

  supervisor.ready().then(
    () => log.info("the sandbox host is ready"),
    (error: unknown) => log.error({ err: error }, "no sandbox host: the compute side is not there"),
  );
  // A node whose Redis is away starts all the same: it says so, and is ready when Redis is back.
  await registry.firstAttempt();
  await listen(gateway, config);
  log.info(gateway.server.address() as AddressInfo, "listening");

  onStopSignal(async (signal) => {
    log.info({ signal, graceMs: config.graceMs }, "stopping");
    health.stopAccepting();
    await stopWithin(config.graceMs, gateway);
    await placement?.close();
    await supervisor.close(0);
    storage.close();
    registry.close();
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

const dataSourceOf = ({ redis, functionUser, computeConnections }: NodeConfig): DataSource => ({
  host: redis.host,
  port: redis.port,
  ...(redis.path === null ? {} : { path: redis.path }),
  ...(functionUser.username === null ? {} : { username: functionUser.username }),
  ...(functionUser.password === null ? {} : { password: functionUser.password }),
  ...(redis.tls ? { tls: { serverName: redis.host, authorities: redis.authorities ?? "" } } : {}),
  database: redis.database,
  connections: computeConnections,
});
