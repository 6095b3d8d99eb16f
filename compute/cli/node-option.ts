// The options that every command has which talks to a node.

import type { Command } from "commander";

import { readCliConfig } from "./config.ts";
import { interruption } from "./interruption.ts";
import { NodeClient } from "./node-client.ts";

export interface NodeFlags {
  readonly url?: string;
  readonly json?: boolean;
}

export const addNodeOptions = (program: Command): Command =>
  program
    .option("--url <url>", "the node (default: LOCUS_URL, else this machine)")
    .option("--json", "print JSON: the result or the error, one value on one line");

/** Ctrl-C ends what is asked of the node. */
export const nodeOf = ({ url, json }: NodeFlags): { readonly node: NodeClient; readonly json: boolean } => ({
  node: new NodeClient(readCliConfig(url).node, interruption()),
  json: json === true,
});
