// AutoLoc's data: a JSON file with one object of nodes, `{"0": {"feature": […], "neigh": ["12", …]}, …}`, and one with an edge
// list for `pagerank`. Ids and values are kept as they are. A neighbour need not be there itself: some of AutoLoc's are not.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { LocusError } from "#runtime/errors.ts";
import { type Graph, NODES_MAX } from "./graph.ts";
import { readJson } from "./graph-file.ts";

/** Decimal without leading zeros, at most nine digits: a number, and no key of another kind. */
const ID_PATTERN = /^(0|[1-9][0-9]{0,8})$/;

interface Node {
  readonly neigh: readonly string[];
}

/** Throws REQUEST_INVALID with the file and the node. */
export async function readAutoloc(file: string): Promise<Graph> {
  const nodes = await readJson(file);
  const refuse: (reason: string) => never = (reason) => {
    throw new LocusError("REQUEST_INVALID", `${file}: ${reason}`);
  };
  if (typeof nodes !== "object" || nodes === null || Array.isArray(nodes)) {
    refuse('expected an object of nodes, {"1": {"neigh": ["2"]}}');
  }

  const entries = Object.entries(nodes).map(([id, node]) => {
    if (!ID_PATTERN.test(id)) refuse(`a node's id is ${JSON.stringify(id.slice(0, 80))}, must be a whole number`);
    if (!isNode(node)) refuse(`node ${JSON.stringify(id)} has no "neigh" with the ids of other nodes`);
    return [id, JSON.stringify(node), node.neigh.length] as const;
  });
  if (entries.length === 0) refuse("there are no nodes in it");
  const [firstId, lastId] = entries.reduce(
    ([first, last], [id]) => [Math.min(first, Number(id)), Math.max(last, Number(id))],
    [Infinity, 0],
  );
  if (lastId - firstId >= NODES_MAX) refuse(`the ids span more than ${NODES_MAX} numbers`);

  const digest = createHash("sha256").update(JSON.stringify(nodes)).digest("hex").slice(0, 16);
  return {
    source: `AutoLoc's ${basename(file)} (SHA-256 ${digest})`,
    nodes: entries.length,
    edges: entries.reduce((sum, [, , neighbours]) => sum + neighbours, 0),
    firstId,
    lastId,
    entries: () => entries.map(([id, value]) => [id, value]),
  };
}

const isNode = (node: unknown): node is Node =>
  typeof node === "object" &&
  node !== null &&
  "neigh" in node &&
  Array.isArray(node.neigh) &&
  node.neigh.every((id) => typeof id === "string" && ID_PATTERN.test(id));

/** The edge list as JSON, `[[from, to], …]` in whole numbers. Throws REQUEST_INVALID with the file and the edge. */
export async function readPagerankEdges(file: string): Promise<string> {
  const edges = await readJson(file);
  if (!Array.isArray(edges)) throw new LocusError("REQUEST_INVALID", `${file}: expected an array of edges, [[1, 2]]`);
  const wrong = edges.findIndex((edge) => !(Array.isArray(edge) && edge.length === 2 && edge.every(Number.isInteger)));
  if (wrong >= 0) throw new LocusError("REQUEST_INVALID", `${file}: edge ${wrong} is not [from, to] in whole numbers`);
  return JSON.stringify(edges);
}
