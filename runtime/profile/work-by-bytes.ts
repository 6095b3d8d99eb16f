// Whether the CPU time of a function goes with the bytes that it reads and writes. A walk of a graph computes
// for every node that it fetches: its calls differ a thousandfold, and yet each byte takes as long. Then bytes
// tell how much work calls are, and different calls can be compared (Cochran, Sampling Techniques, 1977, ch. 6).
//
// CPU time = a + b · bytes, by least squares over windows, each weighted by its calls.

import { SLOW_HALF_LIFE } from "./decayed-sums.ts";
import { FEW } from "./tally.ts";

/** Sums over windows: products are divided by the calls of the window. */
const NOTHING = { windows: 0, calls: 0, bytes: 0, cpuUs: 0, bytesSquared: 0, cpuSquared: 0, bytesCpu: 0 };

export class WorkByBytes {
  readonly #sums = { ...NOTHING };
  #atMs = 0;

  /** Weighted: older ones count less. */
  get calls(): number {
    return this.#sums.calls;
  }

  /** Sums over calls of warm code on one side. */
  add(calls: number, bytes: number, cpuUs: number, nowMs: number): void {
    const kept = SLOW_HALF_LIFE.partAfter(nowMs - this.#atMs);
    this.#atMs = nowMs;
    const sums = this.#sums;
    sums.windows = kept * sums.windows + 1;
    sums.calls = kept * sums.calls + calls;
    sums.bytes = kept * sums.bytes + bytes;
    sums.cpuUs = kept * sums.cpuUs + cpuUs;
    sums.bytesSquared = kept * sums.bytesSquared + (bytes * bytes) / calls;
    sums.cpuSquared = kept * sums.cpuSquared + (cpuUs * cpuUs) / calls;
    sums.bytesCpu = kept * sums.bytesCpu + (bytes * cpuUs) / calls;
  }

  /** CPU time of a call that does not depend on its bytes, as so many bytes: a ÷ b. null: CPU time does not go with bytes. */
  get besidesBytes(): number | null {
    const { windows, calls, ...sums } = this.#sums;
    if (windows < FEW) return null;
    const [bytes, cpuUs] = [sums.bytes / calls, sums.cpuUs / calls];
    const varied = sums.bytesSquared / calls - bytes ** 2;
    const together = sums.bytesCpu / calls - bytes * cpuUs;
    // Bytes that vary by less than a tenth make no difference.
    if (varied <= (bytes / 10) ** 2 || together <= 0) return null;
    const own = sums.cpuSquared / calls - cpuUs ** 2;
    // They have to explain half of the variance of CPU time.
    return 2 * together ** 2 < varied * own ? null : Math.max(0, (cpuUs * varied) / together - bytes);
  }
}
