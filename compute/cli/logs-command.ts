// `locus logs`: the last lines of a node's functions and sandbox hosts, and those that come.

import type { Command } from "commander";

import { nodeOf, type NodeFlags } from "./node-option.ts";
import { printJson, printLine } from "./output.ts";
import { interruptSignal } from "./program.ts";

export const addLogsCommand = (program: Command): void => {
  program
    .command("logs")
    .description("the last lines that functions wrote on this node, whichever side they ran on")
    .argument("[name]", "of this function only")
    .option("-f, --follow", "stay, and print lines as they come")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<NodeFlags & { readonly follow?: boolean }>();
      const { node, json } = nodeOf(flags);
      const signal = interruptSignal();
      try {
        for await (const line of node.logs(name ?? null, flags.follow === true, signal)) {
          if (json) printJson(line);
          else printLine(`${line.time} ${line.source}  ${line.text}`);
        }
      } catch (error) {
        // Ctrl-C is how following ends.
        if (!signal.aborted) throw error;
      }
    });
};
