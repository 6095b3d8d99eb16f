// The keep-alive of least expected cost, from the gaps that were seen. Cost is memory held (GB·s) plus waiting (s) times its price (GB·s per
// second of waiting):
//
//     cost(τ) = m · ( Σ gaps ≤ τ of gap  +  n(gaps > τ) · τ )  +  n(gaps > τ) · (m · T + price · T)
//
// m is an instance's memory in GB, T what a start takes: a gap that outlasts τ costs the memory held in vain, a start's memory and its wait.
// With sums by bucket one pass gives the cost at each bucket's end; between them it only rises.

import type { GapHistogram } from "./idle-gaps.ts";

interface KeepAliveChoice {
  keepAliveMs: number;
  /** Of the gaps seen: memory held (GB·s, starts included) and waiting (s). */
  heldGbSeconds: number;
  waitedSeconds: number;
  /** Of these at the price. */
  cost: number;
}

/** What a gap costs that outlasts the keep-alive: a start, or an instance started ahead. */
export interface MissCost {
  gbSeconds: number;
  waitSeconds: number;
}

export const newKeepAliveChoice = (): KeepAliveChoice => ({
  keepAliveMs: 0,
  heldGbSeconds: 0,
  waitedSeconds: 0,
  cost: 0,
});

/** Kept a little longer than the longest gap that it is for. Chosen. */
const MARGIN = 1.05;
const MARGIN_MS = 2;
/** Fewer gaps say nothing of longer ones. */
const TAIL_GAPS_MIN = 2;

/**
 * Into `choice`, which is reused: this runs often. `neverAgain` is how many gaps are taken to outlast everything: of a function that was seen
 * little, the next call may never come. `looksBeyond`: whether a keep-alive may be longer than all gaps seen. `prior` is what other functions' gaps are, as if so many of them had been seen here.
 */
export function chooseKeepAlive(
  gaps: GapHistogram | undefined,
  prior: GapHistogram | null,
  priorWeight: number,
  neverAgain: number,
  memoryGb: number,
  onMiss: Readonly<MissCost>,
  price: number,
  keepAliveMsMax: number,
  looksBeyond: boolean,
  choice: KeepAliveChoice,
): void {
  const scale = prior === null || prior.gaps === 0 ? 0 : priorWeight / prior.gaps;
  const total = (gaps?.gaps ?? 0) + (scale === 0 ? 0 : priorWeight) + neverAgain;
  const missCost = onMiss.gbSeconds + price * onMiss.waitSeconds;
  let bestCost = total * missCost;
  choice.keepAliveMs = 0;
  choice.heldGbSeconds = total * onMiss.gbSeconds;
  choice.waitedSeconds = total * onMiss.waitSeconds;
  choice.cost = bestCost;
  const first = Math.min(gaps?.first ?? Infinity, scale === 0 ? Infinity : prior!.first);
  const last = Math.max(gaps?.last ?? -1, scale === 0 ? -1 : prior!.last);
  let count = 0;
  let sumMs = 0;
  let longestMs = 0;
  for (let bucket = first; bucket <= last; bucket++) {
    const own = gaps === undefined ? 0 : gaps.count(bucket);
    const others = scale === 0 ? 0 : prior!.count(bucket) * scale;
    if (own + others === 0) continue;
    count += own + others;
    sumMs += (own === 0 ? 0 : gaps!.sumMs(bucket)) + (others === 0 ? 0 : prior!.sumMs(bucket) * scale);
    longestMs = own > 0 ? gaps!.longestMs(bucket) : prior!.longestMs(bucket);
    const keepMs = longestMs * MARGIN + MARGIN_MS;
    if (keepMs > keepAliveMsMax) return;
    const misses = total - count;
    const held = (memoryGb * (sumMs + misses * keepMs)) / 1e3;
    const cost = held + misses * missCost;
    if (cost < bestCost) {
      bestCost = cost;
      choice.cost = cost;
      choice.keepAliveMs = keepMs;
      choice.heldGbSeconds = held + misses * onMiss.gbSeconds;
      choice.waitedSeconds = misses * onMiss.waitSeconds;
    }
  }
  // Nothing is known of anyone: until what is held costs as much as a miss, which is never worse than twice the best (as with renting skis).
  if (count === 0 && looksBeyond) {
    choice.keepAliveMs = Math.min(keepAliveMsMax, (missCost * 1e3) / memoryGb);
    return;
  }
  // Beyond the longest gap of its own. Of so many the next is longer than all with one in so many and one; how much longer is Lindy's guess:
  // longer than t with the longest ÷ t. What is held for those that never end grows with t, what is missed falls: least at their mean.
  if (!looksBeyond || gaps === undefined || gaps.gaps < TAIL_GAPS_MIN) return;
  const breakEvenMs = (missCost * 1e3) / memoryGb;
  const fromMs = gaps.longestMs(gaps.last) * MARGIN + MARGIN_MS;
  if (breakEvenMs <= fromMs || breakEvenMs > keepAliveMsMax) return;
  const tail = gaps.gaps / (gaps.gaps + 1);
  const keepMs = Math.sqrt((fromMs * breakEvenMs * tail) / neverAgain);
  if (keepMs <= fromMs) return;
  const missed = neverAgain + (tail * fromMs) / keepMs;
  const beyondMs = neverAgain * keepMs + tail * fromMs * (1 + Math.log(keepMs / fromMs));
  const held = (memoryGb * (sumMs + beyondMs)) / 1e3;
  const cost = held + missed * missCost;
  const without = (memoryGb * (sumMs + (neverAgain + tail) * fromMs)) / 1e3 + (neverAgain + tail) * missCost;
  if (cost >= without || cost - tail * missCost >= bestCost) return;
  choice.cost = cost;
  choice.keepAliveMs = keepMs;
  choice.heldGbSeconds = held + missed * onMiss.gbSeconds;
  choice.waitedSeconds = missed * onMiss.waitSeconds;
}
