// Several ways of doing the same work, side by side as a small table for a terminal. The first row is the baseline.

import type { Summary } from "#compute/cli/summary.ts";
import { groupedText } from "#runtime/figures.ts";

export interface Way {
  readonly name: string;
  readonly summary: Pick<Summary, "callsPerSecond" | "p50Us" | "p99Us" | "roundsPerCall" | "bytesPerCall">;
}

const HEAD = ["", "calls/s", "ratio", "p50", "p99", "rounds/call", "bytes/call"];
const GAP = "   ";

export function comparisonText(ways: readonly Way[]): string {
  const baseline = ways[0]?.summary.callsPerSecond ?? Number.NaN;
  const rows = [HEAD, ...ways.map((way) => cells(way, baseline))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join(GAP).trimEnd()).join("\n");
}

function cells({ name, summary }: Way, baseline: number): string[] {
  const { callsPerSecond, p50Us, p99Us, roundsPerCall, bytesPerCall } = summary;
  const rounds = roundsPerCall === null ? "–" : groupedText(roundsPerCall);
  const ratio = `${groupedText(callsPerSecond / baseline)}×`;
  return [
    name,
    groupedText(callsPerSecond),
    ratio,
    milliseconds(p50Us),
    milliseconds(p99Us),
    rounds,
    groupedText(bytesPerCall),
  ];
}

const milliseconds = (us: number | null): string => (us === null ? "–" : `${groupedText(us / 1e3)} ms`);
