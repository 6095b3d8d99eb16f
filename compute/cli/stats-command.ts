// `locus stats`: what the calls of each function came to, on each side, as the node counted them.

import type { Command } from "commander";

import { durationText } from "#runtime/figures.ts";
import type { FunctionStats } from "../node/metrics.ts";
import { asksNode, FUNCTION_OR_ALL } from "./node-command.ts";
import { columns } from "./output.ts";

export const addStatsCommand = (program: Command): void => {
  program
    .command("stats")
    .description("calls, failures and latencies of each function on each side, through this node since it started")
    .argument(...FUNCTION_OR_ALL)
    .action(
      asksNode(
        ({ node }, name?: string) => node.stats(name ?? null),
        (stats, [name]) => (stats.length > 0 ? columns(HEADS, stats.map(rowOf)) : { note: noneText(name) }),
      ),
    );
};

const noneText = (name: string | undefined): string =>
  `${name ?? "no function"} was ${name === undefined ? "" : "not "}called through this node since it started`;

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
