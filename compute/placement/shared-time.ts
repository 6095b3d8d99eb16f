// Time that several kinds of work share of which nobody knows how long one takes: each may take an equal part of what is left. What one
// takes beyond its part is taken from those after it, and what it leaves is theirs.

interface SharedTimeOptions {
  /** Of the clock. */
  readonly untilMs: number;
  /** How many kinds of work there are. */
  readonly parts: number;
  readonly nowMs: () => number;
}

export class SharedTime {
  readonly #options: SharedTimeOptions;
  #taken = 0;

  constructor(options: SharedTimeOptions) {
    this.#options = options;
  }

  /** Of the next kind of work, which begins now. */
  next(): TimePart {
    const { untilMs, parts, nowMs } = this.#options;
    const now = nowMs();
    const partMs = Math.max(0, untilMs - now) / Math.max(1, parts - this.#taken);
    this.#taken += 1;
    return new TimePart(now + partMs, nowMs);
  }
}

export class TimePart {
  readonly #untilMs: number;
  readonly #nowMs: () => number;

  constructor(untilMs: number, nowMs: () => number) {
    this.#untilMs = untilMs;
    this.#nowMs = nowMs;
  }

  /** Does it so often, but no more where one more like the last would end too late; once at least. */
  async repeat<Result>(times: number, work: () => Promise<Result>): Promise<Result[]> {
    const results: Result[] = [];
    let startMs = this.#nowMs();
    do {
      results.push(await work());
      const endMs = this.#nowMs();
      if (2 * endMs - startMs > this.#untilMs) break;
      startMs = endMs;
    } while (results.length < times);
    return results;
  }
}
