// Which functions' calls overflow: where many calls of such functions are in flight on the side of one and few calls of any kind on the other, it goes to the other,
// whatever its share says (compute/placement/plan-follower.ts). Shares are right on average; but of sixteen callers all may be at one side for a while,
// and the cores of the other stand idle. docs/placement.md, Overflow.

import { clamp } from "#runtime/clamp.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";
import type { Cost } from "./cost-model.ts";
import { homeOf, OVERFLOW_MAX, type Placement } from "./plan.ts";
import type { Capacity } from "./pool-use.ts";

export type Overflow = Pick<Placement, "overflowMin" | "overflowTimes">;

export const NO_OVERFLOW: Overflow = { overflowMin: 0, overflowTimes: 0 };

/**
 * A call leaves where so many are in flight for each core of its own side, and besides so many times as many as for each of the other's. Chosen: simulated (two functions,
 * each on its own side of one core, 4 to 32 callers, calls alike or a tenth of them eleven times as long) no less is done than without, up to DEARER_MAX, and
 * 1.01 to 1.26 times as much where a call costs the same on both sides; with TIMES at 1, 0.95 where it costs half as much again. That thresholds do best in heavy traffic where
 * servers may take each other's work: Bell and Williams, 2001.
 */
const PER_CORE_MIN = 3;
const TIMES = 4;
/** On either side a call works for so many times what passing it on takes of a compute core, or leaving that relieves little. Chosen. */
const PASSED_TIMES = 4;
/**
 * So much of what it works at compute is computing: what waits together for its rounds is served together, and a few calls apart from the others have each of
 * these wake somebody up by itself. A tenth of 64 dependent reads at compute cost a third of all that was done.
 */
const COMPUTING_MIN = 0.75;
/** On the other side it may work for so many times as long. */
const DEARER_MAX = 2;
/**
 * There it may take so many times as long lately, from admission to answer: its data may be far from there, and others, whom nobody counts who sends it there, may keep
 * that side busier.
 */
const LONGER_MAX = 1.25;
/**
 * With so many calls in flight for each core of either side none stands idle, and what leaves its side only takes the other's place: with hundreds in flight, three times as much
 * offered as can be done, a mix fell to 0.79 of its peak. Chosen: simulated, 16 a core gain a hundredth at most.
 */
const CALLERS_PER_CORE_MAX = 12;
/** What is so already stays so until it is off by so much: who follows the plan need not hear of it. */
const STEP = 1.25;

interface Known {
  readonly share: number;
  readonly costs: Readonly<Record<Side, Cost>>;
  /** Of a call, on a compute core, µs. */
  readonly cpuUs: number;
  /** That it takes on a side from admission to answer, µs. Asked last: a histogram is gone through for it. */
  readonly medianUs: (side: Side) => number;
  readonly capacity: Capacity;
  /** What held until now, with the same share. */
  readonly before: Overflow;
}

/** Of a function that may be on either side. */
export function overflowOf(known: Known): Overflow {
  const { share, capacity, before } = known;
  const home = homeOf({ share });
  if (!isWorthIt(known, home)) return NO_OVERFLOW;
  const { computeCores, storageCores, nodes } = capacity;
  const cores = { compute: computeCores, storage: storageCores };
  const overflowTimes = (TIMES * cores[home]) / cores[otherSide(home)];
  // Each node counts its own calls, and takes the others to have as many. Where it has none on the other side they may all be about to send their first.
  const others = ((nodes - 1) / nodes) * overflowTimes;
  const overflowMin = Math.ceil(Math.max(PER_CORE_MIN, (PER_CORE_MIN * cores[home]) / nodes + others));
  if (isNear(before.overflowMin, overflowMin) && isNear(before.overflowTimes, overflowTimes)) return before;
  return { overflowMin: clamp(overflowMin, 1, OVERFLOW_MAX), overflowTimes: clamp(overflowTimes, 0, OVERFLOW_MAX) };
}

function isWorthIt({ costs: { compute, storage }, cpuUs, medianUs, capacity, before }: Known, home: Side): boolean {
  const { computeCores, storageCores, sharedCores, callers } = capacity;
  // Cores that both sides have are busy with the one as with the other.
  if (sharedCores < Infinity || storageCores <= 0) return false;
  const slack = before.overflowMin > 0 ? STEP : 1;
  const there = otherSide(home);
  const workUs = { compute: compute.computeUs, storage: storage.storageUs };
  return (
    callers <= slack * CALLERS_PER_CORE_MAX * (computeCores + storageCores) &&
    slack * Math.min(workUs.compute, workUs.storage) >= PASSED_TIMES * storage.computeUs &&
    slack * cpuUs >= COMPUTING_MIN * compute.computeUs &&
    workUs[there] <= slack * DEARER_MAX * workUs[home] &&
    medianUs(there) <= slack * LONGER_MAX * medianUs(home)
  );
}

/** What nodes are busy with besides comes and goes. */
const isNear = (before: number, now: number): boolean => before > 0 && now <= STEP * before && before <= STEP * now;
