// What `placement` promises, from its rows.

import type { Comparison, Worst } from "../harness/contest.ts";
import type { Ratios } from "../harness/result.ts";
import { medianOf } from "../harness/statistics.ts";
import { PEER_RULES, predictionRow, rowName, type RuleTitle } from "./contestants.ts";
import { MIXES } from "./mixes.ts";
import { SUITE_NAMES } from "./suite.ts";

type ValueOf = Parameters<Comparison["of"]>[0];

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

/** `gridUs`: round trip times at which everything is measured; `predictedUs`: the prediction. */
export const placementRatios = (gridUs: readonly number[], predictedUs: readonly number[]): Ratios => {
  const all = [
    ...gridUs.map((us) => closedRatios(networkOf(us))),
    ...predictedUs.map((us) => predictionRatio(networkOf(us))),
  ];
  return Object.fromEntries(all.flatMap((ratios) => Object.entries(ratios)));
};

/** `chain-16x50` is `chain16x50`. */
const camelCase = (name: string): string => name.replaceAll(/-(.)/g, (_, next: string) => next.toUpperCase());

function closedRatios({ suffix, key }: Network): Ratios {
  const value = (valueOf: ValueOf, of: string, rule: RuleTitle): number => valueOf(rowName(of, rule, suffix));
  const bestStatic = (valueOf: ValueOf, of: string): number =>
    Math.max(value(valueOf, of, "compute"), value(valueOf, of, "storage"));
  const bestPeer = (valueOf: ValueOf, of: string): number =>
    Math.max(...PEER_RULES.map((rule) => value(valueOf, of, rule)));
  const more = (of: Comparison["of"], must?: number, aim?: number): Comparison => ({
    better: "more",
    of,
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

  const mixes = MIXES.map(({ name }) => name);
  const reference = mixes[0]!;
  const auto = (valueOf: ValueOf, of: string): number => value(valueOf, of, "auto");
  const alone = each(SUITE_NAMES, "AutoVsBestStatic", (name) => more((of) => auto(of, name) / bestStatic(of, name)));
  const oracles = each(mixes, "AutoVsOracle", (name) => more((of) => auto(of, name) / value(of, name, "oracle")));
  const peers = each(mixes, "AutoVsBestPeerRule", (name) => more((of) => auto(of, name) / bestPeer(of, name)));
  return {
    ...alone,
    ...oracles,
    ...peers,
    [`autoVsBestStatic${key}`]: worst(alone, 0.93, 0.99),
    [`mixAutoVsBestStatic${key}`]: more((of) => auto(of, reference) / bestStatic(of, reference), 1.4, 1.63),
    [`mixAutoVsComputeOnly${key}`]: more((of) => auto(of, reference) / value(of, reference, "compute"), 2, 4.49),
    [`mixAutoVsStorageOnly${key}`]: more((of) => auto(of, reference) / value(of, reference, "storage"), 1.4, 1.63),
    [`autoVsOracle${key}`]: worst(oracles, 0.93, 0.98),
    [`autoVsBestPeerRule${key}`]: worst(peers, 0.97, 1),
    [`autoVsBestPeerRuleMedian${key}`]: more(
      (of) => medianOf(mixes.map((name) => auto(of, name) / bestPeer(of, name))),
      1.1,
      1.3,
    ),
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
