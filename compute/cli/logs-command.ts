// `locus logs`: the last lines of a node's functions and sandbox hosts, and those that come. The one command whose JSON is a
// stream: a value for each line.

import type { Command } from "commander";

import type { LogLine } from "../node/log-buffer.ts";
import { interruptedBy } from "./interruption.ts";
import { nodeOf, withSimilar, type NodeFlags } from "./node-command.ts";
import { onOneLine, printJson, printLine, printNote } from "./output.ts";

export const addLogsCommand = (program: Command): void => {
  program
    .command("logs")
    .description("the last lines that functions wrote on this node, whichever side they ran on")
    .argument("[function]", "of this function only, or of this part of locus: supervisor, sandbox-host")
    .option("-f, --follow", "stay, and print lines as they come, until Ctrl-C")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<NodeFlags & { readonly follow?: boolean }>();
      const { node, json } = nodeOf(flags);
      let lines = 0;
      try {
        for await (const line of node.logs(name ?? null, flags.follow === true)) {
          if (json) printJson(line);
          else printLine(lineText(line));
          lines += 1;
        }
        if (lines === 0 && !json) {
          const nothing = name === undefined ? "no function has written a line" : `${name} has written no line`;
          printNote(`${nothing} on this node since it started`);
        }
      } catch (error) {
        const interrupted = interruptedBy();
        if (interrupted === null) throw await withSimilar(error, node, name ?? "");
        // It is how following ends: there is nothing to say of it.
        process.exitCode = interrupted.exitCode;
      }
    });
};

const lineText = ({ time, level, source, side, invocation, text }: LogLine): string =>
  `${[time, level.padEnd(5), source, side, invocation].filter((part) => part !== null).join(" ")}  ${onOneLine(text)}`;
