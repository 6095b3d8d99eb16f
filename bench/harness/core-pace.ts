// How fast a core is now, of how fast it has been: by what the same small work takes on it again and again. A core whose other hardware
// thread belongs to somebody else is slower while that one has work, for seconds at a time, and nothing else tells of it.

import { medianOf } from "./statistics.ts";

/** The quickest samples, of all: what the core does when nothing disturbs it, where that is so for this part of the time at least. */
const QUICK_PART = 0.02;
/** Samples are kept so long; of a stretch that is longer its end is told of. */
const RECENT_MS = 30_000;

export class CorePace {
  /** How many samples took so many µs. */
  readonly #counts = new Map<number, number>();
  #samples = 0;
  readonly #recent: { readonly us: number; readonly atMs: number }[] = [];

  /** What the work took, in whole µs of CPU time. */
  add(us: number, nowMs: number): void {
    this.#counts.set(us, (this.#counts.get(us) ?? 0) + 1);
    this.#samples += 1;
    this.#recent.push({ us, atMs: nowMs });
    while (this.#recent[0]!.atMs <= nowMs - RECENT_MS) this.#recent.shift();
  }

  /** How often the time of its quickest samples the work took lately, by the median; 1 where there are no samples. */
  slowdown(lastMs: number, nowMs: number): number {
    const lately = this.#recent.filter(({ atMs }) => atMs > nowMs - lastMs).map(({ us }) => us);
    return lately.length === 0 ? 1 : medianOf(lately) / this.#quickUs();
  }

  #quickUs(): number {
    const times = [...this.#counts.keys()].toSorted((a, b) => a - b);
    let seen = 0;
    return times.find((us) => (seen += this.#counts.get(us)!) >= QUICK_PART * this.#samples)!;
  }
}
