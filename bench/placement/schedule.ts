// In which order the calls of a mix are made: of each function its weight's part, as evenly as can be, the same every time.

import type { SuiteCall } from "./suite.ts";

export interface Part {
  /** The function's name. */
  readonly function: string;
  readonly weight: number;
  readonly calls: readonly SuiteCall[];
}

export interface Scheduled {
  /** Its place among the parts. */
  readonly part: number;
  readonly function: string;
  readonly call: SuiteCall;
}

/** Smooth weighted round robin: who is owed most is next. */
export class Schedule {
  readonly #made: number[] = [];
  #parts: readonly Part[];
  #owed: number[];

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
    this.#owed = parts.map(() => 0);
  }

  /** From the next call on; calls of each part go on where they were. */
  follow(parts: readonly Part[]): void {
    this.#parts = parts;
    this.#owed = parts.map(() => 0);
  }

  next(): Scheduled {
    const total = this.#parts.reduce((sum, { weight }) => sum + weight, 0);
    let most = 0;
    for (const [index, { weight }] of this.#parts.entries()) {
      this.#owed[index]! += weight;
      if (this.#owed[index]! > this.#owed[most]!) most = index;
    }
    this.#owed[most]! -= total;
    const { function: name, calls } = this.#parts[most]!;
    const made = (this.#made[most] = (this.#made[most] ?? -1) + 1);
    return { part: most, function: name, call: calls[made % calls.length]! };
  }
}
