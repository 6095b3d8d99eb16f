// What one function's calls cost on each side, by measurement where there is one and by the model where there is none.
//
// Calls of one function may differ a thousandfold by their input, so the means of two sides that saw other calls cannot be
// compared: a side that met one hub more would look the dearer one. Therefore demand is pooled over both sides, and a side is
// known by two ratios only, each of what the same calls had: their time to what the model says of them (its slowness), and the
// typical (geometric) mean of their CPU time, or that of a byte, to that of the other side's.
//
// Slowness does not depend on what the calls need, so it outlives a shift: a function whose calls have changed is known on the
// other side as soon as its new calls are known at all. So does the ratio of CPU times, which is known only from calls that run in earnest
// (runtime/profile/warm-up.ts): a visit takes a multiple.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import type { Estimates } from "#runtime/profile/function-profile.ts";
import type { FoundReads } from "#runtime/profile/found-reads.ts";
import type { SideEstimate } from "#runtime/profile/side-estimate.ts";
import type { Side } from "#runtime/profile/sample.ts";
import type { CpuEstimate } from "#runtime/profile/warm-up.ts";
import {
  costOf,
  lockUsOf,
  sandboxUsOf,
  withoutFound,
  type Cost,
  type CostConstants,
  type Demand,
  type Moved,
  type Sent,
} from "./cost-model.ts";

/** So many calls weigh as much as what was known before them. Chosen, not measured. */
const PRIOR_CALLS = 2;
/** What was known of a side goes halfway back to the model's in this time. Chosen: probes come more often. */
const PACE_HALF_LIFE_MS = 30_000;
/** Of the CPU time at compute so much is the function's own computing at least. Chosen: of a chain that computes nothing it is a fifth. */
const COMPUTED_MIN = 0.2;
/** A side that computes so many times faster is believed no further. */
const RATIO_MAX = 100;
/** So few calls in earnest say nothing against those that were not. */
const IN_EARNEST_CALLS_MIN = 8;
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

/** CPU time at storage ÷ at compute. */
interface CpuPace {
  readonly ratio: number;
  /** When the last of the calls that it was learnt from were heard of. */
  readonly atMs: number;
}

/** What the read cache answers at storage of what it may. */
interface FoundPace {
  /** Of the operations, 0 to 1. */
  readonly operations: number;
  /** Of the rounds. */
  readonly rounds: number;
  /** When the last of the calls that it was learnt from were heard of. */
  readonly atMs: number;
}

export interface Paces extends Readonly<Record<Side, Pace | null>> {
  /** null: no calls of both sides could be held against each other. */
  readonly cpu: CpuPace | null;
  /** null: it never ran there. */
  readonly found: FoundPace | null;
}

export const NO_PACES: Paces = { compute: null, storage: null, cpu: null, found: null };

export interface SideCosts {
  /** As believed: the model's, corrected by what was measured. */
  readonly cost: Cost;
  /** Of the calls that were made there: the time in the sandbox that the model says, and what it was; null: there were none. */
  readonly predictedUs: number | null;
  readonly measuredUs: number | null;
  /** What callers of nodes waited beside that, queues aside; null: there were none. */
  readonly measuredCallUs: number | null;
  /** Standard error of the cost, as a share of it. */
  readonly error: number;
  /** Calls behind the measurement, and when the last came. */
  readonly calls: number;
  readonly lastMs: number | null;
}

export interface FunctionCosts {
  readonly demand: Demand;
  /** The same, with the CPU time of a typical call (the geometric mean), which a few that are quite other than the rest do not change. */
  readonly typical: Demand;
  /** Standard error of what a call takes on average, as a share of it: of calls of which few are quite other than the rest it is not known well. */
  readonly meanError: number;
  readonly sides: Readonly<Record<Side, SideCosts>>;
  /** To be given with the next question. */
  readonly paces: Paces;
}

