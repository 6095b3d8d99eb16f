// A world: functions whose true costs are given, callers, and machines. Seeded and in virtual time, so that
// two deciders can be compared world by world, without the noise of a real machine.

import type { CostConstants, Demand } from "#runtime/placement/cost-model.ts";
import type { Capacity } from "#runtime/placement/pool-use.ts";
import type { Side } from "#runtime/profile/sample.ts";

export interface TrueFunction {
  readonly name: string;
  readonly demand: Demand;
  /** Open loop: calls per second. Closed loop: its part of what the callers call. */
  readonly callsPerSecond: number;
}

export type BySide = Readonly<Record<Side, number>>;

export interface World {
  readonly functionsAt: (ms: number) => readonly TrueFunction[];
  /** True costs. The decider believes the default constants. */
  readonly constants: CostConstants;
  readonly capacity: Omit<Capacity, "callers">;
  /** The part of each side's cores that other processes leave. No sample says so. */
  readonly leftAt: (ms: number) => BySide;
  /** CPU time of a side ÷ its usual CPU time: cores are slower. Samples say so (`slowedUs`). */
  readonly slownessAt: (ms: number) => BySide;
  /** Closed loop: calls in flight at any time. null: open loop. */
  readonly callers: number | null;
  /** One call in so many is a hub with a hundred times the work; 0: none is. */
  readonly hubEvery: number;
  /** Extra work of a function whose calls are split in halves, as a part of what is not computing. */
  readonly splitCost: number;
  /** CPU time of the first call on a side ÷ that of compiled code. It falls to 1 within COLD_CALLS. */
  readonly coldTimes: number;
  /** Standard deviation of the logarithm of a side's measured times, from stretch to stretch. */
  readonly noise: number;
}

export const COLD_CALLS = 128;
/** After so long without a call on a side its code is cold again. */
export const COLD_AFTER_MS = 30_000;

/** Two nodes' cores, and Redis with one core for functions. */
export const TWO_MACHINES: World["capacity"] = {
  computeCores: 2,
  storageCores: 1,
  redisThread: 1,
  storageMachineCores: 2,
  sharedCores: Infinity,
  nodes: 1,
  room: { compute: Infinity, storage: Infinity },
};

export const ONE_CORE_EACH: World["capacity"] = { ...TWO_MACHINES, computeCores: 1, storageMachineCores: 1 };

const BOTH: BySide = { compute: 1, storage: 1 };

export const worldOf = (
  functions: readonly TrueFunction[],
  constants: CostConstants,
  change: Partial<World> = {},
): World => ({
  functionsAt: () => functions,
  constants,
  capacity: TWO_MACHINES,
  leftAt: () => BOTH,
  slownessAt: () => BOTH,
  callers: null,
  hubEvery: 0,
  splitCost: 1,
  coldTimes: 1,
  noise: 0,
  ...change,
});
