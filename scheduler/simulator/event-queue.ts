// What is to come in virtual time, earliest first; of the same time, what was put in first. Columns instead of objects: a replay puts one in and
// takes one out for each call.

export class EventQueue<What> {
  readonly #atMs: number[] = [];
  readonly #serials: number[] = [];
  readonly #whats: What[] = [];
  readonly #details: number[] = [];
  #serial = 0;
  /** Of the last that was taken. */
  what: What | null = null;
  detail = 0;

  get size(): number {
    return this.#atMs.length;
  }

  /** Infinity where nothing is to come. */
  get nextMs(): number {
    return this.#atMs.length === 0 ? Infinity : this.#atMs[0]!;
  }

  push(atMs: number, what: What, detail: number): void {
    let at = this.#atMs.length;
    const serial = this.#serial++;
    this.#atMs.push(atMs);
    this.#serials.push(serial);
    this.#whats.push(what);
    this.#details.push(detail);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#atMs[above]! <= atMs) break;
      this.#move(above, at);
      at = above;
    }
    this.#put(at, atMs, serial, what, detail);
  }

  /** Into `what` and `detail`. There must be one. */
  take(): void {
    this.what = this.#whats[0]!;
    this.detail = this.#details[0]!;
    const atMs = this.#atMs.pop()!;
    const serial = this.#serials.pop()!;
    const what = this.#whats.pop()!;
    const detail = this.#details.pop()!;
    const { length } = this.#atMs;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && this.#isBefore(below + 1, below)) below++;
      const belowMs = this.#atMs[below]!;
      if (belowMs > atMs || (belowMs === atMs && this.#serials[below]! > serial)) break;
      this.#move(below, at);
      at = below;
    }
    this.#put(at, atMs, serial, what, detail);
  }

  #isBefore(one: number, other: number): boolean {
    const difference = this.#atMs[one]! - this.#atMs[other]!;
    return difference < 0 || (difference === 0 && this.#serials[one]! < this.#serials[other]!);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from]!, this.#serials[from]!, this.#whats[from]!, this.#details[from]!);
  }

  #put(at: number, atMs: number, serial: number, what: What, detail: number): void {
    this.#atMs[at] = atMs;
    this.#serials[at] = serial;
    this.#whats[at] = what;
    this.#details[at] = detail;
  }
}
