// `locus stats`: what the calls of each function came to, on each side, as the node counted them.

import type { Command } from "commander";

import { durationText } from "#runtime/figures.ts";
import type { FunctionStats } from "../node/metrics.ts";
import { nodeOf, type NodeFlags } from "./node-option.ts";
import { columns, printJson, printLine, printNote } from "./output.ts";

export const addStatsCommand = (program: Command): void => {
  program
    .command("stats")
    .description("calls, failures and latencies of each function on each side, through this node since it started")
    .argument("[name]", "of this function only")
    .action(async (name: string | undefined, _flags: unknown, command: Command) => {
      const { node, json } = nodeOf(command.optsWithGlobals<NodeFlags>());
      const stats = await node.stats(name ?? null);
      if (json) printJson(stats);
      else if (stats.length > 0) printLine(columns(HEADS, stats.map(rowOf)));
      else
        printNote(
          `${name ?? "no function"} was ${name === undefined ? "" : "not "}called through this node since it started`,
        );
    });
};

const HEADS = ["FUNCTION", "SIDE", "CALLS", "FAILED", "MEAN", "P50", "P99", "ERRORS"];

const rowOf = ({
  function: name,
  side,
  calls,
  failed,
  meanUs,
  p50Us,
  p99Us,
  errors,
}: FunctionStats): readonly string[] => [
  name,
  side,
  String(calls),
  String(failed),
  ...[meanUs, p50Us, p99Us].map(durationText),
  Object.entries(errors)
    .map(([code, count]) => `${code} ${count}`)
    .join(", "),
];
