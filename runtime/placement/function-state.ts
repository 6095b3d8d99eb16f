// What the controller keeps of one function from step to step, and what is settled before the plan is made.

import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import { NO_PACES, VISITS_MIN, type Paces } from "./function-costs.ts";
import { NO_MEMORY, type Memory } from "./memory.ts";
import { NO_OVERFLOW } from "./overflow.ts";
import type { Placement } from "./plan.ts";
import { BACK_UNKNOWN_US } from "./push-back.ts";
import type { Rules, Situation } from "./situation.ts";
import type { Transition, Why } from "./transition.ts";

/** What happened to a function since it was deployed, whoever controlled. */
export interface Counters {
  /** Changes of the share that the calls caused: neither pins nor trials. */
  readonly moves: number;
  /** Moves that were taken back. */
  readonly reverts: number;
  readonly trials: number;
}

export interface FunctionState extends Placement, Counters {
  /** Of the calls that are known; null: none is. */
  readonly version: string | null;
  /** When the calls became what they are: a new version or a shift. */
  readonly sinceMs: number;
  /** What was learnt of both sides; it outlives the profile. */
  readonly paces: Paces;
  readonly memory: Memory;
}

export const FRESH: Omit<FunctionState, "state" | "share"> = {
  version: null,
  probeEvery: 0,
  backCpuUs: BACK_UNKNOWN_US,
  ...NO_OVERFLOW,
  sinceMs: -Infinity,
  moves: 0,
  reverts: 0,
  trials: 0,
  paces: NO_PACES,
  memory: NO_MEMORY,
};

export const countersOf = ({ moves, reverts, trials }: FunctionState): Counters => ({ moves, reverts, trials });

/** What outlives the controller. */
export interface FunctionRecord {
  readonly counters: Counters;
  /** The latest last. */
  readonly transitions: readonly Transition[];
}

export interface Change {
  readonly to: FunctionState;
  /** null: nothing that anyone would ask about. */
  readonly why: Why | null;
}

export const restingState = (share: number): "compute" | "storage" | "split" =>
  share <= 0 ? "compute" : share >= 1 ? "storage" : "split";

/** New, pinned, unpinned, replaced, shifted or profiled: what is so whatever the plan is. */
export function settled(name: string, before: FunctionState | undefined, rules: Rules, situation: Situation): Change {
  const { nowMs, profiles, shifted } = situation;
  const { preferred, pinnedShare } = rules;
  if (pinnedShare !== null) {
    const isNew = before?.state !== "pinned" || before.share !== pinnedShare;
    if (!isNew) return { to: before, why: null };
    const { fromShare: _, ...rest } = { ...FRESH, ...before };
    return {
      to: { ...rest, state: "pinned", share: pinnedShare, probeEvery: 0, backCpuUs: 0, ...NO_OVERFLOW },
      why: { kind: "pinned" },
    };
  }
  if (before === undefined) {
    const share = preferred === "storage" ? 1 : 0;
    return { to: { ...FRESH, state: "profiling", share, sinceMs: nowMs }, why: { kind: "new" } };
  }
  const profile = profiles.get(name);
  const version = profile?.version ?? before.version;
  if (before.version !== null && before.version !== version) return replaced(before, version, nowMs);
  const now = before.version === version ? before : { ...before, version };
  if (now.state === "pinned") {
    const to: FunctionState = { ...now, state: restingState(now.share), backCpuUs: BACK_UNKNOWN_US };
    return { to, why: { kind: "unpinned" } };
  }
  if (shifted.has(name)) {
    const to: FunctionState = { ...now, state: "profiling", sinceMs: nowMs, probeEvery: 0 };
    return { to, why: { kind: "shifted", workTimes: profile?.shiftedTimes ?? 1 } };
  }
  if (now.state !== "profiling") return { to: now, why: null };
  const calls = profiledCalls(profile, nowMs);
  if (calls === null) return { to: now, why: null };
  return { to: { ...now, state: restingState(now.share) }, why: { kind: "profiled", calls } };
}

/** Other code under the same name: nothing that was learnt holds. It stays where it was until it is profiled. */
function replaced(before: FunctionState, version: string | null, nowMs: number): Change {
  const share = before.fromShare ?? before.share;
  const to: FunctionState = { ...FRESH, ...countersOf(before), state: "profiling", share, version, sinceMs: nowMs };
  return { to, why: { kind: "replaced" } };
}

/** null: not enough calls to place the function. */
function profiledCalls(profile: FunctionProfile | undefined, nowMs: number): number | null {
  const { compute, storage } = profile?.estimates(nowMs) ?? { compute: null, storage: null };
  const calls = (compute?.calls ?? 0) + (storage?.calls ?? 0);
  return calls >= VISITS_MIN ? calls : null;
}
