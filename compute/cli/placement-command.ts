// `locus placement | why | pin | free`: where functions run, why there, and saying where they shall.

import { InvalidArgumentError, type Command } from "commander";

import { counted } from "#runtime/counted.ts";
import { amountText, durationText, percentText } from "#runtime/figures.ts";
import { isSide } from "#runtime/placement/choose-side.ts";
import type { LatencyTerms } from "#runtime/placement/cost-model.ts";
import type { Transition } from "#runtime/placement/controller.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { PlacementOverview, PlacementSummary } from "../placement/answers.ts";
import type { PlacementRules } from "../gateway/placement-routes.ts";
import { nodeOf, type NodeFlags } from "./node-command.ts";
import { columns, printJson, printLine } from "./output.ts";

/** Characters of the longest bar. */
const BAR_LENGTH = 32;
const SIDES: readonly Side[] = ["compute", "storage"];

export const addPlacementCommands = (program: Command): void => {
  program
    .command("placement")
    .description("where each function runs, and how busy that keeps each part")
    .action(async (_flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const overview = await node.placement();
      if (json) printJson(overview);
      else printLine(overviewText(overview));
    });

  program
    .command("why")
    .description("why a function runs where it does: its costs on both sides, and its last moves")
    .argument("<name>")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const summary = await node.explain(name);
      if (json) printJson(summary);
      else printLine(summaryText(summary));
    });

  program
    .command("pin")
    .description("run a function on one side, or a share of its calls at storage, until it is freed")
    .argument("<name>")
    .argument("<where>", "compute, storage, or a share at storage from 0 to 1", whereOf)
    .action(async (name: string, where: Side | number, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const rules = await node.rule(name, { pin: where });
      if (json) printJson(rules);
      else printLine(rulesText(rules));
    });

  program
    .command("weigh")
    .description("say how much a function's callers count, or what their 99th percentile shall stay under")
    .argument("<name>")
    .option("--weight <number>", "how much a µs of its callers' time counts; 1 is usual", numberOf)
    .option("--p99-under <ms>", "leave a side whose 99th percentile is above it while the other's is below", numberOf)
    .action(async (name: string, _flags: unknown, command: Command) => {
      const flags = command.optsWithGlobals<NodeFlags & { readonly weight?: number; readonly p99Under?: number }>();
      const { node, json } = nodeOf(flags);
      const rules = await node.rule(name, {
        ...(flags.weight === undefined ? {} : { weight: flags.weight }),
        ...(flags.p99Under === undefined ? {} : { p99UnderMs: flags.p99Under }),
      });
      if (json) printJson(rules);
      else printLine(rulesText(rules));
    });

  program
    .command("free")
    .description("take back all that was said of where a function shall run")
    .argument("<name>")
    .action(async (name: string, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      await node.free(name);
      if (json) printJson({ freed: name });
      else printLine(`freed ${name}`);
    });
};

