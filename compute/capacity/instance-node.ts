// This node as schedulers find it: a NodeService's containers are its instances, of functions that are deployed. They are isolates in the node's own
// sandbox hosts, or what its settings have in their place.

import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { IsolateDriver } from "#scheduler/driver/isolate-driver.ts";
import { DriverNode } from "#scheduler/service/driver-node.ts";
import { idleUs } from "./idle-time.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import type { MachineOffer } from "./machine-offer.ts";
import type { NodeAgents } from "./node-agents.ts";

const MIB = 2 ** 20;

export interface InstanceNodeOptions {
  readonly functions: FunctionCache;
  readonly supervisor: Supervisor;
  /** null: instances are isolates in the supervisor's hosts. */
  readonly agents: NodeAgents | null;
  readonly offer: MachineOffer;
}

export interface InstanceNode {
  readonly node: DriverNode;
  /** CPU time of its calls that no sandbox host ran, µs. */
  readonly cpuUs: () => number;
  /** That of the agents where there are any. Whoever opened the node closes it. */
  readonly driver: Driver;
}

/** Of a function that is asked for by its name alone a container has the version that is current when it is made. `owner`: as in DriverNodeOptions. */
export function openInstanceNode(options: InstanceNodeOptions, owner: string | null): InstanceNode {
  const { functions, supervisor, agents, offer } = options;
  const cpuUs = (): number => {
    const { user, system } = process.cpuUsage();
    return user + system + supervisor.cpuUs();
  };
  const driver = agents?.driver ?? new IsolateDriver(supervisor, { cores: offer.cpus, cpuUs, idleUs });
  const image = async (named: string): Promise<FunctionImage> => {
    const [name = "", version = null] = named.split("@");
    return functions.image(functions.current(name, version) ?? (await functions.find(name, version)));
  };
  const node = new DriverNode({
    driver,
    functions: { image },
    memoryBytes: offer.memoryMb * MIB,
    availableBytes: () => offer.availableMb() * MIB,
    instanceCpus: agents?.instanceCpus ?? offer.cpus,
    ownMemoryBytes: agents?.ownMemoryBytes ?? 0,
    folder: "/",
    owner,
  });
  return { node, cpuUs: () => (agents === null ? 0 : node.cpuUs), driver };
}
