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
    const { nodes, targets } = graphOf(JSON.parse(value) as EdgeList);

    let ranks = new Float64Array(nodes.length).fill(1 / nodes.length);
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      for (let read = 0; read < READS_PER_EPOCH; read++) await redis.get(key);
      ranks = nextRanks(targets, ranks);
    }
    const ranked = nodes.map((node, place) => ({ node, rank: ranks[place]! }));
    const top = ranked.toSorted((one, other) => other.rank - one.rank || one.node - other.node).slice(0, TOP_LENGTH);
    return { nodes: nodes.length, top };
  },
});

interface Graph {
  /** Their numbers; a node's place here is what it goes by. */
  readonly nodes: readonly number[];
  /** Of each, the places of those that it links to, without repetitions. */
  readonly targets: readonly (readonly number[])[];
}

function graphOf(edges: EdgeList): Graph {
  const places = new Map<number, number>();
  const targets: number[][] = [];
  const placeOf = (node: number): number => {
    const known = places.get(node);
    if (known !== undefined) return known;
    places.set(node, targets.length);
    return targets.push([]) - 1;
  };
  const placesMax = 2 * edges.length;
  const links = new Set<number>();
  for (const [from, to] of edges) {
    const [source, target] = [placeOf(from), placeOf(to)];
    const link = source * placesMax + target;
    if (links.has(link)) continue;
    links.add(link);
    targets[source]!.push(target);
  }
  return { nodes: [...places.keys()], targets };
}

/** One epoch: each node's rank goes in equal parts to those it links to; a node that links to none gives to all. */
function nextRanks(targets: Graph["targets"], ranks: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const received = new Float64Array(ranks.length);
  let lost = 0;
  for (const [place, linked] of targets.entries()) {
    const rank = ranks[place]!;
    if (linked.length === 0) lost += rank;
    const part = rank / linked.length;
    for (const target of linked) received[target]! += part;
  }
  const floor = (1 - DAMPING + DAMPING * lost) / ranks.length;
  return received.map((part) => floor + DAMPING * part);
}
