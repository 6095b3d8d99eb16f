// What one function's calls cost on each side, by measurement where there is one and by the model where there is none.
//
// Calls of one function may differ a thousandfold by their input, so the means of two sides that saw other calls cannot be
// compared: a side that met one hub more would look the dearer one. Therefore demand is pooled over both sides, and a side is
// known by two ratios only, each of what the same calls had: their time to what the model says of them (its slowness), and the
// typical (geometric) mean of their CPU time to that of the other side's.
//
// Slowness does not depend on what the calls need, so it outlives a shift: a function whose calls have changed is known on the
// other side as soon as its new calls are known at all.

import type { FunctionProfile, SideEstimate } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { costOf, type Cost, type CostConstants, type Demand } from "./cost-model.ts";

/** So many calls weigh as much as what was known before them. Chosen, not measured. */
const PRIOR_CALLS = 2;
/** What was known of a side's slowness goes halfway back to the model's in this time. Chosen: probes come more often. */
const SLOWNESS_HALF_LIFE_MS = 30_000;
/** The model's own error where nothing was measured: half of what its benchmark asks of it at most (`predictionErrorMedian`). */
const MODEL_ERROR = 0.12;
/** No measured mean is trusted to less than this. */
const ERROR_MIN = 0.01;
/** Standard deviation of the logarithm of a call's CPU time where too few calls tell. Chosen: calls differ by half. */
const SPREAD = 0.5;
const SPREAD_CALLS_MIN = 3;
/** A side that takes so many times longer or shorter than the model says is believed no further. */
const SLOWNESS_MAX = 10_000;
/** The least slowness is taken for a side's own until a greater one has lasted: it doubles in this time. Chosen. */
const LEAST_DOUBLES_MS = 30_000;

/** What is remembered of a side while its profile comes and goes. */
interface Pace {
  /** Measured time ÷ the model's. */
  readonly slowness: number;
  /** The least of it lately: without a crowd. */
  readonly least: number;
  /** Calls that it was learnt from. */
  readonly calls: number;
  /** When the last of them was heard of. */
  readonly atMs: number;
}

export type Paces = Readonly<Record<Side, Pace | null>>;

export const NO_PACES: Paces = { compute: null, storage: null };

export interface SideCosts {
  /** As believed: the model's, corrected by what was measured. */
  readonly cost: Cost;
  /** Of the calls that were made there: the time in the sandbox that the model says, and what it was; null: there were none. */
  readonly predictedUs: number | null;
  readonly measuredUs: number | null;
  /** Standard error of the cost, as a share of it. */
  readonly error: number;
  /** Calls behind the measurement, and when the last came. */
  readonly calls: number;
  readonly lastMs: number | null;
}

export interface FunctionCosts {
  readonly demand: Demand;
  readonly sides: Readonly<Record<Side, SideCosts>>;
  /** To be given with the next question. */
  readonly paces: Paces;
}

type Estimates = Readonly<Record<Side, SideEstimate | null>>;

/** `remembered`: what the last answer gave. null: no call of it is known. */
export function functionCosts(
  profile: FunctionProfile,
  constants: CostConstants,
  nowMs: number,
  remembered: Paces = NO_PACES,
): FunctionCosts | null {
  const estimates = { compute: profile.estimate("compute", nowMs), storage: profile.estimate("storage", nowMs) };
  const cpuRatio = cpuRatioOf(estimates, constants.storage.cpuRatio);
  const demand = pooledDemand(estimates, cpuRatio);
  if (demand === null) return null;
  const own = { ...constants, storage: { ...constants.storage, cpuRatio } };
  const spread = spreadOf(estimates);
  const of = (side: Side) => {
    const measured = predictionOf(side, estimates[side], own);
    const pace = paceOf(estimates[side], measured, remembered[side]);
    const slowness = { now: slownessNow(pace, nowMs), alone: pace?.least ?? 1 };
    return { costs: sideCosts(side, estimates[side], { demand, spread }, own, measured, slowness), pace };
  };
  const [compute, storage] = [of("compute"), of("storage")];
  return {
    demand,
    sides: { compute: compute.costs, storage: storage.costs },
    paces: { compute: compute.pace, storage: storage.pace },
  };
}

/** CPU time at storage ÷ at compute, of this function: as far as both are known. */
function cpuRatioOf({ compute, storage }: Estimates, usual: number): number {
  if (compute === null || storage === null) return usual;
  const calls = Math.min(compute.calls, storage.calls);
  const measured = storage.logCpu - compute.logCpu;
  return Math.exp((calls * measured + PRIOR_CALLS * Math.log(usual)) / (calls + PRIOR_CALLS));
}

