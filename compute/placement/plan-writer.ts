// Brings the controller's placements into a plan that all nodes follow: what changed since the last one that was written, one
// change at a time. While one is being written the next ones come together.

import {
  isLaterPlan,
  isSamePlacement,
  nextReign,
  PLANS_OF_A_REIGN_MAX,
  planVersion,
  type Placement,
  type Plan,
} from "#runtime/placement/plan.ts";
import type { PlanChange } from "./messages.ts";

/** A write that failed is tried again after this: Redis is away, or busy. */
const RETRY_MS = 200;

interface WriterOptions {
  /** The plan that it found in Redis. */
  readonly found: Plan;
  /** The version of the latest plan that anybody follows. */
  readonly followed: number;
  /** False: it controls no more, and nothing was written. */
  readonly write: (change: PlanChange) => Promise<boolean>;
  readonly onWritten: (plan: Plan) => void;
  readonly onDeposed: () => void;
}

export class PlanWriter {
  readonly #options: WriterOptions;
  #written: Plan;
  #wanted: ReadonlyMap<string, Placement> | null = null;
  #reign: number;
  /** Of plans in this reign. */
  #count = 0;
  /** Somebody follows what is later than all that was written: the same plan has to be written anew. */
  #isOvertaken = false;
  #isWriting = false;
  #isClosed = false;

  constructor(options: WriterOptions) {
    const { found, followed } = options;
    this.#options = options;
    this.#written = found;
    this.#reign = nextReign(isLaterPlan(followed, found.version) ? followed : found.version);
  }

  /** In place of all that was wanted before. */
  want(placements: ReadonlyMap<string, Placement>): void {
    this.#wanted = placements;
    if (!this.#isWriting) void this.#writeAll();
  }

  /** What another wrote, who is no controller, is followed somewhere: goes on in a reign that is later. */
  overtake(version: number): void {
    // The next one would not be later than that.
    if (this.#isClosed || isLaterPlan(planVersion(this.#reign, this.#count), version)) return;
    this.#begin(nextReign(version));
    this.#isOvertaken = true;
    this.want(this.#wanted ?? this.#written.placements);
  }

  close(): void {
    this.#isClosed = true;
  }

  #begin(reign: number): void {
    this.#reign = reign;
    this.#count = 0;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#wanted !== null && !this.#isClosed) {
      const placements = new Map(Array.from(this.#wanted, ([name, placement]) => [name, plain(placement)]));
      this.#wanted = null;
      const change = this.#changeTo(placements);
      if (change === null) continue;
      try {
        if (!(await this.#options.write(change))) {
          this.#isClosed = true;
          this.#options.onDeposed();
          break;
        }
        this.#isOvertaken = false;
        this.#count += 1;
        if (this.#count >= PLANS_OF_A_REIGN_MAX) this.#begin(nextReign(change.version));
        this.#written = { version: change.version, placements };
        this.#options.onWritten(this.#written);
      } catch {
        this.#wanted ??= placements;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
    this.#isWriting = false;
  }

  /** null: it is the same plan. */
  #changeTo(placements: ReadonlyMap<string, Placement>): PlanChange | null {
    const before = this.#written.placements;
    const changed = [...placements].filter(([name, placement]) => !isSamePlacement(before.get(name), placement));
    const removed = [...before.keys()].filter((name) => !placements.has(name));
    if (changed.length === 0 && removed.length === 0 && !this.#isOvertaken) return null;
    const version = planVersion(this.#reign, this.#count);
    return { version, base: this.#written.version, placements: Object.fromEntries(changed), removed };
  }
}

/** Without what else the controller keeps of it. */
const plain = ({ state, share, probeEvery, backCpuUs }: Placement): Placement => ({
  state,
  share,
  probeEvery,
  backCpuUs,
});
