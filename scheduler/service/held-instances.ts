// Instances that callers elsewhere have, one call each, until they say what it came to. One that never says so, since it has died or has never heard
// that it has one, would keep it for ever: what its function's time has long been over for is lost, and ends.

import type { Instance } from "../instance/instance.ts";
import type { LiveScheduler } from "../live-scheduler.ts";

/** After its function's own time, ms: its call may have waited for a connection, and its return as well. Chosen. */
const LOST_GRACE_MS = 30_000;
/** How often what is held is looked through. */
const LOOK_MS = 5_000;

export class HeldInstances<Key, Holding extends { readonly instance: Instance }> {
  readonly #scheduler: LiveScheduler;
  readonly #onLost: (key: Key, holding: Holding) => void;
  /** As many as there are busy instances, at most. */
  readonly #held = new Map<Key, { readonly holding: Holding; readonly lostAtMs: number }>();
  readonly #timer: NodeJS.Timeout;

  /** `onLost` is told of each that never came back, before it ends. The scheduler stays its owner's. */
  constructor(scheduler: LiveScheduler, onLost: (key: Key, holding: Holding) => void) {
    this.#scheduler = scheduler;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.lookForLost(), LOOK_MS).unref();
  }

  get size(): number {
    return this.#held.size;
  }

  get(key: Key): Holding | undefined {
    return this.#held.get(key)?.holding;
  }

  /** `timeoutMs`: that its call may take. */
  hold(key: Key, holding: Holding, timeoutMs: number): void {
    this.#held.set(key, { holding, lostAtMs: this.#scheduler.now() + timeoutMs + LOST_GRACE_MS });
  }

  /** It has come back: its instance is the caller's to release. */
  forget(key: Key): void {
    this.#held.delete(key);
  }

  /** Nobody will say what its call came to: its instance ends, since whoever has it may still use it. */
  giveUp(key: Key): void {
    const instance = this.get(key)?.instance;
    this.#held.delete(key);
    if (instance === undefined || instance.running === 0) return;
    this.#scheduler.release(instance, { executionMs: null, isBroken: true });
  }

  /** Ends the instances that were not given back in time. */
  lookForLost(): void {
    const nowMs = this.#scheduler.now();
    for (const [key, { holding, lostAtMs }] of this.#held) {
      if (lostAtMs > nowMs) continue;
      this.#onLost(key, holding);
      this.giveUp(key);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
