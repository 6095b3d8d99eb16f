// A result for people: what each peer came to, then each ratio beside what it must reach and what it aims at.

import { groupedText } from "#runtime/figures.ts";
import { figureOf, type Ratio, type Row } from "./contest.ts";
import type { Ratios, Result } from "./result.ts";

const GAP = "   ";

export function resultText({ bench, commit, machine, config, rows }: Result, ratios: Ratios): string {
  const { cpu, cores, versions, loadAverage } = machine;
  const peers = rows.filter(({ name }) => ratios[name] === undefined);
  const isSmoke = config["mode"] === "smoke";
  const only = config["only"] === undefined ? "" : `, only ${(config["only"] as readonly string[]).join(", ")}`;
  const heads = ["", "ratio", "min – max", ...(isSmoke ? [] : ["must", "", "aim", ""])];
  return [
    `${bench} (${String(config["mode"])}${only}), commit ${commit.slice(0, 12)}${commit.endsWith("-dirty") ? " and changes" : ""}`,
    `${cores} cores of ${cpu}, load ${groupedText(loadAverage)}; Redis ${versions["redis"]}, Node ${versions["node"]}`,
    String(config["sharing"]),
    "",
    aligned([["", "median", "min – max", "", "p50", "p99", "beside"], ...peers.map(peerCells)]),
    "",
    aligned([
      heads,
      ...rows.flatMap((row) => {
        const ratio = ratios[row.name];
        return ratio === undefined ? [] : [ratioCells(row, ratio).slice(0, heads.length)];
      }),
    ]),
    // What a run of seconds came to is held against nothing.
    ...(isSmoke ? ["", "A smoke run shows that the benchmark runs: its figures mean nothing."] : []),
  ].join("\n");
}

const peerCells = ({ name, unit, median, min, max, p50Us, p99Us, details = {} }: Row): string[] => [
  name,
  groupedText(median),
  `${groupedText(min)} – ${groupedText(max)}`,
  unit,
  p50Us === undefined ? "" : `${groupedText(p50Us / 1e3)} ms`,
  p99Us === undefined ? "" : `${groupedText(p99Us / 1e3)} ms`,
  Object.entries(details)
    .map(([detail, value]) => `${detail} ${groupedText(value)}`)
    .join(", "),
];

const ratioCells = (row: Row, ratio: Ratio): string[] => [
  row.name,
  groupedText(figureOf(row, ratio)),
  `${groupedText(row.min)} – ${groupedText(row.max)}`,
  ...verdict(figureOf(row, ratio), ratio, ratio.must),
  ...verdict(figureOf(row, ratio), ratio, ratio.aim),
];

function verdict(value: number, { better }: Ratio, bound: number | undefined): [string, string] {
  if (bound === undefined) return ["", ""];
  const reached = better === "less" ? value <= bound : value >= bound;
  return [`${better === "less" ? "≤" : "≥"} ${bound}`, reached ? "reached" : "short"];
}

/** Names and what stands beside to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isLeft = (column: number): boolean => column === 0 || head[column] === "" || column === head.length - 1;
  const pad = (cell: string, column: number): string =>
    isLeft(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join(GAP).trimEnd()).join("\n");
}
