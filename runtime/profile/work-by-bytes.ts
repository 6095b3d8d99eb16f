// Whether the CPU time of a function goes with the bytes that it reads and writes. A walk of a graph computes
// for every node that it fetches: its calls differ a thousandfold, and yet each byte takes as long. Then bytes
// tell how much work calls are, and different calls can be compared (Cochran, Sampling Techniques, 1977, ch. 6).
//
// CPU time = a + b · bytes, by least squares over windows, each weighted by its calls.

import { HalfLife } from "#runtime/decay.ts";

/** What a function does with a byte hardly changes. Not sensitive. */
const HALF_LIFE = new HalfLife(10_000);
/** Windows that must be known: fewer are on a line by chance. Not sensitive. */
const WINDOWS_MIN = 16;
/** Bytes explain CPU time if they explain this fraction of its variance. */
const EXPLAINED_MIN = 0.5;

/** Sums over windows: products are divided by the calls of the window. */
const NOTHING = { windows: 0, calls: 0, bytes: 0, cpuUs: 0, bytesSquared: 0, cpuSquared: 0, bytesCpu: 0 };
const FIELDS = Object.keys(NOTHING) as readonly (keyof typeof NOTHING)[];

export class WorkByBytes {
  readonly #sums = { ...NOTHING };
  #atMs = 0;

  /** Weighted: older ones count less. */
  get calls(): number {
    return this.#sums.calls;
  }

  /** Sums over calls of warm code on one side. */
  add(calls: number, bytes: number, cpuUs: number, nowMs: number): void {
    const kept = HALF_LIFE.partAfter(nowMs - this.#atMs);
    this.#atMs = nowMs;
    const sums = this.#sums;
    for (const field of FIELDS) sums[field] *= kept;
    sums.windows += 1;
    sums.calls += calls;
    sums.bytes += bytes;
    sums.cpuUs += cpuUs;
    sums.bytesSquared += (bytes * bytes) / calls;
    sums.cpuSquared += (cpuUs * cpuUs) / calls;
    sums.bytesCpu += (bytes * cpuUs) / calls;
  }

  /** CPU time of a call that does not depend on its bytes, as so many bytes: a ÷ b. null: CPU time does not go with bytes. */
  get besidesBytes(): number | null {
    const { windows, calls, ...sums } = this.#sums;
    if (windows < WINDOWS_MIN) return null;
    const [bytes, cpuUs] = [sums.bytes / calls, sums.cpuUs / calls];
    const varied = sums.bytesSquared / calls - bytes ** 2;
    const together = sums.bytesCpu / calls - bytes * cpuUs;
    // Bytes that vary by less than a tenth make no difference.
    if (varied <= (bytes / 10) ** 2 || together <= 0) return null;
    const own = sums.cpuSquared / calls - cpuUs ** 2;
    return together ** 2 < EXPLAINED_MIN * varied * own ? null : Math.max(0, (cpuUs * varied) / together - bytes);
  }
}
