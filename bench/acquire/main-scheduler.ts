// The scheduler over gRPC, with warm instances: the service as scheduler/main-scheduler.ts serves it by default, in front of the live scheduler,
// whose instances start at once and hold nothing. Started by acquire.bench.ts.

import { ContainerDesk } from "#scheduler/service/container-desk.ts";
import { listen } from "#scheduler/grpc/listener.ts";
import { LiveScheduler } from "#scheduler/live-scheduler.ts";
import { EVEN_WEIGHTS } from "#scheduler/policy/weights-2020.ts";
import { forecast } from "#scheduler/policy/forecast.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { contestGb, CONTEST_NODES_MAX } from "#scheduler/settings.ts";
import { servePeer } from "../harness/peer-process.ts";

const NODE = { id: "node-1", address: "127.0.0.1", port: 10_700, memoryMb: 1e6, cpus: 1e4 };
/** That of scheduler/main-scheduler.ts, where nothing else is set. */
const OBJECTIVE = { kind: "score-2020", weights: EVEN_WEIGHTS, gbMax: contestGb(CONTEST_NODES_MAX) } as const;

const scheduler = new LiveScheduler({
  policy: forecast(OBJECTIVE),
  driver: { start: async () => {}, stop: async () => {} },
  nodes: { reserve: () => Promise.reject(new Error("there is one node")), release: async () => {} },
  observer: { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} },
});
scheduler.core.nodeCame(NODE, scheduler.now());
const desk = new ContainerDesk({ scheduler, onLost: () => {} });
const services = { "schedulerproto.Scheduler": schedulerService(desk) };
const listening = listen({ host: "127.0.0.1", port: 0, security: PLAIN, services });

servePeer(async () => `127.0.0.1:${(await listening).port}`);
