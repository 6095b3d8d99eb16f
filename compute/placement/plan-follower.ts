// Follows the plan, call by call: of each function's calls the planned share goes to storage, spread as evenly as can be, and now
// and then one visits the other side. A call of a function that is split does not wait for its turn at a side that is busy while the
// other stands idle, and one that overflows not in a long queue beside a short one. Part of the way of every call: a look-up and a few
// comparisons. The module follows alike (storage-module/src/plan_follower.h): test/storage-module/plan-follower.test.ts holds the two together.

import { clamp } from "#runtime/clamp.ts";
import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import { PushBackBudget } from "#runtime/placement/push-back.ts";
import { homeOf, type Placement } from "#runtime/placement/plan.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";

/** Shares are sums of fractions: an error of rounding sends no call elsewhere. */
const EPSILON = 1e-9;
/**
 * So many calls the share may be off by where a side stands idle. Chosen: in the simulation of plan-follower.test.ts two callers then make
 * 1.19 times the calls, four 1.02; with twice as many 1.21 and 1.02.
 */
export const SLACK = 4;

/** How many calls of this node a side has now. */
export interface SideInFlight {
  readonly inFlight: number;
  /** Of them, those of functions that overflow. */
  readonly overflowing: number;
}

export type SidesInFlight = Readonly<Record<Side, SideInFlight>>;

class Spread {
  placement: Placement;
  readonly budget = new PushBackBudget();
  /** What is owed to storage, in calls. */
  #owed = 0;
  #calls = 0;

  constructor(placement: Placement) {
    this.placement = placement;
  }

  next(sides: SidesInFlight): PlannedSide {
    const { share, probeEvery, fromShare } = this.placement;
    this.#calls += 1;
    if (probeEvery > 0 && this.#calls % probeEvery === 0) return this.#to(share > 0 ? "compute" : "storage", "probe");
    const side = this.#spread(sides);
    if (this.#leaves(side, sides)) return this.#to(otherSide(side), "overflow");
    return this.#to(side, fromShare === undefined ? "plan" : "trial");
  }

  #leaves(side: Side, sides: SidesInFlight): boolean {
    const { overflowMin, overflowTimes } = this.placement;
    if (overflowMin === 0 || side !== homeOf(this.placement)) return false;
    return sides[side].overflowing >= overflowMin + overflowTimes * sides[otherSide(side)].inFlight;
  }

  #spread({ compute, storage }: SidesInFlight): Side {
    const { share } = this.placement;
    if (share <= 0 || share >= 1) {
      // What is not split owes nothing of before.
      this.#owed = 0;
      return share > 0 ? "storage" : "compute";
    }
    this.#owed = clamp(this.#owed, -SLACK, SLACK) + share;
    let isStorage = this.#owed >= 1 - EPSILON;
    const [isComputeIdle, isStorageIdle] = [compute.inFlight === 0, storage.inFlight === 0];
    if (isComputeIdle !== isStorageIdle) {
      if (isComputeIdle && this.#owed < SLACK) isStorage = false;
      if (isStorageIdle && this.#owed > 1 - SLACK) isStorage = true;
    }
    if (isStorage) this.#owed -= 1;
    return isStorage ? "storage" : "compute";
  }

  #to(side: Side, reason: PlannedSide["reason"]): PlannedSide {
    const { backCpuUs, overflowMin } = this.placement;
    const { budget } = this;
    return { side, reason, backCpuUs: side === "storage" ? backCpuUs : 0, overflows: overflowMin > 0, budget };
  }
}

export class PlanFollower {
  readonly #functions = new Map<string, Spread>();

  /** From the next call on. Functions that it does not name are not planned. */
  follow(placements: ReadonlyMap<string, Placement>): void {
    for (const name of this.#functions.keys()) if (!placements.has(name)) this.#functions.delete(name);
    for (const [name, placement] of placements) {
      const spread = this.#functions.get(name);
      if (spread === undefined) this.#functions.set(name, new Spread(placement));
      else spread.placement = placement;
    }
  }

  /** null: nothing is planned for it. */
  sideFor(name: string, sides: SidesInFlight): PlannedSide | null {
    return this.#functions.get(name)?.next(sides) ?? null;
  }

  /** By function: calls that were let stay at storage, since push-backs had wasted enough. */
  get stayed(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#functions, ([name, { budget }]) => [name, budget.stayed]));
  }
}
