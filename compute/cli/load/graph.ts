// A graph as the loaders hand it on: nodes are keys, numbered, and their values JSON with `neigh`, the ids of the nodes that
// they link to. Also the marker by which others see what a database holds.

/** One key and its value, as they will stand in Redis. */
export type Entry = readonly [key: string, value: string];

export interface Graph {
  /** What it was made of, in one line. The same line means the same keys and values. */
  readonly source: string;
  readonly nodes: number;
  /** Entries of all `neigh` lists together: a link that goes both ways counts twice. */
  readonly edges: number;
  /** Ids are whole numbers from `firstId` to `lastId`; not each of them need be there. */
  readonly firstId: number;
  readonly lastId: number;
  /** All nodes, each value made when it is asked for. */
  entries(): Iterable<Entry>;
}

/** Nodes of one graph, at most; also the span of its ids. A loader that holds names takes about 250 bytes for each. */
export const NODES_MAX = 5_000_000;

export const GRAPH_INFO_KEY = "graph:info";

/** What stands under GRAPH_INFO_KEY, as JSON. */
export interface GraphInfo extends Omit<Graph, "entries"> {
  /** `loading` while keys are written, and after a load that did not finish. */
  readonly state: "loading" | "loaded";
}

export const infoOf = ({ source, nodes, edges, firstId, lastId }: Graph, state: GraphInfo["state"]): GraphInfo => ({
  source,
  nodes,
  edges,
  firstId,
  lastId,
  state,
});

/** Reads the marker; null where there is none, or one that no loader has written. */
export function parseGraphInfo(text: string | null): GraphInfo | null {
  let info: Partial<GraphInfo> | null;
  try {
    info = JSON.parse(text ?? "null") as Partial<GraphInfo> | null;
  } catch {
    return null;
  }
  const { source, nodes = -1, edges = -1, firstId = -1, lastId = -1, state } = info ?? {};
  const isWhole = [nodes, edges, firstId, lastId].every((number) => Number.isSafeInteger(number) && number >= 0);
  if (typeof source !== "string" || !isWhole || lastId - firstId >= NODES_MAX) return null;
  return { source, nodes, edges, firstId, lastId, state: state === "loaded" ? "loaded" : "loading" };
}
