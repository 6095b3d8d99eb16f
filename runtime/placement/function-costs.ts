// What one function's calls cost on each side, from measurements where there are some and from the model elsewhere.
//
// Calls of one function may differ a thousandfold by their input, so the means of two sides that saw different
// calls cannot be compared. Therefore demand is pooled over both sides, and each side is described by ratios of
// the same calls: measured ÷ modelled time (slowness), and CPU time at storage ÷ at compute. Ratios do not depend
// on what calls need, so they outlive a shift.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import type { Estimates } from "#runtime/profile/function-profile.ts";
import type { Means } from "#runtime/profile/decayed-sums.ts";
import type { SideEstimate } from "#runtime/profile/side-profile.ts";
import type { Side } from "#runtime/profile/sample.ts";
import {
  costOf,
  lockUsOf,
  sandboxUsOf,
  withoutFound,
  type Cost,
  type CostConstants,
  type Demand,
  type Moved,
} from "./cost-model.ts";

/** So many calls weigh as much as what was known before them. Not sensitive. */
const PRIOR_CALLS = 2;
/** What is remembered of a side returns to the model by half in this time. Not sensitive. */
const PACE_HALF_LIFE_MS = 30_000;
/** So many calls profile a function, and make a side warm: before that no traffic is moved there. */
export const VISITS_MIN = 3;
/** Ratios beyond this, either way, are not believed. */
const RATIO_MAX = 10_000;
/** Fewer calls say nothing about a function. Not sensitive. */
export const KNOWN_CALLS_MIN = 8;
/** Relative standard error of the model. */
const MODEL_ERROR = 0.12;
/** Standard deviation of the logarithm of a call's CPU time, while too few calls tell. */
const SPREAD = 0.5;

/** Remembered while a side's profile comes and goes. Ratios are remembered as logarithms. */
interface Remembered {
  readonly value: number;
  /** When the last call behind it was reported. */
  readonly atMs: number;
}

/** Measured ÷ modelled time in the sandbox. */
interface Pace extends Remembered {
  /** The smallest of late: without waiting for other calls. */
  readonly least: number;
  readonly calls: number;
}

export interface Paces extends Readonly<Record<Side, Pace | null>> {
  /** CPU time at storage ÷ at compute. */
  readonly cpu: Remembered | null;
  /** Fraction (0–1) of cacheable operations that the read cache answers at storage. */
  readonly cached: Remembered | null;
}

export const NO_PACES: Paces = { compute: null, storage: null, cpu: null, cached: null };

/** Enough calls have visited the side of late to compile the function's code there. */
export const isWarmAt = (pace: Pace | null, nowMs: number): boolean =>
  pace !== null && pace.calls >= VISITS_MIN && nowMs - pace.atMs <= PACE_HALF_LIFE_MS;

export interface SideCosts {
  /** The model's, corrected by what was measured. */
  readonly cost: Cost;
  /** Time in the sandbox of the calls that ran there, modelled and measured. null: there were none. */
  readonly predictedUs: number | null;
  readonly measuredUs: number | null;
  /** Time that callers of nodes waited outside the sandbox, queues not counted. null: there were none. */
  readonly measuredCallUs: number | null;
  /** Relative standard error of the cost. */
  readonly error: number;
  /** Calls behind the measurement, and when the last was reported. */
  readonly calls: number;
  readonly lastMs: number | null;
}

export interface FunctionCosts {
  readonly demand: Demand;
  /** The same with the geometric mean of CPU time, which a few unusual calls hardly change. */
  readonly typical: Demand;
  /** Standard deviation of a call's time, as a fraction of its mean. */
  readonly variation: number;
  readonly sides: Readonly<Record<Side, SideCosts>>;
  /** The next call's `remembered`. */
  readonly paces: Paces;
}

/**
 * `remembered`: the paces of the last result. `isFull`: isolates are closed on the side for lack of room.
 * null: no call of the function is known.
 */
