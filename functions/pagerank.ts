// PageRank of a small graph whose edge list is one value, with AutoLoc's work: five epochs, and in each ten more reads of
// the list, one after the other. A few large reads and some computing: it can run well on either side.

import { defineFunction } from "locus/function";

/** `[from, to]` for each edge, node numbers. */
type EdgeList = readonly (readonly [number, number])[];

const EPOCHS = 5;
const READS_PER_EPOCH = 10;
/** The share of a surfer's steps that follow a link; the rest go anywhere (Brin and Page, 1998). */
const DAMPING = 0.85;
const TOP_LENGTH = 10;

export default defineFunction({
  name: "pagerank",
  async run({ redis, keys: [key = "pagerank"] }) {
    const value = await redis.get(key);
    if (value === null) throw new Error(`there is no edge list under the key ${key}`);
    const links = linksOf(JSON.parse(value) as EdgeList);

    let ranks = new Map([...links.keys()].map((node) => [node, 1 / links.size]));
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      for (let read = 0; read < READS_PER_EPOCH; read++) await redis.get(key);
      ranks = nextRanks(links, ranks);
    }
    const top = [...ranks].toSorted(([a, rankA], [b, rankB]) => rankB - rankA || a - b).slice(0, TOP_LENGTH);
    return { nodes: links.size, top: top.map(([node, rank]) => ({ node, rank })) };
  },
});

/** Whom each node links to, without repetitions; every node that is named has an entry. */
function linksOf(edges: EdgeList): Map<number, Set<number>> {
  const links = new Map<number, Set<number>>();
  for (const [from, to] of edges) {
    for (const node of [from, to]) if (!links.has(node)) links.set(node, new Set());
    links.get(from)?.add(to);
  }
  return links;
}

/** One epoch: each node's rank goes in equal parts to those it links to; a node that links to none gives to all. */
function nextRanks(links: ReadonlyMap<number, ReadonlySet<number>>, ranks: ReadonlyMap<number, number>) {
  const received = new Map<number, number>();
  let lost = 0;
  for (const [node, targets] of links) {
    const rank = ranks.get(node) ?? 0;
    if (targets.size === 0) lost += rank;
    for (const target of targets) received.set(target, (received.get(target) ?? 0) + rank / targets.size);
  }
  const floor = (1 - DAMPING + DAMPING * lost) / links.size;
  return new Map([...links.keys()].map((node) => [node, floor + DAMPING * (received.get(node) ?? 0)]));
}
