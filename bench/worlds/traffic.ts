// What becomes of calls under given shares, by operational analysis (Denning and Buzen, 1978): callers or the
// busiest pool limit the rate, whichever is less.

import { costOf, type Cost, type Demand } from "#runtime/placement/cost-model.ts";
import { optimalShares, outlookOf } from "#runtime/placement/optimal-shares.ts";
import { homeOf, type Placement } from "#runtime/placement/plan.ts";
import { NONE_FIXED, poolUse, type Capacity, type Load } from "#runtime/placement/pool-use.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { BySide, TrueFunction, World } from "./world.ts";

export const HUB_TIMES = 100;
/** While calls overflow, the other side's cores are this part as busy as their own. */
const OVERFLOW_BALANCE = 0.8;
/** Utilisation at which open-loop callers give up. */
const UTILISATION_MAX = 0.98;
/** Halvings of a bisection. */
const BISECTIONS = 20;

/** CPU time of a function's calls on each side ÷ what it usually takes: cold code, slow cores. */
export type CpuTimes = (name: string) => BySide;

export const USUAL_TIMES: CpuTimes = () => ({ compute: 1, storage: 1 });

export interface Traffic {
  /** Calls per second that are done, by function. */
  readonly rates: readonly number[];
  readonly inFlight: number;
  /** Time of a call ÷ its time with nobody else. */
  readonly queueing: number;
}

/** A moment of a world. */
export interface Moment {
  readonly world: World;
  readonly ms: number;
  readonly functions: readonly TrueFunction[];
  readonly cpuTimes: CpuTimes;
}

export function trafficAt(moment: Moment, shares: readonly number[]): Traffic {
  const { world, functions } = moment;
  const loads = loadsOf(moment, shares);
  const { busiest, waitUsPerSecond } = outlookOf(poolUse(loads, { ...leftOf(moment), callers: 1 }), shares);
  const { callers } = world;
  const unqueued = waitUsPerSecond / 1e6;
  const scale = callers === null ? Math.min(1, 1 / busiest) : Math.min(callers / unqueued, 1 / busiest);
  const queueing =
    callers === null ? 1 / (1 - Math.min(UTILISATION_MAX, busiest * scale) ** 4) : callers / (unqueued * scale);
  const rates = functions.map(({ callsPerSecond }) => callsPerSecond * scale);
  return { rates, inFlight: callers ?? unqueued * scale * queueing, queueing };
}

/** The shares at which calls really run: with probes, and with the calls that overflow. */
export function sharesRun(moment: Moment, placements: readonly (Placement | undefined)[]): readonly number[] {
  const planned = placements.map(withProbes);
  const { callers } = moment.world;
  const overflows = placements.map(
    (one) => callers !== null && one !== undefined && one.overflowMin > 0 && callers > one.overflowMin,
  );
  if (!overflows.includes(true)) return planned;
  const busyAt = (shares: readonly number[]): BySide => {
    const use = poolUse(loadsOf(moment, shares), { ...leftOf(moment), callers: 1 });
    return outlookOf(use, shares).utilisation;
  };
  const busy = busyAt(planned);
  const home: Side = busy.storage > busy.compute ? "storage" : "compute";
  const to = home === "storage" ? 0 : 1;
  const overflowed = (part: number): readonly number[] =>
    planned.map((share, index) =>
      overflows[index]! && homeOf({ share }) === home ? share + part * (to - share) : share,
    );
  const part = bisect(0, 1, (middle) => {
    const { compute, storage } = busyAt(overflowed(middle));
    const [own, other] = home === "storage" ? [storage, compute] : [compute, storage];
    return other >= OVERFLOW_BALANCE * own;
  });
  return overflowed(part);
}

const withProbes = (placement: Placement | undefined): number => {
  const { share = 0, probeEvery = 0 } = placement ?? {};
  const probes = probeEvery > 0 ? 1 / probeEvery : 0;
  return share > 0.5 ? share - probes : Math.min(1, share + probes);
};

/** The best fixed shares of a moment: of the linear programme and, because splits cost, of all corners. */
export function bestShares(moment: Moment): readonly number[] {
  const { functions, world } = moment;
  const none = functions.map(() => 0);
  const loads = loadsOf(moment, none);
  const capacity = { ...leftOf(moment), callers: world.callers ?? 1e9 };
  const planFor = (times: number) => {
    const use = poolUse(
      loads.map((load) => ({ ...load, callsPerSecond: load.callsPerSecond * times })),
      capacity,
    );
    return { use, shares: optimalShares(use, none) };
  };
  let { shares } = planFor(1);
  if (world.callers !== null) {
    // Closed loop: the plan for as many calls as fill a pool.
    const log = bisect(Math.log(1e-4), Math.log(1e4), (middle) => {
      const { use, shares: full } = planFor(Math.exp(middle));
      return Math.max(...Object.values(outlookOf(use, full).utilisation)) > 1;
    });
    ({ shares } = planFor(Math.exp(log)));
  }
  const tried: readonly number[][] = [
    [...shares],
    ...Array.from({ length: 2 ** functions.length }, (_, corner) => functions.map((__, at) => (corner >> at) & 1)),
  ];
  const done = tried.map((one) => sumOf(trafficAt(moment, one).rates));
  return tried[done.indexOf(Math.max(...done))]!;
}

/** The largest value between the bounds, about, for which `isBeyond` is false. */
function bisect(low: number, high: number, isBeyond: (middle: number) => boolean): number {
  let [least, most] = [low, high];
  for (let at = 0; at < 2 * BISECTIONS; at++) {
    const middle = (least + most) / 2;
    if (isBeyond(middle)) most = middle;
    else least = middle;
  }
  return least;
}

export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function leftOf({ world, ms }: Moment): Omit<Capacity, "callers"> {
  const { compute, storage } = world.leftAt(ms);
  const { capacity } = world;
  return {
    ...capacity,
    computeCores: compute * capacity.computeCores,
    storageCores: storage * capacity.storageCores,
    storageMachineCores: storage * capacity.storageMachineCores,
    redisThread: storage * capacity.redisThread,
  };
}

function loadsOf({ world, functions, cpuTimes }: Moment, shares: ArrayLike<number>): readonly Load[] {
  const hubPart = world.hubEvery > 0 ? 1 / world.hubEvery : 0;
  return functions.map(({ name, demand, callsPerSecond }, index) => {
    const share = shares[index] ?? 0;
    const mean = sized(demand, 1 + hubPart * (HUB_TIMES - 1));
    const times = cpuTimes(name);
    const costs = { compute: splitCost("compute"), storage: splitCost("storage") };
    function splitCost(side: Side): Cost {
      const cost = costOf(side, { ...mean, cpuUs: mean.cpuUs * times[side] }, world.constants);
      const { cpu } = cost.terms;
      const more = 1 + world.splitCost * 4 * share * (1 - share);
      const besides = (us: number, cpuUs: number): number => cpuUs + (us - cpuUs) * more;
      return {
        ...cost,
        computeUs: besides(cost.computeUs, side === "compute" ? cpu : 0),
        storageUs: besides(cost.storageUs, side === "storage" ? cpu : 0),
        redisUs: besides(cost.redisUs, 0),
      };
    }
    return { callsPerSecond, fixedPerSecond: NONE_FIXED, costs, lowest: 0, highest: 1, weight: 1 };
  });
}

/** Of a call with so many times the work. */
export const sized = ({ operations, rounds, bytes, cpuUs }: Demand, times: number): Demand => ({
  operations: operations * times,
  rounds,
  bytes: bytes * times,
  cpuUs: cpuUs * times,
});
