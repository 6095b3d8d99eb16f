// How many calls there were lately, as what is known fades: by half in some time.

import type { HalfLife } from "#runtime/decay.ts";
import type { Layout, Values } from "./layout.ts";

/** How many, and when that was. */
const [CALLS, AT_MS, SIZE] = [0, 1, 2] as const;

/** How many there were; each counts half as much after the half-life. */
export class CallsLately {
  readonly #at: number;
  readonly #halfLife: HalfLife;

  constructor(layout: Layout, halfLife: HalfLife) {
    this.#at = layout.take(SIZE);
    this.#halfLife = halfLife;
  }

  add(values: Values, calls: number, nowMs: number): void {
    values[this.#at + CALLS] = this.countAt(values, nowMs) + calls;
    values[this.#at + AT_MS] = nowMs;
  }

  countAt(values: Values, nowMs: number): number {
    return values[this.#at + CALLS]! * this.#halfLife.partAfter(nowMs - values[this.#at + AT_MS]!);
  }
}
