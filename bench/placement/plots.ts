// Pictures of `placement`: what each function and each mix comes to under each rule, as a share of the best row, and how well what a function takes on
// the side where it is not is known.

import type { IsWanted } from "../harness/benchmark.ts";
import type { Row } from "../harness/contest.ts";
import { barPlotSvg } from "#runtime/plot.ts";
import { predictedDetail, predictionRow, rowName, RULES, RULES_ALONE, type RuleTitle } from "./contestants.ts";
import { MIX_NAMES } from "./mixes.ts";
import { SIDES } from "./prediction.ts";
import { networkOf, PREDICTION_PART } from "./ratios.ts";
import { SUITE_NAMES } from "./suite.ts";

/** At loopback, but for what is predicted: at these round trip times, µs. Of what was measured. */
export function placementPlots(
  rows: readonly Row[],
  predictedUs: readonly number[],
  isWanted: IsWanted,
): Readonly<Record<string, string>> {
  const functions = SUITE_NAMES.filter(isWanted);
  const mixes = MIX_NAMES.filter(isWanted);
  return {
    ...(functions.length > 0 && {
      functions: plotOf("Functions alone, as a share of the best of the three", rows, functions, RULES_ALONE),
    }),
    ...(mixes.length > 0 && { mixes: plotOf("Mixes, as a share of the best rule", rows, mixes, RULES) }),
    ...(isWanted(PREDICTION_PART) && { prediction: predictionPlot(rows, predictedUs) }),
  };
}

function plotOf(title: string, rows: readonly Row[], names: readonly string[], rules: readonly RuleTitle[]): string {
  const groups = names.map((name) => {
    const medians = rules.map((rule) => rows.find((row) => row.name === rowName(name, rule))?.median ?? Number.NaN);
    const best = Math.max(...medians.filter(Number.isFinite));
    return { name, bars: Object.fromEntries(rules.map((rule, index) => [rule, medians[index]! / best])) };
  });
  return barPlotSvg({ title, unit: "of best", groups });
}

function predictionPlot(rows: readonly Row[], predictedUs: readonly number[]): string {
  const errorsOf = (us: number): Readonly<Record<string, number>> =>
    rows.find(({ name }) => name === predictionRow(networkOf(us).suffix))?.details ?? {};
  const groups = SUITE_NAMES.map((name) => {
    const bars = predictedUs.map((us): [string, number] => {
      const sum = SIDES.reduce((before, side) => before + (errorsOf(us)[predictedDetail(name, side)] ?? Number.NaN), 0);
      return [us === 0 ? "loopback" : `${us / 1e3} ms`, sum / SIDES.length];
    });
    return { name, bars: Object.fromEntries(bars) };
  });
  return barPlotSvg({
    title: "Error of prediction, mean of both sides, by round trip time",
    unit: "of the time",
    groups,
  });
}
