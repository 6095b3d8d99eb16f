// Follows the plan call by call: the planned share of a function's calls goes to storage, spread
// evenly, and one call in so many visits the other side. Runs for every call, so it is a look-up
// and a few comparisons. The module has a twin, storage-module/src/plan_follower.h;
// test/storage-module/plan-follower.test.ts holds the two together.

import { clamp } from "#runtime/clamp.ts";
import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import { homeOf, type Placement } from "#runtime/placement/plan.ts";
import { PushBackBudget } from "#runtime/placement/push-back.ts";
import { otherSide, type Side } from "#runtime/profile/sample.ts";

/** Calls by which the share may be off, so that calls go to a side that is idle rather than wait at a busy one. */
export const SLACK = 4;
/** Shares are sums of fractions: a rounding error moves no call. */
const EPSILON = 1e-9;

/** Calls of this node that a side has now. */
export interface SideInFlight {
  readonly inFlight: number;
  /** Calls of functions that overflow. */
  readonly overflowing: number;
}

export type SidesInFlight = Readonly<Record<Side, SideInFlight>>;

class Spread {
  placement: Placement;
  readonly budget = new PushBackBudget();
  /** Calls that storage should have had by now, less those that it had. */
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

  /** From the next call on. */
  follow(placements: ReadonlyMap<string, Placement>): void {
    for (const name of this.#functions.keys()) if (!placements.has(name)) this.#functions.delete(name);
    for (const [name, placement] of placements) {
      const spread = this.#functions.get(name);
      if (spread === undefined) this.#functions.set(name, new Spread(placement));
      else spread.placement = placement;
    }
  }

  /** null: the plan has no entry for the function. */
  sideFor(name: string, sides: SidesInFlight): PlannedSide | null {
    return this.#functions.get(name)?.next(sides) ?? null;
  }

  /** By function: calls that stayed at storage because push-backs had wasted enough. */
  get stayed(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#functions, ([name, { budget }]) => [name, budget.stayed]));
  }
}
