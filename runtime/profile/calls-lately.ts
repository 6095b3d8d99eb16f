// How many calls there were lately, as what is known fades: by half in some time.

import { decayOf } from "#runtime/decay.ts";

/** How many there were; each counts half as much after `halfLifeMs`. */
export class CallsLately {
  readonly #halfLifeMs: number;
  #calls = 0;
  #atMs = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  /** They came all over a stretch that ends now: the first of them have decayed by then. */
  addStretch(calls: number, stretchMs: number, nowMs: number): void {
    this.add(stretchMs > 0 ? (calls * this.#weightOf(stretchMs)) / stretchMs : calls, nowMs);
  }

  add(calls: number, nowMs: number): void {
    this.#calls = this.at(nowMs) + calls;
    this.#atMs = nowMs;
  }

  at(nowMs: number): number {
    return this.#calls * decayOf(nowMs - this.#atMs, this.#halfLifeMs);
  }

  /** Of a stream that began so long ago: held against what a steady one would have by now, or a young rate would be too low. */
  perSecond(forMs: number, nowMs: number): number {
    if (this.#calls === 0) return 0;
    const weightMs = this.#weightOf(forMs);
    return weightMs <= 0 ? 0 : (this.at(nowMs) * 1e3) / weightMs;
  }

  /** Of a steady stream that began so long ago, in ms of it that count in full: the integral of its decay. */
  #weightOf(ms: number): number {
    return (this.#halfLifeMs / Math.LN2) * (1 - decayOf(ms, this.#halfLifeMs));
  }
}
