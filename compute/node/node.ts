// A node without its gateway: settings → registry and its mirror → the two sides → the way of a call, with all that keeps account of
// it. `main-node.ts` puts HTTP in front of it; a benchmark calls it directly.

import type { Logger } from "pino";

import { LocusError } from "#runtime/errors.ts";
import type { DataSource, HostLine, Supervisor, SupervisorOptions } from "#runtime/sandbox/supervisor.ts";
import { startSupervisor } from "#runtime/sandbox/start-supervisor.ts";
import { ContestNode } from "../capacity/contest-node.ts";
import { machineOffer, memoryShares } from "../capacity/machine-offer.ts";
import { type NodeAgents, openNodeAgents } from "../capacity/node-agents.ts";
import { NodeCapacity } from "../capacity/node-capacity.ts";
import { Controllership } from "../controller/controllership.ts";
import { calibrate } from "../calibration/calibrate.ts";
import { NodePlacement } from "../placement/node-placement.ts";
import { NODE_SERVICE_PORT, schedulerEndpoint } from "../settings.ts";
import { ActingUsers } from "./acting-users.ts";
import { Attachment } from "./attachment.ts";
import { ComputeSide } from "./compute-side.ts";
import type { NodeConfig } from "./config.ts";
import { CountedSide } from "./counted-side.ts";
import { FunctionCache } from "./function-cache.ts";
import { FunctionCatalogue } from "./function-catalogue.ts";
import { NodeHealth } from "./health.ts";
import { NodeInvoker } from "./invoke.ts";
import type { Caller } from "./invoker.ts";
import { LogBuffer } from "./log-buffer.ts";
import { NodeMetrics } from "./metrics.ts";
import { NodeLog } from "./node-log.ts";
import { redisSourceOf } from "./redis-connection.ts";
import { RedisRegistry } from "./redis-registry.ts";
import { sandboxTotal, withWaiting } from "./sandbox-states.ts";
import { StorageSide } from "./storage-side.ts";

export interface Node {
  readonly invoker: NodeInvoker;
  readonly catalogue: FunctionCatalogue;
  /** null: placement is as functions declare it. */
  readonly placement: NodePlacement | null;
  /** null: nobody schedules instances. */
  readonly capacity: NodeCapacity | null;
  readonly logs: LogBuffer;
  readonly metrics: NodeMetrics;
  readonly health: NodeHealth;
  readonly supervisor: Supervisor;
  /** Takes no more calls that came to Redis, and lets those that are here end for at most `graceMs`. */
  leave(graceMs: number): Promise<void>;
  /** Ends what is still running. */
  close(): Promise<void>;
}

/**
 * Resolves when the first attempt to reach Redis has ended, well or not: a node whose Redis is away says so, and is ready when it is back. Rejects
 * if the driver of its instances cannot be opened, as `openNodeAgents`, and if its Redis is a cluster.
 */
