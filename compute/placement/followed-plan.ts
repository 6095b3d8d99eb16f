// The plan as a node knows it: read once, then kept up by the changes that the controller tells. A change that does not fit onto
// what is known is a reason to read it again.

import { isLaterPlan, NO_PLAN, type Plan } from "#runtime/placement/plan.ts";
import { TALLIED_FUNCTIONS_MAX } from "#runtime/profile/tally.ts";
import type { PlanChange } from "./messages.ts";
import { PlanFollower } from "./plan-follower.ts";

export class FollowedPlan {
  readonly #follower = new PlanFollower();
  readonly #read: () => Promise<Plan>;
  readonly #onMoved: () => void;
  #plan: Plan = NO_PLAN;
  #isReading = false;
  /** A change was missed since the reading began. */
  #isStale = false;

  /** `onMoved`: a function's share is another from the next call on. */
  constructor(read: () => Promise<Plan>, onMoved: () => void = () => {}) {
    this.#read = read;
    this.#onMoved = onMoved;
  }

  get plan(): Plan {
    return this.#plan;
  }

  sideFor: PlanFollower["sideFor"] = (name, sides) => this.#follower.sideFor(name, sides);

  get stayed(): PlanFollower["stayed"] {
    return this.#follower.stayed;
  }

  apply({ version, base, placements, removed }: PlanChange): void {
    if (version === this.#plan.version) return;
    // An older one was read already, or Redis has lost the plans of all reigns and begins anew, or nobody wrote what is followed here.
    if (base !== this.#plan.version) return this.refresh();
    const all = new Map(this.#plan.placements);
    for (const name of removed) all.delete(name);
    for (const [name, placement] of Object.entries(placements)) all.set(name, placement);
    // No controller has so many: somebody else told it.
    if (all.size > TALLIED_FUNCTIONS_MAX) return this.refresh();
    this.follow({ version, placements: all });
  }

  /** From the next call on. */
  follow(plan: Plan): void {
    const before = this.#plan.placements;
    this.#plan = plan;
    this.#follower.follow(plan.placements);
    for (const [name, { share }] of plan.placements) if (before.get(name)?.share !== share) return this.#onMoved();
  }

  /** Reads it as it is now. While Redis is away the last plan holds. */
  refresh(): void {
    this.#isStale = true;
    if (!this.#isReading) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    this.#isReading = true;
    let isSecond = false;
    while (this.#isStale) {
      this.#isStale = false;
      try {
        const plan = await this.#read();
        // Redis has forgotten it: whoever controls goes on from what is followed (node-placement.ts).
        if (plan.version === NO_PLAN.version) continue;
        // A change may have overtaken the answer. One that is as old the second time is what there is.
        this.#isStale ||= isLaterPlan(this.#plan.version, plan.version) && !isSecond;
        isSecond = true;
        // What is later than what is followed is better than that, although it is read again: changes may come faster than answers.
        if (!this.#isStale || isLaterPlan(plan.version, this.#plan.version)) this.follow(plan);
      } catch {
        // It is read again when the connection is back.
      }
    }
    this.#isReading = false;
  }
}
