// A graph from a text file with one link per line, `from to`, `#` before comments, gzip or not: the form of SNAP's graphs.
// Links go the way that they are written. Nodes are numbered from "1" as they appear; a node's value keeps its own name.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import { LocusError } from "#runtime/errors.ts";
import { type Entry, type Graph, NODES_MAX } from "./graph.ts";
import { readPieces } from "./graph-file.ts";

/** Links in one file, at most. About 20 bytes each in memory: with NODES_MAX nodes, half of what Node may take. */
const EDGES_MAX = 30_000_000;
/** Characters of one line, at most: a name has 64 and there are two. */
const LINE_LENGTH_MAX = 256;

/** Reads the whole file. Throws REQUEST_INVALID with file and line. */
export async function readEdgeList(file: string): Promise<Graph> {
  const links = new Links();
  let lineNumber = 0;
  const take = (line: string): void => {
    lineNumber++;
    const mistake = links.takeLine(line);
    if (mistake !== null) throw new LocusError("REQUEST_INVALID", `${file}:${lineNumber}: ${mistake}`);
  };

  const digest = createHash("sha256");
  let rest = "";
  for await (const piece of readPieces(file)) {
    const lines = (rest + piece).split("\n");
    digest.update(piece);
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
    // What is left has no end yet: a file without line breaks must not be gathered as a whole.
    if (rest.length > LINE_LENGTH_MAX) take(rest);
  }
  take(rest);
  if (links.names.length === 0) throw new LocusError("REQUEST_INVALID", `${file} has no links`);

  return {
    source: `edge list ${basename(file)} (SHA-256 ${digest.digest("hex").slice(0, 16)})`,
    nodes: links.names.length,
    edges: links.edges,
    firstId: 1,
    lastId: links.names.length,
    entries: () => entries(links),
  };
}

/** What was read so far. A node is an index, one less than its id. */
class Links {
  readonly names: string[] = [];
  readonly neighbours: number[][] = [];
  edges = 0;
  readonly #indexByName = new Map<string, number>();

  /** Takes one line in; answers what is wrong with it, or null. */
  takeLine(line: string): string | null {
    if (line.length > LINE_LENGTH_MAX) return `the line is longer than ${LINE_LENGTH_MAX} characters`;
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return null;
    const [from, to, ...more] = text.split(/\s+/);
    if (from === undefined || to === undefined || more.length > 0) {
      return `expected "from to", found ${JSON.stringify(text)}`;
    }
    if (this.edges === EDGES_MAX) return `there are more than ${EDGES_MAX} links`;
    this.edges++;
    this.neighbours[this.#indexOf(from)]?.push(this.#indexOf(to));
    return this.names.length > NODES_MAX ? `there are more than ${NODES_MAX} nodes` : null;
  }

  #indexOf(name: string): number {
    const known = this.#indexByName.get(name);
    if (known !== undefined) return known;
    this.#indexByName.set(name, this.names.length);
    this.neighbours.push([]);
    return this.names.push(name) - 1;
  }
}

function* entries({ names, neighbours }: Links): Generator<Entry> {
  for (const [index, name] of names.entries()) {
    const neigh = neighbours[index]?.map((neighbour) => String(neighbour + 1));
    yield [String(index + 1), JSON.stringify({ name, neigh })];
  }
}