export async function openNode(config: NodeConfig, log: Logger): Promise<Node> {
  const logs = new LogBuffer();
  const nodeLog = new NodeLog(log, logs);
  const memory = memoryShares(config);
  const offer = machineOffer(memory.offeredMb, config.nodeCpus);
  // First: what cannot be opened leaves nothing behind.
  const agents = await agentsOf(config, offer.cpus, (line) => nodeLog.heardInstance(line), log);
  const registry = new RedisRegistry(config.redis, config.nodeUser, log);
  const functions = new FunctionCache(registry, config.bundleCacheBytesMax);
  const sandbox = {
    isolateMemoryMb: memory.isolatesMb,
    queueLengthMax: config.computeQueueMax,
    confinement: config.confinement,
    onLog: (line: HostLine) => nodeLog.heard(line),
  };
  const supervisor = await startSupervisor({ ...sandbox, dataSource: dataSourceOf(config) });
  const acting = actingUsers(config, { ...sandbox, isolateMemoryMb: Math.ceil(memory.isolatesMb / 4) }, log);
  const sandboxes = {
    state: () => (acting === null ? supervisor.state() : sandboxTotal([supervisor.state(), acting.state()])),
  };
  const storage = new StorageSide({
    address: config.redis,
    user: config.functionUser,
    connectionsMax: config.storageConnectionsMax,
    queueLengthMax: config.storageQueueMax,
  });
  const isScheduled = config.scheduler === "auto" || schedulerEndpoint(config.scheduler) !== null;
  const controllership =
    config.placement === "auto" || isScheduled
      ? new Controllership({ address: config.redis, user: config.nodeUser, log, nowMs })
      : null;
  const placement =
    controllership !== null && config.placement === "auto"
      ? new NodePlacement({
          address: config.redis,
          user: config.nodeUser,
          controllership,
          functions,
          calibrate: async (commands) => {
            await supervisor.ready();
            return calibrate({ supervisor, address: config.redis, functionUser: config.functionUser, commands });
          },
          inFlight: () => invoker.inFlight,
          hostsCpuUs: () => hostsCpuUs(),
          isolatesMax: () => (agents === null && supervisor.isolatesMax()) || null,
          log,
          nowMs,
        })
      : null;
  const capacity =
    controllership !== null && isScheduled
      ? capacityOf(config, { controllership, functions, supervisor, agents, offer, log, nowMs })
      : null;
  let contest: ContestNode | null = null;
  const metrics = new NodeMetrics({
    inFlight: () => invoker.inFlight,
    storageQueueLength: () => storage.queueLength,
    sandbox: () => withWaiting(sandboxes.state(), capacity?.book.waitingCalls),
    actingFor: () => acting?.acting() ?? [],
    placementText: () => placement?.metricsText() ?? "",
    capacityText: () => capacity?.metricsText() ?? contest?.metricsText() ?? "",
    isDeployed: (name) => functions.current(name, null) !== undefined,
  });
  let served = 0;
  const hostsCpuUs = (): number | null => {
    const before = served;
    served = capacity?.served ?? 0;
    const isShared = config.scheduler === "contest" || served !== before || capacity?.sharesHosts === true;
    return isShared ? null : supervisor.cpuUs() + (acting?.cpuUs() ?? 0);
  };
  const supervisorFor = (caller: Caller | undefined) => {
    if (caller === undefined) return supervisor;
    if (acting === null) throw new LocusError("SIDE_UNAVAILABLE", "this node acts for no other user of Redis");
    return acting.supervisorFor(caller);
  };
  const sides = {
    compute: new CountedSide(new ComputeSide({ supervisorFor, functions, capacity })),
    storage: new CountedSide(storage),
  };
  const invoker = new NodeInvoker({
    functions,
    plannedSide: (name) => placement?.sideFor(name, sides) ?? null,
    sides,
    inFlightMax: config.inFlightMax,
    observers: placement === null ? [metrics, nodeLog] : [metrics, nodeLog, placement.observer],
    nowMs: () => performance.now(),
  });
  supervisor.ready().then(
    () => log.info("the sandbox host is ready"),
    (error: unknown) => log.error({ err: error }, "no sandbox host: the compute side is not there"),
  );
  const attachment = new Attachment(
    { address: config.redis, nodeUser: config.nodeUser, functionUser: config.functionUser, acting, invoker },
    log,
  );
  const node: Node = {
    invoker,
    catalogue: new FunctionCatalogue(registry, functions, supervisor),
    placement,
    capacity,
    logs,
    metrics,
    health: new NodeHealth(registry, supervisor, () => acting?.acting() ?? []),
    supervisor,
    leave: async (graceMs) => {
      placement?.close();
      const left = capacity?.leave(graceMs);
      // Whoever controls next need not wait for what still runs here.
      const resigned = (left?.resigned ?? Promise.resolve()).then(() => controllership?.close());
      await Promise.all([attachment.close(graceMs), left?.ended, contest?.leave(graceMs), resigned]);
    },
    close: async () => {
      await attachment.close(0);
      placement?.close();
      await capacity?.close();
      await contest?.close();
      await controllership?.close();
      await acting?.close();
      await supervisor.close(0);
      storage.close();
      registry.close();
    },
  };
  try {
    await registry.firstAttempt();
  } catch (error) {
    await node.close();
    throw error;
  }
  if (config.scheduler === "contest")
    contest = await contestNode(config, { functions, supervisor, agents, offer, log });
  return node;
}

/** A clock that is never set back, and is the same for all who share the machine. */
const nowMs = (): number => performance.timeOrigin + performance.now();

const capacityOf = (
  config: NodeConfig,
  parts: Pick<
    ConstructorParameters<typeof NodeCapacity>[0],
    "controllership" | "functions" | "supervisor" | "agents" | "offer" | "log" | "nowMs"
  >,
): NodeCapacity =>
  new NodeCapacity({
    ...parts,
    schedulerEndpoint: schedulerEndpoint(config.scheduler),
    policy: config.policy,
    instancesMax: config.instancesMax,
    storageThreadsMax: config.storageThreadsMax,
    port: config.nodeServicePort,
    address: config.nodeAddress,
    grpc: config.grpc,
  });

/** null: instances are isolates. */
const agentsOf = async (
  config: NodeConfig,
  cpus: number,
  onLog: (line: HostLine) => void,
  log: Logger,
): Promise<NodeAgents | null> => {
  const { driver, functionUser, nodeUser } = config;
  if (driver === "isolate") return null;
  if (driver === "docker" && functionUser === nodeUser) {
    log.warn(
      "functions in containers know the password of the user that they run as, which is the node's: set LOCUS_FUNCTION_USER",
    );
  }
  return openNodeAgents({ config: { ...config, driver }, cpus, data: dataSourceOf(config), onLog, log });
};

const contestNode = (
  { nodeServicePort, grpc }: NodeConfig,
  parts: Omit<Parameters<typeof ContestNode.open>[0], "port" | "grpc">,
): Promise<ContestNode> => ContestNode.open({ ...parts, port: nodeServicePort ?? NODE_SERVICE_PORT, grpc });

/** null: for nobody but the function user. */
const actingUsers = (config: NodeConfig, sandbox: Omit<SupervisorOptions, "dataSource">, log: Logger) => {
  if (config.actingUsersMax === 0) return null;
  if (config.redis.tls) {
    // Its hosts would make the sessions themselves, and need what this node authenticates with.
    log.info("acts for no other users of Redis: it cannot with TLS");
    return null;
  }
  return new ActingUsers({
    address: config.redis,
    nodeUser: config.nodeUser,
    connections: config.computeConnections,
    sandbox,
    usersMax: config.actingUsersMax,
    idleMs: config.actingIdleMs,
    log,
  });
};

const dataSourceOf = ({ redis, functionUser, computeConnections }: NodeConfig): DataSource => ({
  ...redisSourceOf(redis, functionUser),
  ...(functionUser.userSettings === undefined ? {} : { userSettings: functionUser.userSettings }),
  connections: computeConnections,
});