export function functionCosts(
  estimates: Estimates,
  constants: CostConstants,
  nowMs: number,
  remembered: Paces = NO_PACES,
  isFull?: Readonly<Record<Side, boolean>>,
): FunctionCosts | null {
  const { compute, storage } = estimates;
  const most = (compute?.calls ?? 0) >= (storage?.calls ?? 0) ? compute : storage;
  if (most === null) return null;
  const { found, cpuRatio: usualRatio } = constants.storage;
  const cached = cachedPaceOf(storage?.foundReads ?? null, found, remembered.cached);
  const cachedPart = recalled(cached, found, nowMs);
  const cpu = cpuPaceOf(estimates, usualRatio, remembered.cpu);
  const cpuRatio = Math.exp(recalled(cpu, Math.log(usualRatio), nowMs));
  const { cpuUs, logCpu } = pooledCpu(estimates, cpuRatio);
  const moved = pooledMoved(estimates);
  const demand = { operations: moved.operations, rounds: moved.rounds, bytes: moved.bytes, cpuUs };
  const foundThere = { operations: moved.findableOperations * cachedPart, rounds: moved.findableRounds * cachedPart };
  const sent = { ...withoutFound(demand, foundThere), cpuUs };
  const spread = most.calls > PRIOR_CALLS ? most.logCpuDeviation : SPREAD;
  const common = { constants, cpuRatio, spread, isFull, nowMs };
  const atCompute = sideCosts("compute", estimates.compute, remembered.compute, { ...common, needed: demand });
  const atStorage = sideCosts("storage", estimates.storage, remembered.storage, { ...common, needed: sent });
  return {
    demand,
    typical: { ...demand, cpuUs: Math.expm1(logCpu) },
    variation: most.serviceError * Math.sqrt(most.calls),
    sides: { compute: atCompute.costs, storage: atStorage.costs },
    paces: { compute: atCompute.pace, storage: atStorage.pace, cpu, cached },
  };
}

interface Known {
  readonly constants: CostConstants;
  readonly cpuRatio: number;
  readonly spread: number;
  readonly isFull: Readonly<Record<Side, boolean>> | undefined;
  readonly nowMs: number;
  /** What a mean call needs on this side. */
  readonly needed: Demand & Moved;
}

function sideCosts(side: Side, estimate: SideEstimate | null, before: Pace | null, known: Known) {
  const { constants, cpuRatio, spread, isFull, nowMs, needed } = known;
  const predictedUs = estimate && sandboxUsOf(side, ranOn(side, estimate, cpuRatio), constants, cpuRatio);
  const pace = paceOf(estimate, predictedUs, before);
  const calls = estimate?.calls ?? 0;
  const trust = trustIn(calls);
  const measured = {
    cpuRatio,
    slowness: Math.exp(recalled(pace, 0, nowMs)),
    least: Math.exp(pace?.least ?? 0),
    moreLockUs: estimate && side === "storage" ? trust * moreLockUsOf(estimate, needed, constants) : 0,
    // With room for it an isolate stays open, so calls wait for that once.
    openingUs: isFull?.[side] === true ? (estimate?.openingUs ?? 0) : 0,
  };
  const costs: SideCosts = {
    cost: costOf(side, needed, constants, measured),
    predictedUs,
    measuredUs: estimate?.serviceUs ?? null,
    measuredCallUs: estimate?.callUs ?? null,
    error: (trust * spread) / Math.sqrt(Math.max(1, calls)) + (1 - trust) * MODEL_ERROR,
    calls,
    lastMs: estimate?.lastMs ?? null,
  };
  return { costs, pace };
}

/** How much so many new calls weigh against what was known before them, 0 to 1. */
const trustIn = (calls: number): number => calls / (calls + PRIOR_CALLS);

/** On its way back to what is usual. */
const recalled = (pace: Remembered | null, usual: number, nowMs: number): number =>
  pace === null ? usual : usual + (pace.value - usual) * decayOf(nowMs - pace.atMs, PACE_HALF_LIFE_MS);

/** After so many new calls. */
function learned(before: Remembered | null, usual: number, measured: number, calls: number, atMs: number): Remembered {
  const known = recalled(before, usual, atMs);
  return { value: known + trustIn(calls) * (measured - known), atMs };
}

const isNew = (lastMs: number, before: Remembered | null): boolean => before === null || lastMs > before.atMs;

const logOf = (ratio: number): number => Math.log(clamp(ratio, 1 / RATIO_MAX, RATIO_MAX));

function cachedPaceOf(reads: Means | null, usual: number, before: Remembered | null): Remembered | null {
  if (reads === null || !isNew(reads.lastMs, before) || !(reads.findableOperations > 0)) return before;
  const found = clamp(reads.foundOperations / reads.findableOperations, 0, 1);
  return learned(before, usual, found, reads.calls, reads.lastMs);
}

