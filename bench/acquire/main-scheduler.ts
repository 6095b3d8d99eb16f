// The scheduler over gRPC, with warm instances: the service as a node serves it, in front of the live scheduler, whose instances start at once
// and hold nothing. Started by acquire.bench.ts.

import { ContainerDesk } from "#scheduler/service/container-desk.ts";
import { fixedKeepAlive } from "#scheduler/policy/fixed.ts";
import { listen } from "#scheduler/grpc/listener.ts";
import { LiveScheduler } from "#scheduler/live-scheduler.ts";
import { schedulerService } from "#scheduler/grpc/scheduler-service.ts";
import { PLAIN } from "#scheduler/grpc/security.ts";
import { servePeer } from "../harness/peer-process.ts";

const NODE = { id: "node-1", address: "127.0.0.1", port: 10_700, memoryMb: 1e6, cpus: 1e4 };
/** Once started, an instance stays for longer than the benchmark takes. */
const KEEP_ALIVE = { keepAliveMs: 86_400_000, lookEveryMs: 0 };

const scheduler = new LiveScheduler({
  policy: fixedKeepAlive("warm", KEEP_ALIVE),
  driver: { start: async () => {}, stop: async () => {} },
  nodes: { reserve: () => Promise.reject(new Error("there is one node")), release: async () => {} },
  observer: { started() {}, stopped() {}, failed() {}, node() {}, leaseEnded() {} },
});
scheduler.core.nodeReserved(NODE, scheduler.now());
const desk = new ContainerDesk({ scheduler, onLost: () => {} });
const services = { "schedulerproto.Scheduler": schedulerService(desk) };
const listening = listen({ host: "127.0.0.1", port: 0, security: PLAIN, services });

servePeer(async () => `127.0.0.1:${(await listening).port}`);