/** What does not depend on the side is known from both, each by its calls. */
function pooledDemand(estimates: Estimates, cpuRatio: number): Demand | null {
  const known = (["compute", "storage"] as const).flatMap((side) => {
    const estimate = estimates[side];
    if (estimate === null) return [];
    return [{ ...estimate, cpuUs: side === "storage" ? estimate.cpuUs / cpuRatio : estimate.cpuUs }];
  });
  const calls = known.reduce((sum, estimate) => sum + estimate.calls, 0);
  if (calls <= 0) return null;
  const pooled = (term: keyof Demand): number =>
    known.reduce((sum, estimate) => sum + estimate.calls * estimate[term], 0) / calls;
  return { operations: pooled("operations"), rounds: pooled("rounds"), bytes: pooled("bytes"), cpuUs: pooled("cpuUs") };
}

/** Standard deviation of the logarithm of a call's CPU time: calls differ as much on one side as on the other. */
function spreadOf(estimates: Estimates): number {
  const known = (["compute", "storage"] as const).flatMap((side) => estimates[side] ?? []);
  const best = known.toSorted((one, other) => other.calls - one.calls)[0];
  return best === undefined || best.calls < SPREAD_CALLS_MIN ? SPREAD : best.logCpuError * Math.sqrt(best.calls);
}

/** What the model says of the calls that were made on the side, in the sandbox; null: there were none. */
function predictionOf(side: Side, estimate: SideEstimate | null, constants: CostConstants): number | null {
  if (estimate === null) return null;
  const { operations, rounds, bytes } = estimate;
  const cpuUs = side === "storage" ? estimate.cpuUs / constants.storage.cpuRatio : estimate.cpuUs;
  const { latencyUs, terms } = costOf(side, { operations, rounds, bytes, cpuUs }, constants);
  return latencyUs - terms.call;
}

/** Learns from calls that are new. */
function paceOf(estimate: SideEstimate | null, predictedUs: number | null, before: Pace | null): Pace | null {
  if (estimate === null || predictedUs === null || (before !== null && estimate.lastMs <= before.atMs)) return before;
  const atMs = estimate.lastMs;
  const measured = clamp(estimate.serviceUs / Math.max(predictedUs, 1), 1 / SLOWNESS_MAX, SLOWNESS_MAX);
  const trust = estimate.calls / (estimate.calls + PRIOR_CALLS);
  const slowness = measured ** trust * slownessNow(before, atMs) ** (1 - trust);
  const passedMs = before === null ? 0 : atMs - before.atMs;
  const least = before === null ? slowness : Math.min(slowness, before.least * 2 ** (passedMs / LEAST_DOUBLES_MS));
  return { slowness, least, calls: Math.max(estimate.calls, before?.calls ?? 0), atMs };
}

const slownessNow = (pace: Pace | null, nowMs: number): number =>
  pace === null ? 1 : pace.slowness ** (2 ** (-Math.max(0, nowMs - pace.atMs) / SLOWNESS_HALF_LIFE_MS));

function sideCosts(
  side: Side,
  estimate: SideEstimate | null,
  { demand, spread }: { readonly demand: Demand; readonly spread: number },
  constants: CostConstants,
  predictedUs: number | null,
  slowness: { readonly now: number; readonly alone: number },
): SideCosts {
  const model = costOf(side, demand, constants);
  const calls = estimate?.calls ?? 0;
  const trust = calls / (calls + PRIOR_CALLS);
  const lockUs = estimate !== null && estimate.operations > 0 ? estimate.lockUs / estimate.operations : null;
  const measuredLock = lockUs ?? constants.storage.lockUs;
  const sandboxUs = model.latencyUs - model.terms.call;
  return {
    cost: {
      ...scaled(model, slowness.now),
      aloneUs: model.terms.call + sandboxUs * slowness.alone,
      redisUs:
        side === "storage"
          ? model.redisUs + trust * demand.operations * (measuredLock - constants.storage.lockUs)
          : model.redisUs,
    },
    predictedUs,
    measuredUs: estimate?.serviceUs ?? null,
    error: Math.max(ERROR_MIN, (trust * spread) / Math.sqrt(Math.max(1, calls)) + (1 - trust) * MODEL_ERROR),
    calls,
    lastMs: estimate?.lastMs ?? null,
  };
}

/**
 * What callers wait for in the sandbox, longer or shorter; what cores and Redis' thread spend was measured as such, or is the model's.
 * Nobody can tell which term a crowd makes longer: it is one of its own.
 */
function scaled(model: Cost, factor: number): Cost {
  const { call, cpu, operations, rounds, bytes } = model.terms;
  const shorter = Math.min(1, factor);
  const sandboxUs = model.latencyUs - call;
  const terms = {
    call,
    cpu: cpu * shorter,
    operations: operations * shorter,
    rounds: rounds * shorter,
    bytes: bytes * shorter,
    crowd: sandboxUs * (factor - shorter),
  };
  return { ...model, terms, latencyUs: call + sandboxUs * factor };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
