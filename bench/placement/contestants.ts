// The rows of `placement` on one stack: each function alone and each mix, by rule, and the error of the model's predictions.

import type { Measure, Peer } from "../harness/contest.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { medianOf } from "../harness/statistics.ts";
import { watchCpu } from "../harness/processes.ts";
import type { Shares } from "./best-shares.ts";
import type { Phase } from "./load.ts";
import { findBestShares, fixed, measure, partOf, tryShares, weighedParts } from "./measure.ts";
import type { Mix } from "./mixes.ts";
import { LIFE_TURNS, Lives, partsUnder, ruleUnder } from "./new-names.ts";
import { errorOf, type Prediction } from "./prediction.ts";
import type { RuleName } from "./rule-names.ts";
import type { Part } from "./schedule.ts";
import type { SplitStack } from "./split-stack.ts";
import { CALLERS, type Workload } from "./suite.ts";

export interface Times {
  /** Of a function alone. */
  readonly alone: Stretch;
  readonly mixed: Stretch;
  /** Of one try of the oracle's sweep. */
  readonly tryMs: number;
}

interface Stretch {
  /** Before the first measurement of a life, under the same load and rule: code is compiled, and whoever learns does it now. */
  readonly leadInMs: number;
  /** Before each other one: callers have been away since. */
  readonly againMs: number;
  readonly budgetMs: number;
}

/** What a first lead-in comes to in this stretch, with all that is learnt and compiled in it, stands beside what is measured, where it is as long. */
const EARLY_MS = [800, 1_300] as const;

/** All rules that a load is measured under, in this order: the machine's speed drifts, and the first two lie side by side. */
export const RULES = [
  "auto",
  "oracle",
  "compute",
  "storage",
  "ASFP",
  "Kayak",
  "AutoLoc",
  "AutoLoc calibrated",
] as const;
/** Those of a function alone, but for the first with --full. */
export const RULES_ALONE = ["auto", "compute", "storage"] as const;
export const PEER_RULES = ["ASFP", "Kayak", "AutoLoc", "AutoLoc calibrated"] as const;

export type RuleTitle = (typeof RULES)[number];

/** Of a function or a mix under a rule; `suffix` tells the network where it is not loopback. */
export const rowName = (of: string, rule: RuleTitle, suffix = ""): string => `${of}, ${rule}${suffix}`;

export const predictionRow = (suffix = ""): string => `prediction error${suffix}`;

/** In that row, of what callers of a function wait for on that side, by what its calls took on the other one. */
export const predictedDetail = (name: string, toSide: Side): string => `${name} at ${toSide}`;

/** Of what a prediction is made from, as often before it the first time, and such a part again each other time: `sieve` was compiled after 350 ms at compute. */
const WARM_UP_PARTS = 5;
/** Of each function a prediction asks both. */
const SIDES_PREDICTED = 2;
/** Load of the open loop, as a share of what the oracle's shares do: busy, and not so busy that queues decide. */
const OPEN_LOAD = 0.6;

export interface Bench {
  readonly stack: SplitStack;
  readonly suite: readonly Workload[];
  readonly times: Times;
  readonly storageCores: number;
  readonly suffix: string;
}

/** Each of some functions on each side, and where locus puts it. */
export function alonePeers(bench: Bench, workloads: readonly Workload[]): readonly Peer[] {
  return workloads.flatMap((workload) =>
    RULES_ALONE.map((title) => {
      const rule = ruleOf(title, [workload.name], {}, bench);
      const arrivals = { callers: workload.callers };
      const load = { parts: [partOf(workload, 1)], arrivals, rule };
      return peerOf(bench, { of: workload.name, title }, load, bench.times.alone);
    }),
  );
}

/** What is measured under every rule: a mix, or a function alone. */
export interface Weighed {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly callers: number;
  readonly stretch: Stretch;
  /** The fixed shares that suit it best. */
  readonly oracle: Shares;
}

/** Weighs the functions of each mix and looks for the shares that suit it best. */
export async function weighMixes(
  { stack, suite, times: { tryMs, mixed } }: Bench,
  mixes: readonly Mix[],
  say: (text: string) => void,
): Promise<readonly Weighed[]> {
  const weighed: Weighed[] = [];
  for (const { name, functions } of mixes) {
    say(`${name}: weighing it, looking for its best fixed shares`);
    const workloads = functions.map((one) => suite.find((workload) => workload.name === one)!);
    const parts = await weighedParts(stack, workloads, tryMs);
    const oracle = await findBestShares(stack, parts, CALLERS, tryMs);
    weighed.push({ name, parts, callers: CALLERS, stretch: mixed, oracle });
  }
  return weighed;
}

/** The same of functions alone. */
export async function weighAlone(
  { stack, times: { tryMs, alone } }: Bench,
  workloads: readonly Workload[],
  say: (text: string) => void,
): Promise<readonly Weighed[]> {
  const weighed: Weighed[] = [];
  for (const workload of workloads) {
    const { name, callers } = workload;
    say(`${name}: looking for its best fixed shares`);
    const parts = [partOf(workload, 1)];
    const oracle = await findBestShares(stack, parts, callers, tryMs);
    weighed.push({ name, parts, callers, stretch: alone, oracle });
  }
  return weighed;
}

