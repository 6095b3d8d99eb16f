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
  const total = shares.reduce((sum, share) => sum + share, 0);
  let most = Math.ceil(total - 1e-9);
  for (const threshold of new Set(shares.filter((share) => share <= 0.5))) {
    const large = shares.filter((share) => share > 1 - threshold).length;
    const middle = shares.filter((share) => share > 0.5 && share <= 1 - threshold);
    const small = shares.filter((share) => share >= threshold && share <= 0.5);
    const room = middle.reduce((sum, share) => sum + 1 - share, 0);
    const left = small.reduce((sum, share) => sum + share, 0) - room;
    most = Math.max(most, large + middle.length + Math.max(0, Math.ceil(left - 1e-9)));
  }
  return Math.max(most, shares.filter((share) => share > 0.5).length);
}
