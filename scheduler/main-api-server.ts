// The 2020 contest's API server: the APIServer on its port; for each call a container from the Scheduler, the call on that container's node, and the
// container back. Runs until a signal stops it.

import { apiServerService } from "./grpc/api-server-service.ts";
import { listen } from "./grpc/listener.ts";
import { NodeClient } from "./grpc/node-client.ts";
import { SchedulerClient } from "./grpc/scheduler-client.ts";
import { readApiServerConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { SchedulerDoor } from "./service/function-door.ts";
import { readFunctionList } from "./service/function-list.ts";
import { NodeConnections } from "./service/node-connections.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { API_SERVER_SETTINGS } from "./service/settings.ts";

/** Of one question to the scheduler, which waits for a container where there is none: the contest's callers wait as long. */
const SCHEDULER_TIMEOUT_MS = 30_000;
/** More than the contest has nodes, and a share of what one listener takes. Chosen. */
const CONNECTIONS_MAX = 256;

programArguments({
  does: "The 2020 contest's API server: serves APIServer, with containers of a Scheduler.",
  settings: API_SERVER_SETTINGS,
});

await runUntilSignal(async (resources, write) => {
  const { port, scheduler: endpoint, stackName, hostName, functionsFile, grpc } = readApiServerConfig();
  const log = lineLog(write);
  const functions = readFunctionList(functionsFile);
  const security = grpc.peer;
  const scheduler = new SchedulerClient({ endpoint, security, timeoutMs: SCHEDULER_TIMEOUT_MS });
  // A call's own time bounds it on its node.
  const connect = (node: string): NodeClient =>
    new NodeClient({ endpoint: node, security, timeoutMs: SCHEDULER_TIMEOUT_MS });
  const nodes = new NodeConnections(connect, CONNECTIONS_MAX);
  resources.defer(() => {
    nodes.close();
    scheduler.close();
  });
  const door = new SchedulerDoor({ scheduler, node: (address, nodePort) => nodes.to(address, nodePort), functions });
  const services = { "apiserverproto.APIServer": apiServerService(door) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({
    event: "listening",
    port: listener.port,
    scheduler: endpoint,
    functions: functions.list().length,
    stackName,
    hostName,
  });
  return listener;
});
