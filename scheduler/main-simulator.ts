// The 2023 contest's simulator: serves the Platform, plays data sets to the Scaler in real time, one after another, tells how it stands as JSON
// over HTTP, and ends when the last is over. Arguments: names of data sets; none: all that are there, or a synthetic one.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { listen, type Listener } from "./grpc/listener.ts";
import { platformService } from "./grpc/platform-service.ts";
import { ScalerClient } from "./grpc/scaler-client.ts";
import { readSimulatorConfig } from "./service/config.ts";
import { servePage } from "./service/page.ts";
import { programArguments } from "./service/program-arguments.ts";
import { runUntilSignal } from "./service/run-until-signal.ts";
import { SIMULATOR_SETTINGS } from "./service/settings.ts";
import { azureLikeTrace } from "./simulator/azure-like.ts";
import { readTrace } from "./simulator/read-trace.ts";
import { RealTimePlatform } from "./simulator/real-time-platform.ts";
import { RealTimeRun } from "./simulator/real-time-run.ts";
import type { Trace } from "./simulator/trace.ts";

/** That a Scaler may take to start in. */
const SCALER_WAIT_MS = 300_000;
/** Of one Assign: a start may take two minutes. */
const SCALER_TIMEOUT_MS = 600_000;
/** Where nothing is mounted: a small load. */
const SYNTHETIC = { seed: 1, functions: 50, callsPerHourMax: 2_000 };

const now = (): number => performance.now();

const names = programArguments({
  does: "The 2023 contest's simulator: serves Platform, and plays data sets to a Scaler in real time, those that are named or all that are there, and ends with the last.",
  settings: SIMULATOR_SETTINGS,
  takes: "[data set…]",
});

await runUntilSignal(async (resources, write) => {
  const { port, statisticsHost, statisticsPort, scaler: endpoint, grpc, ...data } = readSimulatorConfig();
  const sets = dataSets(data, names);
  const runs: RealTimeRun[] = [];
  const statisticsText = (): string => {
    const all = runs.map((run) => run.statistics());
    return `${JSON.stringify(all, null, 2)}\n`;
  };
  const stop = new AbortController();
  const scaler = new ScalerClient({ endpoint, security: grpc.peer, timeoutMs: SCALER_TIMEOUT_MS });
  resources.defer(() => {
    stop.abort();
    scaler.close();
  });
  const platforms = sets.map(({ trace }) => new RealTimePlatform(trace.functions, now));
  let current = platforms[0]!;
  const services = {
    "serverless.simulator.Platform": platformService({
      createSlot: (request, signal) => current.createSlot(request, signal),
      destroySlot: (request) => current.destroySlot(request),
      init: (request, signal) => current.init(request, signal),
    }),
  };
  const listener = await listen({ host: grpc.host, port, security: grpc.listener, services });
  const statistics = await servePage({
    host: statisticsHost,
    port: statisticsPort,
    path: null,
    contentType: "application/json",
    security: grpc.listener,
    text: statisticsText,
  });
  resources.defer(() => statistics.close());
  write(JSON.stringify({ event: "listening", port: listener.port, statisticsPort: statistics.port }));

  const playAll = async (): Promise<void> => {
    await scaler.connected(SCALER_WAIT_MS);
    for (const [index, { trace, folder }] of sets.entries()) {
      current = platforms[index]!;
      const run = new RealTimeRun({ trace, folder, scaler, platform: current, now });
      runs.push(run);
      await run.play(stop.signal);
      write(JSON.stringify({ event: "ended", ...run.statistics() }));
    }
  };
  return { ...listener, done: playAll() } satisfies Listener & { readonly done: Promise<void> };
});

interface DataSet {
  readonly trace: Trace;
  readonly folder: string;
}

/** Throws TRACE_INVALID, REQUEST_INVALID. */
function dataSets(
  { dataFolder: folder, traceSeconds }: { readonly dataFolder: string; readonly traceSeconds: number },
  names: readonly string[],
): readonly DataSet[] {
  const chosen = names.length > 0 ? names : foldersIn(folder);
  if (chosen.length === 0) return [{ trace: syntheticTrace(traceSeconds), folder: "synthetic" }];
  return chosen.map((name) => ({ trace: readTrace(join(folder, name)), folder: join(folder, name) }));
}

/** The wire has whole megabytes. Nobody waits for an execution that takes longer than all the trace. */
function syntheticTrace(seconds: number): Trace {
  const trace = azureLikeTrace({ ...SYNTHETIC, hours: seconds / 3_600 });
  const functions = trace.functions.map((one) => ({ ...one, memoryMb: Math.ceil(one.memoryMb) }));
  return {
    ...trace,
    functions,
    epochMs: Date.now(),
    durationMs: trace.durationMs.map((ms) => Math.min(ms, seconds * 1e3)),
  };
}

function foldersIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted();
  } catch {
    return [];
  }
}
