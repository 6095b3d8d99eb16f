// Instances of this node that are processes or containers, as its settings have it (LOCUS_DRIVER), in place of isolates in its sandbox hosts: the
// driver is opened here, with CPU quotas that follow what instances use. docs/drivers.md.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { Logger } from "pino";
import type { RedisSource } from "#runtime/channel/redis-source.ts";
import { LocusError } from "#runtime/errors.ts";
import type { HostLine } from "#runtime/sandbox/supervisor.ts";
import { AgentDriver } from "#scheduler/driver/agent-driver.ts";
import { AGENT_OWN_BYTES } from "#scheduler/driver/agent-instance.ts";
import { AGENT_PATH } from "#scheduler/driver/agent-program.ts";
import { CgroupFolder } from "#scheduler/driver/cgroup.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { ProcessLauncher } from "#scheduler/driver/process-launcher.ts";
import { QuotaDriver, type QuotaShare } from "#scheduler/reallocation/quota-driver.ts";
import type { NodeConfig } from "../node/config.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";
/** Of one instance, at most: a function runs on one thread, and V8 and Node beside it. Chosen. */
const INSTANCE_CPUS_MAX = 2;

interface NodeAgentsOptions {
  readonly config: Pick<NodeConfig, "cpuQuotas" | "cgroup" | "dockerSocket" | "dockerImage" | "dockerNetwork"> & {
    readonly driver: "process" | "docker";
  };
  /** That the node offers. */
  readonly cpus: number;
  readonly data: RedisSource;
  readonly onLog: (line: HostLine) => void;
  readonly log: Pick<Logger, "info" | "warn">;
}

export interface NodeAgents {
  /** Closed by whoever uses it. */
  readonly driver: Driver;
  /** Of each instance, as it starts. */
  readonly instanceCpus: number;
  /** That an instance has beside its function's own. */
  readonly ownMemoryBytes: number;
  /** Of functions whose instances' quotas follow what they use. */
  readonly shares: () => readonly QuotaShare[];
}

/** Rejects with CONFIG_INVALID where the settings name what is not there, with UNSUPPORTED_PLATFORM without a build. */
export async function openNodeAgents(options: NodeAgentsOptions): Promise<NodeAgents> {
  if (!existsSync(AGENT_PATH)) {
    throw new LocusError("UNSUPPORTED_PLATFORM", `${AGENT_PATH} is not there: run ./build.sh first`);
  }
  const { config, cpus, log } = options;
  const { driver, holdsQuotas } =
    config.driver === "process" ? await openProcesses(options) : await openContainers(options);
  const terms = { instanceCpus: Math.min(cpus, INSTANCE_CPUS_MAX), ownMemoryBytes: AGENT_OWN_BYTES };
  if (!holdsQuotas || config.cpuQuotas === "fixed") return { driver, ...terms, shares: () => [] };
  const quotas = new QuotaDriver({
    driver,
    cpus,
    limitsAtOnce: config.driver === "process",
    onUnheld: (instance, reason) => log.warn({ instance, reason }, "an instance is held to no CPU quota"),
  });
  return { driver: quotas, ...terms, shares: () => quotas.shares() };
}

interface OpenedDriver {
  readonly driver: Driver;
  readonly holdsQuotas: boolean;
}

async function openProcesses({ config, data, onLog, log }: NodeAgentsOptions): Promise<OpenedDriver> {
  const cgroups = await CgroupFolder.open(CGROUP_ROOT, config.cgroup);
  const folder = (await CgroupFolder.foldersOf(CGROUP_ROOT, config.cgroup)).join(", ");
  if (cgroups === null) {
    log.warn({ folder }, "no group of the kernel can be made there (LOCUS_CGROUP): instances have no CPU quota");
  }
  log.info({ cgroup: cgroups === null ? null : folder }, "instances are processes, of functions that are trusted");
  return { driver: new AgentDriver(new ProcessLauncher({ data, cgroups, onLog })), holdsQuotas: cgroups !== null };
}

async function openContainers({ config, data, onLog, log }: NodeAgentsOptions): Promise<OpenedDriver> {
  // Only here: a node that asks no engine needs no client of one.
  const { containerTerms } = await import("#scheduler/driver/container-terms.ts");
  const { DockerLauncher } = await import("#scheduler/driver/docker-launcher.ts");
  const { dockerSocket: socketPath, dockerImage, dockerNetwork } = config;
  const terms = await containerTerms(socketPath, { image: dockerImage, network: dockerNetwork });
  const owner = randomBytes(6).toString("hex");
  const launcher = await DockerLauncher.open({ socketPath, ...terms, owner, data, onLog });
  log.info({ socketPath, ...terms, owner }, "instances are containers");
  return { driver: new AgentDriver(launcher), holdsQuotas: true };
}
