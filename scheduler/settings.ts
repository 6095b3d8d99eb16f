// Bounds and habits of a scheduler. Those of nodes are the 2020 contest's where nothing else is said.

import type { Resources } from "./node/node.ts";

export interface SchedulerSettings {
  /** Calls that wait for an instance at once; one more is refused with OVERLOADED. */
  readonly waitingMax: number;
  /**
   * Starts of a function that may fail in a row while calls wait for it: with the last of them, and each that fails after it, those that wait are refused
   * with INSTANCE_FAILED, unless an instance of theirs is busy; what is free serves them first. Infinity: they wait on.
   */
  readonly startFailuresMax: number;
  /** Nodes that it may reserve, pending ones included; 0 where nodes come by themselves. */
  readonly nodesMax: number;
  /** Nodes that are reserved when it begins, and kept although nothing runs there. */
  readonly nodesMin: number;
  /** Empty nodes that are kept in reserve from when it begins, those on their way included. Instances go there last. */
  readonly nodesAhead: number;
  /** A node beyond these is released after being empty for so long; none where none may be reserved. */
  readonly nodeIdleMs: number;
  /** What a node that is reserved is expected to offer. */
  readonly nodeSize: Resources;
  /** Memory of all instances together beyond which idle ones are ended, the least worth first; a soft bound. */
  readonly warmMemoryMb: number;
}

/** Of the 2020 contest's 4 GiB a node reports 3,072 MiB as usable, and has 2 CPUs. */
export const CONTEST_NODE: Resources = { memoryMb: 3_072, cpus: 2 };
/** Memory of so many of them. */
export const contestGb = (nodes: number): number => (nodes * CONTEST_NODE.memoryMb) / 1024;
/** There. */
export const CONTEST_NODES_MAX = 20;
/** There: the CPU of a container, by the memory of its function. */
export const CONTEST_CPUS_PER_GIB = 0.67;

/** How often each node is asked what runs there and what that uses. Chosen: between the contestants' 300 ms and the patience of a caller. */
export const NODE_LOOK_MS = 2_000;

/**
 * How the contest's scheduler runs, the program and the simulator's; the first four are settings of the program. The two habits were found with the
 * simulator's loads of seeds 1 to 5, all of the same ten functions: a node that is empty soon gives its time back, and one that is kept empty costs more
 * than it saves. `./build.sh bench traces` has the score on loads of other functions.
 */
export const CONTEST_SETTINGS = {
  nodesMax: CONTEST_NODES_MAX,
  nodesMin: 0,
  nodesAhead: 0,
  nodeIdleMs: 1_000,
  nodeSize: CONTEST_NODE,
} as const satisfies Partial<SchedulerSettings>;

export const SCHEDULER_DEFAULTS: SchedulerSettings = {
  ...CONTEST_SETTINGS,
  waitingMax: 10_000,
  startFailuresMax: Infinity,
  nodesMax: 0,
  warmMemoryMb: Infinity,
};
