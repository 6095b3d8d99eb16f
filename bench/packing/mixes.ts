// Needs to be packed, as shares of a node: at random, and as adversaries of packers have them.

import { seededRandom } from "#runtime/seeded-random.ts";

export interface Need {
  readonly memory: number;
  readonly cpu: number;
}

const EPSILON = 0.005;

export function mixes(seed: number, count: number): Readonly<Record<string, readonly Need[]>> {
  const random = seededRandom(seed);
  const many = (draw: (index: number) => Need): Need[] => Array.from({ length: count }, (_, index) => draw(index));
  const between = (min: number, max: number): number => min + random() * (max - min);
  return {
    "small, at random": many(() => ({ memory: between(0.01, 0.15), cpu: between(0.01, 0.15) })),
    "up to two fifths, at random": many(() => ({ memory: between(0.02, 0.4), cpu: between(0.02, 0.4) })),
    "either memory or CPU": many(() =>
      random() < 0.5
        ? { memory: between(0.15, 0.45), cpu: between(0.01, 0.08) }
        : { memory: between(0.01, 0.08), cpu: between(0.15, 0.45) },
    ),
    "as the 2020 contest configures": many(() => {
      const memoryMb = [128, 256, 512, 1_024][Math.floor(random() * 4)]!;
      return { memory: memoryMb / 3_072, cpu: ((memoryMb / 1_024) * 0.67) / 2 };
    }),
    "just above a half, a third, a seventh, the small ones first": many((index) => {
      const share = [1 / 7, 1 / 3, 1 / 2][Math.floor((index * 3) / count)]! + EPSILON;
      return { memory: share, cpu: share / 2 };
    }),
    "three quarters of one resource, a quarter of the other": many((index) =>
      index < count / 2 ? { memory: 3 / 4 - EPSILON, cpu: 1 / 4 } : { memory: 1 / 4, cpu: 3 / 4 - EPSILON },
    ),
  };
}

/**
 * No packing needs fewer nodes: what all need of each resource, and, since no two that need more than a half fit together, for thresholds up
 * to a half the bound L2 of Martello and Toth (1990), of each resource.
 */
export function lowerBound(needs: readonly Need[]): number {
  return Math.max(...(["memory", "cpu"] as const).map((resource) => lowerBoundOf(needs.map((need) => need[resource]))));
}

function lowerBoundOf(shares: readonly number[]): number {
  const sorted = shares.toSorted((one, other) => one - other);
  /** By how many of the smallest, their sum. */
  const sums = [0];
  for (const share of sorted) sums.push(sums.at(-1)! + share);
  /** How many are at most so large. */
  const upTo = (most: number): number => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle]! <= most) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const total = sums.at(-1)!;
  const halves = upTo(0.5);
  let bound = Math.max(Math.ceil(total - 1e-9), sorted.length - halves);
  // Each threshold is the share at that place, and those before it are left out.
  for (let place = 0; place < halves; place++) {
    const threshold = sorted[place]!;
    if (threshold === sorted[place - 1]) continue;
    const middles = upTo(1 - threshold);
    const room = middles - halves - (sums[middles]! - sums[halves]!);
    const left = sums[halves]! - sums[place]! - room;
    bound = Math.max(bound, sorted.length - halves + Math.max(0, Math.ceil(left - 1e-9)));
  }
  return bound;
}