const whereOf = (text: string): Side | number => {
  if (isSide(text)) return text;
  const share = Number(text);
  if (text !== "" && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError("must be compute, storage, or a share from 0 to 1");
};

const numberOf = (text: string): number => {
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("must be a number above 0");
};

const rulesText = ({ function: name, pin, weight, p99UnderMs }: PlacementRules): string => {
  const where = pin === null ? "free" : `pinned, ${percentText(pin)} at storage`;
  return `${name}: ${where}, weight ${weight}${p99UnderMs === null ? "" : `, p99 under ${p99UnderMs} ms`}`;
};

const overviewText = ({ controller, planVersion, functions, outlook, regret, nodes }: PlacementOverview): string => {
  const heads = ["FUNCTION", "STATE", "AT STORAGE", "CALLS/S", "COMPUTE", "STORAGE", "MOVES", "REVERTS"];
  const rows = functions.map((one) => [
    one.function,
    one.state,
    percentText(one.share),
    one.callsPerSecond === undefined ? "" : String(Math.round(one.callsPerSecond)),
    ...SIDES.map((side) =>
      one.sides === undefined || one.sides === null ? "" : durationText(one.sides[side].cost.latencyUs),
    ),
    String(one.moves ?? ""),
    String(one.reverts ?? ""),
  ]);
  const lines = [rows.length === 0 ? "no function is planned yet" : columns(heads, rows), ""];
  if (controller === null) lines.push(`no node controls now: the last plan (${planVersion}) holds`);
  else lines.push(`plan ${planVersion}, made by node ${controller} for ${counted(nodes ?? 0, "node")} with calls`);
  if (outlook !== null) {
    const { compute, storage, redis } = outlook.utilisation;
    lines.push(
      `busy: compute cores ${percentText(compute)}, storage cores ${percentText(storage)}, Redis' thread ${percentText(redis)}`,
    );
  }
  if (regret !== null)
    lines.push(`regret: ${percentText(regret)} of what the best shares would give, by what is known`);
  return lines.join("\n");
};

const summaryText = (summary: PlacementSummary): string => {
  const { function: name, state, share, reason, demand, sides, transitions } = summary;
  const lines = [`${name}: ${state}, ${percentText(share)} at storage`];
  if (reason !== undefined) lines.push(reason);
  if (demand !== undefined && demand !== null) {
    const { operations, rounds, bytes, cpuUs } = demand;
    lines.push(
      "",
      `a call: ${counted(amountText(operations), "operation")} in ${counted(amountText(rounds), "round")}, ${counted(amountText(bytes), "byte")}, ${durationText(cpuUs)} of computing`,
    );
  }
  if (sides !== undefined && sides !== null) {
    const longest = Math.max(...SIDES.map((side) => sides[side].cost.latencyUs));
    for (const side of SIDES) {
      const { cost, calls, measuredUs, predictedUs, p99Us } = sides[side];
      const measured =
        measuredUs === null || predictedUs === null
          ? "not visited: predicted"
          : `measured ${durationText(measuredUs)} in the sandbox, predicted ${durationText(predictedUs)}, p99 ${durationText(p99Us ?? 0)}, ${counted(amountText(calls), "call")}`;
      lines.push("", `at ${side}: ${durationText(cost.latencyUs)}  (${measured})`);
      for (const [term, us] of Object.entries(cost.terms) as [keyof LatencyTerms, number][]) {
        lines.push(`  ${term.padEnd(10)} ${durationText(us).padStart(8)}  ${bar(us / longest)}`.trimEnd());
      }
    }
  }
  if (transitions !== undefined && transitions.length > 0) {
    lines.push("", "last changes:", ...transitions.map((one) => `  ${transitionText(one)}`));
  }
  return lines.join("\n");
};

const transitionText = ({ atMs, from, to, fromShare, toShare, why }: Transition): string => {
  const when = new Date(atMs).toISOString();
  const moved = fromShare === toShare ? "" : ` (${percentText(fromShare)} → ${percentText(toShare)} at storage)`;
  return `${when}  ${from} → ${to}${moved}: ${whyText(why)}`;
};

const whyText = (why: Transition["why"]): string => {
  switch (why.kind) {
    case "new":
      return "deployed";
    case "shifted":
      return "its calls are not what they were";
    case "pinned":
      return "pinned by hand";
    case "freed":
      return "freed by hand";
    case "profiled":
      return `${amountText(why.calls)} calls are known`;
    case "latency":
      return `a call takes ${durationText(why.to)} instead of ${durationText(why.from)} (± ${percentText(why.noise)})`;
    case "overload":
      return `the busiest part is at ${percentText(why.to)} instead of ${percentText(why.from)} (± ${percentText(why.noise)})`;
    case "reverted":
      return `promised ${durationText(why.promisedUs)} a call, came ${durationText(why.cameUs)}; tried again in ${durationText(why.retryInMs * 1e3)}`;
    case "probing":
      return `nothing was heard of ${why.side} for long`;
    case "probed":
      return `${why.side} was visited`;
    default:
      return why satisfies never;
  }
};

const bar = (part: number): string => "█".repeat(Math.round(part * BAR_LENGTH));
