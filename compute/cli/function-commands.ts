// `locus list | show | delete`: what is deployed.

import type { Command } from "commander";

import type { FunctionDescription } from "#runtime/function/description.ts";
import { nodeOf, type NodeFlags } from "./node-option.ts";
import { columns, printJson, printLine } from "./output.ts";

export const addFunctionCommands = (program: Command): void => {
  program
    .command("list")
    .description("the deployed functions")
    .action(async (_flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const functions = await node.list();
      if (json) printJson(functions);
      else printLine(columns(["NAME", "VERSION", "SIDE", "DEADLINE", "MEMORY"], functions.map(rowOf)));
    });

  program
    .command("show")
    .description("one function: its version, limits and schemas")
    .argument("<name>")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const description = await node.describe(name);
      if (json) printJson(description);
      else printLine(descriptionText(description));
    });

  program
    .command("delete")
    .description("take a function away")
    .argument("<name>")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      await node.delete(name);
      if (json) printJson({ deleted: name });
      else printLine(`deleted ${name}`);
    });
};

const rowOf = ({ name, version, side, limits }: FunctionDescription): readonly string[] => [
  name,
  version,
  side ?? "any",
  `${limits.deadlineMs} ms`,
  `${limits.memoryMb} MiB`,
];

const descriptionText = ({ name, version, side, limits, input, output }: FunctionDescription): string => {
  const rows = [
    ["version", version],
    ["side", side ?? "any"],
    ["deadline", `${limits.deadlineMs} ms`],
    ["cpu", `${limits.cpuMs} ms`],
    ["memory", `${limits.memoryMb} MiB`],
    ["operations", `${limits.operations}`],
    ["concurrency", `${limits.concurrency}`],
    ["input", input === null ? "anything" : JSON.stringify(input)],
    ["output", output === null ? "anything" : JSON.stringify(output)],
  ];
  return [name, ...rows.map(([label = "", value]) => `  ${label.padEnd(12)}  ${value}`)].join("\n");
};