/** `remembered`: what the last answer gave. null: no call of it is known. */
export function functionCosts(
  estimates: Estimates,
  constants: CostConstants,
  nowMs: number,
  remembered: Paces = NO_PACES,
): FunctionCosts | null {
  if (estimates.compute === null && estimates.storage === null) return null;
  const moved = pooledMoved(estimates);
  const found = foundPaceOf(estimates.storage?.foundReads ?? null, constants.storage.found, remembered.found);
  const sentMoved = sentFrom(moved, estimates, foundNow(found, constants.storage.found, nowMs));
  const usualRatio = usualCpuRatio(estimates, moved, sentMoved, constants);
  const cpu = cpuPaceOf(estimates, usualRatio, remembered.cpu);
  const cpuRatio = cpuRatioNow(cpu, usualRatio, nowMs);
  const { cpuUs, logCpu } = pooledCpu(estimates, cpuRatio);
  const demand = { ...moved, cpuUs };
  const sent = { ...sentMoved, cpuUs };
  const known = { demand, sent, spread: spreadOf(estimates), cpuRatio, constants, nowMs };
  const predicted = {
    compute: predictionOf("compute", estimates.compute, known),
    storage: predictionOf("storage", estimates.storage, known),
  };
  const compute = paceOf(estimates.compute, predicted.compute, remembered.compute);
  const storage = paceOf(estimates.storage, predicted.storage, remembered.storage);
  return {
    demand,
    typical: { ...demand, cpuUs: Math.expm1(logCpu) },
    meanError: mostOf(estimates)?.serviceError ?? 0,
    sides: {
      compute: sideCosts("compute", estimates.compute, predicted.compute, compute, known),
      storage: sideCosts("storage", estimates.storage, predicted.storage, storage, known),
    },
    paces: { compute, storage, cpu, found },
  };
}

/** Of one function, whatever the side. */
interface Known {
  readonly demand: Demand;
  /** Of that, what goes to Redis from storage. */
  readonly sent: Demand & Sent;
  readonly spread: number;
  readonly cpuRatio: number;
  readonly constants: CostConstants;
  readonly nowMs: number;
}

/** Learns from calls that are new. */
function foundPaceOf(told: FoundReads | null, usual: number, before: FoundPace | null): FoundPace | null {
  if (told === null || (before !== null && told.lastMs <= before.atMs)) return before;
  const { calls, lastMs: atMs, findableOperations, findableRounds, foundOperations, foundRounds } = told;
  const known = foundNow(before, usual, atMs);
  const trust = calls / (calls + PRIOR_CALLS);
  const partOf = (found: number, all: number, otherwise: number): number =>
    all > 0 ? trust * clamp(found / all, 0, 1) + (1 - trust) * otherwise : otherwise;
  return {
    operations: partOf(foundOperations, findableOperations, known.operations),
    rounds: partOf(foundRounds, findableRounds, known.rounds),
    atMs,
  };
}

/** What was known of it then, on its way back to what is usual. */
function foundNow(pace: FoundPace | null, usual: number, nowMs: number): Omit<FoundPace, "atMs"> {
  if (pace === null) return { operations: usual, rounds: usual };
  const left = decayOf(nowMs - pace.atMs, PACE_HALF_LIFE_MS);
  return {
    operations: usual + left * (pace.operations - usual),
    rounds: usual + left * (pace.rounds - usual),
  };
}

/** CPU time at storage ÷ at compute, where nothing has shown it: of the cores, and without going on after the rounds that are found there. */
function usualCpuRatio(
  estimates: Estimates,
  { rounds }: Moved,
  sent: Sent,
  { compute: { resumeUs }, storage: { cpuRatio } }: CostConstants,
): number {
  const foundUs = (rounds - sent.rounds) * resumeUs;
  if (foundUs <= 0) return cpuRatio;
  const most = mostOf(estimates)!;
  const { cpuUs } = most.inEarnest.calls >= IN_EARNEST_CALLS_MIN ? most.inEarnest : most;
  if (most === estimates.compute) return cpuRatio * Math.max(COMPUTED_MIN, 1 - foundUs / (1 + cpuUs));
  return cpuRatio / (1 + (foundUs * cpuRatio) / (1 + cpuUs));
}

/** Learns from calls that are new. */
function cpuPaceOf(estimates: Estimates, usual: number, before: CpuPace | null): CpuPace | null {
  const { compute, storage } = estimates;
  if (compute === null || storage === null) return before;
  const sinceMs = before?.atMs ?? -Infinity;
  const atMs = Math.max(compute.lastMs, storage.lastMs);
  if (atMs <= sinceMs) return before;
  const known = cpuRatioNow(before, usual, atMs);
  const { calls, ratio } = cpuRatioTold({ compute, storage }, known, sinceMs);
  if (calls <= 0) return before;
  const trust = calls / (calls + PRIOR_CALLS);
  return { ratio: clamp(ratio ** trust * known ** (1 - trust), 1 / RATIO_MAX, RATIO_MAX), atMs };
}

/**
 * Of calls that run in earnest on both sides. Where those of one side do, and the other has been visited since, that other one computes no slower than its visits do, which pay for
 * cold caches besides: that much is believed where it is beyond what is known by two standard errors.
 */
