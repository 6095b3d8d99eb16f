// The functions that a desk has been asked for, and what it knows of each. Bounded.

import type { FunctionPool } from "../instance/function-pool.ts";
import type { LiveScheduler } from "../live-scheduler.ts";

/** At once; beyond, one that has no instances and that nobody asked for the longest is forgotten, in the scheduler as well. Chosen. */
const FUNCTIONS_MAX = 4_096;

export class KnownFunctions<Known extends { readonly pool: FunctionPool }> {
  readonly #scheduler: LiveScheduler;
  /** The one that was asked for the longest ago first. */
  readonly #all = new Map<string, Known>();

  constructor(scheduler: LiveScheduler) {
    this.#scheduler = scheduler;
  }

  get(key: string): Known | undefined {
    return this.#all.get(key);
  }

  /** It is asked for now. */
  use(key: string, known: Known): void {
    this.#all.delete(key);
    this.#all.set(key, known);
    if (this.#all.size > FUNCTIONS_MAX) this.#forgetOne();
  }

  replaceAll(changed: (key: string, known: Known) => Known): void {
    for (const [key, known] of this.#all) this.#all.set(key, changed(key, known));
  }

  #forgetOne(): void {
    for (const [key, { pool }] of this.#all) {
      if (pool.live > 0 || pool.waiting > 0 || pool.reservedInstances > 0) continue;
      this.#all.delete(key);
      if (!pool.removed) this.#scheduler.core.remove(key, this.#scheduler.now());
      return;
    }
  }
}
