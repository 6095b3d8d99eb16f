// What one function's calls cost on each side, by measurement where there is one and by the model where there is none.
//
// Calls of one function may differ a thousandfold by their input, so the means of two sides that saw other calls cannot be
// compared: a side that met one hub more would look the dearer one. Therefore demand is pooled over both sides, and a side is
// known by two ratios only, each of what the same calls had: their time to what the model says of them (its slowness), and the
// typical (geometric) mean of their CPU time to that of the other side's.
//
// Where calls take longer than the model says, a crowd is the reason more often than the side: the same neighbours slow both. So a
// side of which little was heard lately is taken to be as slow as the other, until a few visits have told better.

import type { FunctionProfile, SideEstimate } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { costOf, type Cost, type CostConstants, type Demand } from "./cost-model.ts";

/** So many calls weigh as much as the model itself. Chosen, not measured. */
const MODEL_CALLS = 4;
/** A side's slowness is news: what was measured counts half as much after this time. Chosen: probes come as often. */
const SLOWNESS_HALF_LIFE_MS = 5_000;
/** The model's own error where nothing was measured: half of what its benchmark asks of it at most (`predictionErrorMedian`). */
const MODEL_ERROR = 0.12;
/** No measured mean is trusted to less than this. */
const ERROR_MIN = 0.01;
/** A side that takes so many times longer or shorter than the model says is believed no further. */
const CORRECTION_MAX = 10_000;

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
}

type Estimates = Readonly<Record<Side, SideEstimate | null>>;

/** null: no call of it is known. */
export function functionCosts(profile: FunctionProfile, constants: CostConstants, nowMs: number): FunctionCosts | null {
  const estimates = { compute: profile.estimate("compute", nowMs), storage: profile.estimate("storage", nowMs) };
  const cpuRatio = cpuRatioOf(estimates, constants.storage.cpuRatio);
  const demand = pooledDemand(estimates, cpuRatio);
  if (demand === null) return null;
  const own = { ...constants, storage: { ...constants.storage, cpuRatio } };
  const measured = {
    compute: slownessOf("compute", estimates.compute, own, nowMs),
    storage: slownessOf("storage", estimates.storage, own, nowMs),
  };
  return {
    demand,
    sides: {
      compute: sideCosts("compute", estimates.compute, demand, own, [measured.compute, measured.storage]),
      storage: sideCosts("storage", estimates.storage, demand, own, [measured.storage, measured.compute]),
    },
  };
}

/** How much longer the calls on a side took than the model says of the same calls. */
interface Slowness {
  /** Of those calls, in the sandbox; null: there were none. */
  readonly predictedUs: number | null;
  readonly factor: number;
  /** How far it is believed, 0 to 1. */
  readonly trust: number;
}

function slownessOf(side: Side, estimate: SideEstimate | null, constants: CostConstants, nowMs: number): Slowness {
  if (estimate === null) return { predictedUs: null, factor: 1, trust: 0 };
  const { operations, rounds, bytes, calls, lastMs } = estimate;
  const cpuUs = side === "storage" ? estimate.cpuUs / constants.storage.cpuRatio : estimate.cpuUs;
  const { latencyUs, terms } = costOf(side, { operations, rounds, bytes, cpuUs }, constants);
  const predictedUs = latencyUs - terms.call;
  const factor = clamp(estimate.serviceUs / Math.max(predictedUs, 1), 1 / CORRECTION_MAX, CORRECTION_MAX);
  const fresh = calls * 2 ** (-Math.max(0, nowMs - lastMs) / SLOWNESS_HALF_LIFE_MS);
  return { predictedUs, factor, trust: fresh / (fresh + MODEL_CALLS) };
}

/** CPU time at storage ÷ at compute, of this function: as far as both are known. */
function cpuRatioOf({ compute, storage }: Estimates, usual: number): number {
  if (compute === null || storage === null) return usual;
  const calls = Math.min(compute.calls, storage.calls);
  const measured = storage.logCpu - compute.logCpu;
  return Math.exp((calls * measured + MODEL_CALLS * Math.log(usual)) / (calls + MODEL_CALLS));
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

function sideCosts(
  side: Side,
  estimate: SideEstimate | null,
  demand: Demand,
  constants: CostConstants,
  [own, other]: readonly [Slowness, Slowness],
): SideCosts {
  const { trust, predictedUs } = own;
  const model = costOf(side, demand, constants);
  const slowness = own.factor ** trust * other.factor ** (other.trust * (1 - trust));
  const lockUs = estimate !== null && estimate.operations > 0 ? estimate.lockUs / estimate.operations : null;
  const measuredLock = lockUs ?? constants.storage.lockUs;
  return {
    cost: {
      ...scaled(model, slowness),
      redisUs:
        side === "storage"
          ? model.redisUs + trust * demand.operations * (measuredLock - constants.storage.lockUs)
          : model.redisUs,
    },
    predictedUs,
    measuredUs: estimate?.serviceUs ?? null,
    error: Math.max(ERROR_MIN, trust * (estimate?.logCpuError ?? 0) + (1 - trust) * MODEL_ERROR),
    calls: estimate?.calls ?? 0,
    lastMs: estimate?.lastMs ?? null,
  };
}

/** Scales what callers wait for in the sandbox; what cores and Redis' thread spend was measured as such, or is the model's. */
function scaled(model: Cost, factor: number): Cost {
  const { call, cpu, operations, rounds, bytes } = model.terms;
  const terms = {
    call,
    cpu: cpu * factor,
    operations: operations * factor,
    rounds: rounds * factor,
    bytes: bytes * factor,
  };
  return { ...model, terms, latencyUs: call + (model.latencyUs - call) * factor };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
