// One measurement on a split stack: a load under a rule, and what came of it.

import { bestShares, type Shares } from "./best-shares.ts";
import { assertOnlyRefused, type Calls, type Phase } from "./load.ts";
import { weightsOf } from "./mixes.ts";
import { cameOf, type Came } from "./rates.ts";
import type { RuleName } from "./rule-names.ts";
import type { Part } from "./schedule.ts";
import type { SplitStack } from "./split-stack.ts";
import type { Workload } from "./suite.ts";

export interface Measurement {
  readonly parts: readonly Part[];
  readonly arrivals: Phase["arrivals"];
  readonly rule: RuleName;
  /** Under this a rule goes on from its last turn, with what it has learnt that is not of functions, or of those that it knows. */
  readonly memory: string;
  /** Before what is measured, under the same load and rule: whoever adapts does it now. */
  readonly leadInMs: number;
  readonly budgetMs: number;
  /** What this stretch of the lead-in comes to is told as well. */
  readonly early?: { readonly earlyFromMs: number; readonly earlyUntilMs: number } | null;
}

/** On a machine that others share a core is away for seconds at times, and whoever calls then waits until his deadline: that is measured again, so often at most. */
const AGAIN_MAX = 2;

interface Measured extends Came {
  readonly calls: number;
  readonly earlyPerSecond: number | null;
  /** How often it was measured before, in vain. */
  readonly again: number;
}

/** Calls failed, by nothing but their deadlines. */
const areLate = ({ firstErrors }: Calls): boolean => Object.keys(firstErrors).join() === "DEADLINE_EXCEEDED";

/** Rejects where a call fails, other than because nobody waits until the node has room: what is measured then is something else. */
export async function measure(
  { load }: SplitStack,
  { parts, arrivals, rule, memory, leadInMs, budgetMs, early = null }: Measurement,
): Promise<Measured> {
  const phases = [{ ms: leadInMs + budgetMs, parts, arrivals }];
  const ask = (): Promise<Calls> => load.ask<Calls>({ kind: "load", phases, rule, memory });
  let [calls, again] = [await ask(), 0];
  if ("callers" in arrivals) for (; again < AGAIN_MAX && areLate(calls); again++) calls = await ask();
  assertOnlyRefused(memory, calls, arrivals);
  const came = (fromMs: number, toMs: number): Came => cameOf(calls, parts, fromMs, toMs);
  const earlyPerSecond = early === null ? null : came(early.earlyFromMs, early.earlyUntilMs).perSecond;
  return { ...came(leadInMs, leadInMs + budgetMs), calls: calls.endMs.length, earlyPerSecond, again };
}

export const fixed = (shares: Shares): RuleName => ({ kind: "shares", shares });

/** Calls per second under fixed shares, by a short try. */
export async function tryShares(
  stack: SplitStack,
  parts: readonly Part[],
  callers: number,
  shares: Shares,
  tryMs: number,
): Promise<number> {
  const times = { leadInMs: tryMs / 4, budgetMs: tryMs };
  const memory = JSON.stringify(shares);
  return (await measure(stack, { parts, arrivals: { callers }, rule: fixed(shares), memory, ...times })).perSecond;
}

/** The best fixed shares, by many of them. */
export const findBestShares = (
  stack: SplitStack,
  parts: readonly Part[],
  callers: number,
  tryMs: number,
): Promise<Shares> =>
  bestShares(
    parts.map(({ function: name }) => name),
    (shares) => tryShares(stack, parts, callers, shares, tryMs),
  );

export const partOf = ({ name, calls, works }: Workload, weight: number): Part => ({
  function: name,
  weight,
  calls,
  works,
});

/** Parts of a mix in which each function, alone on its better side, takes the same time. */
export async function weighedParts(
  stack: SplitStack,
  workloads: readonly Workload[],
  tryMs: number,
): Promise<readonly Part[]> {
  const weights = await weightsOf(workloads, (workload, callers, share) =>
    tryShares(stack, [partOf(workload, 1)], callers, { [workload.name]: share }, tryMs),
  );
  return workloads.map((workload, index) => partOf(workload, weights[index]!));
}
