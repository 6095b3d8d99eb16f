// Threads beside the data where a scheduler that is a process apart divides them: it does not reach Redis, so the node that controls sees to it. What
// functions have there goes with this node's beats, and what they may have comes with the answers.

import type { Logger } from "pino";
import { every, type Repeated } from "#runtime/shared-timer.ts";
import type { StorageThreads, ThreadsSeen } from "#scheduler/reallocation/capacity-loop.ts";
import { tellUndivided } from "./storage-isolates.ts";

/** As often as a scheduler looks. */
const LOOK_MS = 1_000;
/** What was answered so long ago holds no more, and nobody is held back by a scheduler that is not there. As long as a lease. */
const ANSWERED_MS = 5_000;
/** What was seen so long ago is so no more. */
const SEEN_MS = 3_000;

interface DividedThreadsOptions {
  readonly holder: StorageThreads;
  /** Of all functions together; null: as many as there is room for. */
  readonly total: number | null;
  /** Whether this node controls: one of all does. */
  readonly isHeld: () => boolean;
  readonly log: Pick<Logger, "warn">;
  readonly nowMs: () => number;
}

export class DividedThreads {
  readonly #options: DividedThreadsOptions;
  readonly #looks: Repeated;
  #seen: { readonly threads: ThreadsSeen; readonly atMs: number } | null = null;
  #allowed: ReadonlyMap<string, number> = new Map();
  #answeredMs = -Infinity;
  #isAsking = false;
  /** Why they are not divided, as was told last. */
  #trouble: string | null = null;

  constructor(options: DividedThreadsOptions) {
    this.#options = options;
    this.#looks = every(LOOK_MS, () => void this.#look());
  }

  /** For a beat; null: another node's matter, or not known now. */
  get seen(): ThreadsSeen | null {
    const { isHeld, nowMs } = this.#options;
    if (this.#seen === null || !isHeld() || nowMs() - this.#seen.atMs > SEEN_MS) return null;
    return this.#seen.threads;
  }

  /** As a beat was answered; null: whoever answered divides none. */
  answered(allowed: ReadonlyMap<string, number> | null): void {
    if (allowed === null) return;
    const isSame =
      allowed.size === this.#allowed.size && allowed.entries().every(([key, most]) => this.#allowed.get(key) === most);
    this.#allowed = allowed;
    this.#answeredMs = this.#options.nowMs();
    if (!isSame) void this.#look();
  }

  /** What was said last holds for as long as their holder remembers it. */
  close(): void {
    this.#looks.stop();
  }

  /** Not while an answer is on its way. Never rejects. */
  async #look(): Promise<void> {
    const { holder, total, isHeld, log, nowMs } = this.#options;
    if (this.#isAsking || !isHeld()) return;
    this.#isAsking = true;
    try {
      const isOver = nowMs() - this.#answeredMs > ANSWERED_MS;
      if (isOver) this.#allowed = new Map();
      const seen = await holder.allow(this.#allowed);
      this.#seen = { threads: { ...seen, total: Math.min(seen.total, total ?? Infinity) }, atMs: nowMs() };
      this.#trouble = null;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#trouble) tellUndivided(log, error as Error);
      this.#trouble = message;
    } finally {
      this.#isAsking = false;
    }
  }
}