function cpuRatioTold(
  { compute, storage }: Readonly<Record<Side, SideEstimate>>,
  known: number,
  sinceMs: number,
): { readonly calls: number; readonly ratio: number } {
  const both = Math.min(compute.inEarnest.calls, storage.inEarnest.calls);
  if (both >= IN_EARNEST_CALLS_MIN) return { calls: both, ratio: earnestRatio(compute, storage) };
  const isMostHere = compute.inEarnest.calls >= storage.inEarnest.calls;
  const most = isMostHere ? compute : storage;
  const visited = isMostHere ? storage : compute;
  const { calls } = visited;
  const isTold = most.inEarnest.calls >= IN_EARNEST_CALLS_MIN && calls >= IN_EARNEST_CALLS_MIN;
  if (!isTold || visited.lastMs <= sinceMs) return { calls: 0, ratio: known };
  // By how calls differ where many are known: a few that are alike are no proof that all are.
  const slack = 2 * most.logCpuDeviation * Math.sqrt(1 / calls + 1 / most.inEarnest.calls);
  const faster = Math.exp(most.inEarnest.logCpu - visited.logCpu - slack);
  const ratio = visited === compute ? faster : 1 / faster;
  return { calls: (visited === compute ? ratio > known : ratio < known) ? calls : 0, ratio };
}

/** By what each byte takes, whatever the calls were, where CPU time goes with them; else by its typical (geometric) mean, which one hub more on a side hardly moves. */
function earnestRatio(compute: SideEstimate, storage: SideEstimate): number {
  const { inEarnest: here } = compute;
  const { inEarnest: there } = storage;
  const [atCompute, atStorage] = [compute.cpuBesidesBytes, storage.cpuBesidesBytes];
  const besides = here.calls >= there.calls ? (atCompute ?? atStorage) : (atStorage ?? atCompute);
  if (besides === null) return Math.exp(there.logCpu - here.logCpu);
  const perByte = ({ cpuUs, bytes }: CpuEstimate): number => (1 + cpuUs) / (1 + besides + bytes);
  return perByte(there) / perByte(here);
}

const cpuRatioNow = (pace: CpuPace | null, usual: number, nowMs: number): number =>
  pace === null ? usual : faded(pace.ratio, usual, pace.atMs, nowMs);

/** What was known of a side then, on its way back to what is usual. */
const faded = (ratio: number, usual: number, atMs: number, nowMs: number): number =>
  usual * (ratio / usual) ** decayOf(nowMs - atMs, PACE_HALF_LIFE_MS);

/** What does not depend on the side is known from both, each by its calls. */
function pooledMoved({ compute, storage }: Estimates): Moved {
  const part = partOf(compute, storage);
  return {
    operations: pooled(part, compute?.operations, storage?.operations),
    rounds: pooled(part, compute?.rounds, storage?.rounds),
    bytes: pooled(part, compute?.bytes, storage?.bytes),
  };
}

/** Of a call, what goes to Redis from storage. `found`: of what may be found, the parts that are. */
function sentFrom(moved: Moved, { compute, storage }: Estimates, found: Omit<FoundPace, "atMs">): Sent {
  const part = partOf(compute, storage);
  const operations = found.operations * pooled(part, compute?.findableOperations, storage?.findableOperations);
  const rounds = found.rounds * pooled(part, compute?.findableRounds, storage?.findableRounds);
  return withoutFound(moved, { operations, rounds });
}

/** `part`: of the calls, those there. */
const pooled = (part: number, here = 0, there = 0): number => (1 - part) * here + part * there;

/** Of the calls of both sides, those at storage. */
const partOf = (compute: CpuEstimate | null, storage: CpuEstimate | null): number =>
  (storage?.calls ?? 0) / ((compute?.calls ?? 0) + (storage?.calls ?? 0));

/** Of calls of both sides, as at compute: of those that run in earnest, if there are some. */
function pooledCpu({ compute, storage }: Estimates, cpuRatio: number): Pick<CpuEstimate, "cpuUs" | "logCpu"> {
  const earnestHere = compute?.inEarnest ?? NONE;
  const earnestThere = storage?.inEarnest ?? NONE;
  const isEnough = earnestHere.calls + earnestThere.calls >= IN_EARNEST_CALLS_MIN;
  const here = isEnough ? earnestHere : (compute ?? NONE);
  const there = isEnough ? earnestThere : (storage ?? NONE);
  const part = partOf(here, there);
  return {
    cpuUs: (1 - part) * here.cpuUs + (part * there.cpuUs) / cpuRatio,
    logCpu: (1 - part) * here.logCpu + part * (there.logCpu - Math.log(cpuRatio)),
  };
}

const NONE: CpuEstimate = { calls: 0, cpuUs: 0, logCpu: 0, bytes: 0 };

