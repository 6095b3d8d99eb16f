// What a function's calls took in the last 2.3 s, by when they were heard of: to hold one stretch of time against another, where
// decayed means would mix them. What a longer window brings lies evenly on its time; it is written once, at its end, and laid there when somebody asks. Bounded: 7 KiB.

import { clamp } from "#runtime/clamp.ts";
import type { Layout, Values } from "./layout.ts";
import { TERM_AT, type Tally } from "./tally.ts";
import { WINDOW_MS_MAX } from "./window-length.ts";

/** What came within it is heard of together. */
const SLOT_MS = 25;
const SLOTS = 92;
/** The longest window. */
const LASTED_MAX = Math.ceil(WINDOW_MS_MAX / SLOT_MS);

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
  /** Of the calls, … */
  readonly cpuUs: number;
  /** … and of that, what it would not have been had cores been as quick as they usually are. */
  readonly slowedUs: number;
}

/** Of a slot: after its number, 0 where there is none, what was heard of in it, and over how many slots that lies, this one the last. */
const [AFTER, CALLS, ELAPSED_US, AT_STORAGE, UNTOLD, BYTES, CPU_US, SLOWED_US, LASTED, FIELDS] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;

export class CallsByTime {
  /** Slot by slot, so that what is told of one time lies together. */
  readonly #at: number;
  readonly #values: Values;
  #latest = -1;

  constructor(at: number, values: Values) {
    this.#at = at;
    this.#values = values;
  }

  /** The place that one takes. */
  static placeIn(layout: Layout): number {
    return layout.take(SLOTS * FIELDS);
  }

  /** `lastedMs`: of the window that brings them. Windows of several lengths that end together lie on the mean of these, by their calls. */
  fold({ side, sums }: Pick<Tally, "side" | "sums">, nowMs: number, lastedMs = SLOT_MS): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    const lasted = clamp(Math.round(lastedMs / SLOT_MS), 1, Math.min(slot + 1, LASTED_MAX));
    this.#latest = Math.max(this.#latest, slot);
    const [values, at] = [this.#values, this.#begun(slot)];
    const calls = sums[TERM_AT.calls]!;
    const untold = sums[TERM_AT.untold]!;
    const came = calls + untold;
    const cameBefore = values[at + CALLS]! + values[at + UNTOLD]!;
    if (came > 0) values[at + LASTED] = (cameBefore * values[at + LASTED]! + came * lasted) / (cameBefore + came);
    values[at + CALLS]! += calls;
    values[at + ELAPSED_US]! += sums[TERM_AT.elapsedUs]!;
    if (side === "storage") values[at + AT_STORAGE]! += calls;
    values[at + UNTOLD]! += untold;
    values[at + BYTES]! += sums[TERM_AT.bytes]!;
    values[at + CPU_US]! += sums[TERM_AT.cpuUs]!;
    values[at + SLOWED_US]! += sums[TERM_AT.slowedUs]!;
  }

  /** To the slot. */
  between(fromMs: number, toMs: number): Heard {
    const first = Math.max(Math.ceil(fromMs / SLOT_MS), this.#latest - SLOTS + 1, 0);
    const end = Math.min(Math.ceil(toMs / SLOT_MS), this.#latest + 1);
    // What is told later may have begun before.
    const last = Math.min(end - 2 + LASTED_MAX, this.#latest);
    const values = this.#values;
    let calls = 0;
    let elapsedUs = 0;
    let atStorage = 0;
    let untold = 0;
    let bytes = 0;
    let cpuUs = 0;
    let slowedUs = 0;
    for (let slot = first; slot <= last; slot++) {
      const at = this.#placeOf(slot);
      const after = slot + 1;
      if (values[at + AFTER] !== after) continue;
      const lasted = values[at + LASTED]!;
      const within = Math.min(after, end) - Math.max(after - lasted, first);
      if (within <= 0) continue;
      const part = within / lasted;
      calls += part * values[at + CALLS]!;
      elapsedUs += part * values[at + ELAPSED_US]!;
      atStorage += part * values[at + AT_STORAGE]!;
      untold += part * values[at + UNTOLD]!;
      bytes += part * values[at + BYTES]!;
      cpuUs += part * values[at + CPU_US]!;
      slowedUs += part * values[at + SLOWED_US]!;
    }
    const times = calls <= 0 ? 0 : 1 + untold / calls;
    return { calls, elapsedUs: times * elapsedUs, atStorage, untold, bytes, cpuUs, slowedUs };
  }

  /** Where it is; with nothing in it, if it is another one's place until now. */
  #begun(slot: number): number {
    const [values, at] = [this.#values, this.#placeOf(slot)];
    if (values[at + AFTER] !== slot + 1) {
      // So few of them are written sooner than `fill` is called.
      for (let field = 0; field < FIELDS; field++) values[at + field] = 0;
      values[at + AFTER] = slot + 1;
    }
    return at;
  }

  #placeOf(slot: number): number {
    return this.#at + (slot % SLOTS) * FIELDS;
  }
}
