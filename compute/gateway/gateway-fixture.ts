// A whole node for the gateway's tests, with a map in place of Redis and plain functions in place of sandboxes; all
// that lies between is the real thing. A "bundle" here is a description as JSON, its body one of `bodies`.

import type { AddressInfo } from "node:net";

import type { FastifyInstance } from "fastify";

import { LocusError } from "#runtime/errors.ts";
import { LIMITS, type FunctionDescription, type Limits } from "#runtime/function/description.ts";
import { versionOf } from "#runtime/function/version.ts";
import type { SupervisorState } from "#runtime/sandbox/supervisor.ts";
import { FunctionCache } from "../node/function-cache.ts";
import { FunctionCatalogue } from "../node/function-catalogue.ts";
import { NodeHealth } from "../node/health.ts";
import { NodeInvoker } from "../node/invoke.ts";
import { LogBuffer, type LogLine } from "../node/log-buffer.ts";
import { MemoryRegistry } from "../node/memory-registry.ts";
import { MemorySide, type MemoryFunction } from "../node/memory-side.ts";
import { NodeMetrics } from "../node/metrics.ts";
import { NO_SANDBOX } from "../node/sandbox-states.ts";
import type { PlacementDesk } from "./placement-routes.ts";
import { createGateway } from "./server.ts";

export interface GatewayFixture {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly logs: LogBuffer;
  readonly registry: MemoryRegistry;
  readonly health: NodeHealth;
  close(): Promise<void>;
}

interface FixtureOptions {
  readonly inFlightMax?: number;
  readonly bodyBytesMax?: number;
  readonly placement?: PlacementDesk | null;
  /** What the node says of lack of CPU. */
  readonly warnings?: readonly string[];
}

const encoder = new TextEncoder();

export const bundleOf = (definition: { readonly name: string } & Partial<FunctionDescription>): Uint8Array =>
  encoder.encode(JSON.stringify(definition));

/** A line that a function has written. */
export const lineOf = (source: string, text: string): Omit<LogLine, "time"> => ({
  level: "info",
  source,
  side: "storage",
  invocation: "abc-1",
  text,
});

/** Listens on a free port, with a function deployed for each body. */
export const startGateway = async (
  bodies: Readonly<Record<string, MemoryFunction>>,
  { inFlightMax = 1_000, bodyBytesMax = 64 * 1024, placement = null, warnings = [] }: FixtureOptions = {},
): Promise<GatewayFixture> => {
  const registry = new MemoryRegistry(describeBundle);
  const functions = new FunctionCache(registry, 1024 * 1024);
  const side = new MemorySide(bodies);
  const metrics = new NodeMetrics({
    inFlight: () => invoker.inFlight,
    storageQueueLength: () => 0,
    sandbox: () => SANDBOX,
    actingFor: () => [],
    placementText: () => "",
    capacityText: () => "",
    isDeployed: (name) => functions.current(name, null) !== undefined,
  });
  const invoker = new NodeInvoker({
    functions,
    plannedSide: () => null,
    sides: { compute: side, storage: side },
    inFlightMax,
    observers: [metrics],
    nowMs: () => performance.now(),
  });
  const logs = new LogBuffer();
  const catalogue = new FunctionCatalogue(registry, functions, { check: async (bundle) => describeBundle(bundle) });
  const health = new NodeHealth(registry, { state: () => SANDBOX }, () => [], { warnings: async () => warnings });
  const app = await createGateway(
    { invoker, catalogue, placement, capacity: null, logs, metrics, health, log: { error: () => {} } },
    { bodyBytesMax, connectionsMax: 100 },
  );
  for (const name of Object.keys(bodies)) await registry.load(bundleOf({ name }));
  await functions.refresh();
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    app.server.closeAllConnections();
    await app.close();
  };
  return { app, url: `http://127.0.0.1:${port}`, logs, registry, health, close };
};

const SANDBOX: SupervisorState = {
  ...NO_SANDBOX,
  hosts: [
    {
      pid: 1,
      state: "ready",
      isolates: 0,
      inFlight: 0,
      restarts: 0,
      residentBytes: 0,
      isolateBytes: 0,
      cpuUs: 0,
      quarantine: false,
      confinement: ["seccomp"],
      lastEnd: "",
    },
  ],
  connections: 1,
};

const defaultLimits = Object.fromEntries(
  Object.entries(LIMITS).map(([name, range]) => [name, range.default]),
) as unknown as Limits;

const describeBundle = (bundle: Uint8Array): FunctionDescription => {
  let definition: Partial<FunctionDescription>;
  try {
    definition = JSON.parse(new TextDecoder().decode(bundle));
  } catch (error) {
    throw new LocusError("FUNCTION_INVALID", `the bundle does not parse: ${(error as Error).message}`);
  }
  return {
    name: "",
    side: null,
    limits: defaultLimits,
    input: null,
    output: null,
    ...definition,
    version: versionOf(bundle),
  };
};