function cpuPaceOf({ compute, storage }: Estimates, usual: number, before: Remembered | null): Remembered | null {
  if (compute === null || storage === null) return before;
  const atMs = Math.max(compute.lastMs, storage.lastMs);
  const calls = Math.min(compute.inEarnest.calls, storage.inEarnest.calls);
  if (calls < KNOWN_CALLS_MIN || !isNew(atMs, before)) return before;
  return learned(before, Math.log(usual), logOf(warmRatio(compute, storage)), calls, atMs);
}

function paceOf(estimate: SideEstimate | null, predictedUs: number | null, before: Pace | null): Pace | null {
  if (estimate === null || predictedUs === null || !isNew(estimate.lastMs, before)) return before;
  const { serviceUs, calls, lastMs } = estimate;
  const { value, atMs } = learned(before, 0, logOf(serviceUs / Math.max(predictedUs, 1)), calls, lastMs);
  // The least doubles in a half-life, so that slowness that lasts becomes the side's own.
  const least = before === null ? value : before.least + (Math.LN2 * (atMs - before.atMs)) / PACE_HALF_LIFE_MS;
  return { value, least: Math.min(value, least), calls: Math.max(calls, before?.calls ?? 0), atMs };
}

/** By the geometric mean, which a few dear calls hardly move. */
const warmRatio = (compute: SideEstimate, storage: SideEstimate): number =>
  Math.exp(storage.inEarnest.logCpu - compute.inEarnest.logCpu);

const pooled = (storagePart: number, atCompute = 0, atStorage = 0): number =>
  (1 - storagePart) * atCompute + storagePart * atStorage;

/** Of the calls of both sides. */
const storagePartOf = (compute: { readonly calls: number } | null, storage: typeof compute): number =>
  (storage?.calls ?? 0) / ((compute?.calls ?? 0) + (storage?.calls ?? 0));

/** Means over the calls of both sides. */
function pooledMoved({ compute, storage }: Estimates) {
  const part = storagePartOf(compute, storage);
  return {
    operations: pooled(part, compute?.operations, storage?.operations),
    rounds: pooled(part, compute?.rounds, storage?.rounds),
    bytes: pooled(part, compute?.bytes, storage?.bytes),
    findableOperations: pooled(part, compute?.findableOperations, storage?.findableOperations),
    findableRounds: pooled(part, compute?.findableRounds, storage?.findableRounds),
  };
}

/** CPU time as at compute, of calls of warm code if there are enough. */
function pooledCpu({ compute, storage }: Estimates, cpuRatio: number): Pick<Means, "cpuUs" | "logCpu"> {
  const isWarm = (compute?.inEarnest.calls ?? 0) + (storage?.inEarnest.calls ?? 0) >= KNOWN_CALLS_MIN;
  const here = isWarm ? compute?.inEarnest : compute;
  const there = isWarm ? storage?.inEarnest : storage;
  const part = storagePartOf(here ?? null, there ?? null);
  return {
    cpuUs: pooled(part, here?.cpuUs, (there?.cpuUs ?? 0) / cpuRatio),
    logCpu: pooled(part, here?.logCpu, (there?.logCpu ?? 0) - Math.log(cpuRatio)),
  };
}

/** What the calls that ran on the side needed. */
const ranOn = (side: Side, estimate: SideEstimate, cpuRatio: number): Demand & Moved =>
  side === "compute" ? estimate : { ...sentBy(estimate), cpuUs: estimate.cpuUs / cpuRatio };

/** What the calls that ran at storage sent to Redis. */
const sentBy = (estimate: SideEstimate): Moved =>
  withoutFound(estimate, { operations: estimate.foundOperations, rounds: estimate.foundRounds });

/** Time that a mean call holds Redis' lock beyond the model, by how much longer than modelled the measured calls held it. */
function moreLockUsOf(estimate: SideEstimate, sent: Moved, { storage }: CostConstants): number {
  const [thenUs, nowUs] = [lockUsOf(storage, sentBy(estimate)), lockUsOf(storage, sent)];
  return thenUs > 0 ? estimate.lockUs * Math.min(RATIO_MAX, nowUs / thenUs) - nowUs : 0;
}

/**
 * |predicted − measured| ÷ measured, of what callers wait for, queues not counted. Of the time in the sandbox alone
 * if all calls came straight to Redis. null: nothing was measured there.
 */
export function predictionErrorOf({ predictedUs, measuredUs, measuredCallUs, cost }: SideCosts): number | null {
  if (predictedUs === null || measuredUs === null || measuredUs <= 0) return null;
  if (measuredCallUs === null) return Math.abs(predictedUs / measuredUs - 1);
  return Math.abs((predictedUs + cost.terms.call) / (measuredUs + measuredCallUs) - 1);
}
