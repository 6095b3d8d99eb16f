// This node as schedulers find it: a NodeService's containers are instances in the node's own sandbox hosts, of functions that are deployed.

import type { FunctionImage, Supervisor } from "#runtime/sandbox/supervisor.ts";
import { IsolateDriver } from "#scheduler/driver/isolate-driver.ts";
import { DriverNode } from "#scheduler/service/driver-node.ts";
import type { FunctionCache } from "../node/function-cache.ts";
import type { MachineOffer } from "./machine-offer.ts";

const MIB = 2 ** 20;

export interface IsolateNodeOptions {
  readonly functions: FunctionCache;
  readonly supervisor: Supervisor;
  readonly offer: MachineOffer;
}

export interface IsolateNode {
  readonly node: DriverNode;
  /** Whoever opened it closes it. */
  readonly driver: IsolateDriver;
}

/** Of a function that is asked for by its name alone a container has the version that is current when it is made. */
export function openIsolateNode({ functions, supervisor, offer }: IsolateNodeOptions): IsolateNode {
  const driver = new IsolateDriver(supervisor);
  const image = async (named: string): Promise<FunctionImage> => {
    const [name = "", version = null] = named.split("@");
    return functions.image(functions.current(name, version) ?? (await functions.find(name, version)));
  };
  const node = new DriverNode({
    driver,
    functions: { image },
    memoryBytes: offer.memoryMb * MIB,
    versionCpus: offer.cpus,
    folder: "/",
  });
  return { node, driver };
}
