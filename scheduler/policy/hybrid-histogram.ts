// Hybrid histogram policy (Shahrad et al., "Serverless in the Wild", USENIX ATC 2020, section 4): each function's idle times are counted in
// bins of a minute, up to four hours. After a call its instance ends; one is started again when the 5th percentile of idle times has
// passed, less a tenth, and kept until the 99th, more a tenth. Where the 5th percentile is in the first bin it is kept instead. Where the
// histogram tells nothing (its bins' counts vary little, or there are few), it is kept for the whole four hours; where most idle times are
// longer than the histogram, the next is forecast from those before and the window is 15 % to either side.
//
// The paper forecasts with an automatically chosen ARIMA; here that is AR(1) with drift, fitted by least squares to the last idle times.

import { KeepAliveFunction } from "./keep-alive-function.ts";
import { FIRST_START_MS, NOTHING_WARM, type Policy, type WarmPlan } from "./policy.ts";
import { amountIn, amountsIn } from "./saved-amounts.ts";

const BIN_MS = 60e3;
const BINS = 240;
const HEAD = 0.05;
const TAIL = 0.99;
const MARGIN = 0.1;
const FORECAST_MARGIN = 0.15;
/** Of the bins' counts: below it the histogram is no use. */
const VARIATION_MIN = 2;
const IDLE_TIMES_MIN = 2;
const OUT_OF_BOUNDS_MAX = 0.5;
const FORECAST_FROM = 16;

export const hybridHistogram = (): Policy => ({
  name: "hybrid-histogram",
  sharesStarts: false,
  attach: () => {},
  follow: (_facts, _nowMs, saved) => new HybridFunction(saved as SavedHybrid | undefined),
  save: () => null,
  restore: () => {},
});

interface SavedHybrid {
  readonly bins: readonly number[];
  readonly outOfBounds: number;
  readonly lastMs: readonly number[];
  readonly startMs: number;
}

class HybridFunction extends KeepAliveFunction {
  readonly #bins = new Uint32Array(BINS);
  #inBounds = 0;
  #squares = 0;
  #outOfBounds = 0;
  readonly #lastMs: number[] = [];
  #startMs = FIRST_START_MS;
  #running = 0;
  #idleSinceMs = NaN;
  #planMs = Infinity;
  #untilMs = 0;
  #justEnded = false;
  /** Since the histogram changed. */
  #windows: { readonly prewarmMs: number; readonly keepAliveMs: number } | null = null;

  constructor(saved: SavedHybrid | undefined) {
    super();
    if (saved === undefined) return;
    this.#bins.set(amountsIn(saved.bins, BINS));
    for (const count of this.#bins) {
      this.#inBounds += count;
      this.#squares += count ** 2;
    }
    this.#outOfBounds = amountIn(saved.outOfBounds);
    this.#lastMs.push(...amountsIn(saved.lastMs, FORECAST_FROM));
    this.#startMs = amountIn(saved.startMs);
  }

  arrived(nowMs: number): void {
    if (this.#running === 0 && this.#idleSinceMs === this.#idleSinceMs) this.#count(nowMs - this.#idleSinceMs);
    this.#running++;
    this.#planMs = Infinity;
  }

  override started(startMs: number): void {
    this.#startMs = startMs;
  }

  override ended(_executionMs: number, nowMs: number): void {
    this.#running--;
    this.#justEnded = true;
    this.#idleSinceMs = nowMs;
  }

  override left(nowMs: number): void {
    this.#running--;
    this.#idleSinceMs = nowMs;
  }

  keepAliveMs(_idle: number, nowMs: number): number {
    const afterCall = this.#justEnded;
    this.#justEnded = false;
    // Started ahead: as long as was planned.
    if (!afterCall && nowMs < this.#untilMs) return 0;
    const { prewarmMs, keepAliveMs } = (this.#windows ??= this.#newWindows());
    if (prewarmMs <= this.#startMs) return prewarmMs + keepAliveMs;
    if (this.#running === 0) {
      this.#planMs = nowMs + prewarmMs - this.#startMs;
      this.#untilMs = nowMs + prewarmMs + keepAliveMs;
    }
    return 0;
  }

  override nextPlanMs(): number {
    return this.#planMs;
  }

  override plan(): WarmPlan {
    this.#planMs = Infinity;
    return this.#running > 0 ? NOTHING_WARM : { warm: 1, untilMs: this.#untilMs };
  }

  save(): SavedHybrid {
    return {
      bins: [...this.#bins],
      outOfBounds: this.#outOfBounds,
      lastMs: [...this.#lastMs],
      startMs: this.#startMs,
    };
  }

  #count(idleMs: number): void {
    this.#windows = null;
    this.#lastMs.push(idleMs);
    if (this.#lastMs.length > FORECAST_FROM) this.#lastMs.shift();
    const bin = Math.floor(idleMs / BIN_MS);
    if (bin >= BINS) {
      this.#outOfBounds++;
      return;
    }
    this.#squares += 2 * this.#bins[bin]! + 1;
    this.#bins[bin]!++;
    this.#inBounds++;
  }

  #newWindows(): { readonly prewarmMs: number; readonly keepAliveMs: number } {
    const all = this.#inBounds + this.#outOfBounds;
    if (all >= IDLE_TIMES_MIN && this.#outOfBounds > all * OUT_OF_BOUNDS_MAX) {
      const nextMs = forecastNext(this.#lastMs);
      return { prewarmMs: nextMs * (1 - FORECAST_MARGIN), keepAliveMs: nextMs * 2 * FORECAST_MARGIN };
    }
    const mean = this.#inBounds / BINS;
    const variation = mean === 0 ? 0 : Math.sqrt(Math.max(0, this.#squares / BINS - mean ** 2)) / mean;
    if (all < IDLE_TIMES_MIN || variation < VARIATION_MIN) return { prewarmMs: 0, keepAliveMs: BINS * BIN_MS };
    const headMs = this.#bin(HEAD) * BIN_MS * (1 - MARGIN);
    const tailMs = (this.#bin(TAIL) + 1) * BIN_MS * (1 + MARGIN);
    return { prewarmMs: headMs, keepAliveMs: tailMs - headMs };
  }

  /** In which that share of the idle times has been seen. */
  #bin(share: number): number {
    let left = share * this.#inBounds;
    for (let bin = 0; bin < BINS; bin++) {
      left -= this.#bins[bin]!;
      if (left <= 0) return bin;
    }
    return BINS - 1;
  }
}

/** x(n + 1) = a + b · x(n), by least squares; the mean where that says nothing. */
export function forecastNext(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const pairs = values.length - 1;
  if (pairs < 2) return mean;
  let [sumX, sumY, sumXX, sumXY] = [0, 0, 0, 0];
  for (let at = 0; at < pairs; at++) {
    const [x, y] = [values[at]!, values[at + 1]!];
    sumX += x;
    sumY += y;
    sumXX += x * x;
    sumXY += x * y;
  }
  const below = pairs * sumXX - sumX ** 2;
  if (below <= 0) return mean;
  const slope = Math.max(-0.99, Math.min(0.99, (pairs * sumXY - sumX * sumY) / below));
  return Math.max(0, (sumY - slope * sumX) / pairs + slope * values.at(-1)!);
}
