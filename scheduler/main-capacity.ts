// The scheduler of a cluster of locus' own nodes as a process apart (LOCUS_SCHEDULER of the nodes names it): without it, the node that controls
// schedules. It needs no Redis; what it has learned it keeps while it lives. Runs until a signal stops it.

import { capacityService } from "./grpc/capacity-service.ts";
import { listen } from "./grpc/listener.ts";
import { NodeClient } from "./grpc/node-client.ts";
import { readCapacityConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { LiveDesk } from "./service/live-desk.ts";
import { policyOf } from "./service/policy-choice.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";

/** Of making or removing an instance. */
const NODE_TIMEOUT_MS = 30_000;

await runUntilSignal(async (resources, write) => {
  const { port, policy, grpc } = readCapacityConfig();
  const log = lineLog(write);
  const clients = new Map<string, NodeClient>();
  const forget = (nodeId: string): void => {
    clients.get(nodeId)?.close();
    clients.delete(nodeId);
  };
  const desk = new LiveDesk({
    policy: policyOf(policy),
    saved: null,
    observer: {
      ...log,
      node: (id, what, why) => {
        log.node(id, what, why);
        if (what === "lost" || what === "released") forget(id);
      },
    },
    connect: ({ id, address, port: nodePort }) => {
      const known = clients.get(id);
      if (known !== undefined) return known;
      const endpoint = address.includes(":") ? `[${address}]:${nodePort}` : `${address}:${nodePort}`;
      const client = new NodeClient({ endpoint, security: grpc.peer, timeoutMs: NODE_TIMEOUT_MS, isOurs: true });
      clients.set(id, client);
      return client;
    },
  });
  resources.defer(() => {
    desk.close();
    for (const client of clients.values()) client.close();
  });
  const services = { "locus.Capacity": capacityService(desk) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({ event: "listening", port: listener.port, policy });
  return listener;
});
