// The scheduler of a cluster of locus' own nodes as a process apart (LOCUS_SCHEDULER of the nodes names it): without it, the node that controls
// schedules. It needs no Redis; what it has learned it keeps while it lives. Runs until a signal stops it.

import { capacityService } from "./grpc/capacity-service.ts";
import { listen } from "./grpc/listener.ts";
import { NodePeers } from "./grpc/node-peers.ts";
import { readCapacityConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { LiveDesk } from "./service/live-desk.ts";
import { policyOf } from "./service/policy-choice.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";

await runUntilSignal(async (resources, write) => {
  const { port, policy, instancesMax, grpc } = readCapacityConfig();
  const log = lineLog(write);
  const peers = new NodePeers(grpc.peer);
  const desk = new LiveDesk({
    policy: policyOf(policy),
    saved: null,
    observer: log,
    connect: (node) => peers.at(node),
    // Threads beside the data are Redis' to tell of, which is not known here.
    totals: { instances: instancesMax, threads: null },
  });
  resources.defer(() => {
    desk.close();
    peers.close();
  });
  const services = { "locus.Capacity": capacityService(desk) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({ event: "listening", port: listener.port, policy });
  return listener;
});
