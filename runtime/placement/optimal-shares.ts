// The best shares for the calls that come: which part of each function's calls should run at storage.
//
// Below saturation callers should wait as little as possible. Near it the busiest pool should be as little
// busy as possible, which gives each side the functions that have the greatest comparative advantage there.
// Both are one linear programme: first minimise the utilisation above a comfortable one, then the waiting.
//
// Callers are a pool as well. By Little's law, rate × latency calls are in flight now. If a plan made calls
// longer, the same callers would make fewer of them, as surely as if a core were missing. Without this, one
// caller who keeps a core busy would look like a saturated core. But no plan is better for using fewer
// callers: if calls come whatever they take, a plan that went by their number would swing with it.

import { solve } from "yalps";
import { clamp } from "#runtime/clamp.ts";
import { POOLS, type Pool, type PoolUse } from "./pool-use.ts";

/**
 * Up to this utilisation queues are short, and latency alone decides. At 0.75 a call that finds one of two
 * servers waits for about as long as it runs (M/M/2: 1.3 service times).
 */
export const COMFORTABLE_UTILISATION = 0.75;

/** All waiting is worth 1: a pool that is too busy by a millionth outweighs it. */
const RELIEF_WORTH = 1e6;
const SOLVER = { precision: 1e-9, maxPivots: 100_000 } as const;

/** How busy shares make each pool, and how long callers wait. */
export interface Outlook {
  readonly utilisation: Readonly<Record<Pool, number>>;
  /** Of cores and Redis' thread. */
  readonly busiest: number;
  /** A core or Redis' thread is busier than is comfortable. */
  readonly crowded: boolean;
  /** Weighted, of all callers, µs per second. */
  readonly waitUsPerSecond: number;
}

export const NOTHING_BUSY: Outlook = {
  utilisation: { compute: 0, storage: 0, redis: 0, storageMachine: 0, shared: 0, callers: 0 },
  busiest: 0,
  crowded: false,
  waitUsPerSecond: 0,
};

/** `now`: the shares in force. `growth`: the plan is for this many times the calls. In the order of the loads. */
export function optimalShares(use: PoolUse, now: ArrayLike<number>, growth = 1): Float64Array {
  const { pools } = use;
  const fastest = fastestShares(use, now);
  const bounds = boundsOf(use, now, growth);
  if (pools.every((pool, at) => growth * pool.at(fastest) <= bounds[at]!)) return fastest;
  return solved(use, bounds, growth) ?? Float64Array.from(now);
}

/**
 * The linear programme. A function's variable is 0 at its lowest share and 1 at its highest. With all of them at 0
 * the pools exceed their bounds by `excess`; the variable `relief` is the part of the excess that the plan removes,
 * so the solver begins at a feasible point. null: the solver stopped for rounding errors.
 */
function solved(
  { waiting, pools, lowest, highest }: PoolUse,
  bounds: readonly number[],
  growth: number,
): Float64Array | null {
  const scale = 1 / Math.max(1e-9, sumOf(waiting.added));
  const free = pools.map((pool, at) => bounds[at]! - growth * pool.at(lowest));
  const excess = Math.max(0, ...free.map((part) => -part));
  const constraints = new Map<string | number, { readonly max: number }>([["relief", { max: excess }]]);
  const relief: [string, number][] = [
    ["cost", -RELIEF_WORTH],
    ["relief", 1],
  ];
  for (const [at, part] of free.entries()) {
    constraints.set(POOLS[at]!, { max: part + excess });
    relief.push([POOLS[at]!, 1]);
  }
  const variables = new Map<string | number, [string | number, number][]>([["relief", relief]]);
  for (const [index, share] of lowest.entries()) {
    const way = highest[index]! - share;
    if (way === 0) continue;
    constraints.set(index, { max: 1 });
    const uses = pools.map(({ added }, at): [string, number] => [POOLS[at]!, growth * way * added[index]!]);
    variables.set(index, [["cost", scale * way * waiting.added[index]!], [index, 1], ...uses]);
  }
  const { status, variables: found } = solve(
    { direction: "minimize", objective: "cost", constraints, variables },
    SOLVER,
  );
  if (status !== "optimal") return null;
  const best = lowest.slice();
  for (const [index, part] of found) {
    if (typeof index === "number") best[index]! += (highest[index]! - best[index]!) * part;
  }
  return best;
}

/** Each where its callers wait least: the best shares while no pool is busy. */
const fastestShares = ({ lowest, highest, waiting: { added } }: PoolUse, now: ArrayLike<number>): Float64Array =>
  added.map((more, index) => {
    if (more === 0) return clamp(now[index]!, lowest[index]!, highest[index]!);
    return more < 0 ? highest[index]! : lowest[index]!;
  });

const CALLERS = POOLS.indexOf("callers");

/** How busy each pool may be. Callers: as many as now, and fewer by as much as another pool is too busy now. */
function boundsOf({ pools }: PoolUse, now: ArrayLike<number>, growth: number): readonly number[] {
  const busy = pools.map((pool) => growth * pool.at(now));
  const busiest = Math.max(COMFORTABLE_UTILISATION, ...busy.filter((_, at) => at !== CALLERS));
  const callers = Math.max(COMFORTABLE_UTILISATION, busy[CALLERS]! - (busiest - COMFORTABLE_UTILISATION));
  return busy.map((_, at) => (at === CALLERS ? callers : COMFORTABLE_UTILISATION));
}

/** A crowd is not measured more exactly than that. Not sensitive. */
const GROWTH_MAX = 4;

/**
 * How many times the calls there would be if no caller waited for another. Callers who wait for answers
 * call more often once a pool is relieved: a plan for the calls of now would be made again and again.
 */
export const growthOf = (use: PoolUse, shares: ArrayLike<number>): number =>
  clamp(1 / Math.max(1e-9, use.pools[CALLERS]!.at(shares)), 1, GROWTH_MAX);

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + Math.abs(value), 0);

export function outlookOf({ pools, waiting }: PoolUse, shares: ArrayLike<number>): Outlook {
  const busy = pools.map((pool) => pool.at(shares));
  const utilisation = Object.fromEntries(POOLS.map((pool, at) => [pool, busy[at]!])) as Record<Pool, number>;
  const busiest = Math.max(...busy.filter((_, at) => at !== CALLERS));
  return { utilisation, busiest, crowded: busiest > COMFORTABLE_UTILISATION, waitUsPerSecond: waiting.at(shares) };
}

/** The fraction (0 to 1) that the best shares would save: of the busiest pool if it is crowded, else of the waiting. */
export function regretOf(now: Outlook, best: Outlook): number {
  const missed = (mine: number, least: number): number => (mine <= 0 ? 0 : Math.max(0, 1 - least / mine));
  return now.crowded
    ? missed(now.busiest, Math.max(COMFORTABLE_UTILISATION, best.busiest))
    : missed(now.waitUsPerSecond, best.waitUsPerSecond);
}
