// `locus nodes | instances | scale`: what the scheduler has, and saying how many instances a function is to have.

import type { Command } from "commander";

import { LocusError } from "#runtime/errors.ts";
import { counted } from "#runtime/counted.ts";
import { durationText } from "#runtime/figures.ts";
import type { NamedScaleRule } from "../gateway/instance-routes.ts";
import { SCALED_INSTANCES_MAX } from "#scheduler/grpc/beat-bounds.ts";
import type { InstanceList, NodeClient, NodeList } from "./node-client.ts";
import { asksNode, FUNCTION_OR_ALL, type Asking, type NodeFlags } from "./node-command.ts";
import { numberOption, rangeOption } from "./option.ts";
import { columns } from "./output.ts";

type ScaleFlags = NodeFlags & { readonly min?: number; readonly max?: number; readonly free?: boolean };

export const addInstanceCommands = (program: Command): void => {
  program
    .command("nodes")
    .description("the nodes that instances run on: what they offer, what of it is promised")
    .action(asksNode(({ node }) => node.nodes(), nodesText));

  program
    .command("instances")
    .description("the instances of all functions, or of one")
    .argument(...FUNCTION_OR_ALL)
    .action(asksNode(({ node }, name?: string) => node.instances(name ?? null), instancesText));

  program
    .command("scale")
    .description("say how many instances a function keeps at least, and has at most; without options, what was said")
    .argument(...FUNCTION_OR_ALL)
    .addOption(
      rangeOption("--min <n>", "keep so many warm, whatever the policy says (0 takes it back)", [
        0,
        SCALED_INSTANCES_MAX,
      ]),
    )
    .addOption(numberOption("--max <n>", "have no more than these, and not fewer than --min", SCALED_INSTANCES_MAX))
    .option("--free", "take back all that was said")
    .action(asksNode(scale, scaleText));
};

/** What became of `locus scale`: a rule that was said, one that was taken back, or what holds of one function or of all. */
type Scaled = NamedScaleRule | { readonly freed: string } | FunctionScale | ScaleList;

/** What was said of a function, and its instances now by state. */
interface FunctionScale extends NamedScaleRule {
  readonly instances: Readonly<Record<string, number>>;
}

interface ScaleList {
  readonly functions: readonly FunctionScale[];
  /** Instances that are not counted here: there are too many. */
  readonly leftOut: number;
}

const scale = async ({ node, flags }: Asking<ScaleFlags>, name?: string): Promise<Scaled> => {
  const { min, max, free = false } = flags;
  const isChange = min !== undefined || max !== undefined;
  if (free && isChange) {
    const remedy = "Say --min, --max or both; or --free alone, which takes back both.";
    throw new LocusError("CONFIG_INVALID", "--free takes back what --min and --max say", { remedy });
  }
  if (min !== undefined && max !== undefined && max < min) {
    const remedy = "Say a --max that is not below --min.";
    throw new LocusError("CONFIG_INVALID", `--max is ${max}, must not be below --min, ${min}`, { remedy });
  }
  if (!free && !isChange) return scaleNow(node, name ?? null);
  if (name === undefined) {
    const remedy = "Name it: locus scale <function> with --min, --max or --free.";
    throw new LocusError("CONFIG_INVALID", "of which function is not said", { remedy });
  }
  if (isChange) {
    return node.scale(name, { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) });
  }
  await node.unscale(name);
  return { freed: name };
};

/** `name` null: of all functions of which something was said, or that have instances. */
const scaleNow = async (node: NodeClient, name: string | null): Promise<FunctionScale | ScaleList> => {
  const { scales, instances, leftOut } = await node.instances(name);
  const said = new Map(scales.map((rule) => [rule.function, rule]));
  const names = name === null ? new Set([...said.keys(), ...instances.map((one) => one.function)]) : [name];
  const functions = Array.from(names, (one): FunctionScale => {
    const counts: Record<string, number> = Object.fromEntries(STATES.map(([state]) => [state, 0]));
    for (const { function: of, state } of instances) if (of === one) counts[state] = (counts[state] ?? 0) + 1;
    return { function: one, min: 0, max: null, ...said.get(one), instances: counts };
  });
  const sorted = functions.toSorted((one, other) => (one.function < other.function ? -1 : 1));
  return name === null ? { functions: sorted, leftOut } : sorted[0]!;
};

/** Of instances, and the heads of their columns. */
const STATES = [
  ["starting", "STARTING"],
  ["idle", "IDLE"],
  ["busy", "IN USE"],
  ["draining", "ENDING"],
] as const;

const scaleText = (scaled: Scaled): string => {
  if ("freed" in scaled) return `freed ${scaled.freed}: instances as its load needs them`;
  if ("functions" in scaled) return scaleTable(scaled);
  if ("instances" in scaled) return scaleTable({ functions: [scaled], leftOut: 0 });
  const { function: name, min, max } = scaled;
  return `${name}: at least ${min}, ${max === null ? "at most any number" : `at most ${max}`}`;
};

const scaleTable = ({ functions, leftOut }: ScaleList): string => {
  const heads = ["FUNCTION", "AT LEAST", "AT MOST", ...STATES.map(([, head]) => head)];
  const rows = functions.map(({ function: name, min, max, instances }) => [
    name,
    String(min),
    max === null ? "any" : String(max),
    ...STATES.map(([state]) => String(instances[state] ?? 0)),
  ]);
  if (rows.length === 0) return "nothing was said of any function, and none has an instance now";
  const lines = [columns(heads, rows), ""];
  if (leftOut > 0) lines.push(`${counted(leftOut, "more instance")} not counted here`);
  lines.push(
    "AT LEAST, AT MOST: what was said of its instances, which holds within 2 s; 0 and any: nothing was.",
    "The others: its instances now. How many there are in between is the policy's matter (locus nodes).",
  );
  return lines.join("\n");
};

const nodesText = ({ policy, nodes }: NodeList): string => {
  const heads = ["NODE", "AT", "INSTANCES", "MEMORY MB", "PROMISED", "FREE", "CPUS", "PROMISED", "FREE"];
  const rows = nodes.map((one) => [
    one.draining ? `${one.id} (leaves)` : one.id,
    `${one.address}:${one.port}`,
    ...[one.instances, Math.round(one.memoryMb), Math.round(one.promisedMb), Math.round(one.freeMb)].map(String),
    ...[one.cpus, one.promisedCpus, one.freeCpus].map(cpusText),
  ]);
  return [columns(heads, rows, "no node offers anything"), "", `policy: ${policy}`].join("\n");
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
    cpusText(one.cpus),
    durationText(one.ageMs * 1e3),
  ]);
  const lines = [columns(heads, rows, "no instances at compute: they end when nobody calls them for long"), ""];
  if (leftOut > 0) lines.push(`and ${counted(leftOut, "more instance")} of all functions`);
  const { starting, idle, busy, draining, waiting, starts } = counts;
  lines.push(
    `in all: ${starting} starting, ${idle} idle, ${busy} in use, ${draining} ending; ${counted(waiting, "request")} waiting; ${counted(starts, "start")} so far`,
  );
  return lines.join("\n");
};

const cpusText = (cpus: number): string => String(Math.round(cpus * 100) / 100);
