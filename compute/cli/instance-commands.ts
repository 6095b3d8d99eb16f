// `locus nodes | instances | scale`: what the scheduler has, and saying how many instances a function is to have.

import type { Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { counted } from "#runtime/counted.ts";
import { durationText } from "#runtime/figures.ts";
import { INSTANCES_MAX } from "../capacity/scale-rules.ts";
import type { InstanceList, NodeList } from "./node-client.ts";
import { nodeOf, type NodeFlags } from "./node-command.ts";
import { wholeNumber } from "./option.ts";
import { columns, printJson, printLine } from "./output.ts";

type ScaleFlags = NodeFlags & { readonly min?: number; readonly max?: number; readonly free?: boolean };

export const addInstanceCommands = (program: Command): void => {
  program
    .command("nodes")
    .description("the nodes that instances run on: what they offer, what of it is promised")
    .action(async (_flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const list = await node.nodes();
      if (json) printJson(list);
      else printLine(nodesText(list));
    });

  program
    .command("instances")
    .description("the instances of all functions, or of one")
    .argument("[function]")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const list = await node.instances(name ?? null);
      if (json) printJson(list);
      else printLine(instancesText(list));
    });

  program
    .command("scale")
    .description("say how many instances a function keeps at least, and has at most")
    .argument("<function>")
    .option("--min <n>", "keep so many warm, whatever the policy says; 0 takes it back", wholeNumber(INSTANCES_MAX, 0))
    .option("--max <n>", "have no more than these", wholeNumber(INSTANCES_MAX))
    .option("--free", "take back all that was said")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { min, max, free = false, ...flags } = command.optsWithGlobals<ScaleFlags>();
      if (free === (min !== undefined || max !== undefined)) {
        throw new LocusError("CONFIG_INVALID", "say --min, --max or both, or --free alone");
      }
      const { node, json } = nodeOf(flags);
      if (free) {
        await node.unscale(name);
        if (json) printJson({ freed: name });
        else printLine(`freed ${name}`);
        return;
      }
      const change = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
      const rule = await node.scale(name, change);
      if (json) printJson(rule);
      else
        printLine(`${name}: at least ${rule.min}, ${rule.max === null ? "at most any number" : `at most ${rule.max}`}`);
    });
};

const nodesText = ({ policy, nodes }: NodeList): string => {
  const heads = ["NODE", "AT", "INSTANCES", "MEMORY MB", "PROMISED", "FREE", "CPUS", "PROMISED", "FREE"];
  const rows = nodes.map((one) => [
    one.draining ? `${one.id} (leaves)` : one.id,
    `${one.address}:${one.port}`,
    ...[one.instances, Math.round(one.memoryMb), Math.round(one.promisedMb), Math.round(one.freeMb)].map(String),
    ...[one.cpus, one.promisedCpus, one.freeCpus].map((cpus) => String(Math.round(cpus * 100) / 100)),
  ]);
  return [rows.length === 0 ? "no node offers anything" : columns(heads, rows), "", `policy: ${policy}`].join("\n");
};

const instancesText = ({ instances, leftOut, counts }: InstanceList): string => {
  const heads = ["INSTANCE", "FUNCTION", "VERSION", "ON NODE", "STATE", "USED BY", "MEMORY MB", "CPUS", "AGE"];
  const rows = instances.map((one) => [
    one.id,
    one.function,
    one.version ?? "",
    one.node,
    one.state,
    one.holder ?? "",
    String(Math.round(one.memoryMb)),
    String(Math.round(one.cpus * 100) / 100),
    durationText(one.ageMs * 1e3),
  ]);
  const lines = [
    rows.length === 0 ? "no instances at compute: they end when nobody calls them for long" : columns(heads, rows),
    "",
  ];
  if (leftOut > 0) lines.push(`and ${counted(leftOut, "more instance")} of all functions`);
  const { starting, idle, busy, draining, waiting, starts } = counts;
  lines.push(
    `in all: ${starting} starting, ${idle} idle, ${busy} in use, ${draining} ending; ${counted(waiting, "request")} waiting; ${counted(starts, "start")} so far`,
  );
  return lines.join("\n");
};
