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
    const graph = graphOf(JSON.parse(value) as EdgeList);

    let ranks = new Float64Array(graph.nodes.length).fill(1 / graph.nodes.length);
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      for (let read = 0; read < READS_PER_EPOCH; read++) await redis.get(key);
      ranks = nextRanks(graph, ranks);
    }
    return { nodes: graph.nodes.length, top: topOf(graph, ranks) };
  },
});

/** Nodes go by their places, and so do links. */
interface Graph {
  /** The number of each node. */
  readonly nodes: readonly number[];
  /** How many links each node has. */
  readonly degrees: readonly number[];
  /** From where each link leads, and to where. */
  readonly sources: readonly number[];
  readonly targets: readonly number[];
}

/** A link that is there several times counts once. */
function graphOf(edges: EdgeList): Graph {
  const places = new Map<number, number>();
  const degrees: number[] = [];
  const placeOf = (node: number): number => {
    const known = places.get(node);
    if (known !== undefined) return known;
    places.set(node, degrees.length);
    return degrees.push(0) - 1;
  };
  const placesMax = 2 * edges.length;
  const links = new Set<number>();
  const sources: number[] = [];
  const targets: number[] = [];
  for (const [from, to] of edges) {
    const [source, target] = [placeOf(from), placeOf(to)];
    const link = source * placesMax + target;
    if (links.has(link)) continue;
    links.add(link);
    sources.push(source);
    targets.push(target);
    degrees[source]! += 1;
  }
  return { nodes: [...places.keys()], degrees, sources, targets };
}

/** One epoch: each node's rank goes in equal parts to those it links to; a node that links to none gives to all. */
function nextRanks({ degrees, sources, targets }: Graph, ranks: Float64Array): Float64Array<ArrayBuffer> {
  let lost = 0;
  for (let place = 0; place < ranks.length; place++) {
    if (degrees[place] === 0) lost += ranks[place]!;
  }
  const next = new Float64Array(ranks.length).fill((1 - DAMPING + DAMPING * lost) / ranks.length);
  for (let link = 0; link < sources.length; link++) {
    const source = sources[link]!;
    next[targets[link]!]! += (DAMPING * ranks[source]!) / degrees[source]!;
  }
  return next;
}

/** Ranks alone are put in order without a call for each two of them; nodes with theirs, which takes one, are only those that may be among the first. */
function topOf({ nodes }: Graph, ranks: Float64Array): readonly { readonly node: number; readonly rank: number }[] {
  const least = ranks.toSorted().at(-TOP_LENGTH) ?? 0;
  return nodes
    .map((node, place) => ({ node, rank: ranks[place]! }))
    .filter(({ rank }) => rank >= least)
    .toSorted((one, other) => other.rank - one.rank || one.node - other.node)
    .slice(0, TOP_LENGTH);
}
