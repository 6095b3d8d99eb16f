// What `placement` promises, from its rows.

import type { IsWanted } from "../harness/benchmark.ts";
import type { Comparison, Worst } from "../harness/contest.ts";
import type { Ratios } from "../harness/result.ts";
import { PEER_RULES, predictionRow, rowName, type RuleTitle } from "./contestants.ts";
import { MIX_NAMES } from "./mixes.ts";
import { LIFE_TURNS } from "./new-names.ts";
import { SUITE_NAMES } from "./suite.ts";

const STATICS = ["compute", "storage"] as const;
/** A sweep may have found worse than what was there all the time. */
const FIXED = ["oracle", ...STATICS] as const;

interface Network {
  /** Of the rows' names; empty at loopback. */
  readonly suffix: string;
  /** Of the ratios' names. */
  readonly key: string;
}

/** Of a round trip time, µs; 0: loopback. */
export const networkOf = (us: number): Network => {
  if (us === 0) return { suffix: "", key: "" };
  const [text, unit] = us < 1_000 ? [us, "us"] : [us / 1_000, "ms"];
  return { suffix: `, at ${text} ${unit === "us" ? "µs" : unit}`, key: `At${text}${unit}` };
};

/** What can be measured without the rest. */
export const PREDICTION_PART = "prediction";
export const PLACEMENT_PARTS: readonly string[] = [...SUITE_NAMES, ...MIX_NAMES, PREDICTION_PART];

/** `gridUs`: round trip times at which everything is measured; `predictedUs`: the prediction. Of some parts the worst is the worst of these. */
export const placementRatios = (
  gridUs: readonly number[],
  predictedUs: readonly number[],
  isWanted: IsWanted = () => true,
): Ratios => {
  const all = [
    ...gridUs.map((us) => closedRatios(networkOf(us), isWanted)),
    ...(isWanted(PREDICTION_PART) ? predictedUs : []).map((us) => predictionRatio(networkOf(us))),
  ];
  return Object.fromEntries(all.flatMap((ratios) => Object.entries(ratios)));
};

/** `chain-16x50` is `chain16x50`. */
const camelCase = (name: string): string => name.replaceAll(/-(.)/g, (_, next: string) => next.toUpperCase());

function closedRatios({ suffix, key }: Network, isWanted: IsWanted): Ratios {
  const row = (of: string, rule: RuleTitle): string => rowName(of, rule, suffix);
  const auto = (of: string): string => row(of, "auto");
  const rowsOf = (of: string, rules: readonly RuleTitle[]): readonly string[] => rules.map((rule) => row(of, rule));
  const against =
    (of: string, rule: RuleTitle): Comparison["of"] =>
    (value) =>
      value(auto(of)) / value(row(of, rule));
  const againstBest =
    (of: string, rules: readonly RuleTitle[]): Comparison["of"] =>
    (value, { mostOf }) =>
      value(auto(of)) / value(mostOf(rowsOf(of, rules)));
  const more = (of: Comparison["of"], must?: number, aim?: number): Comparison => ({
    better: "more",
    of,
    together: LIFE_TURNS,
    ...(must === undefined ? {} : { must }),
    ...(aim === undefined ? {} : { aim }),
  });
  const each = <Of>(names: readonly string[], title: string, ratioOf: (name: string) => Of): Record<string, Of> =>
    Object.fromEntries(names.map((name) => [`${camelCase(name)}${title}${key}`, ratioOf(name)]));
  const worst = (of: Readonly<Record<string, Comparison>>, must: number, aim: number): Worst => ({
    better: "more",
    must,
    aim,
    worstOf: Object.keys(of),
  });

  const mixes = MIX_NAMES.filter(isWanted);
  const reference = MIX_NAMES[0]!;
  const alone = each(SUITE_NAMES.filter(isWanted), "AutoVsBestStatic", (name) => more(againstBest(name, STATICS)));
  const oracles = each(mixes, "AutoVsOracle", (name) => more(againstBest(name, FIXED)));
  const peers = each(mixes, "AutoVsBestPeerRule", (name) => more(againstBest(name, PEER_RULES)));
  return {
    ...alone,
    ...oracles,
    ...peers,
    ...(Object.keys(alone).length > 0 && { [`autoVsBestStatic${key}`]: worst(alone, 0.93, 0.99) }),
    ...(isWanted(reference) && {
      [`mixAutoVsBestStatic${key}`]: more(againstBest(reference, STATICS), 1.4, 1.63),
      [`mixAutoVsComputeOnly${key}`]: more(against(reference, "compute"), 2, 4.49),
      [`mixAutoVsStorageOnly${key}`]: more(against(reference, "storage"), 1.4, 1.63),
    }),
    ...(mixes.length > 0 && {
      [`autoVsOracle${key}`]: worst(oracles, 0.93, 0.98),
      [`autoVsBestPeerRule${key}`]: worst(peers, 0.97, 1),
      [`autoVsBestPeerRuleMedian${key}`]: { better: "more", must: 1.1, aim: 1.3, medianOf: Object.keys(peers) },
    }),
  };
}

const predictionRatio = ({ suffix, key }: Network): Ratios => ({
  [`predictionErrorMedian${key}`]: {
    better: "less",
    must: 0.25,
    aim: 0.1,
    of: (valueOf) => valueOf(predictionRow(suffix)),
  },
});
