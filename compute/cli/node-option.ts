// The options that every command has which talks to a node.

import type { Command } from "commander";

import { readCliConfig } from "./config.ts";
import { NodeClient } from "./node-client.ts";

export interface NodeFlags {
  readonly url?: string;
  readonly json?: boolean;
}

export const addNodeOptions = (program: Command): Command =>
  program
    .option("--url <url>", "the node (default: LOCUS_URL, else this machine)")
    .option("--json", "print JSON, one value per line");

export const nodeOf = ({ url, json }: NodeFlags): { readonly node: NodeClient; readonly json: boolean } => ({
  node: new NodeClient(readCliConfig(url).url),
  json: json === true,
});
