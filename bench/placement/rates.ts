// What a run of calls came to.

import { percentile } from "#compute/cli/summary.ts";
import type { Calls } from "./load.ts";
import type { Part } from "./schedule.ts";

export interface Came {
  /** Each call by its work. */
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the calls, at storage. */
  readonly storageShare: number;
  readonly probeShare: number;
  readonly failed: number;
}

/**
 * Of the calls that ended from … to, counted from the first end to the last: a few long calls that straddle the borders do not
 * matter then. Where fewer than two ended well, all calls count. Throws where none did.
 */
export function cameOf(calls: Calls, parts: readonly Pick<Part, "works">[], fromMs: number, toMs: number): Came {
  const { endMs, elapsedUs, atStorage, isProbe, ok } = calls;
  const indexes = [...endMs.keys()].filter((index) => endMs[index]! >= fromMs && endMs[index]! < toMs);
  const done = indexes.filter((index) => ok[index] === 1);
  if (done.length < 2 && toMs !== Infinity) return cameOf(calls, parts, 0, Infinity);
  const [first, last] = [done[0], done.at(-1)];
  if (first === undefined || last === undefined) {
    throw new Error(`no call ended well: ${Object.values(calls.firstErrors).join("; ")}`);
  }
  const sorted = Float64Array.from(done, (index) => elapsedUs[index]!).toSorted();
  const shareOf = (column: Uint8Array): number => done.reduce((sum, index) => sum + column[index]!, 0) / done.length;
  const workOf = worksOf(calls, parts);
  const work = done.slice(1).reduce((sum, index) => sum + workOf(index), 0);
  const seconds = (endMs[last]! - endMs[first]!) / 1e3;
  return {
    perSecond: seconds > 0 ? work / seconds : (1e3 * workOf(last)) / endMs[last]!,
    p50Us: percentile(sorted, 50)!,
    p99Us: percentile(sorted, 99)!,
    storageShare: shareOf(atStorage),
    probeShare: shareOf(isProbe),
    failed: indexes.length - done.length,
  };
}

/**
 * Calls that ended well from … to, a second of all that time: of calls that come whatever becomes of others also a time in which none ended counts. Where none ended
 * well in it, all that did, until the last call ended.
 */
export function answeredPerSecond(
  calls: Calls,
  parts: readonly Pick<Part, "works">[],
  fromMs: number,
  toMs: number,
): number {
  const { endMs: ends, ok } = calls;
  const workOf = worksOf(calls, parts);
  const workWithin = (startMs: number, untilMs: number): number =>
    ends.reduce((sum, endMs, index) => {
      const isAnswered = ok[index] === 1 && endMs >= startMs && endMs < untilMs;
      return isAnswered ? sum + workOf(index) : sum;
    }, 0);
  const work = workWithin(fromMs, toMs);
  return 1e3 * (work > 0 ? work / (toMs - fromMs) : workWithin(0, Infinity) / (ends.at(-1) ?? 1));
}

/** Of a call, by its place, in those of usual work. */
const worksOf =
  ({ part, number }: Calls, parts: readonly Pick<Part, "works">[]) =>
  (index: number): number => {
    const works = parts[part[index]!]?.works ?? null;
    return works === null ? 1 : works[number[index]! % works.length]!;
  };
