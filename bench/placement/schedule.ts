// In which order the calls of a mix are made: of each function its weight's part, as evenly as can be, the same every time.

import type { SuiteCall } from "./suite.ts";

export interface Part {
  /** The function's name. */
  readonly function: string;
  readonly weight: number;
  readonly calls: readonly SuiteCall[];
  /** By call, how much work it is, in means of all; null: as much as any other. */
  readonly works: ArrayLike<number> | null;
  /** Each call is given its number, as `call` in its arguments, and this key, under which the function counts it. */
  readonly countedIn?: string;
}

export interface Scheduled {
  /** Its place among the parts. */
  readonly part: number;
  /** Of the part's calls, from 0. */
  readonly number: number;
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
    const { function: name, calls, countedIn } = this.#parts[most]!;
    const number = (this.#made[most] = (this.#made[most] ?? -1) + 1);
    const call = calls[number % calls.length]!;
    return {
      part: most,
      number,
      function: name,
      call: countedIn === undefined ? call : counted(call, number, countedIn),
    };
  }
}

/** Its arguments are an object. */
const counted = ({ argsJson }: SuiteCall, number: number, key: string): SuiteCall => ({
  argsJson: `{"call":${number},${argsJson.slice(1)}`,
  keys: [key],
});
