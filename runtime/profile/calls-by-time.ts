// What a function's calls took in the last second and a half, by when they were heard of: to hold one stretch of time against another, where
// decayed means would mix them. Bounded: 1.5 KiB.

const SLOT_MS = 25;
const SLOTS = 64;

export interface Heard {
  readonly calls: number;
  /** Of all of them. */
  readonly elapsedUs: number;
}

export class CallsByTime {
  readonly #slot = new Float64Array(SLOTS).fill(-1);
  readonly #calls = new Float64Array(SLOTS);
  readonly #elapsedUs = new Float64Array(SLOTS);

  fold(calls: number, elapsedUs: number, nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    const at = slot % SLOTS;
    if (this.#slot[at] !== slot) {
      this.#slot[at] = slot;
      this.#calls[at] = 0;
      this.#elapsedUs[at] = 0;
    }
    this.#calls[at]! += calls;
    this.#elapsedUs[at]! += elapsedUs;
  }

  /** To the slot. */
  between(fromMs: number, toMs: number): Heard {
    const [first, end] = [Math.ceil(fromMs / SLOT_MS), Math.ceil(toMs / SLOT_MS)];
    let [calls, elapsedUs] = [0, 0];
    for (let at = 0; at < SLOTS; at++) {
      const slot = this.#slot[at]!;
      if (slot < first || slot >= end) continue;
      calls += this.#calls[at]!;
      elapsedUs += this.#elapsedUs[at]!;
    }
    return { calls, elapsedUs };
  }
}
