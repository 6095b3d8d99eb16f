// `locus logs`: the last lines of a node's functions and sandbox hosts, and those that come. The one command whose JSON is a
// stream: a value for each line.

import type { Command } from "commander";

import { interruptedBy } from "./interruption.ts";
import { nodeOf, type NodeFlags } from "./node-option.ts";
import { printJson, printLine } from "./output.ts";

export const addLogsCommand = (program: Command): void => {
  program
    .command("logs")
    .description("the last lines that functions wrote on this node, whichever side they ran on")
    .argument("[name]", "of this function only")
    .option("-f, --follow", "stay, and print lines as they come, until Ctrl-C")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<NodeFlags & { readonly follow?: boolean }>();
      const { node, json } = nodeOf(flags);
      try {
        for await (const line of node.logs(name ?? null, flags.follow === true)) {
          if (json) printJson(line);
          else printLine(`${line.time} ${line.source}  ${line.text}`);
        }
      } catch (error) {
        const interrupted = interruptedBy();
        if (interrupted === null) throw error;
        // It is how following ends: there is nothing to say of it.
        process.exitCode = interrupted.exitCode;
      }
    });
};
