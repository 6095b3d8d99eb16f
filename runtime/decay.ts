// What is known fades: by half in some time.

/** Of what there was `ms` ago, the part that counts still, 0 to 1. A clock that jumps back decays nothing. */
export const decayOf = (ms: number, halfLifeMs: number): number =>
  ms > 0 ? Math.exp((-Math.LN2 * ms) / halfLifeMs) : 1;

/** Of a steady stream that began `ms` ago, in ms of it that count in full: the integral of its decay. */
export const weightOf = (ms: number, halfLifeMs: number): number =>
  (halfLifeMs / Math.LN2) * (1 - decayOf(ms, halfLifeMs));

/** The same again and again: what comes in one window is mostly of one age, and an exponential takes as long as a dozen sums. */
export class HalfLife {
  readonly ms: number;
  #lastMs = 0;
  #lastPart = 1;
  #weighedMs = 0;
  #weightMs = 0;

  constructor(ms: number) {
    this.ms = ms;
  }

  /** As `decayOf`. */
  partAfter(ms: number): number {
    if (ms !== this.#lastMs) {
      this.#lastMs = ms;
      this.#lastPart = decayOf(ms, this.ms);
    }
    return this.#lastPart;
  }

  /** As `weightOf`. */
  weightOf(ms: number): number {
    if (ms !== this.#weighedMs) {
      this.#weighedMs = ms;
      this.#weightMs = weightOf(ms, this.ms);
    }
    return this.#weightMs;
  }
}
