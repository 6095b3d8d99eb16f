// The pictures of `locus simulate --compare --plots`: SVG texts by the names of their files.

import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { LocusError } from "#runtime/errors.ts";
import { barPlotSvg } from "#runtime/plot.ts";
import type { Comparison } from "#scheduler/simulator/compare.ts";
import type { Comparison2020 } from "#scheduler/simulator/contest-2020.ts";

type Plots = Readonly<Record<string, string>>;

export const comparisonPlots = ({ reports, hindsight }: Comparison): Plots => {
  const all = [...reports, hindsight];
  const { trace } = hindsight;
  return {
    score: barPlotSvg({
      title: `${trace}: score by policy`,
      unit: "points",
      groups: all.map(({ policy, score }) => ({
        name: policy,
        bars: { memory: score.resourceUsageScore, waiting: score.coldStartTimeScore, both: score.score },
      })),
    }),
    "cold-starts": barPlotSvg({
      title: `${trace}: share of calls that waited, by percentile of functions`,
      unit: "share",
      groups: all.map(({ policy, coldShareOfFunctions }) => ({ name: policy, bars: coldShareOfFunctions })),
    }),
  };
};

export const comparison2020Plots = ({ reports, hindsight }: Comparison2020): Plots => ({
  score: barPlotSvg({
    title: "2020 contest's load: ÷ the reference's, by policy",
    unit: "÷ the reference's",
    groups: [...reports, hindsight].map(({ policy, responseTime, nodeDuration, score }) => ({
      name: policy,
      bars: { "response times": responseTime, "node time": nodeDuration, score },
    })),
  }),
});

/** Where there is none. Throws REQUEST_INVALID where nothing can be written there. */
export const makePlotsFolder = (folder: string): void => {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unwritable(folder, error);
  }
};

/** The files that it has written. Throws REQUEST_INVALID. */
export const writePlots = (folder: string, plots: Plots): readonly string[] =>
  Object.entries(plots).map(([name, svg]) => {
    const file = join(folder, `${name}.svg`);
    try {
      writeFileSync(file, svg);
    } catch (error) {
      throw unwritable(file, error);
    }
    return file;
  });

const unwritable = (path: string, error: unknown): LocusError => {
  const remedy = "Name a folder that can be written to; it is made where there is none.";
  return new LocusError("REQUEST_INVALID", `cannot write pictures to ${path}: ${(error as Error).message}`, {
    remedy,
    cause: error,
  });
};
