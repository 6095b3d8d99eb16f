// How often something may be done before its time: so many times at once, and then once in some time, whatever asks for it.

export class Hurries {
  readonly #times: number;
  readonly #everyMs: number;
  /** When all of them may be made at once again. */
  #wholeMs = -Infinity;

  constructor(times: number, everyMs: number) {
    this.#times = times;
    this.#everyMs = everyMs;
  }

  mayHurry(nowMs: number): boolean {
    return this.#wholeMs - nowMs <= (this.#times - 1) * this.#everyMs;
  }

  count(nowMs: number): void {
    this.#wholeMs = Math.max(this.#wholeMs, nowMs) + this.#everyMs;
  }
}
