// The pictures of `locus simulate --compare --plots`: SVG texts by the names of their files.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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

/** `folder` is made where there is none. */
export const writePlots = (folder: string, plots: Plots): void => {
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of Object.entries(plots)) writeFileSync(join(folder, `${name}.svg`), svg);
};
