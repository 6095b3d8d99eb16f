// A node of the loaded graph: the key is its id, the value this as JSON, with whatever else the graph's source knows.

import { memoizePerKey } from "locus/function";

export interface Node {
  /** The ids of the nodes it links to. */
  readonly neigh: readonly string[];
}

const NO_NODE: Node = { neigh: [] };

/** Those of a graph of ten thousand nodes, or so. */
const CHARACTERS_KEPT = 4 * 1024 * 1024;

/** Walks meet the same nodes again and again, and parsing one takes several times as long as reading it beside Redis. */
const parsed = memoizePerKey((value) => JSON.parse(value) as Node, { charactersMax: CHARACTERS_KEPT });

/** The node of this id, by what was read under it; one that is named but not there links to none. */
export const nodeOf = (id: string, value: string | null | undefined): Node =>
  typeof value === "string" ? parsed(id, value) : NO_NODE;
