// One function as a step of the controller sees it: what its calls cost, how many come, and whether it may move.

import type { Rates } from "#runtime/profile/rates.ts";
import type { FunctionProfile } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { functionCosts, isWarmAt, type FunctionCosts } from "./function-costs.ts";
import type { FunctionState } from "./function-state.ts";
import { PAUSE_MS } from "./memory.ts";
import { boundedSides, OPEN, type BySide } from "./p99-bound.ts";
import { callsOf, NONE_FIXED, type Capacity, type Load } from "./pool-use.ts";
import { backCpuUs } from "./push-back.ts";
import type { Rules, Situation } from "./situation.ts";

/** A function whose last call was longer ago takes no part. */
export const ACTIVE_MS = 10_000;
/** After a change of shares the calls under way end within this time. Not sensitive. */
export const SETTLE_MS = 75;
/** Callers grow if they are this many times as many as usual. */
export const CALLERS_GROWN_MIN = 1.1;
/** Callers are many if there are so many for each core: then they keep all cores busy whatever they call. */
const CALLERS_PER_CORE_MANY = 2;

export interface FunctionView {
  readonly name: string;
  readonly profile: FunctionProfile;
  readonly state: FunctionState;
  readonly rules: Rules;
  readonly costs: FunctionCosts;
  /** Under the plan, with the bounds of its share. */
  readonly load: Load;
  /** The calls of this moment, if they are far more than usual; else null. */
  readonly surge: Load | null;
  readonly share: number;
  /** The model may change its share. */
  readonly isFree: boolean;
  /** Its callers have stopped: no call has ended for longer than usual. */
  readonly isIdle: boolean;
  readonly isWarm: BySide<boolean>;
  /** The side may not be used: storage is off, or the p99 bound is exceeded. */
  readonly closed: BySide<boolean>;
  /** null: there is no bound, or storage is off. */
  readonly p99Us: BySide<number> | null;
  /** Standard error of the difference between both sides' costs, as a fraction. */
  readonly costError: number;
  /** CPU time that a call was measured to take on each side, probes on cold code included, µs. */
  readonly visitCpuUs: BySide<number>;
}

/** null: the function is not called, or nothing is known of its calls. */
export function viewOf(
  name: string,
  rules: Rules,
  state: FunctionState,
  situation: Situation,
  isFull?: BySide<boolean>,
): FunctionView | null {
  const { profiles, constants, capacity, callersGrown, nowMs, heardMs } = situation;
  const profile = profiles.get(name);
  if (profile === undefined || nowMs - profile.lastMs > ACTIVE_MS) return null;
  const estimates = profile.estimates(nowMs);
  const costs = functionCosts(estimates, constants, nowMs, state.paces, isFull);
  if (costs === null) return null;
  const { compute, storage } = costs.sides;
  const { share, memory } = state;
  const isPlaced = state.state !== "pinned" && state.state !== "profiling";
  const bounded =
    rules.p99UnderUs === null || state.state === "pinned"
      ? { closed: OPEN, p99Us: null, memory }
      : boundedSides(rules.p99UnderUs, share, memory, { profile, costs });
  const hasStorage = capacity.storageCores > 0;
  const closed = hasStorage ? bounded.closed : { compute: false, storage: true };
  const isIdle = hasStopped(profile, share, costs, heardMs);
  const rates = profile.rates.at(nowMs);
  // Callers who wait for answers call more often when calls get shorter. That is no surge.
  const mayBeSurge = !isIdle && (callersGrown >= CALLERS_GROWN_MIN || !areCallersMany(capacity));
  const surge = mayBeSurge ? profile.rates.surge(nowMs) : null;
  // A function that comes back after a pause stays where it was until its rate is known.
  const isResuming = surge === null && memory.sinceMs > state.sinceMs && nowMs - memory.sinceMs < PAUSE_MS;
  const isFree = isPlaced && !isIdle && !isResuming && nowMs - memory.movedMs >= SETTLE_MS;
  // The mean ÷ the geometric mean, which a single huge call hardly moves.
  const typicalTimes = costs.demand.cpuUs / Math.max(1, costs.typical.cpuUs);
  const [lowest, highest] = shareBounds(state, isFree, closed);
  const load: Load = {
    ...(isIdle ? { callsPerSecond: 0, fixedPerSecond: NONE_FIXED } : plannedCalls(rates)),
    costs: { compute: compute.cost, storage: storage.cost },
    weight: rules.weight,
    lowest,
    highest,
  };
  return {
    name,
    profile,
    rules,
    costs,
    load,
    share,
    isFree,
    isIdle,
    closed,
    state: {
      ...state,
      paces: costs.paces,
      memory: bounded.memory,
      backCpuUs: state.state === "pinned" ? 0 : backCpuUs(estimates, state.backCpuUs),
    },
    surge: surge && { ...load, ...plannedCalls(surge) },
    isWarm: {
      // If storage runs nothing there is no other side whose calls could warm up compute.
      compute: !hasStorage || isWarmAt(costs.paces.compute, nowMs),
      storage: isWarmAt(costs.paces.storage, nowMs),
    },
    p99Us: hasStorage ? bounded.p99Us : null,
    costError: Math.hypot(compute.error, storage.error),
    visitCpuUs: {
      compute: typicalTimes * Math.expm1(estimates.compute?.logCpu ?? 0),
      storage: typicalTimes * Math.expm1(estimates.storage?.logCpu ?? 0),
    },
  };
}

