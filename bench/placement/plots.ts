// Pictures of `placement`: what each function and each mix comes to under each rule, as a share of the best row.

import type { Row } from "../harness/contest.ts";
import { barPlotSvg } from "#runtime/plot.ts";
import { rowName, RULES, RULES_ALONE, type RuleTitle } from "./contestants.ts";
import { MIXES } from "./mixes.ts";
import { SUITE_NAMES } from "./suite.ts";

/** At loopback. */
export const placementPlots = (rows: readonly Row[]): Readonly<Record<string, string>> => ({
  functions: plotOf("Functions alone, as a share of the best of the three", rows, SUITE_NAMES, RULES_ALONE),
  mixes: plotOf(
    "Mixes, as a share of the best rule",
    rows,
    MIXES.map(({ name }) => name),
    RULES,
  ),
});

function plotOf(title: string, rows: readonly Row[], names: readonly string[], rules: readonly RuleTitle[]): string {
  const medianOf = (of: string, rule: RuleTitle): number =>
    rows.find((row) => row.name === rowName(of, rule))?.median ?? 0;
  const groups = names.map((name) => {
    const best = Math.max(...rules.map((rule) => medianOf(name, rule)));
    return { name, bars: Object.fromEntries(rules.map((rule) => [rule, medianOf(name, rule) / best])) };
  });
  return barPlotSvg({ title, unit: "of best", groups });
}
