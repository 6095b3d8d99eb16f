// The graph that `khop` walks: AutoLoc's where its file is at hand, else a generated one of the same measures.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { interruption } from "#compute/cli/interruption.ts";
import type { GraphInfo } from "#compute/cli/load/graph.ts";
import type { GraphSource } from "#compute/cli/load/graph-source.ts";
import { loadGraph } from "#compute/cli/load/load.ts";

const GENERATED: GraphSource = { kind: "power-law", nodes: 4_000, seed: 1 };
const SUFFIXES = ["json", "json.gz"];

/** Of that name in the folder, packed or not. */
const autolocFile = (dataDirectory: string | null, name: "social" | "pagerank"): string | undefined =>
  dataDirectory === null
    ? undefined
    : SUFFIXES.map((suffix) => join(dataDirectory, `${name}.${suffix}`)).find((path) => existsSync(path));

/** null: the edges that `pagerank` reads are generated, as they are wherever the graph is. */
export const pagerankFile = (dataDirectory: string | null): string | null =>
  autolocFile(dataDirectory, "social") === undefined ? null : (autolocFile(dataDirectory, "pagerank") ?? null);

export function loadSocialGraph(
  redisPort: number,
  dataDirectory: string | null,
  say: (text: string) => void,
): Promise<GraphInfo> {
  const file = autolocFile(dataDirectory, "social");
  const source: GraphSource =
    file === undefined ? GENERATED : { kind: "autoloc", file, pagerankFile: pagerankFile(dataDirectory) };
  const address = { host: "127.0.0.1", port: redisPort, path: null, tls: false, database: 0 };
  return loadGraph(
    { source, address, user: { username: null, password: null }, force: false, signal: interruption() },
    ({ step, keys, total }) => say(`loading the graph: ${step}, ${keys} of ${total} keys`),
  );
}
