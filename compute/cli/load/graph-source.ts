// What `locus load` can load: each kind of source, opened as a graph and the samples that go with it.

import { LocusError } from "#runtime/errors.ts";
import { readAutoloc, readPagerankEdges } from "./autoloc.ts";
import { readEdgeList } from "./edge-list.ts";
import { type Entry, type Graph, NODES_MAX } from "./graph.ts";
import { generatePowerLaw } from "./power-law.ts";
import { sampleEntries } from "./samples.ts";
import { readWordnet } from "./wordnet.ts";

export type GraphSource =
  | { readonly kind: "wordnet" }
  /** `nodes` from 1 to NODES_MAX; `seed` a 32-bit whole number. */
  | { readonly kind: "power-law"; readonly nodes: number; readonly seed: number }
  /** AutoLoc's social.json, and its pagerank.json or null; gzip or not. */
  | { readonly kind: "autoloc"; readonly file: string; readonly pagerankFile: string | null }
  | { readonly kind: "edges"; readonly file: string };

/** Reads or generates it. Throws REQUEST_INVALID with what is wrong and where. */
export async function openSource(source: GraphSource): Promise<{ graph: Graph; samples: readonly Entry[] }> {
  const pagerankFile = source.kind === "autoloc" ? source.pagerankFile : null;
  const pagerankEdges = pagerankFile === null ? null : await readPagerankEdges(pagerankFile);
  return { graph: await openGraph(source), samples: sampleEntries(pagerankEdges) };
}

async function openGraph(source: GraphSource): Promise<Graph> {
  switch (source.kind) {
    case "wordnet":
      return readWordnet();
    case "power-law":
      return generatePowerLaw(
        wholeNumber("nodes", source.nodes, 1, NODES_MAX),
        wholeNumber("seed", source.seed, 0, 2 ** 32 - 1),
      );
    case "autoloc":
      return readAutoloc(source.file);
    case "edges":
      break;
  }
  return readEdgeList(source.file);
}

function wholeNumber(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new LocusError("REQUEST_INVALID", `${name} is ${value}, must be a whole number from ${min} to ${max}`);
}
