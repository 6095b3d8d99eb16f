// What this machine, or the container that the node is in, has to offer to instances, and what of that is free.

import { freemem, totalmem } from "node:os";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";

const MIB = 2 ** 20;
/** The rest is the node's own, its hosts' and the system's. Chosen. */
const OFFERED_SHARE = 3 / 4;

export interface MachineOffer {
  readonly memoryMb: number;
  /** Of the offered memory what the kernel would give now. Never below 0. */
  readonly availableMb: () => number;
  readonly cpus: number;
}

/** Where this process runs; bytes. */
export interface Machine {
  readonly totalBytes: () => number;
  /** That nobody uses, or that the kernel would take back. */
  readonly freeBytes: () => number;
  /** What this process' groups of the kernel are limited to; 0, and what no machine has: to nothing. */
  readonly limitBytes: () => number;
  /** Of that what is left. */
  readonly leftBytes: () => number;
  /** Within the groups' quota, which is rounded down. */
  readonly cores: () => number;
}

const THIS_MACHINE: Machine = {
  totalBytes: totalmem,
  freeBytes: freemem,
  limitBytes: () => process.constrainedMemory(),
  leftBytes: () => process.availableMemory(),
  cores: availableCores,
};

/** null: three quarters of the memory there is, and the cores, or a container's quota of them. */
export function machineOffer(
  memoryMb: number | null,
  cpus: number | null,
  machine: Machine = THIS_MACHINE,
): MachineOffer {
  const { totalBytes, freeBytes, limitBytes, leftBytes } = machine;
  const [limit, total] = [limitBytes(), totalBytes()];
  const isLimited = limit > 0 && limit < total;
  // A limit is no promise: others on the machine may use what it leaves.
  const availableBytes = isLimited ? () => Math.min(freeBytes(), leftBytes()) : freeBytes;
  const offeredMb = memoryMb ?? Math.floor(((isLimited ? limit : total) / MIB) * OFFERED_SHARE);
  return {
    memoryMb: offeredMb,
    availableMb: () => Math.min(offeredMb, availableBytes() / MIB),
    cpus: cpus ?? machine.cores(),
  };
}
