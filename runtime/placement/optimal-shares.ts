// The shares that a snapshot calls for: which part of each function's calls should run at storage. Pure; `controller.ts`
// decides whether the gain is worth a move.
//
// Below saturation callers should wait as little as possible; near it the busiest pool should be as little busy as possible,
// which gives each side the functions with the greatest comparative advantage there. Both are one linear programme:
// minimise the utilisation above a comfortable one first, what callers wait for second.
//
// The callers are a pool as well. So many calls are in flight now (Little: rate × time); if a plan made each take longer, the
// same callers would make fewer, as surely as if a core were missing. Without this, one caller who keeps a
// core busy would look like a saturated core, and half of the work would be sent where it takes ten times as long.

import { solve, type Row } from "./linear-programme.ts";
import { busyUs, type Cost } from "./cost-model.ts";
import type { Side } from "#runtime/profile/sample.ts";

/** One function as the decision sees it. */
export interface Load {
  /** Offered: also those that were turned away. */
  readonly callsPerSecond: number;
  readonly costs: Readonly<Record<Side, Cost>>;
  /** Its share at storage may be from … to. A pin, a capability or a move that has to wait makes them equal. */
  readonly lowest: number;
  readonly highest: number;
  /** How much a µs of its callers' time counts beside that of others; 1 unless someone says so. */
  readonly weight: number;
}

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
  /** Calls in flight, waiting ones included. */
  readonly callers: number;
}

export type Pool = "compute" | "storage" | "redis" | "storageMachine" | "shared" | "callers";

export const POOLS: readonly Pool[] = ["compute", "storage", "redis", "storageMachine", "shared", "callers"];

/**
 * Up to here queues are short, and what callers wait for decides alone. At 0.75 a call that finds one of two servers waits
 * for about as long as it runs (M/M/2: 1.3 service times). Chosen; bench `placement` measures around it.
 */
export const COMFORTABLE_UTILISATION = 0.75;

/** How busy a plan would make each pool, and what its callers would wait for. */
export interface Outlook {
  readonly utilisation: Readonly<Record<Pool, number>>;
  /** The busiest pool's above the comfortable one, callers included: what a plan makes small first. */
  readonly overload: number;
  /** Whether a core or Redis' thread is busier than is comfortable: callers always are, where all that there are wait. */
  readonly crowded: boolean;
  /** Weighted waiting of all callers, µs per second. */
  readonly waitUsPerSecond: number;
}

/** `now`: the shares in force, where the search begins. In the order of the loads; each within its bounds. */
export function optimalShares(loads: readonly Load[], capacity: Capacity, now: readonly number[]): Float64Array {
  const { waiting, rows } = programmeOf(loads, capacity);
  const scale =
    1 /
    Math.max(
      1e-9,
      waiting.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    );
  const { x } = solve(
    {
      costs: waiting.map((value) => value * scale),
      lower: Float64Array.from(loads, ({ lowest }) => lowest),
      upper: Float64Array.from(loads, ({ highest }) => highest),
      rows,
    },
    Float64Array.from(now),
  );
  return x;
}

/** Of a share for each load, in their order. */
export function outlookOf(loads: readonly Load[], capacity: Capacity, shares: ArrayLike<number>): Outlook {
  const used: Record<Pool, number> = { compute: 0, storage: 0, redis: 0, storageMachine: 0, shared: 0, callers: 0 };
  let waitUsPerSecond = 0;
  for (const [index, load] of loads.entries()) {
    const share = shares[index] ?? 0;
    for (const pool of POOLS) used[pool] += usedBy(load, pool, share);
    waitUsPerSecond += load.weight * load.callsPerSecond * mixed(load, share, ({ latencyUs }) => latencyUs);
  }
  const utilisation = Object.fromEntries(POOLS.map((pool) => [pool, used[pool] / sizeOf(capacity, pool)])) as Record<
    Pool,
    number
  >;
  const { callers, ...machines } = utilisation;
  const busiestMachine = Math.max(...Object.values(machines));
  return {
    utilisation,
    overload: Math.max(0, Math.max(busiestMachine, callers) - COMFORTABLE_UTILISATION),
    crowded: busiestMachine > COMFORTABLE_UTILISATION,
    waitUsPerSecond,
  };
}