/** Of the side that is known from more calls. */
const mostOf = ({ compute, storage }: Estimates): SideEstimate | null =>
  (compute?.calls ?? 0) >= (storage?.calls ?? 0) ? compute : storage;

/** Standard deviation of the logarithm of a call's CPU time: calls differ as much on one side as on the other. */
function spreadOf(estimates: Estimates): number {
  const most = mostOf(estimates);
  return most === null || most.calls < SPREAD_CALLS_MIN ? SPREAD : most.logCpuError * Math.sqrt(most.calls);
}

/** What the model says of the calls that were made on the side, in the sandbox; null: there were none. */
function predictionOf(side: Side, estimate: SideEstimate | null, { cpuRatio, constants }: Known): number | null {
  if (estimate === null) return null;
  const { cpuUs } = estimate;
  if (side === "compute") return sandboxUsOf(side, estimate, constants, cpuRatio);
  return sandboxUsOf(side, { ...sentBy(estimate), cpuUs: cpuUs / cpuRatio }, constants, cpuRatio);
}

/** By those calls themselves, at storage. */
const sentBy = (estimate: SideEstimate): Sent =>
  withoutFound(estimate, { operations: estimate.foundOperations, rounds: estimate.foundRounds });

/** Learns from calls that are new. */
function paceOf(estimate: SideEstimate | null, predictedUs: number | null, before: Pace | null): Pace | null {
  if (estimate === null || predictedUs === null || (before !== null && estimate.lastMs <= before.atMs)) return before;
  const atMs = estimate.lastMs;
  const measured = clamp(estimate.serviceUs / Math.max(predictedUs, 1), 1 / SLOWNESS_MAX, SLOWNESS_MAX);
  if (!Number.isFinite(measured)) return before;
  const trust = estimate.calls / (estimate.calls + PRIOR_CALLS);
  const slowness = measured ** trust * slownessNow(before, atMs) ** (1 - trust);
  const passedMs = before === null ? 0 : atMs - before.atMs;
  const least = before === null ? slowness : Math.min(slowness, before.least * 2 ** (passedMs / LEAST_DOUBLES_MS));
  return { slowness, least, calls: Math.max(estimate.calls, before?.calls ?? 0), atMs };
}

const slownessNow = (pace: Pace | null, nowMs: number): number =>
  pace === null ? 1 : faded(pace.slowness, 1, pace.atMs, nowMs);

function sideCosts(
  side: Side,
  estimate: SideEstimate | null,
  predictedUs: number | null,
  pace: Pace | null,
  { demand, sent, spread, cpuRatio, constants, nowMs }: Known,
): SideCosts {
  const isAtStorage = side === "storage";
  const calls = estimate?.calls ?? 0;
  const trust = calls / (calls + PRIOR_CALLS);
  const moreLockUs = isAtStorage && estimate !== null ? trust * moreLockUsOf(estimate, sent, constants) : 0;
  const measured = { slowness: slownessNow(pace, nowMs), least: pace?.least ?? 1, moreLockUs };
  return {
    cost: costOf(side, isAtStorage ? sent : demand, constants, cpuRatio, measured),
    predictedUs,
    measuredUs: estimate?.serviceUs ?? null,
    measuredCallUs: estimate?.callUs ?? null,
    error: Math.max(ERROR_MIN, (trust * spread) / Math.sqrt(Math.max(1, calls)) + (1 - trust) * MODEL_ERROR),
    calls,
    lastMs: estimate?.lastMs ?? null,
  };
}

/** How much longer Redis' lock is held for a call than the model says, by how much longer it was for those that there were. */
function moreLockUsOf(estimate: SideEstimate, sent: Sent, { storage }: CostConstants): number {
  const thenUs = lockUsOf(storage, sentBy(estimate));
  const nowUs = lockUsOf(storage, sent);
  // Of calls that sent next to nothing nobody can say how long others would hold it.
  return thenUs > 0 ? estimate.lockUs * Math.min(RATIO_MAX, nowUs / thenUs) - nowUs : 0;
}

/**
 * |predicted − measured| ÷ measured, of what callers wait for, queues aside; of the time in the sandbox alone where all calls came straight to Redis, since nobody sees what
 * else their callers wait for. null: nothing was measured there.
 */
export function predictionErrorOf({ predictedUs, measuredUs, measuredCallUs, cost }: SideCosts): number | null {
  if (predictedUs === null || measuredUs === null || measuredUs <= 0) return null;
  if (measuredCallUs === null) return Math.abs(predictedUs / measuredUs - 1);
  return Math.abs((predictedUs + cost.terms.call) / (measuredUs + measuredCallUs) - 1);
}
