// The shares that a snapshot calls for: which part of each function's calls should run at storage. Pure; `controller.ts`
// decides whether the gain is worth a move.
//
// Below saturation callers should wait as little as possible; near it the busiest pool should be as little busy as possible,
// which gives each side the functions with the greatest comparative advantage there. Both are one linear programme:
// minimise the utilisation above a comfortable one first, what callers wait for second.
//
// The callers are a pool as well. So many calls are in flight now (Little: rate × time); if a plan made each take longer, the
// same callers would make fewer, as surely as if a core were missing. Without this, one caller who keeps a
// core busy would look like a saturated core, and half of the work would be sent where it takes ten times as long. But it is not a pool
// that anybody wants to relieve: where calls come whatever they take there are as many in flight as the plan makes there be, and a plan
// that went by them would swing with them. So no plan may use more of them than are used now, and none is better for using fewer.

import { clamp } from "#runtime/clamp.ts";
import { solve } from "./linear-programme.ts";
import { POOLS, type Pool, type PoolUse } from "./pool-use.ts";

/**
 * Up to here queues are short, and what callers wait for decides alone. At 0.75 a call that finds one of two servers waits
 * for about as long as it runs (M/M/2: 1.3 service times). Chosen; bench `placement` measures around it.
 */
export const COMFORTABLE_UTILISATION = 0.75;

/** How busy a plan would make each pool, and what its callers would wait for. */
export interface Outlook {
  readonly utilisation: Readonly<Record<Pool, number>>;
  /** The busiest pool's above the comfortable one: what a plan makes small first. */
  readonly overload: number;
  /** Of cores and Redis' thread. */
  readonly busiest: number;
  /** Whether a core or Redis' thread is busier than is comfortable: callers always are, where all that there are wait. */
  readonly crowded: boolean;
  /** Weighted waiting of all callers, µs per second. */
  readonly waitUsPerSecond: number;
}

/** Without any call. */
export const NOTHING_BUSY: Outlook = {
  utilisation: { compute: 0, storage: 0, redis: 0, storageMachine: 0, shared: 0, callers: 0 },
  overload: 0,
  busiest: 0,
  crowded: false,
  waitUsPerSecond: 0,
};

/**
 * `now`: the shares in force, where the search begins. In the order of the loads; each within its bounds. `growth`: for so many times the
 * calls that there are now.
 */
export function optimalShares(use: PoolUse, now: ArrayLike<number>, growth = 1): Float64Array {
  const { waiting, pools, lowest, highest } = use;
  const fastest = fastestShares(use, now);
  const bounds = boundsOf(use, now, growth);
  if (pools.every((pool, at) => growth * pool.at(fastest) <= bounds[at]!)) return fastest;
  const scale = 1 / Math.max(1e-9, largestOf(waiting.added));
  const { x } = solve(
    {
      costs: waiting.added.map((value) => value * scale),
      lower: lowest,
      upper: highest,
      // In units of each pool, so that all rows are about 1.
      rows: pools.map(({ atCompute, added }, at) => ({
        weights: growth === 1 ? added : added.map((value) => growth * value),
        bound: bounds[at]! - growth * atCompute,
        reliefWeight: 1,
      })),
    },
    Float64Array.from(now),
  );
  return x.map((share, index) => atBound(share, lowest[index]!, highest[index]!));
}

/**
 * How busy each pool may be, in the order of POOLS, before a plan is the worse for it. Of callers: as many as now; and where a core is too busy
 * now that counts as just as bad, so that no plan relieves the one by taking more of the others.
 */
function boundsOf({ pools }: PoolUse, now: ArrayLike<number>, growth = 1): readonly number[] {
  const busy = pools.map((pool) => growth * pool.at(now));
  const busiest = busy.reduce(
    (most, one, at) => (at === CALLERS ? most : Math.max(most, one)),
    COMFORTABLE_UTILISATION,
  );
  const ofCallers = Math.max(COMFORTABLE_UTILISATION, busy[CALLERS]! - (busiest - COMFORTABLE_UTILISATION));
  return busy.map((_, at) => (at === CALLERS ? ofCallers : COMFORTABLE_UTILISATION));
}

