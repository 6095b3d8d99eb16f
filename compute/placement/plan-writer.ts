// Turns the controller's placements into versions of the plan in Redis: one change at a time, with
// the records of the functions that it is about. Placements that come while a change is written go
// together into the next one.

import { setTimeout as pause } from "node:timers/promises";

import type { FunctionRecord } from "#runtime/placement/function-state.ts";
import { isLaterPlan, isSamePlacement, nextReign, planVersion } from "#runtime/placement/plan.ts";
import type { Placement, Plan } from "#runtime/placement/plan.ts";
import { recordText, type PlanChange } from "./messages.ts";
import { RETRY_MS } from "./placement-store.ts";

interface WriterOptions {
  /** The plan in Redis. */
  readonly found: Plan;
  /** The version of the latest plan that anybody follows. */
  readonly followed: number;
  /** null: the function is gone. */
  readonly recordOf: (name: string) => FunctionRecord | null;
  /** False: another node controls. `isRetry`: an earlier attempt may have been written without an answer. */
  readonly write: (change: PlanChange, records: ReadonlyMap<string, string>, isRetry: boolean) => Promise<boolean>;
  readonly onWritten: (plan: Plan) => void;
  /** An attempt failed. The next one follows. */
  readonly onFailed: (error: Error) => void;
  readonly onDeposed: () => void;
}

export class PlanWriter {
  readonly #options: WriterOptions;
  #written: Plan;
  #wanted: ReadonlyMap<string, Placement> | null = null;
  /** Functions whose record is newer than the one in Redis. */
  readonly #recorded = new Set<string>();
  #nextVersion: number;
  /** The first plan is written even if it equals the one found: its version is later than anybody's. */
  #isFirst = true;
  #isWriting = false;
  #isClosed = false;

  constructor(options: WriterOptions) {
    const { found, followed } = options;
    this.#options = options;
    this.#written = found;
    this.#nextVersion = planVersion(nextReign(isLaterPlan(followed, found.version) ? followed : found.version), 0);
  }

  /** Replaces what was wanted before. */
  want(placements: ReadonlyMap<string, Placement>): void {
    this.#wanted = placements;
    if (!this.#isWriting) void this.#writeAll();
  }

  /** The function's record is written with the next change. */
  record(name: string): void {
    this.#recorded.add(name);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#wanted !== null && !this.#isClosed) {
      const placements = this.#wanted;
      this.#wanted = null;
      const records = this.#takeRecords(placements);
      const change = this.#changeTo(placements);
      const { placements: changed, removed } = change;
      if (this.#isFirst || removed.length + Object.keys(changed).length + records.size > 0) {
        await this.#write(change, records, { version: change.version, placements });
      }
    }
    this.#isWriting = false;
  }

  /** Repeats the same change until its outcome is known: it may have been written without an answer. */
  async #write(change: PlanChange, records: ReadonlyMap<string, string>, plan: Plan): Promise<void> {
    for (let isRetry = false; !this.#isClosed; isRetry = true) {
      const isWritten = await this.#options.write(change, records, isRetry).catch((error: Error) => {
        this.#options.onFailed(error);
        return null;
      });
      if (isWritten === true) {
        this.#written = plan;
        this.#isFirst = false;
        this.#nextVersion += 1;
        return this.#options.onWritten(plan);
      }
      if (isWritten === false) {
        this.#isClosed = true;
        return this.#options.onDeposed();
      }
      await pause(RETRY_MS, undefined, { ref: false });
    }
  }

  #takeRecords(placements: ReadonlyMap<string, Placement>): ReadonlyMap<string, string> {
    const texts = new Map<string, string>();
    for (const name of this.#recorded) {
      const record = placements.has(name) ? this.#options.recordOf(name) : null;
      if (record !== null) texts.set(name, recordText(record));
    }
    this.#recorded.clear();
    return texts;
  }

  #changeTo(placements: ReadonlyMap<string, Placement>): PlanChange {
    const { version, placements: before } = this.#written;
    return {
      version: this.#nextVersion,
      base: version,
      placements: Object.fromEntries(
        [...placements].filter(([name, placement]) => !isSamePlacement(before.get(name), placement)),
      ),
      removed: [...before.keys()].filter((name) => !placements.has(name)),
    };
  }
}