/** `more`: of the rows' names. */
const underAllRules = (
  bench: Bench,
  { name, parts, stretch, oracle }: Weighed,
  arrivals: Phase["arrivals"],
  more = "",
): readonly Peer[] => {
  const functions = parts.map((part) => part.function);
  return RULES.map((title) =>
    peerOf(
      bench,
      { of: name, title, more },
      { parts, arrivals, rule: ruleOf(title, functions, oracle, bench) },
      stretch,
    ),
  );
};

export const ruledPeers = (bench: Bench, weighed: readonly Weighed[]): readonly Peer[] =>
  weighed.flatMap((one) => underAllRules(bench, one, { callers: one.callers }));

/** The same at a rate that does not depend on how fast calls are answered: what a call takes, µs. */
export async function openPeers(bench: Bench, weighed: readonly Weighed[]): Promise<readonly Peer[]> {
  const peers: Peer[] = [];
  for (const one of weighed) {
    const { parts, callers, stretch, oracle } = one;
    const perSecond = await tryShares(bench.stack, parts, callers, oracle, stretch.budgetMs);
    for (const closed of underAllRules(bench, one, { perSecond: OPEN_LOAD * perSecond }, ", open")) {
      const run = async (): Promise<Measure> => {
        const measured = await closed.run();
        return { ...measured, value: measured.p50Us ?? Number.NaN };
      };
      peers.push({ ...closed, unit: "µs", run });
    }
  }
  return peers;
}

/** Of what a caller waits for: the median over all functions, either side predicted from the other. The same of the time in the sandbox alone stands beside each. */
export function predictionPeer({ stack, suite, times, suffix }: Bench): Peer {
  const budgetMs = times.tryMs / 4;
  let warmUpMs = WARM_UP_PARTS * budgetMs;
  const againWarmUpMs = budgetMs / WARM_UP_PARTS;
  const turnMs = (warmUp: number): number => SIDES_PREDICTED * suite.length * (warmUp + budgetMs);
  return {
    name: predictionRow(suffix),
    unit: "of the time",
    turnMs: { first: turnMs(warmUpMs), again: turnMs(againWarmUpMs) },
    run: async () => {
      const errors: number[] = [];
      const details: Record<string, number> = {};
      for (const { name, calls } of suite) {
        const request = { kind: "predict", function: name, calls, warmUpMs, budgetMs, callsMin: 8 } as const;
        for (const one of await stack.load.ask<readonly Prediction[]>(request)) {
          const error = errorOf(one.latency);
          const detail = predictedDetail(name, one.toSide);
          errors.push(error);
          details[detail] = error;
          details[`${detail}, in the sandbox`] = errorOf(one.service);
        }
      }
      warmUpMs = againWarmUpMs;
      return { value: medianOf(errors), details };
    },
  };
}

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
    case "AutoLoc calibrated":
      break;
  }
  return { kind: title };
}

/** Its functions live, and are known by what they did, for some turns. */
function peerOf(
  { stack, suffix }: Bench,
  { of, title, more = "" }: { readonly of: string; readonly title: RuleTitle; readonly more?: string },
  {
    parts,
    arrivals,
    rule,
  }: { readonly parts: readonly Part[]; readonly arrivals: Phase["arrivals"]; readonly rule: RuleName },
  { leadInMs, againMs, budgetMs }: Stretch,
): Peer {
  const name = `${rowName(of, title, suffix)}${more}`;
  const lives = new Lives(
    stack,
    parts.map((part) => part.function),
    LIFE_TURNS,
  );
  let earlyPerSecond: number | null = null;
  const [earlyFromMs, earlyUntilMs] = EARLY_MS;
  return {
    name,
    group: `${of}${suffix}${more}`,
    unit: "calls/s",
    turnMs: { first: leadInMs + budgetMs, again: againMs + budgetMs },
    async run(): Promise<Measure> {
      const { names, isNew } = await lives.next();
      const load = { parts: partsUnder(names, parts), arrivals, rule: ruleUnder(names, rule), memory: name };
      const early = isNew && leadInMs >= earlyUntilMs ? { earlyFromMs, earlyUntilMs } : null;
      const work = () => measure(stack, { ...load, leadInMs: isNew ? leadInMs : againMs, budgetMs, early });
      const { answer, cpuUs } = await watchCpu(stack.processes(), work);
      const { perSecond, p50Us, p99Us, storageShare, probeShare, failed, calls, again } = answer;
      earlyPerSecond = answer.earlyPerSecond ?? earlyPerSecond;
      const details = {
        storageShare,
        probeShare,
        refused: failed,
        again,
        ...(earlyPerSecond === null ? {} : { earlyPerSecond }),
        storageCpuUsPerCall: (cpuUs.redis + cpuUs.storageHost) / calls,
        computeCpuUsPerCall: (cpuUs.load + cpuUs.computeHost) / calls,
      };
      return { value: perSecond, p50Us, p99Us, details };
    },
    end: () => lives.end(),
  };
}
