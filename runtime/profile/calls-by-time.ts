// Calls of a function in the last 2.3 s by the time when they came, so that one stretch of time can be
// compared with another. Decayed means would mix them.

import { clamp } from "#runtime/clamp.ts";
import { TERM_AT, type Tally } from "./tally.ts";
import { WINDOW_MS, WINDOW_MS_MAX } from "./window-length.ts";

/** Slots are as long as the shortest window. */
const SLOTS = 92;

interface Heard {
  /** Calls that tell what the function costs. */
  readonly calls: number;
  /** Time of all calls. One that tells nothing counts like the others: its caller has no result and calls again. */
  readonly elapsedUs: number;
  readonly bytes: number;
}

/** After the number of its slot. */
const [AFTER, CALLS, ELAPSED_US, BYTES, UNTOLD, FIELDS] = [0, 1, 2, 3, 4, 5] as const;

export class CallsByTime {
  readonly #values = new Float64Array(SLOTS * FIELDS);
  #latest = -1;

  /** The calls of a window are spread evenly over its time. */
  fold({ sums }: Pick<Tally, "sums">, nowMs: number, windowMs: number): void {
    const last = Math.floor(nowMs / WINDOW_MS);
    const slots = clamp(Math.round(windowMs / WINDOW_MS), 1, Math.min(last + 1, WINDOW_MS_MAX / WINDOW_MS));
    this.#latest = Math.max(this.#latest, last);
    for (let slot = last - slots + 1; slot <= last; slot++) {
      const [values, at] = [this.#values, (slot % SLOTS) * FIELDS];
      if (values[at + AFTER] !== slot + 1) values.fill(0, at, at + FIELDS);
      values[at + AFTER] = slot + 1;
      values[at + CALLS]! += sums[TERM_AT.calls]! / slots;
      values[at + ELAPSED_US]! += sums[TERM_AT.elapsedUs]! / slots;
      values[at + BYTES]! += sums[TERM_AT.bytes]! / slots;
      values[at + UNTOLD]! += sums[TERM_AT.untold]! / slots;
    }
  }

  /** Times are rounded up to a slot. */
  between(fromMs: number, toMs: number): Heard {
    const first = Math.max(Math.ceil(fromMs / WINDOW_MS), this.#latest - SLOTS + 1, 0);
    const end = Math.min(Math.ceil(toMs / WINDOW_MS), this.#latest + 1);
    const values = this.#values;
    let [calls, elapsedUs, bytes, untold] = [0, 0, 0, 0];
    for (let slot = first; slot < end; slot++) {
      const at = (slot % SLOTS) * FIELDS;
      if (values[at + AFTER] !== slot + 1) continue;
      calls += values[at + CALLS]!;
      elapsedUs += values[at + ELAPSED_US]!;
      bytes += values[at + BYTES]!;
      untold += values[at + UNTOLD]!;
    }
    return { calls, elapsedUs: calls > 0 ? elapsedUs * (1 + untold / calls) : 0, bytes };
  }
}
