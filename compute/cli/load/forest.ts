// What the function `score` reads: a forest of decision trees and the rows that it is asked about. Drawn, not trained: a tree that
// has learnt something takes as long as one that has not. Measures of ASFP's `analysis` (ATC'20): rows of 108 bytes, 27 numbers.

import type { Entry } from "./graph.ts";

const FEATURES = 27;
const ROWS = 256;
const TREES = 100;
const DEPTH = 6;

/** `random` gives numbers from 0 to 1. */
export function forestEntries(random: () => number): readonly Entry[] {
  const hundredths = (): number => Math.round(100 * random()) / 100;
  const inner = 2 ** DEPTH - 1;
  const drawn = <Value>(length: number, draw: () => Value): Value[] => Array.from({ length }, draw);
  const trees = drawn(TREES, () => ({
    features: drawn(inner, () => Math.floor(FEATURES * random())),
    thresholds: drawn(inner, hundredths),
    leaves: drawn(inner + 1, hundredths),
  }));
  const rows = drawn(ROWS, () => drawn(FEATURES, hundredths));
  const version = "1";
  return [
    ["forest:version", version],
    ["forest", JSON.stringify({ version, depth: DEPTH, trees })],
    ...rows.map((row, index): Entry => [`features:${index}`, JSON.stringify(row)]),
  ];
}
