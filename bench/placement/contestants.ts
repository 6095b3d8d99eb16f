// The rows of `placement` on one stack: each function alone and each mix, by rule, and the error of the model's predictions.

import type { Measure, Peer } from "../harness/contest.ts";
import { medianOf } from "../harness/statistics.ts";
import { watchCpu } from "../harness/processes.ts";
import { bestShares, type Shares } from "./best-shares.ts";
import type { Calls, Phase } from "./load.ts";
import { MIXES, type Mix } from "./mixes.ts";
import { errorOf, type Prediction } from "./prediction.ts";
import { cameOf } from "./rates.ts";
import type { RuleName } from "./rule-names.ts";
import type { Part } from "./schedule.ts";
import type { SplitStack } from "./split-stack.ts";
import { CALLERS, type Workload } from "./suite.ts";

export interface Times {
  /** Before each measurement, under the same load and rule: whoever adapts does it now. */
  readonly leadInMs: number;
  readonly budgetMs: number;
  /** Of one try of the oracle's sweep. */
  readonly tryMs: number;
}

/** Rules that a mix is measured under; a function alone under the first three. */
export const RULES = ["compute", "storage", "auto", "ASFP", "Kayak", "AutoLoc", "oracle"] as const;
export const RULES_ALONE = RULES.slice(0, 3);
export const PEER_RULES = ["ASFP", "Kayak", "AutoLoc"] as const;

export type RuleTitle = (typeof RULES)[number];

/** Of a function or a mix under a rule; `suffix` tells the network where it is not loopback. */
export const rowName = (of: string, rule: RuleTitle, suffix = ""): string => `${of}, ${rule}${suffix}`;

export const predictionRow = (suffix = ""): string => `prediction error${suffix}`;

/** Load of the open loop, as a share of what the oracle's shares do: busy, and not so busy that queues decide. */
const OPEN_LOAD = 0.6;

export interface Bench {
  readonly stack: SplitStack;
  readonly suite: readonly Workload[];
  readonly times: Times;
  readonly storageCores: number;
  readonly suffix: string;
}

const fixed = (shares: Shares): RuleName => ({ kind: "shares", shares });

/** Each function on each side, and where locus puts it. */
export function alonePeers(bench: Bench): readonly Peer[] {
  return bench.suite.flatMap((workload) =>
    RULES_ALONE.map((title) => {
      const rule = ruleOf(title, [workload.name], {}, bench);
      return peerOf(
        bench,
        rowName(workload.name, title, bench.suffix),
        partsOf([workload], [1]),
        workload.callers,
        rule,
      );
    }),
  );
}

export interface WeighedMix {
  readonly mix: Mix;
  readonly parts: readonly Part[];
  readonly oracle: Shares;
}

/** Weighs the functions of each mix and looks for the shares that suit it best. */
export async function weighMixes(bench: Bench, say: (text: string) => void): Promise<readonly WeighedMix[]> {
  const { tryMs } = bench.times;
  const bestAlone = new Map<string, number>();
  const weighed: WeighedMix[] = [];
  for (const mix of MIXES) {
    const workloads = mix.functions.map((name) => bench.suite.find((one) => one.name === name)!);
    for (const workload of workloads) {
      if (bestAlone.has(workload.name)) continue;
      say(`weighing ${workload.name}`);
      const parts = partsOf([workload], [1]);
      const rates: number[] = [];
      for (const share of [0, 1]) {
        rates.push((await run(bench, parts, workload.callers, fixed({ [workload.name]: share }), tryMs)).perSecond);
      }
      bestAlone.set(workload.name, Math.max(...rates));
    }
    // As many calls a second as it makes alone: the same time for each.
    const parts = partsOf(
      workloads,
      mix.functions.map((name) => bestAlone.get(name)!),
    );
    let tries = 0;
    const oracle = await bestShares(mix.functions, async (shares) => {
      say(`${mix.name}: looking for its best fixed shares, try ${(tries += 1)}`);
      return (await run(bench, parts, CALLERS, fixed(shares), tryMs)).perSecond;
    });
    weighed.push({ mix, parts, oracle });
  }
  return weighed;
}

export const mixPeers = (bench: Bench, weighed: readonly WeighedMix[]): readonly Peer[] =>
  weighed.flatMap(({ mix, parts, oracle }) =>
    RULES.map((title) => {
      const rule = ruleOf(title, mix.functions, oracle, bench);
      return peerOf(bench, rowName(mix.name, title, bench.suffix), parts, CALLERS, rule);
    }),
  );

