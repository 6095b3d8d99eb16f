// The 2020 contest's scheduler: the Scheduler on its port, nodes from the ResourceManager that it is told, containers on them; its metrics on
// another port, if it is told one. Runs until a signal stops it.

import { listen } from "./grpc/listener.ts";
import { NodeClient } from "./grpc/node-client.ts";
import { ResourceManagerClient } from "./grpc/resource-manager-client.ts";
import { schedulerService } from "./grpc/scheduler-service.ts";
import { LiveScheduler } from "./live-scheduler.ts";
import type { Policy } from "./policy/policy.ts";
import { capacityOverview, type CapacityOverview } from "./service/capacity-overview.ts";
import { readSchedulerConfig } from "./service/config.ts";
import { ContainerDesk } from "./service/container-desk.ts";
import { lineLog } from "./service/event-log.ts";
import { serveMetrics } from "./service/metrics-page.ts";
import { ReservedNodes } from "./service/reserved-nodes.ts";
import { NodeWatch } from "./service/node-watch.ts";
import { policyOf } from "./service/policy-choice.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { SCHEDULER_SETTINGS } from "./service/settings.ts";
import { openStateFile } from "./service/state-file.ts";
import { CONTEST_SETTINGS, contestGb } from "./settings.ts";

/** Of one question to a node or the manager: a container's start takes seconds. The contest's own callers wait as long. */
const PEER_TIMEOUT_MS = 30_000;

programArguments({
  does: "The 2020 contest's scheduler: serves Scheduler, with nodes of a ResourceManager.",
  settings: SCHEDULER_SETTINGS,
});

await runUntilSignal(async (resources, write) => {
  const config = readSchedulerConfig();
  const {
    port,
    metricsPort,
    metricsSecret,
    resourceManager,
    stackName,
    hostName,
    policy,
    weights,
    stateFile,
    grpc,
    ...habits
  } = config;
  const log = lineLog(write);
  const state = await openStateFile(stateFile, log);
  const peer = (endpoint: string) => ({ endpoint, security: grpc.peer, timeoutMs: PEER_TIMEOUT_MS });
  const pool = new ResourceManagerClient(peer(resourceManager));
  const connect = (address: string, nodePort: number): NodeClient => new NodeClient(peer(`${address}:${nodePort}`));
  const decides = (): Policy => policyOf(policy, { kind: "score-2020", weights, gbMax: contestGb(habits.nodesMax) });
  const settings = { ...CONTEST_SETTINGS, ...habits };
  const { nodes, scheduler } = state.restored((saved) => {
    const onChange = (): void => state.keepSoon();
    const reserved = new ReservedNodes({ pool, connect, accountId: stackName, saved: saved?.world, onChange });
    const world = { driver: reserved, nodes: reserved, observer: log, settings };
    return { nodes: reserved, scheduler: new LiveScheduler({ policy: decides(), ...world, saved }) };
  });
  const onLost = (request: string, { id: instance }: { readonly id: string }): void =>
    log.say({ event: "lost", request, instance });
  const onAccount = (accountId: string): void => nodes.isFor(accountId);
  const desk = new ContainerDesk({ scheduler, containerId: nodes.containerId, onAccount, onLost });
  const watch = new NodeWatch(scheduler, nodes);
  resources.defer(async () => {
    await state.close();
    for (const one of [watch, desk, scheduler, nodes, pool]) one.close();
  });
  await watch.recover();
  scheduler.core.begin(scheduler.now());
  // Not before: what was not found again yet would be forgotten.
  state.keep(() => ({ ...scheduler.core.save(), world: nodes.save() }));
  state.keepSoon();
  const overview = (): CapacityOverview => capacityOverview(scheduler.core, scheduler.now());
  const metrics = await serveMetrics({ metricsPort, metricsSecret }, grpc, overview);
  resources.defer(() => metrics.close());
  const services = { "schedulerproto.Scheduler": schedulerService(desk) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  const told = { port: listener.port, metricsPort: metrics.port };
  log.say({ event: "listening", ...told, policy, resourceManager, stackName, hostName });
  return listener;
});
