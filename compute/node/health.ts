// Whether a node can do its work, part by part: what `/readyz` answers.

import { LocusError, type ErrorCode } from "#runtime/errors.ts";
import type { SupervisorState } from "#runtime/sandbox/supervisor.ts";
import { CpuLack, cpuTimesOf, type CpuReadings } from "./cpu-lack.ts";
import type { Caller } from "./invoker.ts";
import type { Registry } from "./registry.ts";

/** Beyond it Redis counts as out of reach. Chosen below the usual time limit of a readiness probe, 1 s. */
const PROBE_TIMEOUT_MS = 800;

type PartHealth =
  | { readonly ready: true; readonly detail: string }
  | { readonly ready: false; readonly code: ErrorCode; readonly detail: string };

export interface Health {
  /** Whether calls that leave the side to locus can be taken. */
  readonly ready: boolean;
  /** Redis with the module: functions are kept there, and run there unless it says SIDE_UNAVAILABLE. */
  readonly storage: PartHealth;
  /** The sandbox hosts of this node, and whether Redis takes the user that functions run as. */
  readonly compute: PartHealth & {
    /** What confines every one of them (docs/security.md). */
    readonly confinement: readonly string[];
    /** The other users of Redis whose calls this node runs, each in a sandbox host of its own. */
    readonly actingFor: readonly Caller[];
  };
  /** false from the moment on that the node was told to stop. */
  readonly accepting: boolean;
  /** A sentence for each thing that slows the node down. It takes calls all the same. */
  readonly warnings: readonly string[];
}

export class NodeHealth {
  readonly #registry: Registry;
  readonly #sandbox: { state(): SupervisorState };
  readonly #actingFor: () => readonly Caller[];
  readonly #cpuLack: Pick<CpuLack, "warnings">;
  #accepting = true;

  constructor(
    registry: Registry,
    sandbox: { state(): SupervisorState },
    actingFor: () => readonly Caller[],
    cpuLack: Pick<CpuLack, "warnings"> = new CpuLack(() => readCpuTimes(registry, sandbox)),
  ) {
    this.#registry = registry;
    this.#sandbox = sandbox;
    this.#actingFor = actingFor;
    this.#cpuLack = cpuLack;
  }

  /** Load balancers send no more calls from here on. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  async check(): Promise<Health> {
    const storage = await this.#storage();
    const compute = this.#compute();
    const accepting = this.#accepting;
    // Where storage is off, calls that ask for no side run at compute.
    const knowsFunctions = storage.ready || storage.code === "SIDE_UNAVAILABLE";
    const ready = knowsFunctions && compute.ready && accepting;
    return { ready, storage, compute, accepting, warnings: ready ? await this.warnings() : [] };
  }

  /** Of a node that can take calls. */
  warnings(): Promise<readonly string[]> {
    return this.#cpuLack.warnings();
  }

  async #storage(): Promise<PartHealth> {
    const silent = new LocusError("REDIS_UNAVAILABLE", `Redis did not answer within ${PROBE_TIMEOUT_MS} ms`);
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(silent), PROBE_TIMEOUT_MS);
    try {
      const { moduleVersion, obstacle } = await Promise.race([this.#registry.probe(), promise]);
      if (obstacle !== "") return { ready: false, code: "SIDE_UNAVAILABLE", detail: obstacle };
      return { ready: true, detail: `module ${moduleVersion}` };
    } catch (error) {
      const { code, message } = error instanceof LocusError ? error : new LocusError("INTERNAL", String(error));
      return { ready: false, code, detail: message };
    } finally {
      clearTimeout(timer);
    }
  }

  #compute(): Health["compute"] {
    const { hosts, refusal } = this.#sandbox.state();
    const actingFor = this.#actingFor();
    const ready = hosts.filter((host) => host.state === "ready");
    const detail = `${ready.length} of ${hosts.length} sandbox hosts ready`;
    if (ready.length === 0) {
      const lastEnd = hosts.find((host) => host.lastEnd !== "")?.lastEnd;
      const reason = lastEnd === undefined ? "" : `; the last one: ${lastEnd}`;
      return { ready: false, code: "SIDE_UNAVAILABLE", detail: detail + reason, confinement: [], actingFor };
    }
    // Functions that need no data would run; those that do are what a node is for.
    if (refusal !== "") {
      return { ready: false, code: "REDIS_UNAVAILABLE", detail: refusal, confinement: [], actingFor };
    }
    const confinement = ready
      .map((host) => new Set(host.confinement))
      .reduce((common, parts) => common.intersection(parts));
    return { ready: true, detail, confinement: [...confinement], actingFor };
  }
}

async function readCpuTimes(registry: Registry, sandbox: { state(): SupervisorState }): Promise<CpuReadings> {
  const { coreTimes: times } = await registry.probe().catch(() => ({ coreTimes: null }));
  const pids = [process.pid, ...sandbox.state().hosts.map(({ pid }) => pid)];
  return new Map([
    ["beside Redis", times && { clockUs: times.clockUs, ranUs: times.hostsUs, waitedUs: times.hostsWaitedUs }],
    ["on this node", cpuTimesOf(pids)],
  ]);
}
