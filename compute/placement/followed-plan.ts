// The plan as a node knows it: read once, then kept up to date by changes that the controller
// publishes. A change that is not based on the known version means that one was missed: the plan is
// read again.

import { isLaterPlan, NO_PLAN, type Plan } from "#runtime/placement/plan.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import type { PlanChange } from "./messages.ts";

export class FollowedPlan {
  readonly #read: () => Promise<Plan>;
  readonly #onPlan: (plan: Plan, hasMoved: boolean) => void;
  #plan: Plan = NO_PLAN;
  #isReading = false;
  /** A change was missed since the reading began. */
  #isStale = false;

  /** `hasMoved`: a function's share has changed. */
  constructor(read: () => Promise<Plan>, onPlan: (plan: Plan, hasMoved: boolean) => void) {
    this.#read = read;
    this.#onPlan = onPlan;
  }

  get plan(): Plan {
    return this.#plan;
  }

  apply({ version, base, placements: changed, removed }: PlanChange): void {
    if (version === this.#plan.version) return;
    if (base !== this.#plan.version) return this.refresh();
    const placements = new Map(this.#plan.placements);
    for (const name of removed) placements.delete(name);
    for (const [name, placement] of Object.entries(changed)) placements.set(name, placement);
    // No controller has more functions: the message is forged.
    if (placements.size > TALLIED_FUNCTIONS_MAX) return this.refresh();
    this.follow({ version, placements });
  }

  follow(plan: Plan): void {
    const before = this.#plan.placements;
    this.#plan = plan;
    const hasMoved = [...plan.placements].some(([name, { share }]) => before.get(name)?.share !== share);
    this.#onPlan(plan, hasMoved);
  }

  /** Reads the plan again. The last one holds while Redis is away. */
  refresh(): void {
    this.#isStale = true;
    if (!this.#isReading) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    this.#isReading = true;
    for (let isSecond = false; this.#isStale;) {
      this.#isStale = false;
      // A failure needs no retry: a connection that is back reads the plan as well.
      const plan = await this.#read().catch(() => NO_PLAN);
      // If Redis has lost the plan, the controller goes on from the followed one.
      if (plan.version === NO_PLAN.version) continue;
      // A change may have overtaken the answer. The second answer holds even if it is older.
      this.#isStale ||= isLaterPlan(this.#plan.version, plan.version) && !isSecond;
      isSecond = true;
      // A later plan is followed although it is stale: changes may come faster than answers.
      if (!this.#isStale || isLaterPlan(plan.version, this.#plan.version)) this.follow(plan);
    }
    this.#isReading = false;
  }
}
