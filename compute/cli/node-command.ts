// What commands have in common that ask a node: the options by which they find it, the function that they are about, and how the
// answer is printed.

import type { Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { readCliConfig } from "./config.ts";
import { interruption } from "./interruption.ts";
import { NodeClient } from "./node-client.ts";
import { printJson, printLine, printNote } from "./output.ts";
import { didYouMean, similarNames } from "#runtime/similar-names.ts";

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

/** The argument of commands about one function, and of those that may be about all. */
export const FUNCTION = ["<function>", "a deployed function's name; `locus list` shows them"] as const;
export const FUNCTION_OR_ALL = ["[function]", "a deployed function's name (default: all of them)"] as const;

export interface Asking<Flags extends NodeFlags> {
  readonly node: NodeClient;
  readonly flags: Flags;
}

/** For people: the result; or that there is none, which belongs on stderr. */
type Told = string | { readonly note: string };

/** The action of a command that asks a node and prints what it says: as JSON, or as `tell` has it. `asked`: the command's arguments. */
export const asksNode =
  <Asked extends readonly unknown[], Answer, Flags extends NodeFlags = NodeFlags>(
    ask: (asking: Asking<Flags>, ...asked: Asked) => Promise<Answer>,
    tell: (answer: Answer, asked: Asked) => Told,
  ) =>
  async (...given: readonly unknown[]): Promise<void> => {
    // commander adds the command's own options, and the command.
    const asked = given.slice(0, -2) as readonly unknown[] as Asked;
    const flags = (given.at(-1) as Command).optsWithGlobals<Flags>();
    const { node, json } = nodeOf(flags);
    const answer = await ask({ node, flags }, ...asked).catch(async (error: unknown) => {
      throw await withSimilar(error, node, String(asked[0]));
    });
    if (json) return printJson(answer);
    const told = tell(answer, asked);
    if (typeof told === "string") printLine(told);
    else printNote(told.note);
  };

/** `cause`; where it says that there is no function `name`, an error that names those that are called alike. */
export const withSimilar = async (cause: unknown, node: Pick<NodeClient, "list">, name: string): Promise<unknown> => {
  if (!(cause instanceof LocusError) || cause.code !== "FUNCTION_NOT_FOUND") return cause;
  const deployed = await node.list().catch(() => []);
  const names = deployed.map((one) => one.name);
  const similar = similarNames(name, names);
  if (similar.length === 0) return cause;
  const remedy = `${didYouMean(similar)}\`locus list\` shows what is deployed.`;
  return new LocusError(cause.code, cause.message, { cause, remedy });
};