/** Of what the best shares would give, the part that these do not: of the busiest pool's relief where it is crowded, else of the waiting. */
export function regretOf(now: Outlook, best: Outlook): number {
  const lost = (mine: number, least: number): number => (mine <= 0 ? 0 : Math.max(0, 1 - least / mine));
  return now.crowded
    ? lost(COMFORTABLE_UTILISATION + now.overload, COMFORTABLE_UTILISATION + best.overload)
    : lost(now.waitUsPerSecond, best.waitUsPerSecond);
}

/** How far shares overload the pools, kept up while they change one by one. */
export class Overload {
  readonly #loads: readonly Load[];
  readonly #sizes: readonly number[];
  readonly #used: Float64Array;

  constructor(loads: readonly Load[], capacity: Capacity, shares: ArrayLike<number>) {
    this.#loads = loads;
    this.#sizes = POOLS.map((pool) => sizeOf(capacity, pool));
    this.#used = Float64Array.from(POOLS, (pool) =>
      loads.reduce((sum, load, index) => sum + usedBy(load, pool, shares[index] ?? 0), 0),
    );
  }

  /** Whether no pool that is too busy then would be busier than the busiest is now. If so, it is moved. */
  move(index: number, from: number, to: number): boolean {
    const load = this.#loads[index]!;
    const changed = POOLS.map((pool, at) => this.#used[at]! + usedBy(load, pool, to) - usedBy(load, pool, from));
    if (this.#excess(changed) > this.#excess(this.#used) + 1e-9) return false;
    this.#used.set(changed);
    return true;
  }

  #excess(used: ArrayLike<number>): number {
    let most = COMFORTABLE_UTILISATION;
    for (const [at, size] of this.#sizes.entries()) most = Math.max(most, used[at]! / size);
    return most;
  }
}

/** In units of each pool, so that all rows are about 1: what the shares add to what there would be with everything at compute. */
function programmeOf(loads: readonly Load[], capacity: Capacity): { waiting: Float64Array; rows: Row[] } {
  const rows = POOLS.map((pool) => {
    const size = sizeOf(capacity, pool);
    const atCompute = Float64Array.from(loads, (load) => usedBy(load, pool, 0) / size);
    const weights = Float64Array.from(loads, (load, index) => usedBy(load, pool, 1) / size - atCompute[index]!);
    return {
      weights,
      bound: COMFORTABLE_UTILISATION - atCompute.reduce((sum, used) => sum + used, 0),
      reliefWeight: 1,
    };
  });
  const waiting = Float64Array.from(
    loads,
    ({ weight, callsPerSecond, costs }) =>
      weight * callsPerSecond * (costs.storage.latencyUs - costs.compute.latencyUs),
  );
  return { waiting, rows };
}

/** In units of the pool's size: cores, or calls in flight. */
const usedBy = (load: Load, pool: Pool, share: number): number =>
  (load.callsPerSecond * mixed(load, share, US_USED[pool])) / 1e6;

const mixed = ({ costs }: Load, share: number, pick: (cost: Cost) => number): number =>
  share * pick(costs.storage) + (1 - share) * pick(costs.compute);

/** By one call, of each pool. */
const US_USED: Readonly<Record<Pool, (cost: Cost) => number>> = {
  compute: ({ computeUs }) => computeUs,
  storage: ({ storageUs }) => storageUs,
  redis: ({ redisUs }) => redisUs,
  storageMachine: ({ storageUs, redisUs }) => storageUs + redisUs,
  shared: busyUs,
  // Not as long as they wait now: a crowd would look as if it had no callers to spare wherever they went.
  callers: ({ aloneUs }) => aloneUs,
};

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

const sizeOf = (capacity: Capacity, pool: Pool): number => Math.max(SIZE_MIN, capacity[SIZE[pool]]);
