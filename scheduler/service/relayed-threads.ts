// Threads beside the data, for a scheduler that does not reach Redis itself: with its beats the node that controls tells what functions have there, and
// with the answers it hears what each may have, which it sees to (compute/capacity/divided-threads.ts).

import { LocusError } from "#runtime/errors.ts";
import type { StorageThreads, ThreadsSeen } from "../reallocation/capacity-loop.ts";

/** What was told so long ago is so no more: as long as a node may be silent. */
const TOLD_MS = 3_000;

export class RelayedThreads implements StorageThreads {
  readonly #nowMs: () => number;
  #told: { readonly seen: ThreadsSeen; readonly atMs: number } | null = null;
  #allowed: ReadonlyMap<string, number> = new Map();

  /** `nowMs`: monotonic. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** With a beat; what its answer is to say. null: of a node that does not control, there is nothing to say to it. */
  told(seen: ThreadsSeen | null): ReadonlyMap<string, number> | null {
    if (seen === null) return null;
    this.#told = { seen, atMs: this.#nowMs() };
    return this.#allowed;
  }

  /** What they had when they were told of last. Rejects with PEER_UNAVAILABLE where no node has told lately. */
  async allow(allowed: ReadonlyMap<string, number>): Promise<ThreadsSeen> {
    this.#allowed = allowed;
    if (this.#told === null || this.#nowMs() - this.#told.atMs > TOLD_MS) {
      throw new LocusError("PEER_UNAVAILABLE", "no node tells what functions have beside the data");
    }
    return this.#told.seen;
  }
}
