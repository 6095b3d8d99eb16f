// What a function's calls took in the last second and a half, by when they were heard of: to hold one stretch of time against another, where
// decayed means would mix them. What a longer window brings is laid evenly on its time. Bounded: 3 KiB.

import { clamp } from "#runtime/clamp.ts";
import type { Side } from "./sample.ts";

/** What came within it is heard of together. */
export const SLOT_MS = 25;
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
  /** Of the calls, both ways. */
  readonly bytes: number;
}

/** Of a slot: its number, then what is in it. */
const FIELDS = 6;
const [SLOT, CALLS, ELAPSED_US, AT_STORAGE, UNTOLD, BYTES] = [0, 1, 2, 3, 4, 5] as const;

export class CallsByTime {
  #latest = -1;
  /** Slot by slot, so that what is told of one time lies together: a thousand functions are more than a cache holds. */
  readonly #slots = new Float64Array(SLOTS * FIELDS).fill(-1);

  /** `lastedMs`: of the window that brings them. */
  fold(
    side: Side,
    { calls, elapsedUs, untold, bytes }: Omit<Heard, "atStorage">,
    nowMs: number,
    lastedMs = SLOT_MS,
  ): void {
    const latest = Math.floor(nowMs / SLOT_MS);
    const slots = clamp(Math.round(lastedMs / SLOT_MS), 1, Math.min(latest + 1, SLOTS));
    this.#latest = Math.max(this.#latest, latest);
    const atStorage = side === "storage" ? calls : 0;
    for (let slot = latest - slots + 1; slot <= latest; slot++) {
      const at = this.#begun(slot);
      this.#slots[at + CALLS]! += calls / slots;
      this.#slots[at + ELAPSED_US]! += elapsedUs / slots;
      this.#slots[at + AT_STORAGE]! += atStorage / slots;
      this.#slots[at + UNTOLD]! += untold / slots;
      this.#slots[at + BYTES]! += bytes / slots;
    }
  }

  /** To the slot. */
  between(fromMs: number, toMs: number): Heard {
    const first = Math.max(Math.ceil(fromMs / SLOT_MS), this.#latest - SLOTS + 1, 0);
    const end = Math.min(Math.ceil(toMs / SLOT_MS), this.#latest + 1);
    let [calls, elapsedUs, atStorage, untold, bytes] = [0, 0, 0, 0, 0];
    for (let slot = first; slot < end; slot++) {
      const at = placeOf(slot);
      if (this.#slots[at + SLOT] !== slot) continue;
      calls += this.#slots[at + CALLS]!;
      elapsedUs += this.#slots[at + ELAPSED_US]!;
      atStorage += this.#slots[at + AT_STORAGE]!;
      untold += this.#slots[at + UNTOLD]!;
      bytes += this.#slots[at + BYTES]!;
    }
    return { calls, elapsedUs: calls <= 0 ? 0 : elapsedUs * (1 + untold / calls), atStorage, untold, bytes };
  }

  /** Where it is; with nothing in it, if it is another one's place until now. */
  #begun(slot: number): number {
    const at = placeOf(slot);
    if (this.#slots[at + SLOT] !== slot) {
      this.#slots.fill(0, at, at + FIELDS);
      this.#slots[at + SLOT] = slot;
    }
    return at;
  }
}

const placeOf = (slot: number): number => (slot % SLOTS) * FIELDS;
