// A node of the loaded graph: the key is its id, the value this as JSON, with whatever else the graph's source knows.

export interface Node {
  /** The ids of the nodes it links to. */
  readonly neigh: readonly string[];
}

/** Reads a node's value; a node that is named but not there links to none. */
export const parseNode = (value: string | null): Node => (value === null ? { neigh: [] } : (JSON.parse(value) as Node));
