// Configured memory of all instances, each from its beginning to its end: what keeping them costs, as a policy sees it.

import type { CapacityView } from "../policy/policy.ts";

export class HeldMemory implements CapacityView {
  /** Of those that ended. */
  #endedMbMs = 0;
  /** Of those that live, and the same times its beginning. */
  #liveMb = 0;
  #liveMbMs = 0;

  begins(memoryMb: number, nowMs: number): void {
    this.#liveMb += memoryMb;
    this.#liveMbMs += memoryMb * nowMs;
  }

  ends(memoryMb: number, sinceMs: number, nowMs: number): void {
    this.#liveMb -= memoryMb;
    this.#liveMbMs -= memoryMb * sinceMs;
    this.#endedMbMs += memoryMb * (nowMs - sinceMs);
  }

  heldGbSeconds(nowMs: number): number {
    return (this.#endedMbMs + this.#liveMb * nowMs - this.#liveMbMs) / (1024 * 1e3);
  }
}
