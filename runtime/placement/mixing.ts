// What a function works more while both sides serve it than a linear model has it: code and caches are two, and of what would be served together some comes apart.
// Usual for all, and more of one whose split has turned out to cost more.

import { clamp } from "#runtime/clamp.ts";
import { decayOf } from "#runtime/decay.ts";
import { busyUs, type Cost } from "./cost-model.ts";
import { busiestOfCall, type Capacity, type Load } from "./pool-use.ts";

/**
 * What a function works beside computing is so much more where half of its calls are on either side. Of 64 dependent reads the split that promised 1.3 times as
 * much came to 0.6 of what storage alone did, and one with a quarter at compute that promised 1.06 to 0.76, which is as much again. Chosen: a third of that; more of it
 * has surges and slowed cores left a step later.
 */
const USUAL = 0.3;
/** What is beyond this is no mixing: the load was another. */
const SEEN_MAX = 1.5;
/** What calls cost on one side is known after so long there: with a half-life of 2 s. Chosen. */
const KNOWN_AFTER_MS = 2_000;
/** What they cost in a split is held against that from then on, and no longer: later it may have changed by itself. Chosen. */
const SEEN_FROM_MS = 300;
const SEEN_UNTIL_MS = 4_000;
/** What is seen for so long weighs as much as 0.63 of all: costs follow slowly. Chosen. */
const SEEN_TAU_MS = 1_000;
/** Half of what was seen is forgotten: some time a split is tried again. Chosen. */
const HALF_LIFE_MS = 120_000;
/** What is split by less is hardly split: to have both sides work for a function costs more than so small a part of it brings. Chosen; bench `placement` measures it. */
export const SPLIT_MIN = 0.1;

type Costs = Load["costs"];

/** What is remembered of one function. */
export interface Mixing {
  /** As `excessOf`, and when it was seen last; null: it never was, or its calls are others. */
  readonly seen: { readonly excess: number; readonly atMs: number } | null;
  /** Its share, and since when it is known to be that, trials aside; null: it is not. */
  readonly place: { readonly share: number; readonly sinceMs: number } | null;
  /** What its calls cost when it left one side for both, when that was, and until when what it costs in both is counted; null: it has not, or was not there for long enough. */
  readonly left: { readonly costs: Costs; readonly atMs: number; readonly countedMs: number } | null;
}

export const NO_MIXING: Mixing = { seen: null, place: null, left: null };

/** What is worked more where half of the calls are on either side, as a part of what the linear model has. */
export function excessOf({ seen }: Mixing, costs: Costs, nowMs: number): number {
  const usual = usualExcess(costs);
  if (seen === null) return usual;
  return usual + Math.max(0, seen.excess - usual) * decayOf(nowMs - seen.atMs, HALF_LIFE_MS);
}

function usualExcess(costs: Costs): number {
  const beside = (cost: Cost): number => 1 - Math.min(1, cost.terms.cpu / Math.max(1e-9, busyUs(cost)));
  return USUAL * Math.min(beside(costs.compute), beside(costs.storage));
}

/** So many times as much is worked under a share. */
export const mixedTimes = (excess: number, share: number): number => 1 + excess * 4 * share * (1 - share);

/** After a move from one share to another, no trial. */
export function mixingAfter(
  before: Mixing,
  { from, to, costs, nowMs }: Readonly<{ from: number; to: number; costs: Costs; nowMs: number }>,
): Mixing {
  if (isSplit(from)) return before;
  const stayedMs = before.place?.share === from ? nowMs - before.place.sinceMs : 0;
  const isKnown = isSplit(to) && stayedMs >= KNOWN_AFTER_MS;
  return { ...before, left: isKnown ? { costs, atMs: nowMs, countedMs: nowMs } : null };
}

/** What a step finds of a function. */
interface Look {
  /** Its own, whatever is tried for a moment. */
  readonly share: number;
  /** What its calls cost now is told: some come, and nothing is tried with them. */
  readonly isTold: boolean;
  readonly costs: Costs;
  readonly capacity: Capacity;
  /** When its calls came back after the last pause: in some of these nobody looks. */
  readonly resumedMs: number;
  readonly nowMs: number;
}

/** With what a step sees of a split. What calls cost in a trial, or what was known of them in a pause, tells nothing of it. */
export function mixingSeen(before: Mixing, { share, isTold, costs, capacity, resumedMs, nowMs }: Look): Mixing {
  const { seen, left } = before;
  const place = before.place?.share === share ? before.place : { share, sinceMs: nowMs };
  const isOver = left === null || !isSplit(share) || nowMs > left.atMs + SEEN_UNTIL_MS;
  // As of most functions in most steps.
  if (isOver) return place === before.place && left === null ? before : { seen, place, left: null };
  const fromMs = Math.max(left.countedMs, left.atMs + SEEN_FROM_MS, resumedMs);
  const counted = { ...left, countedMs: nowMs };
  if (!isTold || nowMs < fromMs) return { seen, place, left: counted };
  const times = busiestOfCall(costs, share, capacity) / busiestOfCall(left.costs, share, capacity);
  const excess = clamp((times - 1) / (mixedTimes(1, share) - 1), 0, SEEN_MAX);
  const known = excessOf(before, left.costs, nowMs);
  const kept = Math.exp(-(nowMs - fromMs) / SEEN_TAU_MS);
  return { seen: { excess: kept * known + (1 - kept) * excess, atMs: nowMs }, place, left: counted };
}

const isSplit = (share: number): boolean => share >= SPLIT_MIN && share <= 1 - SPLIT_MIN;
