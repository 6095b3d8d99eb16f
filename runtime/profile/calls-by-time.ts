// Calls of a function in the last two seconds by the time when they came, so that one stretch of time can be
// compared with another. Decayed means would mix them.

import { clamp } from "#runtime/clamp.ts";
import { TERM_AT, type Tally } from "./tally.ts";
import { WINDOW_MS, WINDOW_MS_MAX } from "./window-length.ts";

/** Calls are kept for about this long, whatever length their windows have. */
export const CALLS_KEPT_MS = 2_000;
/** Slots are as long as the shortest window. A few more hold the latest window while it is compared. */
const SLOTS = CALLS_KEPT_MS / WINDOW_MS + 12;

interface Heard {
  /** Calls that tell what the function costs. */
  readonly calls: number;
  /** Time of all calls. One that tells nothing counts like the others: its caller has no result and calls again. */
  readonly elapsedUs: number;
}

export class CallsByTime {
  /** Of each place: the slot that it holds, plus 1. */
  readonly #after = new Float64Array(SLOTS);
  readonly #calls = new Float32Array(SLOTS);
  readonly #elapsedUs = new Float32Array(SLOTS);
  readonly #untold = new Float32Array(SLOTS);
  #latest = -1;

  /** The calls of a window are spread evenly over its time. */
  fold({ sums }: Pick<Tally, "sums">, nowMs: number, windowMs: number): void {
    const last = Math.floor(nowMs / WINDOW_MS);
    const slots = clamp(Math.round(windowMs / WINDOW_MS), 1, Math.min(last + 1, WINDOW_MS_MAX / WINDOW_MS));
    this.#latest = Math.max(this.#latest, last);
    const [calls, elapsedUs] = [sums[TERM_AT.calls]! / slots, sums[TERM_AT.elapsedUs]! / slots];
    const untold = sums[TERM_AT.untold]! / slots;
    for (let slot = last - slots + 1; slot <= last; slot++) {
      const at = slot % SLOTS;
      const kept = this.#after[at] === slot + 1 ? 1 : 0;
      this.#after[at] = slot + 1;
      this.#calls[at] = kept * this.#calls[at]! + calls;
      this.#elapsedUs[at] = kept * this.#elapsedUs[at]! + elapsedUs;
      this.#untold[at] = kept * this.#untold[at]! + untold;
    }
  }

  /** Times are rounded up to a slot. */
  between(fromMs: number, toMs: number): Heard {
    const first = Math.max(Math.ceil(fromMs / WINDOW_MS), this.#latest - SLOTS + 1, 0);
    const end = Math.min(Math.ceil(toMs / WINDOW_MS), this.#latest + 1);
    let [calls, elapsedUs, untold] = [0, 0, 0];
    for (let slot = first; slot < end; slot++) {
      const at = slot % SLOTS;
      if (this.#after[at] !== slot + 1) continue;
      calls += this.#calls[at]!;
      elapsedUs += this.#elapsedUs[at]!;
      untold += this.#untold[at]!;
    }
    return { calls, elapsedUs: calls > 0 ? elapsedUs * (1 + untold / calls) : 0 };
  }
}
