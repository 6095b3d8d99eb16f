// What functions use of each pool: cores, Redis' thread, and the callers in flight. All uses are linear in
// the shares, so they are computed once for a step: everything at compute, and what each function adds
// with all of its calls at storage.

import type { Side } from "#runtime/profile/sample.ts";
import { busyUs, type Cost } from "./cost-model.ts";

/** Calls of one function, failed and rejected ones included. */
export interface Offered {
  /** Calls that the plan spreads. */
  readonly callsPerSecond: number;
  /** Calls whose callers ask for a side. */
  readonly fixedPerSecond: Readonly<Record<Side, number>>;
}

/** One function as the optimiser sees it. */
export interface Load extends Offered {
  readonly costs: Readonly<Record<Side, Cost>>;
  /** Bounds of its share at storage. They are equal if the function may not move. */
  readonly lowest: number;
  readonly highest: number;
  /** How much its callers' time counts; usually 1. */
  readonly weight: number;
}

export const NONE_FIXED: Offered["fixedPerSecond"] = { compute: 0, storage: 0 };

export const allCallsOf = ({ callsPerSecond, fixedPerSecond: { compute, storage } }: Offered): number =>
  callsPerSecond + compute + storage;

/** Calls per second on each side under a share. */
export const callsOf = (
  { callsPerSecond, fixedPerSecond }: Offered,
  share: number,
): Readonly<Record<Side, number>> => ({
  compute: fixedPerSecond.compute + (1 - share) * callsPerSecond,
  storage: fixedPerSecond.storage + share * callsPerSecond,
});

/** Functions whose isolates the memory of each side has room for; Infinity: unknown. */
export type Room = Readonly<Record<Side, number>>;

/** What there is, without what others use of it. */
export interface Capacity {
  /** Cores of all nodes. */
  readonly computeCores: number;
  /** Cores that the sandbox hosts beside Redis may use at once. */
  readonly storageCores: number;
  /** Part of Redis' thread that plain clients leave, 0 to 1. */
  readonly redisThread: number;
  /** Cores of the machine of Redis and those hosts. */
  readonly storageMachineCores: number;
  /** Cores of a machine that Redis shares with all nodes; Infinity: they share none. */
  readonly sharedCores: number;
  /** Nodes that had calls lately, at least 1. */
  readonly nodes: number;
  /** Calls in flight, waiting ones included. */
  readonly callers: number;
  readonly room: Room;
}

/** For people. */
export const POOL_NAMES = {
  compute: "compute cores",
  storage: "storage cores",
  redis: "Redis' thread",
  storageMachine: "Redis' machine",
  shared: "shared cores",
  callers: "callers",
} as const;

export type Pool = keyof typeof POOL_NAMES;

export const POOLS = Object.keys(POOL_NAMES) as readonly Pool[];

/** What one call uses of a pool, µs, and the size of the pool. */
const USE: Readonly<
  Record<Pool, { readonly us: (cost: Cost) => number; readonly size: Exclude<keyof Capacity, "room"> }>
> = {
  compute: { us: ({ computeUs }) => computeUs, size: "computeCores" },
  storage: { us: ({ storageUs }) => storageUs, size: "storageCores" },
  redis: { us: ({ redisUs }) => redisUs, size: "redisThread" },
  storageMachine: { us: ({ storageUs, redisUs }) => storageUs + redisUs, size: "storageMachineCores" },
  shared: { us: busyUs, size: "sharedCores" },
  // Without queues: otherwise a crowd would seem to have no callers to spare wherever its calls ran.
  callers: { us: ({ aloneUs }) => aloneUs, size: "callers" },
};

/** A sum over all functions that is linear in their shares. */
class Linear {
  /** With everything at compute. */
  atCompute = 0;
  /** What each function adds with all of its calls at storage. */
  readonly added: Float64Array;

  constructor(functions: number) {
    this.added = new Float64Array(functions);
  }

  /** `atCompute`, `atStorage`: of one call. */
  put(index: number, { callsPerSecond, fixedPerSecond }: Offered, atCompute: number, atStorage: number): void {
    const fixed = fixedPerSecond.compute * atCompute + fixedPerSecond.storage * atStorage;
    this.atCompute += fixed + callsPerSecond * atCompute;
    this.added[index] = callsPerSecond * (atStorage - atCompute);
  }

  at(shares: ArrayLike<number>): number {
    let sum = this.atCompute;
    for (let index = 0; index < this.added.length; index++) sum += this.added[index]! * (shares[index] ?? 0);
    return sum;
  }
}

/** Functions in the order of the loads. */
export interface PoolUse {
  /** In the order of POOLS; 1 is the whole pool. */
  readonly pools: readonly Linear[];
  /** Weighted waiting of all callers, µs per second. */
  readonly waiting: Linear;
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
  readonly room: Room;
}

export function poolUse(loads: readonly Load[], capacity: Capacity): PoolUse {
  const pools = POOLS.map((pool) => {
    const { us, size } = USE[pool];
    // A pool that does not exist is very small.
    const part = 1 / (1e6 * Math.max(1e-3, capacity[size]));
    const linear = new Linear(loads.length);
    loads.forEach((load, index) =>
      linear.put(index, load, part * us(load.costs.compute), part * us(load.costs.storage)),
    );
    return linear;
  });
  const waiting = new Linear(loads.length);
  loads.forEach((load, index) => {
    const { weight, costs } = load;
    waiting.put(index, load, weight * costs.compute.latencyUs, weight * costs.storage.latencyUs);
  });
  return {
    pools,
    waiting,
    lowest: Float64Array.from(loads, ({ lowest }) => lowest),
    highest: Float64Array.from(loads, ({ highest }) => highest),
    room: capacity.room,
  };
}
