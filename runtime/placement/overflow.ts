// Overflow: a call goes to the other side while many calls are in flight on its own side and few on the
// other. Shares are right on average, but of sixteen callers all may be on one side for a while, and the
// cores of the other stand idle. Nodes decide by these thresholds for each call.

import { clamp } from "#runtime/clamp.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { Cost } from "./cost-model.ts";
import { homeOf, OVERFLOW_MAX, type Placement } from "./plan.ts";
import type { Capacity } from "./pool-use.ts";
import type { FunctionView } from "./view.ts";

export type Overflow = Pick<Placement, "overflowMin" | "overflowTimes">;

export const NO_OVERFLOW: Overflow = { overflowMin: 0, overflowTimes: 0 };

/**
 * A call leaves if so many are in flight for each core of its side, and so many times as many as for each
 * core of the other. Thresholds are optimal in heavy traffic (Bell and Williams, 2001); the
 * numbers are not sensitive.
 */
const PER_CORE_MIN = 3;
const TIMES = 4;
/** A call must compute for this part of its work: calls that wait for Redis are served together. */
const COMPUTING_PART_MIN = 0.75;
/** What overflows goes on to until it is off by this factor, so that nodes do not follow every change. */
const HYSTERESIS = 1.25;

interface Known {
  readonly share: number;
  readonly costs: Readonly<Record<Side, Cost>>;
  /** Of a call, on a compute core. */
  readonly cpuUs: number;
  /** Median time of a call on a side, from admission to answer, µs. */
  readonly medianUs: (side: Side) => number;
  readonly capacity: Capacity;
  readonly before: Overflow;
}

/** `now`: its placement in this step, with the overflow of the last one. */
export function overflowOf(
  { load, costs, profile, isWarm, closed }: FunctionView,
  now: Placement,
  capacity: Capacity,
): Overflow {
  const isPlaced = now.state !== "profiling" && now.state !== "pinned";
  if (!isPlaced || !isWarm.compute || !isWarm.storage || closed.compute || closed.storage) return NO_OVERFLOW;
  return overflowBetween({
    share: now.share,
    costs: load.costs,
    cpuUs: costs.demand.cpuUs,
    medianUs: (side) => profile.sides[side].percentileUs(50) ?? costs.sides[side].cost.latencyUs,
    capacity,
    before: now,
  });
}

/** Of a function that may run on either side. */
export function overflowBetween(known: Known): Overflow {
  const { share, capacity, before } = known;
  const home = homeOf({ share });
  if (!isWorthIt(known, home)) return NO_OVERFLOW;
  const { computeCores, storageCores, nodes } = capacity;
  const cores = { compute: computeCores, storage: storageCores };
  const overflowTimes = (TIMES * cores[home]) / cores[otherSide(home)];
  // Each node counts its own calls, and assumes that the others have as many. If it has none on the other
  // side, all nodes may be about to send their first.
  const others = ((nodes - 1) / nodes) * overflowTimes;
  const overflowMin = Math.ceil(Math.max(PER_CORE_MIN, (PER_CORE_MIN * cores[home]) / nodes + others));
  if (isNear(before.overflowMin, overflowMin) && isNear(before.overflowTimes, overflowTimes)) return before;
  return { overflowMin: clamp(overflowMin, 1, OVERFLOW_MAX), overflowTimes: clamp(overflowTimes, 0, OVERFLOW_MAX) };
}

function isWorthIt({ costs: { compute, storage }, cpuUs, medianUs, capacity, before }: Known, home: Side): boolean {
  const { computeCores, storageCores, sharedCores, callers } = capacity;
  // Cores that both sides share are busy with either.
  if (sharedCores < Infinity || storageCores <= 0) return false;
  const slack = before.overflowMin > 0 ? HYSTERESIS : 1;
  const there = otherSide(home);
  return (
    // With more callers for each core no core stands idle.
    callers <= slack * PER_CORE_MIN * TIMES * (computeCores + storageCores) &&
    // Passing a call on must cost little beside its work.
    slack * Math.min(compute.computeUs, storage.storageUs) >= TIMES * storage.computeUs &&
    slack * cpuUs >= COMPUTING_PART_MIN * compute.computeUs &&
    medianUs(there) <= slack * HYSTERESIS * medianUs(home)
  );
}

const isNear = (before: number, now: number): boolean =>
  before > 0 && now <= HYSTERESIS * before && before <= HYSTERESIS * now;
