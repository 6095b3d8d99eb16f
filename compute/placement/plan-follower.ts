// Follows the plan, call by call: of each function's calls the planned share goes to storage, spread as evenly as can be, and now
// and then one visits the other side. Part of the way of every call: a look-up and an addition.

import type { PlannedSide } from "#runtime/placement/choose-side.ts";
import type { Placement } from "#runtime/placement/plan.ts";
import type { Side } from "#runtime/profile/sample.ts";

/** Shares are sums of fractions: an error of rounding sends no call elsewhere. */
const EPSILON = 1e-9;

class Spread {
  placement: Placement;
  /** What is owed to storage, in calls. */
  #owed = 0;
  #calls = 0;

  constructor(placement: Placement) {
    this.placement = placement;
  }

  next(): PlannedSide {
    const { share, probeEvery } = this.placement;
    this.#calls += 1;
    if (probeEvery > 0 && this.#calls % probeEvery === 0) return this.#to(share > 0 ? "compute" : "storage", "probe");
    // A share that was lowered owes nothing of before.
    this.#owed = Math.min(this.#owed, 1) + share;
    if (this.#owed < 1 - EPSILON) return this.#to("compute", "plan");
    this.#owed -= 1;
    return this.#to("storage", "plan");
  }

  #to(side: Side, reason: PlannedSide["reason"]): PlannedSide {
    return { side, reason, backCpuUs: side === "storage" ? this.placement.backCpuUs : 0 };
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
  sideFor(name: string): PlannedSide | null {
    return this.#functions.get(name)?.next() ?? null;
  }
}
