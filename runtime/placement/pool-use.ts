// What functions use of each pool: cores, Redis' thread, and the callers that there are. Linear in the shares, so it is reckoned once
// for a step: what there is with everything at compute, and what each function adds to it at storage.

import type { Side } from "#runtime/profile/sample.ts";
import { atShare, busyUs, type Cost } from "./cost-model.ts";

/** Calls of one function, also those that were turned away. */
export interface Offered {
  /** That are spread as the plan has it. */
  readonly callsPerSecond: number;
  /** And those that run on one side or the other whatever the plan says, a second. */
  readonly fixedPerSecond: Readonly<Record<Side, number>>;
}

/** One function as the decision sees it. */
export interface Load extends Offered {
  readonly costs: Readonly<Record<Side, Cost>>;
  /** Its share at storage may be from … to. A pin or a move that has to wait makes them equal. */
  readonly lowest: number;
  readonly highest: number;
  /** How much a µs of its callers' time counts beside that of others; 1 unless someone says so. */
  readonly weight: number;
}

/** All calls go as the plan has it. */
export const NONE_FIXED: Offered["fixedPerSecond"] = { compute: 0, storage: 0 };

/** All of them, whether the plan spreads them or not, a second. */
export const allCallsOf = ({ callsPerSecond, fixedPerSecond: { compute, storage } }: Offered): number =>
  callsPerSecond + compute + storage;

/** Where calls run if the plan has that share of those that it spreads at storage, a second. */
export const callsOf = (
  { callsPerSecond, fixedPerSecond }: Offered,
  share: number,
): Readonly<Record<Side, number>> => ({
  compute: fixedPerSecond.compute + (1 - share) * callsPerSecond,
  storage: fixedPerSecond.storage + share * callsPerSecond,
});

/** What there is, less what others use of it. */
export interface Capacity {
  /** Of all nodes, cores. */
  readonly computeCores: number;
  /** That sandbox hosts beside Redis may use at once. */
  readonly storageCores: number;
  /** Of Redis' one thread: 1 less what plain clients take. */
  readonly redisThread: number;
  /** Of the machine that Redis and those hosts share. */
  readonly storageMachineCores: number;
  /** Of a machine that Redis shares with the nodes; Infinity: with none. */
  readonly sharedCores: number;
  /** Nodes that had calls lately, one at least. */
  readonly nodes: number;
  /** Calls in flight, waiting ones included. */
  readonly callers: number;
}

export type Pool = "compute" | "storage" | "redis" | "storageMachine" | "shared" | "callers";

export const POOLS: readonly Pool[] = ["compute", "storage", "redis", "storageMachine", "shared", "callers"];

/** By one call, µs, in the order of POOLS. */
const US_USED: readonly ((cost: Cost) => number)[] = [
  ({ computeUs }) => computeUs,
  ({ storageUs }) => storageUs,
  ({ redisUs }) => redisUs,
  ({ storageUs, redisUs }) => storageUs + redisUs,
  busyUs,
  // Not as long as they wait now: a crowd would look as if it had no callers to spare wherever they went.
  ({ aloneUs }) => aloneUs,
];

const SIZE: Readonly<Record<Pool, keyof Capacity>> = {
  compute: "computeCores",
  storage: "storageCores",
  redis: "redisThread",
  storageMachine: "storageMachineCores",
  shared: "sharedCores",
  callers: "callers",
};
/** What does not exist is very small, and fills up at once. */
const SIZE_MIN = 1e-3;

/** Of what all use of a pool, the part of each under these shares, calls that are fixed included. */
export const partsOfPool = (pool: Pool, loads: readonly Load[], shares: ArrayLike<number>): Float64Array =>
  partsOf(US_USED[POOLS.indexOf(pool)]!, loads, shares);

/** The same of all that works for them. */
export const partsOfWork = (loads: readonly Load[], shares: ArrayLike<number>): Float64Array =>
  partsOf(busyUs, loads, shares);

/** `usedUs`: by one call. */
function partsOf(usedUs: (cost: Cost) => number, loads: readonly Load[], shares: ArrayLike<number>): Float64Array {
  const used = Float64Array.from(loads, (load, index) => {
    const { compute, storage } = callsOf(load, shares[index]!);
    return compute * usedUs(load.costs.compute) + storage * usedUs(load.costs.storage);
  });
  const all = used.reduce((sum, one) => sum + one, 0);
  return all > 0 ? used.map((one) => one / all) : used;
}

/** Of a call under a share of them, what it keeps the machines' busiest pool busy, µs. */
export function busiestOfCall(costs: Load["costs"], share: number, capacity: Capacity): number {
  return POOLS.reduce((most, pool, at) => {
    if (pool === "callers") return most;
    return Math.max(most, atShare(costs, share, US_USED[at]!) / sizeOf(pool, capacity));
  }, 0);
}

const sizeOf = (pool: Pool, capacity: Capacity): number => Math.max(SIZE_MIN, capacity[SIZE[pool]]);

/** A sum over all functions that is linear in their shares. */
class Linear {
  /** With everything at compute. */
  atCompute = 0;
  /** What each function adds with all of its calls at storage. */
  readonly added: Float64Array;

  constructor(functions: number) {
    this.added = new Float64Array(functions);
  }

  /** Of one call on either side. */
  put(index: number, { callsPerSecond, fixedPerSecond }: Offered, atCompute: number, atStorage: number): void {
    const fixed = fixedPerSecond.compute * atCompute + fixedPerSecond.storage * atStorage;
    this.atCompute += fixed + callsPerSecond * atCompute;
    this.added[index] = callsPerSecond * (atStorage - atCompute);
  }

  /** `shares`: at storage. */
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
  /** What all callers wait for, weighted, µs per second. */
  readonly waiting: Linear;
  /** The bounds of the shares. */
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
}

export function poolUse(loads: readonly Load[], capacity: Capacity): PoolUse {
  const pools = POOLS.map((pool, at) => {
    const part = 1 / (1e6 * sizeOf(pool, capacity));
    const [linear, used] = [new Linear(loads.length), US_USED[at]!];
    for (let index = 0; index < loads.length; index++) {
      const load = loads[index]!;
      linear.put(index, load, part * used(load.costs.compute), part * used(load.costs.storage));
    }
    return linear;
  });
  const waiting = new Linear(loads.length);
  const [lowest, highest] = [new Float64Array(loads.length), new Float64Array(loads.length)];
  for (let index = 0; index < loads.length; index++) {
    const load = loads[index]!;
    const { weight, costs } = load;
    lowest[index] = load.lowest;
    highest[index] = load.highest;
    waiting.put(index, load, weight * costs.compute.latencyUs, weight * costs.storage.latencyUs);
  }
  return { pools, waiting, lowest, highest };
}