/** The same mixes at a rate that does not depend on how fast they are answered: what a call takes, µs. */
export async function openPeers(bench: Bench, weighed: readonly WeighedMix[]): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const { mix, parts, oracle } of weighed) {
    const { perSecond } = await run(bench, parts, CALLERS, fixed(oracle), bench.times.budgetMs);
    const arrivals = { perSecond: OPEN_LOAD * perSecond };
    for (const title of RULES) {
      const name = `${rowName(mix.name, title, bench.suffix)}, open`;
      const rule = ruleOf(title, mix.functions, oracle, bench);
      peers.push({
        name,
        unit: "µs",
        run: async () => {
          const { p50Us, p99Us, storageShare } = await came(bench, parts, arrivals, rule, name);
          return { value: p50Us, p50Us, p99Us, details: { storageShare } };
        },
      });
    }
  }
  return peers;
}

/** The median over all functions, either side predicted from the other. */
export const predictionPeer = ({ stack, suite, times, suffix }: Bench): Peer => ({
  name: predictionRow(suffix),
  unit: "of the time",
  run: async () => {
    const errors: [name: string, error: number][] = [];
    for (const { name, calls } of suite) {
      const request = { kind: "predict", function: name, calls, budgetMs: times.tryMs / 2, callsMin: 8 } as const;
      for (const one of await stack.load.ask<readonly Prediction[]>(request)) {
        errors.push([`${name} at ${one.toSide}`, errorOf(one)]);
      }
    }
    return { value: medianOf(errors.map(([, error]) => error)), details: Object.fromEntries(errors) };
  },
});

const partsOf = (workloads: readonly Workload[], weights: readonly number[]): readonly Part[] =>
  workloads.map(({ name, calls }, index) => ({ function: name, weight: weights[index]!, calls }));

function ruleOf(title: RuleTitle, functions: readonly string[], oracle: Shares, { storageCores }: Bench): RuleName {
  switch (title) {
    case "compute":
      return fixed({});
    case "storage":
      return fixed(Object.fromEntries(functions.map((name) => [name, 1])));
    case "oracle":
      return fixed(oracle);
    case "ASFP":
      return { kind: title, storageCores };
    case "auto":
    case "Kayak":
    case "AutoLoc":
      break;
  }
  return { kind: title };
}

const peerOf = (bench: Bench, name: string, parts: readonly Part[], callers: number, rule: RuleName): Peer => ({
  name,
  unit: "calls/s",
  run: async (): Promise<Measure> => {
    const work = () => came(bench, parts, { callers }, rule, name);
    const { answer, cpuUs } = await watchCpu(bench.stack.processes(), work);
    const { perSecond, p50Us, p99Us, storageShare, calls } = answer;
    const storageCpuUs = cpuUs.redis + cpuUs.storageHost;
    const computeCpuUs = cpuUs.load + cpuUs.computeHost;
    const details = {
      storageShare,
      storageCpuUsPerCall: storageCpuUs / calls,
      computeCpuUsPerCall: computeCpuUs / calls,
    };
    return { value: perSecond, p50Us, p99Us, details };
  },
});

const run = (bench: Bench, parts: readonly Part[], callers: number, rule: RuleName, ms: number) =>
  came({ ...bench, times: { ...bench.times, leadInMs: ms / 4, budgetMs: ms } }, parts, { callers }, rule, "try");

/** Rejects where a call fails: what is measured then is something else. */
async function came(
  { stack, times: { leadInMs, budgetMs } }: Bench,
  parts: readonly Part[],
  arrivals: Phase["arrivals"],
  rule: RuleName,
  name: string,
) {
  // A rule that learns goes on from its last turn; fixed shares have nothing to learn.
  const memory = rule.kind === "shares" ? JSON.stringify(rule) : name;
  const phases = [{ ms: leadInMs + budgetMs, parts, arrivals }];
  const calls = await stack.load.ask<Calls>({ kind: "load", phases, rule, memory });
  const answer = cameOf(calls, leadInMs, leadInMs + budgetMs);
  if (calls.firstError !== null) throw new Error(`${name}: a call failed: ${calls.firstError}`);
  return { ...answer, calls: calls.endMs.length };
}
