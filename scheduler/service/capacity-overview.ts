// What a scheduler tells people of its nodes and instances.

import type { Counts } from "../counts.ts";
import type { Instance } from "../instance/instance.ts";
import type { Node } from "../node/node.ts";
import type { Scheduler } from "../scheduler.ts";

/** Instances in one overview; the rest is counted. A page that people can read. */
const INSTANCES_MAX = 10_000;

interface NodeSummary {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Offered, promised to instances, and free for more of them. */
  readonly memoryMb: number;
  readonly promisedMb: number;
  readonly freeMb: number;
  readonly cpus: number;
  readonly promisedCpus: number;
  readonly freeCpus: number;
  readonly instances: number;
  readonly draining: boolean;
}

interface InstanceSummary {
  readonly id: string;
  readonly function: string;
  readonly version: string | null;
  readonly node: string;
  readonly state: string;
  /** The node that uses it; null: none. */
  readonly holder: string | null;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly ageMs: number;
}

export interface CapacityOverview {
  readonly policy: string;
  readonly nodes: readonly NodeSummary[];
  readonly instances: readonly InstanceSummary[];
  /** How many more there are. */
  readonly instancesLeftOut: number;
  readonly counts: Readonly<Counts>;
  /** Of functions whose policy makes forecasts: their error on what they had not seen. Those called last come first. */
  readonly forecastErrors: Readonly<Record<string, number>>;
}

/** `idOf`: an instance's name on its node, where it has one by now. */
export function capacityOverview<Ticket>(
  core: Scheduler<Ticket>,
  nowMs: number,
  idOf: (instance: Instance) => string | undefined = () => undefined,
): CapacityOverview {
  const nodes = Array.from(core.fleet.nodes.values(), nodeSummary);
  const instances: InstanceSummary[] = [];
  let instancesLeftOut = 0;
  for (const instance of core.instances()) {
    if (instances.length >= INSTANCES_MAX) {
      instancesLeftOut++;
      continue;
    }
    instances.push(instanceSummary(instance, idOf(instance) ?? instance.id, nowMs));
  }
  const forecastErrors: Record<string, number> = {};
  const byUse = [...core.functions()].toSorted((one, other) => other.calledMs - one.calledMs);
  for (const { config, policy } of byUse) {
    const error = policy.forecastError();
    if (error !== null) forecastErrors[config.key] = error;
  }
  return { policy: core.policy.name, nodes, instances, instancesLeftOut, counts: { ...core.counts }, forecastErrors };
}

function nodeSummary({ description, freeMb, freeCpus, promised, instances, draining }: Node): NodeSummary {
  const { id, address, port, memoryMb, cpus } = description;
  const free = { freeMb: rounded(freeMb), freeCpus: rounded(freeCpus) };
  const taken = { promisedMb: rounded(promised.memoryMb), promisedCpus: rounded(promised.cpus) };
  return { id, address, port, memoryMb, cpus, ...taken, ...free, instances, draining };
}

function instanceSummary(instance: Instance, id: string, nowMs: number): InstanceSummary {
  const { pool, node, state, lease, memoryMb, cpus, createdMs } = instance;
  const [name = "", version = null] = pool.config.key.split("@");
  return {
    id,
    function: name,
    version,
    node: node.id,
    state,
    holder: lease?.holder ?? null,
    memoryMb: rounded(memoryMb),
    cpus: rounded(cpus),
    ageMs: Math.round(nowMs - createdMs),
  };
}

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