/** How far any pool would be beyond what it may be: what `optimalShares` makes small first. */
export function excessOver(use: PoolUse, now: ArrayLike<number>): (shares: ArrayLike<number>) => number {
  const bounds = boundsOf(use, now);
  return (shares) => use.pools.reduce((most, pool, at) => Math.max(most, pool.at(shares) - bounds[at]!), 0);
}

/** Its place among the pools. */
export const CALLERS = POOLS.indexOf("callers");

/** Not more than so many times: what is measured of a crowd is not that exact. Chosen. */
const GROWTH_MAX = 4;

/**
 * How many times the calls would be that the callers in flight make, if none of them waited for another. With callers who wait for each other a plan
 * that relieves a pool brings as many more calls: made for those of now, it would have to be made again and again.
 */
export const growthOf = (use: PoolUse, shares: ArrayLike<number>): number =>
  clamp(1 / Math.max(1e-9, use.pools[CALLERS]!.at(shares)), 1, GROWTH_MAX);

/** Of the arithmetic: what is so near to a bound is there. */
const EPSILON = 1e-9;

const atBound = (share: number, lowest: number, highest: number): number =>
  share - lowest < EPSILON ? lowest : highest - share < EPSILON ? highest : share;

/** Each where its callers wait least: where no pool is too busy then, the programme has no other solution. */
function fastestShares({ lowest, highest, waiting: { added } }: PoolUse, now: ArrayLike<number>): Float64Array {
  return added.map((more, index) => {
    const low = lowest[index]!;
    const high = highest[index]!;
    return more < 0 ? high : more > 0 ? low : clamp(now[index]!, low, high);
  });
}

const largestOf = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Of a share for each load, in their order. */
export function outlookOf({ pools, waiting }: PoolUse, shares: ArrayLike<number>): Outlook {
  const utilisation = Object.fromEntries(POOLS.map((pool, at) => [pool, pools[at]!.at(shares)])) as Record<
    Pool,
    number
  >;
  const { callers: _, ...machines } = utilisation;
  const busiest = Math.max(...Object.values(machines));
  return {
    utilisation,
    overload: Math.max(0, busiest - COMFORTABLE_UTILISATION),
    busiest,
    crowded: busiest > COMFORTABLE_UTILISATION,
    waitUsPerSecond: waiting.at(shares),
  };
}

/** Of what the best shares would give, the part that these do not: of the busiest pool's relief where it is crowded, else of the waiting. */
export function regretOf(now: Outlook, best: Outlook): number {
  const lost = (mine: number, least: number): number => (mine <= 0 ? 0 : Math.max(0, 1 - least / mine));
  return now.crowded
    ? lost(COMFORTABLE_UTILISATION + now.overload, COMFORTABLE_UTILISATION + best.overload)
    : lost(now.waitUsPerSecond, best.waitUsPerSecond);
}

/** How far the pools are beyond their bounds, kept up while shares change one by one. */
export class Overload {
  readonly #use: PoolUse;
  readonly #utilisation: number[];
  readonly #bounds: readonly number[];

  constructor(use: PoolUse, shares: ArrayLike<number>) {
    this.#use = use;
    this.#utilisation = use.pools.map((pool) => pool.at(shares));
    this.#bounds = boundsOf(use, shares);
  }

  /** Whether no pool would be further beyond its bound then than the furthest is now. If so, it is moved. */
  move(index: number, from: number, to: number): boolean {
    const { pools } = this.#use;
    const changed = this.#utilisation.map((busy, pool) => busy + (to - from) * pools[pool]!.added[index]!);
    if (this.#excessOf(changed) > this.#excessOf(this.#utilisation) + EPSILON) return false;
    this.#utilisation.splice(0, changed.length, ...changed);
    return true;
  }

  #excessOf(utilisation: readonly number[]): number {
    return utilisation.reduce((most, busy, pool) => Math.max(most, busy - this.#bounds[pool]!), 0);
  }
}
