// Loads that do not stay as they are: what changes, when, and what is around it.

import type { SplitStack } from "../placement/split-stack.ts";
import type { Part } from "../placement/schedule.ts";
import { partOf, weighedParts } from "../placement/measure.ts";
import { CALLERS, chainOf, suiteOver, type GraphSpan, type Workload } from "../placement/suite.ts";
import type { Disturbance } from "./disturbances.ts";

/** A stretch of a scenario during which it is the same. */
export interface Stage {
  /** Stages of one kind are alike: the same shares suit them best. */
  readonly kind: string;
  readonly ms: number;
  readonly parts: readonly Part[];
  readonly callers: number;
  /** Whether the scenario's disturbance is at work. */
  readonly disturbed: boolean;
}

/** A hash in which calls are counted that can be: by number. */
export const COUNTS_KEY = "shift:counts";

export interface Scenario {
  readonly name: string;
  /** The first one leads in, and does not count. */
  readonly stages: readonly Stage[];
  readonly disturbance: Disturbance | null;
}

/** Reads of each call, so many that it belongs beside its data, and computing: nothing, or so much that a core more is worth more. */
const FLIP_READS = 64;
const FLIP_COMPUTE_US = 4_000;
/** Time that hashing takes of what both take, each alone on its better side, stage by stage. */
const DRIFT = [0.2, 0.4, 0.6, 0.8, 0.6, 0.4, 0.2];
const CROWD_CALLERS = 48;
const FEW_CALLERS = 2;

/** What the scenarios call: to be deployed before. `light` and `heavy` are one function; it and `count` count their calls. */
export const shiftingWorkloads = (span: GraphSpan) => {
  const suite = suiteOver(span);
  const named = (name: string): Workload => suite.find((one) => one.name === name)!;
  const counted = (name: string, reads: number, computeUs: number): Workload => ({
    ...chainOf(span, reads, computeUs),
    name,
    source: "bench/shift/counted-chain.ts",
  });
  return {
    light: counted("chain-flip", FLIP_READS, 0),
    heavy: counted("chain-flip", FLIP_READS, FLIP_COMPUTE_US),
    walk: named("khop"),
    hash: named("hash-password"),
    count: counted("count", 0, 0),
  };
};

export interface Scale {
  /** Of a stage of the load that flips; Kayak's is 2 s. */
  readonly flipMs: number;
  /** Of a stage of the others. */
  readonly stageMs: number;
  readonly flips: number;
  readonly tryMs: number;
}

export async function scenariosOver(
  stack: SplitStack,
  { light, heavy, walk, hash, count }: ReturnType<typeof shiftingWorkloads>,
  disturbances: Readonly<Record<"neighbour" | "burner", Disturbance>>,
  { flipMs, stageMs, flips, tryMs }: Scale,
): Promise<{ readonly bimodal: Scenario; readonly others: readonly Scenario[] }> {
  const stage = (kind: string, parts: readonly Part[], callers = CALLERS, disturbed = false): Stage => ({
    kind,
    ms: stageMs,
    parts,
    callers,
    disturbed,
  });
  const countedPart = (workload: Workload, weight: number): Part => ({
    ...partOf(workload, weight),
    countedIn: COUNTS_KEY,
  });
  const [lightPart, heavyPart] = [[countedPart(light, 1)], [countedPart(heavy, 1)]];
  const [walkPart, hashPart] = await weighedParts(stack, [walk, hash], tryMs);
  const mixed = (hashShare: number): Part[] => [
    { ...walkPart!, weight: 2 * (1 - hashShare) * walkPart!.weight },
    { ...hashPart!, weight: 2 * hashShare * hashPart!.weight },
  ];
  const even = mixed(0.5);
  const calm = stage("mix", even);
  const disturbed = (kind: string): Stage[] => [calm, calm, stage(kind, even, CALLERS, true), calm];
  const drift = DRIFT.map((hashShare) => {
    // A write, a tenth of all calls.
    const parts = mixed(hashShare);
    const counted = countedPart(count, parts.reduce((sum, { weight }) => sum + weight, 0) / 9);
    return stage(`hash ${hashShare}`, [...parts, counted]);
  });
  const crowd = [stage("few", even, FEW_CALLERS), stage("few", even, FEW_CALLERS), stage("crowd", even, CROWD_CALLERS)];
  return {
    bimodal: {
      name: "bimodal",
      stages: Array.from({ length: flips + 2 }, (_, index) =>
        index % 2 === 0 ? { ...stage("light", lightPart), ms: flipMs } : { ...stage("heavy", heavyPart), ms: flipMs },
      ),
      disturbance: null,
    },
    others: [
      { name: "drift", stages: [drift[0]!, ...drift], disturbance: null },
      { name: "crowd", stages: [...crowd, stage("few", even, FEW_CALLERS)], disturbance: null },
      { name: "neighbour", stages: disturbed("with a neighbour"), disturbance: disturbances.neighbour },
      { name: "slowed", stages: disturbed("slowed"), disturbance: disturbances.burner },
    ],
  };
}
