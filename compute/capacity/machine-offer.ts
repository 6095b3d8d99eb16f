// What this machine, or the container that the node is in, has to offer to instances, and what of that is free.

import { freemem, totalmem } from "node:os";
import { availableCores } from "#runtime/sandbox/native-supervisor.ts";

const MIB = 2 ** 20;
/** Parts of the memory: for isolates, and for instances that are processes or containers. */
const [ISOLATES_PART, OTHERS_PART] = [1 / 2, 1 / 4];
/** The least memory for isolates, MiB: room for some dozen small functions. */
export const ISOLATES_MB_MIN = 64;

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

/** A machine, or a container with a limit. */
const sizeOf = ({ totalBytes, limitBytes }: Machine): { readonly bytes: number; readonly isLimited: boolean } => {
  const [limit, total] = [limitBytes(), totalBytes()];
  const isLimited = limit > 0 && limit < total;
  return { bytes: isLimited ? limit : total, isLimited };
};

interface MemorySettings {
  /** null: a part of the memory that there is. */
  readonly isolateMemoryMb: number | null;
  readonly nodeMemoryMb: number | null;
  readonly driver: "isolate" | "process" | "docker";
}

/** MiB for isolates, and for instances: if these are isolates, it is the same memory. */
export function memoryShares(
  { isolateMemoryMb, nodeMemoryMb, driver }: MemorySettings,
  machine: Machine = THIS_MACHINE,
): { readonly isolatesMb: number; readonly offeredMb: number } {
  const allMb = sizeOf(machine).bytes / MIB;
  const isolatesMb = isolateMemoryMb ?? Math.max(ISOLATES_MB_MIN, Math.floor(allMb * ISOLATES_PART));
  const offeredMb = nodeMemoryMb ?? (driver === "isolate" ? isolatesMb : Math.floor(allMb * OTHERS_PART));
  return { isolatesMb, offeredMb };
}

/** `cpus`: null for the cores, or a container's quota of them. */
export function machineOffer(offeredMb: number, cpus: number | null, machine: Machine = THIS_MACHINE): MachineOffer {
  const { freeBytes, leftBytes } = machine;
  const { isLimited } = sizeOf(machine);
  // A limit is no promise: others on the machine may use what it leaves.
  const availableBytes = isLimited ? () => Math.min(freeBytes(), leftBytes()) : freeBytes;
  return {
    memoryMb: offeredMb,
    availableMb: () => Math.min(offeredMb, availableBytes() / MIB),
    cpus: cpus ?? machine.cores(),
  };
}
