// The graph that `khop` walks: AutoLoc's where its file is at hand, else a generated one of the same measures.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { interruption } from "#compute/cli/interruption.ts";
import type { GraphInfo } from "#compute/cli/load/graph.ts";
import type { GraphSource } from "#compute/cli/load/graph-source.ts";
import { loadGraph } from "#compute/cli/load/load.ts";
import { LocusError } from "#runtime/errors.ts";

const GENERATED: GraphSource = { kind: "power-law", nodes: 4_000, seed: 1 };
const SUFFIXES = ["json", "json.gz"];

/** Of that name in the folder, packed or not. */
const autolocFile = (dataDirectory: string | null, name: "social" | "pagerank"): string | undefined =>
  dataDirectory === null
    ? undefined
    : SUFFIXES.map((suffix) => join(dataDirectory, `${name}.${suffix}`)).find((path) => existsSync(path));

/** null: the edges that `pagerank` reads are generated, as they are wherever the graph is. Throws REQUEST_INVALID where they are there and the graph is not: half of AutoLoc's data is not AutoLoc's. */
export function pagerankFile(dataDirectory: string | null): string | null {
  const file = autolocFile(dataDirectory, "pagerank") ?? null;
  if (file === null || autolocFile(dataDirectory, "social") !== undefined) return file;
  throw new LocusError(
    "REQUEST_INVALID",
    `${file} is of no use without AutoLoc's social.json beside it, packed or not`,
  );
}

export function loadSocialGraph(
  redisPort: number,
  dataDirectory: string | null,
  say: (text: string) => void,
): Promise<GraphInfo> {
  const [file, pagerank] = [autolocFile(dataDirectory, "social"), pagerankFile(dataDirectory)];
  const source: GraphSource = file === undefined ? GENERATED : { kind: "autoloc", file, pagerankFile: pagerank };
  const address = { host: "127.0.0.1", port: redisPort, path: null, tls: false, database: 0 };
  return loadGraph(
    { source, address, user: { username: null, password: null }, force: false, signal: interruption() },
    ({ step, keys, total }) => say(`loading the graph: ${step}, ${keys} of ${total} keys`),
  );
}
