// What a function's calls took in the last second and a half, by when they were heard of: to hold one stretch of time against another, where
// decayed means would mix them. Bounded: 2.5 KiB.

import type { Side } from "./sample.ts";

const SLOT_MS = 25;
const SLOTS = 64;

export interface Heard {
  /** Those that say what the function costs. */
  readonly calls: number;
  /**
   * Of all of them; and each other one that came is taken for as long as one of these. It is over at once, and its caller has nothing for it and
   * asks again: a side where half of the calls fail takes twice as long for one that does not, however quick they all are.
   */
  readonly elapsedUs: number;
  /** Of them, those that ran at storage. */
  readonly atStorage: number;
  /** That came besides. */
  readonly untold: number;
}

export class CallsByTime {
  #latest = -1;
  readonly #slot = new Float64Array(SLOTS).fill(-1);
  readonly #calls = new Float64Array(SLOTS);
  readonly #elapsedUs = new Float64Array(SLOTS);
  readonly #atStorage = new Float64Array(SLOTS);
  readonly #untold = new Float64Array(SLOTS);

  /** `untold`: calls that came besides, and do not say what the function costs. */
  fold(side: Side, calls: number, elapsedUs: number, untold: number, nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    const at = slot % SLOTS;
    this.#latest = Math.max(this.#latest, slot);
    if (this.#slot[at] !== slot) {
      this.#slot[at] = slot;
      this.#calls[at] = 0;
      this.#elapsedUs[at] = 0;
      this.#atStorage[at] = 0;
      this.#untold[at] = 0;
    }
    this.#calls[at]! += calls;
    this.#elapsedUs[at]! += elapsedUs;
    this.#untold[at]! += untold;
    if (side === "storage") this.#atStorage[at]! += calls;
  }

  /** To the slot. */
  between(fromMs: number, toMs: number): Heard {
    const first = Math.max(Math.ceil(fromMs / SLOT_MS), this.#latest - SLOTS + 1, 0);
    const end = Math.min(Math.ceil(toMs / SLOT_MS), this.#latest + 1);
    let [calls, elapsedUs, atStorage, untold] = [0, 0, 0, 0];
    for (let slot = first; slot < end; slot++) {
      const at = slot % SLOTS;
      if (this.#slot[at] !== slot) continue;
      calls += this.#calls[at]!;
      elapsedUs += this.#elapsedUs[at]!;
      atStorage += this.#atStorage[at]!;
      untold += this.#untold[at]!;
    }
    return { calls, elapsedUs: calls <= 0 ? 0 : elapsedUs * (1 + untold / calls), atStorage, untold };
  }
}
