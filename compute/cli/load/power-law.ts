// A generated social graph of any size: communities in which a newcomer befriends those who have many friends already
// (preferential attachment: Barabási and Albert, Science 286, 1999), so that a few nodes have very many neighbours. Links go
// both ways. The measures are those of AutoLoc's social graph: 21.5 neighbours, and a walk of depth 5 that reads about 400.

import { counted } from "#runtime/counted.ts";
import type { Entry, Graph } from "./graph.ts";
import { seededRandom } from "#runtime/seeded-random.ts";

/** Nodes of a community; the last one has what is left. A walk stays in its community. */
const COMMUNITY_NODES = 400;
/** Links that a newcomer brings. Each goes both ways, so a node has nearly twice as many neighbours on average. */
const LINKS_PER_NEWCOMER = 11;

/** `nodes` from 1 to NODES_MAX, checked by the caller. The same numbers and seed give the same graph everywhere. */
export function generatePowerLaw(nodes: number, seed: number): Graph {
  const communities = Math.ceil(nodes / COMMUNITY_NODES);
  const sizes = Array.from({ length: communities }, (_, index) =>
    Math.min(COMMUNITY_NODES, nodes - index * COMMUNITY_NODES),
  );
  return {
    source: `power-law graph of ${counted(nodes, "node")}, seed ${seed}`,
    nodes,
    edges: sizes.reduce((sum, size) => sum + 2 * linksWithin(size), 0),
    firstId: 1,
    lastId: nodes,
    entries: () => entries(sizes, seed),
  };
}

function* entries(sizes: readonly number[], seed: number): Generator<Entry> {
  const random = seededRandom(seed);
  let firstId = 1;
  for (const size of sizes) {
    for (const [index, neighbours] of generateCommunity(size, random).entries()) {
      const neigh = neighbours.map((neighbour) => String(firstId + neighbour));
      yield [String(firstId + index), JSON.stringify({ neigh })];
    }
    firstId += size;
  }
}

/** Each node's neighbours, as indexes. */
function generateCommunity(size: number, random: () => number): number[][] {
  const neighbours: number[][] = [];
  // Each node once per link that it has: one drawn from here is the more likely the more links it has.
  const ends: number[] = [];
  for (let newcomer = 0; newcomer < size; newcomer++) {
    const befriended = new Set<number>();
    while (befriended.size < linksOfNewcomer(newcomer)) {
      const isAmongFirst = newcomer <= LINKS_PER_NEWCOMER;
      befriended.add(isAmongFirst ? befriended.size : (ends[Math.floor(random() * ends.length)] ?? 0));
    }
    neighbours.push([...befriended]);
    for (const friend of befriended) {
      neighbours[friend]?.push(newcomer);
      ends.push(friend, newcomer);
    }
  }
  return neighbours;
}

/** The first ones befriend all who are there. */
const linksOfNewcomer = (index: number): number => Math.min(index, LINKS_PER_NEWCOMER);

function linksWithin(size: number): number {
  let links = 0;
  for (let index = 0; index < size; index++) links += linksOfNewcomer(index);
  return links;
}
