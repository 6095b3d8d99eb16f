// The scheduler of a cluster of locus' own nodes as a process apart (LOCUS_SCHEDULER of the nodes names it): without it, the node that controls
// schedules. It needs no Redis; what it has learned it keeps in a file, and tells its metrics on a port, if it is told one. Runs until a signal stops it.

import { capacityService } from "./grpc/capacity-service.ts";
import { listen } from "./grpc/listener.ts";
import type { NodeClient } from "./grpc/node-client.ts";
import { NodePeers } from "./grpc/node-peers.ts";
import type { NodeDescription } from "./node/node.ts";
import { readCapacityConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { LiveDesk } from "./service/live-desk.ts";
import { serveMetrics } from "./service/metrics-page.ts";
import { policyOf } from "./service/policy-choice.ts";
import { RelayedThreads } from "./service/relayed-threads.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { CAPACITY_SETTINGS } from "./service/settings.ts";
import { openStateFile } from "./service/state-file.ts";

programArguments({
  does: "The scheduler of locus' own nodes, as a process apart: serves locus.Capacity, and its metrics over HTTP.",
  settings: CAPACITY_SETTINGS,
});

await runUntilSignal(async (resources, write) => {
  const { port, metricsPort, metricsSecret, policy, instancesMax, stateFile, grpc } = readCapacityConfig();
  const log = lineLog(write);
  const state = await openStateFile(stateFile, log);
  const peers = new NodePeers(grpc.peer);
  const connect = (node: NodeDescription): NodeClient => peers.at(node);
  const relayed = new RelayedThreads(() => performance.now());
  // Who has them tells itself why they are not divided; how many there are to be is that node's setting.
  const totals = { instances: instancesMax, threads: { holder: relayed, total: null, onError: () => {} } };
  const desk = state.restored(
    (saved) => new LiveDesk({ policy: policyOf(policy), saved, observer: log, connect, totals, relayed }),
  );
  state.keep(() => desk.save());
  resources.defer(async () => {
    await state.close();
    desk.close();
    peers.close();
  });
  const metrics = await serveMetrics({ metricsPort, metricsSecret }, grpc, () => desk.overviewNow());
  resources.defer(() => metrics.close());
  const services = { "locus.Capacity": capacityService(desk) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({ event: "listening", port: listener.port, metricsPort: metrics.port, policy });
  return listener;
});
