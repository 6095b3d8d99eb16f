// A node without its gateway, in the process of the load: what HTTP costs would be the same for all that is compared, and would hide
// the differences between them. The parts are the node's own, its settings those that it has by default.

import { readNodeConfig } from "#compute/node/config.ts";
import { ComputeSide } from "#compute/node/compute-side.ts";
import { FunctionCache } from "#compute/node/function-cache.ts";
import { NodeInvoker } from "#compute/node/invoke.ts";
import type { Invoker } from "#compute/node/invoker.ts";
import { openProcessLog } from "#compute/node/process-log.ts";
import { RedisRegistry } from "#compute/node/redis-registry.ts";
import { StorageSide } from "#compute/node/storage-side.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";

/** Resolves when both sides can take calls. It ends with the process. */
export async function openNode(redisPort: number): Promise<Invoker> {
  const config = readNodeConfig({ LOCUS_REDIS_HOST: "127.0.0.1", LOCUS_REDIS_PORT: String(redisPort) });
  const registry = new RedisRegistry(config.redis, config.nodeUser, openProcessLog("silent"));
  const functions = new FunctionCache(registry, config.bundleCacheBytesMax);
  const supervisor = await startSupervisor({
    dataSource: {
      host: config.redis.host,
      port: config.redis.port,
      database: config.redis.database,
      connections: config.computeConnections,
    },
    isolatesMax: config.isolatesMax,
    queueLengthMax: config.computeQueueMax,
    confinement: config.confinement,
    onLog: ({ source, text }) => console.error(`${source}: ${text}`),
  });
  const storage = new StorageSide({
    address: config.redis,
    user: config.functionUser,
    connectionsMax: config.storageConnectionsMax,
    queueLengthMax: config.storageQueueMax,
  });
  await Promise.all([registry.firstAttempt(), supervisor.ready()]);
  await functions.refresh();
  return new NodeInvoker({
    functions,
    sides: { compute: new ComputeSide(supervisor, functions), storage },
    inFlightMax: config.inFlightMax,
    observers: [],
    nowMs: () => performance.now(),
  });
}
