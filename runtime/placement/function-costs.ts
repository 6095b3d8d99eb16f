// What one function's calls cost on each side, by measurement where there is one and by the model where there is none.
//
// Calls of one function may differ a thousandfold by their input, so the means of two sides that saw other calls cannot be
// compared: a side that met one hub more would look the dearer one. Therefore demand is pooled over both sides, and a side is
// known by two ratios only, each of what the same calls had: their time to what the model says of them, and the typical (geometric)
// mean of their CPU time to that of the other side's.

import type { FunctionProfile, SideEstimate } from "#runtime/profile/function-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import { costOf, type Cost, type CostConstants, type Demand } from "./cost-model.ts";

/** So many calls weigh as much as the model itself. Chosen, not measured. */
const MODEL_CALLS = 4;
/** The model's own error where nothing was measured: half of what its benchmark asks of it at most (`predictionErrorMedian`). */
const MODEL_ERROR = 0.12;
/** No measured mean is trusted to less than this. */
const ERROR_MIN = 0.01;
/** A side that takes so many times longer or shorter than the model says is believed no further. */
const CORRECTION_MAX = 10_000;

interface SideCosts {
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
  return {
    demand,
    sides: {
      compute: sideCosts("compute", estimates, demand, own),
      storage: sideCosts("storage", estimates, demand, own),
    },
  };
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

function sideCosts(side: Side, estimates: Estimates, demand: Demand, constants: CostConstants): SideCosts {
  const model = costOf(side, demand, constants);
  const estimate = estimates[side];
  if (estimate === null) {
    return { cost: model, predictedUs: null, measuredUs: null, error: MODEL_ERROR, calls: 0, lastMs: null };
  }
  const { operations, rounds, bytes, calls } = estimate;
  const cpuUs = side === "storage" ? estimate.cpuUs / constants.storage.cpuRatio : estimate.cpuUs;
  const ofThoseCalls = costOf(side, { operations, rounds, bytes, cpuUs }, constants);
  const predictedUs = ofThoseCalls.latencyUs - ofThoseCalls.terms.call;
  const trust = calls / (calls + MODEL_CALLS);
  const correction = clamp(estimate.serviceUs / Math.max(predictedUs, 1), 1 / CORRECTION_MAX, CORRECTION_MAX);
  const lockUs = operations > 0 ? estimate.lockUs / operations : constants.storage.lockUs;
  return {
    cost: {
      ...scaled(model, correction ** trust),
      redisUs:
        side === "storage"
          ? model.redisUs + trust * demand.operations * (lockUs - constants.storage.lockUs)
          : model.redisUs,
    },
    predictedUs,
    measuredUs: estimate.serviceUs,
    error: Math.max(ERROR_MIN, trust * estimate.logCpuError + (1 - trust) * MODEL_ERROR),
    calls,
    lastMs: estimate.lastMs,
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
