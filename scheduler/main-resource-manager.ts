// The 2020 contest's resource manager: the ResourceManager on its port, over the nodes that it is told of. Runs until a signal stops it.

import { listen } from "./grpc/listener.ts";
import { resourceManagerService } from "./grpc/resource-manager-service.ts";
import { readResourceManagerConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { NodeStock } from "./service/node-stock.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { RESOURCE_MANAGER_SETTINGS } from "./service/settings.ts";

const MIB = 2 ** 20;

programArguments({
  does: "The 2020 contest's resource manager: serves ResourceManager, over the nodes that it is told of.",
  settings: RESOURCE_MANAGER_SETTINGS,
});

await runUntilSignal(async (_resources, write) => {
  const { port, stackName, hostName, grpc, ...habits } = readResourceManagerConfig();
  const log = lineLog(write);
  const stock = new NodeStock({
    nodes: habits.nodes.map((node) => ({ ...node, memoryBytes: habits.nodeMemoryMib * MIB })),
    ready: habits.nodesReady,
    reservedMax: habits.nodesMax,
    refillMs: () => Math.random() * habits.refillMsMax,
    now: () => performance.now(),
    unixMs: Date.now,
  });
  const services = { "resourcemanagerproto.ResourceManager": resourceManagerService(stock) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({ event: "listening", port: listener.port, nodes: habits.nodes.length, stackName, hostName });
  return listener;
});
