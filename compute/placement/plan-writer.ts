// Brings the controller's placements into a plan that all nodes follow: what changed since the last one that was written, one
// change at a time, with what is told of the functions that this is about, for who controls next. While one is being written the next ones come together.

import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import {
  isLaterPlan,
  isSamePlacement,
  nextReign,
  NO_PLAN,
  PLANS_OF_A_REIGN_MAX,
  planVersion,
  type Placement,
  type Plan,
} from "#runtime/placement/plan.ts";
import { recordText } from "./function-records.ts";
import type { PlanChange } from "./messages.ts";

/** A write that failed is tried again after this: Redis is away, or busy. */
const RETRY_MS = 200;

/**
 * What came of a write. `forgotten`: Redis knows no plan any more, and nothing was written. `unheld`: nobody holds the lease, as Redis has it, and nothing
 * was written; whoever held it regains it or is told. `deposed`: another controls, or has written a plan; nothing was written.
 */
export type WriteOutcome = "written" | "forgotten" | "unheld" | "deposed";

/** By function, as Redis keeps them (function-records.ts). */
export type RecordTexts = Readonly<Record<string, string>>;

interface WriterOptions {
  /** The plan that it found in Redis. */
  readonly found: Plan;
  /** The version of the latest plan that anybody follows. */
  readonly followed: number;
  /** What is told of a function now; null: it is not there any more. */
  readonly recordOf: (name: string) => FunctionRecord | null;
  /** `isAgain`: it was tried before, and may have been written without an answer. */
  readonly write: (change: PlanChange, records: RecordTexts, isAgain: boolean) => Promise<WriteOutcome>;
  readonly onWritten: (plan: Plan) => void;
  readonly onDeposed: () => void;
}

export class PlanWriter {
  readonly #options: WriterOptions;
  #written: Plan;
  #wanted: ReadonlyMap<string, Placement> | null = null;
  /** Of all that was wanted the last. */
  #latest: ReadonlyMap<string, Placement>;
  /** More is told of them than is written. */
  readonly #untold = new Set<string>();
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
    this.#latest = found.placements;
    this.#reign = nextReign(isLaterPlan(followed, found.version) ? followed : found.version);
  }

  /** In place of all that was wanted before. */
  want(placements: ReadonlyMap<string, Placement>): void {
    this.#wanted = placements;
    this.#latest = placements;
    if (!this.#isWriting) void this.#writeAll();
  }

  /** There is more to tell of it: that is written with what is wanted next. */
  record(name: string): void {
    this.#untold.add(name);
  }

  /** What another wrote, who is no controller, is followed somewhere: goes on in a reign that is later. */
  overtake(version: number): void {
    // The next one would not be later than that.
    if (this.#isClosed || isLaterPlan(planVersion(this.#reign, this.#count), version)) return;
    this.#begin(nextReign(version));
    this.#isOvertaken = true;
    this.want(this.#latest);
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
      const placements = this.#wanted;
      this.#wanted = null;
      const records = this.#recordsOf(placements);
      const change = this.#changeTo(placements, Object.keys(records).length > 0);
      if (change !== null) await this.#write(change, records, placements);
    }
    this.#isWriting = false;
  }

  /** The same change until it is known what came of it: what was written may be so without an answer. */
  async #write(change: PlanChange, records: RecordTexts, placements: ReadonlyMap<string, Placement>): Promise<void> {
    const reign = this.#reign;
    for (let isAgain = false; !this.#isClosed; isAgain = true) {
      const outcome = await this.#options.write(change, records, isAgain).catch(() => null);
      switch (outcome) {
        case "written":
          this.#written = { version: change.version, placements };
          // What was overtaken meanwhile is so still.
          if (this.#reign === reign) {
            this.#isOvertaken = false;
            this.#count += 1;
            if (this.#count >= PLANS_OF_A_REIGN_MAX) this.#begin(nextReign(change.version));
          }
          return this.#options.onWritten(this.#written);
        case "forgotten":
          this.#written = NO_PLAN;
          for (const name of placements.keys()) this.#untold.add(name);
          this.#wanted ??= placements;
          return;
        case "deposed":
          this.#isClosed = true;
          return this.#options.onDeposed();
        case "unheld":
        case null:
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }

  #recordsOf(placements: ReadonlyMap<string, Placement>): RecordTexts {
    const texts = [...this.#untold].flatMap((name) => {
      const record = placements.has(name) ? this.#options.recordOf(name) : null;
      return record === null ? [] : [[name, recordText(record)] as const];
    });
    this.#untold.clear();
    return Object.fromEntries(texts);
  }

  /** null: it is the same plan, and nothing else `isTold`. */
  #changeTo(placements: ReadonlyMap<string, Placement>, isTold: boolean): PlanChange | null {
    const before = this.#written.placements;
    const changed: (readonly [name: string, placement: Placement])[] = [];
    placements.forEach((placement, name) => {
      if (!isSamePlacement(before.get(name), placement)) changed.push([name, placement]);
    });
    const removed = [...before.keys()].filter((name) => !placements.has(name));
    if (changed.length === 0 && removed.length === 0 && !isTold && !this.#isOvertaken) return null;
    const version = planVersion(this.#reign, this.#count);
    return { version, base: this.#written.version, placements: Object.fromEntries(changed), removed };
  }
}
