// Whether what a function computes goes with what it reads and writes. A walk of a graph computes for every node that it has fetched: its calls may differ a thousandfold, and
// yet each byte takes as long as in all others. Then how much work calls are is known from their bytes, which are the same on either side, and two sides, or two stretches
// of time, can be held against each other though their calls were others: by work in place of calls (a ratio estimator with an auxiliary variable; Cochran, Sampling Techniques, 1977, ch. 6).
//
// CPU time = fixed + perByte · bytes, by least squares over the windows that bring the calls, each weighted by its calls.

/** A window counts half as much after this time: what a function does with a byte hardly changes. Chosen. */
const HALF_LIFE_MS = 10_000;
/** Of what CPU times vary by, this part or more is by bytes (of walks 0.9 and more); and still so until it is less than the other. Chosen. */
const EXPLAINED_MIN = 0.7;
const EXPLAINED_STILL = 0.4;
/** Windows that say so: two points are always on a line. */
const WINDOWS_MIN = 6;
/** Bytes that vary by less than this, as a share of their mean, make no difference. */
const VARIATION_MIN = 0.1;

export class WorkByBytes {
  #windows = 0;
  #calls = 0;
  #bytes = 0;
  #cpuUs = 0;
  /** Of two terms their products ÷ calls, over windows. */
  #bytesBytes = 0;
  #bytesCpu = 0;
  #cpuCpu = 0;
  #atMs = 0;
  #fixedBytes: number | null = null;

  /** Sums over calls of one side, whose code was compiled. */
  add(calls: number, bytes: number, cpuUs: number, nowMs: number): void {
    const kept = Math.exp((-Math.LN2 * Math.max(0, nowMs - this.#atMs)) / HALF_LIFE_MS);
    this.#atMs = nowMs;
    this.#windows = kept * this.#windows + 1;
    this.#calls = kept * this.#calls + calls;
    this.#bytes = kept * this.#bytes + bytes;
    this.#cpuUs = kept * this.#cpuUs + cpuUs;
    this.#bytesBytes = kept * this.#bytesBytes + (bytes * bytes) / calls;
    this.#bytesCpu = kept * this.#bytesCpu + (bytes * cpuUs) / calls;
    this.#cpuCpu = kept * this.#cpuCpu + (cpuUs * cpuUs) / calls;
    this.#fixedBytes = this.#fit();
  }

  /** What a call computes whatever its bytes are, as so many of them: from 0. null: it does not go with bytes, or nobody knows yet. */
  get fixedBytes(): number | null {
    return this.#fixedBytes;
  }

  /** How many calls say so, each of which counts less as it gets older. */
  get calls(): number {
    return this.#calls;
  }

  /** Of a call. */
  get meanBytes(): number {
    return this.#bytes / this.#calls;
  }

  #fit(): number | null {
    if (this.#windows < WINDOWS_MIN) return null;
    const [bytes, cpuUs] = [this.#bytes / this.#calls, this.#cpuUs / this.#calls];
    const byBytes = this.#bytesBytes / this.#calls - bytes ** 2;
    const byCpu = this.#cpuCpu / this.#calls - cpuUs ** 2;
    const together = this.#bytesCpu / this.#calls - bytes * cpuUs;
    if (!(byBytes > (VARIATION_MIN * bytes) ** 2 && byCpu > 0 && together > 0)) return null;
    const explained = together ** 2 / (byBytes * byCpu);
    if (explained < (this.#fixedBytes === null ? EXPLAINED_MIN : EXPLAINED_STILL)) return null;
    return Math.max(0, (cpuUs * byBytes) / together - bytes);
  }
}