export const areCallersMany = ({ callers, computeCores, storageMachineCores }: Capacity): boolean =>
  callers >= CALLERS_PER_CORE_MANY * (computeCores + storageMachineCores);

/** Calls end about as often as they come. A longer gap than there is between a few of them means that none come. */
function hasStopped(profile: FunctionProfile, share: number, { sides }: FunctionCosts, heardMs: number): boolean {
  const { compute, storage } = sides;
  const latencyMs = (share * storage.cost.latencyUs + (1 - share) * compute.cost.latencyUs) / 1e3;
  const betweenMs = 1e3 / Math.max(1e-9, profile.rates.at(profile.rates.lastMs).all);
  return heardMs - profile.rates.lastMs > Math.max(SETTLE_MS, 1.5 * latencyMs, 3 * betweenMs);
}

/** A share that may not move is kept, unless its side is closed. */
function shareBounds({ state, share }: FunctionState, isFree: boolean, closed: BySide<boolean>): [number, number] {
  if (state === "pinned") return [share, share];
  if (closed.storage) return [0, 0];
  if (closed.compute) return [1, 1];
  return isFree ? [0, 1] : [share, share];
}

const plannedCalls = ({ all, fixed }: Rates): Pick<Load, "callsPerSecond" | "fixedPerSecond"> => ({
  callsPerSecond: Math.max(0, all - fixed.compute - fixed.storage),
  fixedPerSecond: fixed,
});

/** Calls in flight by Little's law: a sample of few calls mostly finds none. */
export const callersOf = (views: readonly FunctionView[]): number =>
  views.reduce((sum, { load, share }) => {
    const { compute, storage } = callsOf(load, share);
    return sum + (compute * load.costs.compute.latencyUs + storage * load.costs.storage.latencyUs) / 1e6;
  }, 0);

export const loadsOf = (views: readonly FunctionView[]): readonly Load[] => views.map(({ load }) => load);

export const sharesOf = (views: readonly FunctionView[]): Float64Array =>
  Float64Array.from(views, ({ share }) => share);

export const viewNamed = (views: readonly FunctionView[], name: string): FunctionView =>
  views.find((view) => view.name === name)!;

/** Whether its code is warm where a change would move it. */
export const isWarmFor = (
  views: readonly FunctionView[],
  { name, from, to }: { readonly name: string; readonly from: number; readonly to: number },
): boolean => viewNamed(views, name).isWarm[gainingSide(from, to)];

/** The side that gets more of the calls. */
export const gainingSide = (from: number, to: number): Side => (to > from ? "storage" : "compute");

export const shareAt = (side: Side): number => (side === "storage" ? 1 : 0);
