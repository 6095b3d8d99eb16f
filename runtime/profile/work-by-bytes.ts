// Whether what a function does goes with what it reads and writes. A walk of a graph computes for every node that it has fetched: its calls may differ a thousandfold, and
// yet each byte takes as long as in all others. Then how much work calls are is known from their bytes, which are the same on either side, and two sides, or two stretches
// of time, can be held against each other though their calls were others: by work in place of calls (a ratio estimator with an auxiliary variable; Cochran, Sampling Techniques, 1977, ch. 6).
//
// CPU time, or work, = besides + perByte · bytes, by least squares over the windows that bring the calls, each weighted by its calls.

import { decayOf } from "#runtime/decay.ts";

/** A window counts half as much after this time: what a function does with a byte hardly changes. Chosen. */
const HALF_LIFE_MS = 10_000;
/** Of what it varies by, this part or more is by bytes (of walks 0.9 and more); and still so until it is less than the other. Chosen. */
const EXPLAINED_MIN = 0.7;
const EXPLAINED_STILL = 0.4;
/** Windows that say so: of fewer, some are on a line by chance. */
const WINDOWS_MIN = 16;
/** Bytes that vary by less than this, as a share of their mean, make no difference. */
const VARIATION_MIN = 0.1;

/** One of what may go with bytes: sums over windows. */
class Line {
  #sum = 0;
  /** Products with itself and with bytes, each ÷ calls. */
  #squared = 0;
  #withBytes = 0;
  besidesBytes: number | null = null;

  add(kept: number, calls: number, bytes: number, sum: number): void {
    this.#sum = kept * this.#sum + sum;
    this.#squared = kept * this.#squared + (sum * sum) / calls;
    this.#withBytes = kept * this.#withBytes + (bytes * sum) / calls;
  }

  /** `bytes`: of a call, on average, and `varied` their variance. */
  fit(calls: number, bytes: number, varied: number): void {
    const mean = this.#sum / calls;
    const own = this.#squared / calls - mean ** 2;
    const together = this.#withBytes / calls - bytes * mean;
    const explained = own > 0 && together > 0 ? together ** 2 / (varied * own) : 0;
    const isKnown = explained >= (this.besidesBytes === null ? EXPLAINED_MIN : EXPLAINED_STILL);
    this.besidesBytes = isKnown ? Math.max(0, (mean * varied) / together - bytes) : null;
  }
}

export class WorkByBytes {
  #windows = 0;
  #calls = 0;
  #bytes = 0;
  #bytesSquared = 0;
  readonly #cpu = new Line();
  readonly #work = new Line();
  #atMs = 0;

  /** Sums over calls of one side, whose code was compiled. `workUs`: as a change detector sees it. */
  add(calls: number, bytes: number, cpuUs: number, workUs: number, nowMs: number): void {
    const kept = decayOf(nowMs - this.#atMs, HALF_LIFE_MS);
    this.#atMs = nowMs;
    this.#windows = kept * this.#windows + 1;
    this.#calls = kept * this.#calls + calls;
    this.#bytes = kept * this.#bytes + bytes;
    this.#bytesSquared = kept * this.#bytesSquared + (bytes * bytes) / calls;
    this.#cpu.add(kept, calls, bytes, cpuUs);
    this.#work.add(kept, calls, bytes, workUs);
    const mean = this.#bytes / this.#calls;
    const varied = this.#bytesSquared / this.#calls - mean ** 2;
    const isVaried = this.#windows >= WINDOWS_MIN && varied > (VARIATION_MIN * mean) ** 2;
    for (const line of [this.#cpu, this.#work])
      if (isVaried) line.fit(this.#calls, mean, varied);
      else line.besidesBytes = null;
  }

  /** How many calls say so, each of which counts less as it gets older. */
  get calls(): number {
    return this.#calls;
  }

  /** CPU time that a call takes whatever its bytes are, as what so many of these take: from 0. null: it does not go with bytes, or nobody knows yet. */
  get cpuBesidesBytes(): number | null {
    return this.#cpu.besidesBytes;
  }

  /** The same of its work. */
  get workBesidesBytes(): number | null {
    return this.#work.besidesBytes;
  }
}
