// The keys beside the graph that functions read by default: `md5`, a text of 64 KiB, `pagerank`, a small edge list, both of AutoLoc's
// sizes, and what `score` reads. Loaded with every graph, so that all the functions that come with locus run over any of them.

import { forestEntries } from "./forest.ts";
import type { Entry } from "./graph.ts";
import { seededRandom } from "#runtime/seeded-random.ts";

const SEED = 1;
const TEXT_LENGTH = 64 * 1024;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
const PAGERANK_NODES = 171;
const PAGERANK_EDGES = 266;

/** `pagerankEdges` is an edge list as JSON, `[[from, to], …]`; null: one is generated. */
export function sampleEntries(pagerankEdges: string | null): readonly Entry[] {
  const random = seededRandom(SEED);
  const letters = Array.from({ length: TEXT_LENGTH }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]);
  return [
    ["md5", letters.join("")],
    ["pagerank", pagerankEdges ?? JSON.stringify(generateEdges(random))],
    ...forestEntries(seededRandom(SEED)),
  ];
}

/** Every node links to one before it, some to a second one, and those linked to most are the likeliest to be chosen. */
function generateEdges(random: () => number): (readonly [number, number])[] {
  const ends = [1];
  return Array.from({ length: PAGERANK_EDGES }, (_, index) => {
    const from = 2 + (index % (PAGERANK_NODES - 1));
    const to = ends[Math.floor(random() * ends.length)] ?? 1;
    ends.push(from, to);
    return [from, to] as const;
  });
}
