// `locus list | show | delete`: what is deployed.

import type { Command } from "commander";

import type { FunctionDescription } from "#runtime/function/description.ts";
import { asksNode, FUNCTION } from "./node-command.ts";
import { columns } from "./output.ts";

export const addFunctionCommands = (program: Command): void => {
  program
    .command("list")
    .description("the deployed functions")
    .action(
      asksNode(
        ({ node }) => node.list(),
        (functions) =>
          functions.length === 0
            ? { note: "no function is deployed; `locus deploy FILE` deploys one" }
            : columns(HEADS, functions.map(rowOf)),
      ),
    );

  program
    .command("show")
    .description("one function: its version, limits and schemas")
    .argument(...FUNCTION)
    .action(asksNode(({ node }, name: string) => node.describe(name), descriptionText));

  program
    .command("delete")
    .description("take a function away")
    .argument(...FUNCTION)
    .action(
      asksNode(
        async ({ node }, name: string) => {
          await node.delete(name);
          return { deleted: name };
        },
        ({ deleted }) => `deleted ${deleted}`,
      ),
    );
};

const HEADS = ["NAME", "VERSION", "PREFERS", "DEADLINE", "MEMORY"];

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
    ["prefers side", side ?? "any"],
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
