// The 2023 contest's scaler, as its run.sh starts it: the Scaler on its port, slots from the Platform, and the scheduler between them; its metrics
// on another port, if it is told one. Runs until a signal stops it.

import { setTimeout as sleep } from "node:timers/promises";
import { listen } from "./grpc/listener.ts";
import { PlatformClient } from "./grpc/platform-client.ts";
import { scalerService, type SlotMeta } from "./grpc/scaler-service.ts";
import { LiveScheduler } from "./live-scheduler.ts";
import { capacityOverview, type CapacityOverview } from "./service/capacity-overview.ts";
import { readScalerConfig } from "./service/config.ts";
import { lineLog } from "./service/event-log.ts";
import { serveMetrics } from "./service/metrics-page.ts";
import { policyOf } from "./service/policy-choice.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { SCALER_SETTINGS } from "./service/settings.ts";
import { SlotDesk, SlotDriver } from "./service/slot-desk.ts";
import { openStateFile } from "./service/state-file.ts";

/** Of one question to the platform: a slot takes a tenth of a second, an instance up to two minutes. */
const PLATFORM_TIMEOUT_MS = 300_000;
/** Of one function, in a row: with the third whoever waits hears of it. The contest's own scaler tries once. Chosen. */
const START_FAILURES_MAX = 3;
/** That slots are given back in when it ends. */
const CLOSE_TIMEOUT_MS = 5_000;
/** A platform has no nodes: as one without bounds. */
const PLATFORM = { id: "platform", address: "", port: 0, memoryMb: Infinity, cpus: Infinity };

programArguments({
  does: "The 2023 contest's scaler: serves Scaler, with slots of a Platform.",
  settings: SCALER_SETTINGS,
});

await runUntilSignal(async (resources, write) => {
  const { port, metricsPort, metricsSecret, platform: endpoint, policy, stateFile, grpc } = readScalerConfig();
  const log = lineLog(write);
  const state = await openStateFile(stateFile, log);
  const platform = new PlatformClient({ endpoint, security: grpc.peer, timeoutMs: PLATFORM_TIMEOUT_MS });
  const metas = new Map<string, SlotMeta>();
  const driver = new SlotDriver(platform, metas);
  const nodes = { reserve: () => Promise.reject(new Error("a platform has no nodes")), release: async () => {} };
  const settings = { startFailuresMax: START_FAILURES_MAX };
  const scheduler = state.restored(
    (saved) => new LiveScheduler({ policy: policyOf(policy), driver, nodes, observer: log, settings, saved }),
  );
  state.keep(() => scheduler.core.save());
  scheduler.core.nodeCame(PLATFORM, scheduler.now());
  const onLost = (request: string, { id: instance }: { readonly id: string }): void =>
    log.say({ event: "lost", request, instance });
  const desk = new SlotDesk({ scheduler, driver, metas, onLost });
  resources.defer(async () => {
    await state.close();
    desk.close();
    scheduler.close();
    // The platform may have ended before.
    await Promise.race([driver.close(), sleep(CLOSE_TIMEOUT_MS)]);
    platform.close();
  });
  const overview = (): CapacityOverview => capacityOverview(scheduler.core, scheduler.now());
  const metrics = await serveMetrics({ metricsPort, metricsSecret }, grpc, overview);
  resources.defer(() => metrics.close());
  const services = { "serverless.simulator.Scaler": scalerService(desk) };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  log.say({ event: "listening", port: listener.port, metricsPort: metrics.port, policy, platform: endpoint });
  return listener;
});
