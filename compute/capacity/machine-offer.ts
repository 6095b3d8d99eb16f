// What this machine, or the container that the node is in, has to offer to instances, and what of that is free.

import { totalmem } from "node:os";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";

const MIB = 2 ** 20;
/** The rest is the node's own, its hosts' and the system's. Chosen. */
const OFFERED_SHARE = 3 / 4;

export interface MachineOffer {
  readonly memoryMb: number;
  /** Of the offered memory what the kernel would give now. */
  readonly availableMb: () => number;
  readonly cpus: number;
}

/** null: three quarters of the memory there is, and the cores, or a container's quota of them. */
export function machineOffer(memoryMb: number | null, cpus: number | null): MachineOffer {
  const constrained = process.constrainedMemory();
  const wholeMb = (constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()) / MIB;
  const offeredMb = memoryMb ?? Math.floor(wholeMb * OFFERED_SHARE);
  return {
    memoryMb: offeredMb,
    availableMb: () => Math.min(offeredMb, process.availableMemory() / MIB),
    cpus: cpus ?? availableCores(),
  };
}
