// `locus deploy`: what became of each file, in the order in which they were named.

import type { Command } from "commander";

import { deployFiles, type FileOutcome } from "./deploy.ts";
import { failureText } from "./failure.ts";
import { nodeOf, type NodeFlags } from "./node-command.ts";
import { printJson, printLine, printNote } from "./output.ts";

export const addDeployCommand = (program: Command): void => {
  program
    .command("deploy")
    .description("bundle functions, check them in a sandbox and deploy them, in place of those of their names")
    .argument("<files...>", "TypeScript or JavaScript files that export a function by default")
    .action(async (files: readonly string[], _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const outcomes: FileOutcome[] = [];
      process.exitCode = await deployFiles(node, files, (outcome) => {
        outcomes.push(outcome);
        if (!json) printOutcome(outcome);
      });
      if (json) printJson(outcomes);
    });
};

const printOutcome = (outcome: FileOutcome): void => {
  if ("version" in outcome) return printLine(`${outcome.outcome} ${outcome.name} ${outcome.version}`);
  printLine(`${outcome.outcome} ${outcome.file}`);
  if (outcome.error !== null) printNote(failureText(outcome.error));
};
